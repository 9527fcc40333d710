//! Who is let in: by which name, from which page, with which token; and over which listener.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal as Kill, kill_process};

use crate::service::{PATIENCE, Scratch, launch, serving, start};

/// The answer to one request with these headers.
fn asked(address: SocketAddr, line: &str, headers: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let request =
        format!("{line} HTTP/1.1\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn status(address: SocketAddr, line: &str, headers: &str) -> String {
    let answer = asked(address, line, headers).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn on_loopback_a_foreign_name_is_refused_by_both_listeners() {
    let scratch = Scratch::new();
    let service = start(&scratch, "--web-hosts tasks.example.com");
    for (address, path) in [(service.web, "GET /tasks"), (service.admin, "GET /metrics")] {
        for own in ["localhost", "127.0.0.1:8080", "[::1]:1", "tasks.example.com"] {
            assert_eq!(status(address, path, &format!("Host: {own}\r\n")), "200", "{own}");
        }
        let refused = asked(address, path, "Host: rebound.evil.example:8080\r\n").unwrap();
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
        assert!(refused.contains("application/problem+json"), "{refused}");
        assert!(refused.contains("foreign_host"), "{refused}");
    }
    drop(service);
}

#[test]
fn a_page_of_another_site_cannot_write() {
    let scratch = Scratch::new();
    let service = start(&scratch, "");
    let own = format!("Host: {0}\r\nOrigin: http://{0}\r\n", service.web);
    assert_eq!(status(service.web, "POST /tasks/1/discard", &own), "404", "let in, no such task");
    for foreign in [
        "Host: localhost\r\nOrigin: https://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        let refused = asked(service.web, "POST /tasks/1/discard", foreign).unwrap();
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
        assert!(refused.contains("cross_site"), "{refused}");
        assert_eq!(status(service.admin, "POST /shutdown", foreign), "403");
    }
}

#[test]
fn a_wrong_token_is_counted_logged_and_told_from_a_missing_one() {
    let scratch = Scratch::new();
    let launch = launch(&scratch, "")
        .env("SUNDOWN_WEB_TOKEN", "battery-staple")
        .env("SUNDOWN_ADMIN_TOKEN", "correct-horse");
    let service = serving(launch.spawn().unwrap());
    let missing = asked(service.web, "GET /tasks", "Host: localhost\r\n").unwrap();
    assert!(missing.starts_with("HTTP/1.1 401") && missing.contains("no_token"), "{missing}");
    let with_wrong = "Host: localhost\r\nAuthorization: Bearer wrong\r\n";
    for _ in 0..3 {
        let wrong = asked(service.web, "GET /tasks", with_wrong).unwrap();
        assert!(wrong.starts_with("HTTP/1.1 401") && wrong.contains("wrong_token"), "{wrong}");
    }
    let wrong = asked(service.admin, "POST /shutdown", with_wrong).unwrap();
    assert!(wrong.starts_with("HTTP/1.1 401") && wrong.contains("not the service's"), "{wrong}");
    let metrics = asked(service.admin, "GET /metrics", "Host: localhost\r\n").unwrap();
    for (server, count) in [("web", 3), ("admin", 1)] {
        let line = format!("sundown_wrong_tokens_total{{server=\"{server}\"}} {count}");
        assert!(metrics.contains(&line), "{metrics}");
    }
    let is_told =
        |line: &str| line.contains("a request had a wrong token") && line.contains("127.0.0.1:");
    service.process.wait_for_line(is_told, PATIENCE).unwrap();
    let told = service.process.lines().iter().filter(|line| is_told(&line.text)).count();
    assert_eq!(told, 2, "one for each listener");
}

/// The service on sockets that were opened before: the first is its public one.
fn with_sockets(scratch: &Scratch, web: &TcpListener) -> Child {
    // A shell, because LISTEN_PID is the number of the process that is to be.
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh", env!("CARGO_BIN_EXE_sundown"), "serve"])
        .args(["--admin-listen", "127.0.0.1:0", "--log-level", "error"])
        .args(["--store", &scratch.path("tasks.db"), "--temp-directory", &scratch.path("tmp")])
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::from(OwnedFd::from(web.try_clone().unwrap())))
        .stdout(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn a_restart_on_a_socket_that_stays_open_refuses_no_connection() {
    const RESTARTS: usize = 4;
    let scratch = Scratch::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (is_over, answered) = (is_over.clone(), answered.clone());
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = asked(address, "GET /", "Host: localhost\r\n").unwrap();
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..RESTARTS {
        let mut service = with_sockets(&scratch, &socket);
        let before = answered.load(Ordering::Relaxed);
        while answered.load(Ordering::Relaxed) < before + 50 {
            assert!(service.try_wait().unwrap().is_none(), "it ended");
            assert!(!clients.iter().any(thread::JoinHandle::is_finished), "a client failed");
            thread::park_timeout(Duration::from_millis(5));
        }
        let id = Pid::from_child(&service);
        kill_process(id, Kill::TERM).unwrap();
        assert!(service.wait().unwrap().success());
    }
    // Those who wait are answered by the last one.
    let mut service = with_sockets(&scratch, &socket);
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no connection was refused or reset");
    }
    kill_process(Pid::from_child(&service), Kill::TERM).unwrap();
    assert!(service.wait().unwrap().success());
}
