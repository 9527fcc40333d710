//! What other processes of the same user may see of the service.

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

/// Commands run as the user of the service, and its tokens are in its environment and its memory: from
/// now on the kernel shows neither to them, and lets no debugger in. It also writes no core dump. And
/// neither the service nor a command can gain rights by a program that is setuid.
///
/// To be called before there is a second thread: it holds for those that are started later.
pub(crate) fn keep() -> io::Result<()> {
    set_no_new_privs(true)?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}
