//! A service under a service manager: ready when clients are let in, and stopping from the cause on.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;

use sundown_drill::postgres::{Fsync, Server, Stop};
use sundown_drill::process::Signal;

use crate::service::{PATIENCE, Scratch, serving, sundown};

fn socket(scratch: &Scratch) -> (UnixDatagram, String) {
    let path = scratch.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    (socket, path)
}

fn next(socket: &UnixDatagram) -> String {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).unwrap();
    String::from_utf8(message[..length].to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_when_its_store_is_there_and_not_before() {
    let (scratch, server) = (Scratch::new(), Server::start(Fsync::Off).unwrap());
    server.stop(Stop::Fast).unwrap();
    let (socket, path) = socket(&scratch);
    let process = sundown("serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0")
        .args(["--demo", "--temp-directory", &scratch.path("tmp"), "--store", &server.url()])
        .env("NOTIFY_SOCKET", path)
        .spawn()
        .unwrap();
    process.wait_for_line(|line| line.contains("there is no task store yet"), PATIENCE).unwrap();
    socket.set_nonblocking(true).unwrap();
    let early = socket.recv(&mut [0; 64]).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WouldBlock, "it is not ready yet");
    socket.set_nonblocking(false).unwrap();

    server.resume().unwrap();
    let mut service = serving(process);
    assert_eq!(next(&socket), "READY=1\nSTATUS=serving");
    service.signal(Signal::Term);
    let stopping = next(&socket);
    assert!(stopping.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=10000000\n"), "{stopping}");
    service.ends_with(0);
}
