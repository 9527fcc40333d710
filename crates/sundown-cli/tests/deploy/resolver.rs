//! A server of names that knows one name, as a cluster's does its services.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// A server of names that knows one: it answers until its owner is gone.
pub(crate) struct Names {
    pub(crate) address: Ipv4Addr,
    socket: UdpSocket,
    thread: Option<thread::JoinHandle<Vec<String>>>,
}

impl Names {
    /// On an address of 127.0.0.0/8 that nobody else has: resolvers know no port but 53.
    pub(crate) fn serve(name: &'static str, answer: Ipv4Addr) -> Self {
        let id = std::process::id();
        let byte = |shift: u32, from: u8| {
            let byte = u8::try_from((id >> shift) & 0x7f).unwrap();
            byte.saturating_add(from)
        };
        let found = (0..100).find_map(|attempt| {
            let address = Ipv4Addr::new(127, byte(7, 64), byte(0, 1), 10 + attempt);
            UdpSocket::bind((address, 53)).ok().map(|socket| (address, socket))
        });
        let (address, socket) = found.expect("an address of 127.0.0.0/8 whose port 53 is free");
        let listener = socket.try_clone().unwrap();
        listener.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let thread = thread::spawn(move || answer_all(&listener, name, answer));
        Names { address, socket, thread: Some(thread) }
    }

    /// The names that were asked for.
    pub(crate) fn asked(mut self) -> Vec<String> {
        // An empty one ends it.
        self.socket.send_to(&[], (self.address, 53)).unwrap();
        self.thread.take().unwrap().join().unwrap()
    }
}

fn answer_all(socket: &UdpSocket, name: &str, answer: Ipv4Addr) -> Vec<String> {
    let mut asked = Vec::new();
    let mut packet = [0; 512];
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(120) {
        let Ok((length, client)) = socket.recv_from(&mut packet) else { break };
        let Some(reply) = reply(&packet[..length], name, answer, &mut asked) else { break };
        socket.send_to(&reply, client).unwrap();
    }
    asked
}

/// The answer to one question: an address, nothing of that kind, or no such name.
fn reply(
    question: &[u8],
    name: &str,
    answer: Ipv4Addr,
    asked: &mut Vec<String>,
) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).into_owned());
        at += length;
    }
    let wanted = u16::from_be_bytes([*question.get(at)?, *question.get(at + 1)?]);
    let end = at + 4;
    let is_known = labels.join(".").eq_ignore_ascii_case(name);
    asked.push(labels.join("."));
    let has_address = is_known && wanted == 1;
    let mut reply = question.get(..2)?.to_vec();
    // A response, recursion wanted and available; 3 is: no such name.
    reply.extend([0x81, if is_known { 0x80 } else { 0x83 }]);
    reply.extend([0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
    reply.extend(question.get(12..end)?);
    if has_address {
        // The name above, an address, of the internet, for a minute, in four bytes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(answer.octets());
    }
    Some(reply)
}
