//! The signals a shutdown test sends.

use std::fmt;

/// A signal to send to a process under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGTERM: Kubernetes, systemd and Docker ask a service to stop.
    Term,
    /// SIGINT: a person presses Ctrl-C.
    Int,
    /// SIGQUIT: a person presses Ctrl-\.
    Quit,
    /// SIGHUP: the terminal went away, or "reload".
    Hup,
    /// SIGUSR1: whatever the service makes of it.
    Usr1,
    /// SIGKILL: the end, with no chance to clean up.
    Kill,
    /// SIGSTOP: frozen, as by a debugger or an overloaded machine, until [`Signal::Cont`].
    Stop,
    /// SIGCONT: frozen no more.
    Cont,
}

impl Signal {
    /// The same signal in the words of the system.
    pub(super) fn to_system(self) -> rustix::process::Signal {
        match self {
            Self::Term => rustix::process::Signal::TERM,
            Self::Int => rustix::process::Signal::INT,
            Self::Quit => rustix::process::Signal::QUIT,
            Self::Hup => rustix::process::Signal::HUP,
            Self::Usr1 => rustix::process::Signal::USR1,
            Self::Kill => rustix::process::Signal::KILL,
            Self::Stop => rustix::process::Signal::STOP,
            Self::Cont => rustix::process::Signal::CONT,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Term => "SIGTERM",
            Self::Int => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Hup => "SIGHUP",
            Self::Usr1 => "SIGUSR1",
            Self::Kill => "SIGKILL",
            Self::Stop => "SIGSTOP",
            Self::Cont => "SIGCONT",
        })
    }
}
