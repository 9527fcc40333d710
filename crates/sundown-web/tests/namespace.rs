//! As in a pod: the server's network namespace is deleted when its process ends. What its clients had not
//! received by then would be lost.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use sundown_drill::cargo::example;
use sundown_drill::process::{Process, Signal};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const HOST: &str = "10.213.77.1";
const SERVER: &str = "10.213.77.2";
/// The answers that fit the deadline, and those that do not.
const FIT: usize = 110;
const DO_NOT_FIT: usize = 3;
const ANSWER: usize = 1 << 20;
/// A client's system takes little in advance.
const BUFFER: usize = 16 << 10;

fn ip(arguments: &str) -> bool {
    let command = Command::new("ip").args(arguments.split_whitespace()).output();
    command.expect("`ip` is of iproute2").status.success()
}

/// A network namespace with a way into it, deleted with this.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        let id = std::process::id();
        let namespace = Namespace(format!("sundown-{id}"));
        let (name, outside, inside) =
            (&namespace.0, format!("sda{}", id % 100_000), format!("sdb{}", id % 100_000));
        for step in [
            format!("netns add {name}"),
            format!("link add {outside} type veth peer name {inside} netns {name}"),
            format!("addr add {HOST}/30 dev {outside}"),
            format!("link set {outside} up"),
            format!("-n {name} addr add {SERVER}/30 dev {inside}"),
            format!("-n {name} link set {inside} up"),
            format!("-n {name} link set lo up"),
        ] {
            assert!(ip(&step), "ip {step}");
        }
        namespace
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.0));
    }
}

/// Asks for the answer and reads it slowly: how many bytes of it came. Says when it has the first.
async fn read_slowly(address: String, fits: bool, begun: mpsc::Sender<()>) -> usize {
    // 1 MiB in about 3 s, or in more than 50 s.
    let (piece, pause) = if fits { (BUFFER, 40) } else { (2 << 10, 100) };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(BUFFER).unwrap();
    socket.connect(&address.parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(socket.into()).unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (mut length, mut buffer) = (0, vec![0; piece]);
    loop {
        // A reset or silence ends it too: what counts is what came.
        let n = timeout(PATIENCE, stream.read(&mut buffer)).await.map_or(0, |n| n.unwrap_or(0));
        if n == 0 {
            return length;
        }
        if length == 0 {
            begun.send(()).await.unwrap();
        }
        length += n;
        sleep(Duration::from_millis(pause)).await;
    }
}

#[tokio::test]
async fn answers_that_fit_the_deadline_outlive_the_network_of_the_server() {
    let namespace = Namespace::new();
    let mut server = Process::new("ip")
        .args(["netns", "exec", &namespace.0])
        .arg(example("sundown-web", "hello").unwrap())
        .arg(format!("{SERVER}:8080"))
        .env("GRACEFUL_SHUTDOWN_TIMEOUT", "24")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .spawn()
        .unwrap();
    server.wait_for_line(|line| line.starts_with("serving on "), PATIENCE).unwrap();
    let (begun, mut has_begun) = mpsc::channel(FIT + DO_NOT_FIT);
    let mut clients = JoinSet::new();
    for number in 0..FIT + DO_NOT_FIT {
        let fits = number < FIT;
        let (address, begun) = (format!("{SERVER}:8080"), begun.clone());
        clients.spawn(async move { (fits, read_slowly(address, fits, begun).await) });
    }
    for _ in 0..FIT + DO_NOT_FIT {
        has_begun.recv().await.unwrap();
    }
    server.signal(Signal::Term).unwrap();
    let exit = tokio::task::spawn_blocking(move || {
        let exit = server.wait(PATIENCE).unwrap();
        drop(namespace);
        exit
    });
    let mut cut = 0;
    while let Some(client) = clients.join_next().await {
        let (fits, length) = client.unwrap();
        cut += usize::from(fits && length < ANSWER);
        // Those that do not fit hang in a network that is gone: enough was seen when the others are done.
        if clients.len() <= DO_NOT_FIT {
            break;
        }
    }
    let exit = exit.await.unwrap();
    assert_eq!(cut, 0, "of {FIT} answers that fit; {}", exit.stdout);
    // Those that take too little are cut at the deadline, or given up before: the report names them all.
    let named = exit.stdout.matches("GET /big from 10.213.77.1:").count();
    assert!(named >= DO_NOT_FIT, "{}{}", exit.stdout, exit.stderr);
}
