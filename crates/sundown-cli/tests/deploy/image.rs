//! The image's own binary, alone in a room: it serves, finds others by name, runs tasks on the one
//! directory it may write to, and stops well.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::api::{count, end_of, submit, until};
use crate::http::get;
use crate::resolver::Names;
use crate::room::{Room, Tenant, USER, binary};
use crate::service::PATIENCE;
use crate::text;

const OF_HOSTS: &str = "hooks.by-hosts.test";
const OF_DNS: &str = "hooks.by-dns.test";

/// Answers this many requests, each on a connection of its own, with the name it was called by.
fn echo(requests: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().take(requests).flatten() {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let host = head
                .iter()
                .find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
            let host = host.unwrap_or_default();
            let length = host.len();
            // Whoever asked may have given up.
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{host}"
            );
        }
    });
    port
}

/// Where it listens, once it serves.
fn serving(tenant: &Tenant) -> (SocketAddr, SocketAddr) {
    let is_it = |line: &str| line.contains("\"message\":\"serving\"");
    let line =
        tenant.process.wait_for_line(is_it, PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    let told: Value = serde_json::from_str(&line.text).unwrap();
    let address = |name: &str| told[name].as_str().unwrap().parse().unwrap();
    (address("web"), address("admin"))
}

fn has_no_privileges(tenant: &Tenant) {
    let user = vec![USER.to_string(); 4].join(" ");
    assert_eq!((tenant.status("Uid"), tenant.status("Gid")), (user.clone(), user));
    assert_eq!(tenant.status("Groups"), "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(tenant.status(set), "0000000000000000", "{set}");
    }
    assert_eq!(tenant.status("NoNewPrivs"), "1");
    assert!(tenant.status("NSpid").ends_with(" 1"), "it is process 1");
    assert!(!tenant.root_is_writable(), "its root can be written to");
}

#[tokio::test(flavor = "multi_thread")]
async fn alone_and_without_privileges_it_serves_resolves_works_and_stops() {
    let names = Names::serve(OF_DNS, Ipv4Addr::LOCALHOST);
    let room =
        Room::furnish(&format!("127.0.0.1\tlocalhost\n127.0.0.1\t{OF_HOSTS}\n"), names.address);
    let port = echo(2);
    let allow = [OF_HOSTS, OF_DNS].map(|name| format!("http://{name}:{port}/")).join(",");
    let tenant = room.enter(&[
        ("SUNDOWN_CONFIG", "/etc/sundown/sundown.toml"),
        ("GRACEFUL_SHUTDOWN_TIMEOUT", "12"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("SUNDOWN_WEB_LISTEN", "127.0.0.1:0"),
        ("SUNDOWN_ADMIN_LISTEN", "127.0.0.1:0"),
        ("SUNDOWN_WEB_DEMO", "true"),
        ("SUNDOWN_TASKS_STORE", "/data/tasks.db"),
        ("SUNDOWN_HTTP_ALLOW", &allow),
    ]);
    let (web, admin) = serving(&tenant);
    has_no_privileges(&tenant);
    for (at, path) in [(web, "/"), (admin, "/healthz"), (admin, "/readyz"), (admin, "/metrics")] {
        assert_eq!(get(at, path).await.unwrap().status, 200, "{path}");
    }

    for name in [OF_HOSTS, OF_DNS] {
        let input = json!({ "url": format!("http://{name}:{port}/"), "method": "GET" });
        let task = json!({ "kind": "http", "input": input, "max_attempts": 1 });
        let ended = end_of(web, &task, "succeeded").await;
        assert_eq!(ended["output"]["body"], format!("{name}:{port}"), "{ended}");
    }
    let asked = names.asked();
    assert!(asked.iter().any(|name| name == OF_DNS), "{asked:?}");
    assert!(!asked.iter().any(|name| name == OF_HOSTS), "{asked:?}");

    assert_eq!(end_of(web, &count(5, 1), "succeeded").await["output"]["counted"], 5);
    let store = fs::metadata(room.scratch.path("data/tasks.db")).unwrap();
    assert_eq!((store.uid(), store.gid()), (USER, USER));
    let unfinished = submit(web, &count(100_000, 20)).await;
    until(web, &unfinished, "running").await;

    let exit = tenant.stop();
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    let last: Value = serde_json::from_str(&room.last_word()).unwrap();
    assert_eq!(last["exit_code"], 0, "{last}");
    assert_eq!(last, serde_json::from_str::<Value>(exit.stdout.lines().last().unwrap()).unwrap());
    assert!(
        fs::read_to_string(room.scratch.path("data/last-stop.json")).unwrap().contains(&unfinished)
    );
}

#[test]
fn the_binary_asks_for_nothing_to_be_loaded() {
    let path = binary();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(&bytes[..6], b"\x7fELF\x02\x01", "64 bits, the least significant byte first");
    let number = |at: usize, length: usize| {
        bytes[at..at + length].iter().rev().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (first, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let kinds: Vec<usize> = (0..count).map(|index| number(first + index * size, 4)).collect();
    assert!(kinds.contains(&1), "something is loaded: {kinds:?}");
    assert!(!kinds.contains(&3), "it asks for an interpreter: {kinds:?}");
    let ldd = Command::new("ldd").arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&[ldd.stdout, ldd.stderr].concat()).into_owned();
    let is_static = told.contains("statically linked") || told.contains("not a dynamic executable");
    assert!(is_static, "{told}");
}

#[test]
fn the_image_holds_the_binary_and_two_directories() {
    let text = text("deploy/Dockerfile");
    let (_, last) = text.rsplit_once("\nFROM ").unwrap();
    assert!(last.starts_with("scratch\n"), "{last}");
    let of = |word: &str| {
        let lines = last.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(of("USER"), [format!("{USER}:{USER}")]);
    assert_eq!(of("ENTRYPOINT"), [r#"["/sundown"]"#]);
    assert_eq!(of("CMD"), [r#"["serve"]"#]);
    assert_eq!(of("STOPSIGNAL"), ["SIGTERM"]);
    assert_eq!(of("RUN"), [""; 0], "there is nothing in it that could be run");
    let copied: Vec<_> = of("COPY").iter().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(copied, ["/sundown", "/data", "/tmp"]);
}

#[test]
fn it_knows_what_it_was_built_from() {
    let told = Command::new(binary()).arg("--version").output().unwrap().stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(told.starts_with("sundown ") && !told.contains("unknown"), "{told}");
}
