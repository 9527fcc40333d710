//! What the system still owes a client: bytes that were written and that the client's system has not
//! acknowledged.

use std::os::fd::AsFd;

use nix::libc::{self, IPPROTO_TCP, TCP_INFO};
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, sockopt_impl};

const FIN_WAIT2: u8 = 5;
const TIME_WAIT: u8 = 6;
const CLOSE: u8 = 7;

/// The beginning of the kernel's `struct tcp_info`, up to what is read here. Linux 4.6 has it all.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
#[expect(unreachable_pub, reason = "the option that the macro makes is public, and so its value")]
pub struct Info {
    state: u8,
    flags: [u8; 7],
    rto: u32,
    ato: u32,
    send_mss: u32,
    receive_mss: u32,
    unacked: u32,
    counts: [u32; 19],
    rates: [u64; 4],
    segments: [u32; 2],
    unsent: u32,
    min_rtt: u32,
}

sockopt_impl!(TcpInfo, GetOnly, IPPROTO_TCP, TCP_INFO, Info);

/// How many bytes are owed; those that were sent and not acknowledged are counted by segments. Our FIN
/// counts as one too: when nothing is owed after it, the client's system has everything.
pub(crate) fn owed(socket: &impl AsFd) -> u64 {
    // A socket that cannot be asked is broken, and nothing more of it will arrive.
    let Ok(info) = getsockopt(&socket.as_fd(), TcpInfo) else { return 0 };
    match info.state {
        FIN_WAIT2 | TIME_WAIT | CLOSE => 0,
        _ => u64::from(info.unsent) + u64::from(info.unacked) * u64::from(info.send_mss),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        (server, client)
    }

    fn wait_for_nothing_owed(socket: &TcpStream) {
        let began = Instant::now();
        while owed(socket) > 0 {
            assert!(began.elapsed() < Duration::from_secs(10), "{} owed", owed(socket));
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_the_client_did_not_take_is_owed_until_it_has_it() {
        let (mut server, mut client) = pair();
        while server.write(&[0; 65536]).is_ok() {}
        assert!(owed(&server) > 65536);
        server.shutdown(Shutdown::Write).unwrap();
        assert!(owed(&server) > 65536);
        client.read_to_end(&mut Vec::new()).unwrap();
        wait_for_nothing_owed(&server);
    }

    #[test]
    fn nothing_is_owed_to_a_client_that_is_gone() {
        let (mut server, client) = pair();
        while server.write(&[0; 65536]).is_ok() {}
        drop(client);
        wait_for_nothing_owed(&server);
    }
}
