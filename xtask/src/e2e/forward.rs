//! A way into the pod that makes the load: kubectl's port forwarding, and a request over it.
//!
//! What is sent through the API server with `kubectl create --raw` arrives without a content type.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::deploy::Kubectl;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// It is open until it is dropped.
#[derive(Debug)]
pub(super) struct Forward {
    child: Child,
    port: u16,
    reader: Option<JoinHandle<()>>,
}

impl Forward {
    pub(super) fn open(kubectl: &Kubectl) -> anyhow::Result<Self> {
        let words = ["port-forward", "deployment/sundown-load", ":8080"];
        let mut child = Command::new("kubectl")
            .args(["--context", &kubectl.context, "--namespace", &kubectl.namespace])
            .args(words)
            .args(["--address=127.0.0.1", "--pod-running-timeout=60s"])
            .env("PATH", &kubectl.path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run kubectl")?;
        let mut line = String::new();
        let mut reader = None;
        if let Some(stdout) = child.stdout.take() {
            let mut stdout = BufReader::new(stdout);
            // One that prints nothing ends, and then this ends, too.
            let _ = stdout.read_line(&mut line);
            // kubectl prints a line for every connection, and dies of SIGPIPE when nobody reads it.
            reader = Some(thread::spawn(move || drop(io::copy(&mut stdout, &mut io::sink()))));
        }
        let port = port(&line);
        let opened = Self { child, port: port.unwrap_or_default(), reader };
        port.with_context(|| format!("`kubectl port-forward` says `{}`", line.trim()))?;
        Ok(opened)
    }

    /// Posts JSON; the body of the answer, if it is a good one.
    pub(super) fn post(&self, path: &str, body: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: sundown-load\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        accepted(&answer).map(str::to_owned)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its output has ended with it.
        self.reader.take().map(JoinHandle::join);
    }
}

/// Reads `Forwarding from 127.0.0.1:40123 -> 8080`.
fn port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    rest.split(' ').next()?.trim().parse().ok()
}

fn accepted(answer: &str) -> anyhow::Result<&str> {
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") => Ok(body),
        Some(_) | None => bail!("the answer is no 200: {answer}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::tests::Place;

    /// Prints as the real one does: where it forwards, and a line for each connection. It serves two
    /// connections, and dies of SIGPIPE as the real one when its lines are not read.
    const KUBECTL: &str = r#"#!/usr/bin/env python3
import http.server, signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        print("Handling connection for", self.server.server_port, flush=True)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *args):
        pass
Handler.protocol_version = "HTTP/1.1"
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(f"Forwarding from 127.0.0.1:{server.server_port} -> 8080", flush=True)
for _ in range(2):
    server.handle_request()
"#;

    #[test]
    fn kubectl_survives_its_first_connection() {
        let place = Place::new(&[]);
        place.install("kubectl", KUBECTL);
        let forward = Forward::open(&place.kubectl()).unwrap();
        for number in 0..2 {
            let answer = forward.post("/tasks/batch", "{}");
            assert_eq!(answer.unwrap(), "{}", "connection {number}");
        }
    }

    #[test]
    fn the_port_is_read() {
        assert_eq!(port("Forwarding from 127.0.0.1:40123 -> 8080\n"), Some(40123));
        assert_eq!(port(""), None);
        assert_eq!(port("error: no such pod"), None);
    }

    #[test]
    fn a_refusal_is_no_answer() {
        assert_eq!(accepted("HTTP/1.1 200 OK\r\na: b\r\n\r\n{}").unwrap(), "{}");
        let error = accepted("HTTP/1.1 415 No\r\n\r\nno JSON").unwrap_err().to_string();
        assert!(error.contains("no JSON"), "{error}");
        assert!(accepted("").is_err());
    }
}
