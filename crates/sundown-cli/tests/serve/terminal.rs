//! On a terminal: the view of a stop, terminals without colours, and one that is stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use sundown_drill::process::Output;
use tokio::time::sleep;

use crate::http::{get, request};
use crate::service::{PATIENCE, Scratch, last_word, launch, state_directory};

/// A service on a terminal of its own, with somebody who reads it.
pub(crate) struct Terminal {
    keys: File,
    seen: Arc<Mutex<String>>,
    service: Child,
}

impl Terminal {
    /// `sundown serve` as a new user starts it, but for its ports and directories.
    pub(crate) fn plain(scratch: &Scratch) -> Self {
        Terminal::plain_at(scratch, "127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn plain_at(scratch: &Scratch, web: SocketAddr) -> Self {
        let flags =
            format!("--listen {web} --admin-listen 127.0.0.1:0 --store {}", scratch.path("t.db"));
        Terminal::of(scratch, &flags, &[])
    }

    fn start(scratch: &Scratch, flags: &str, environment: &[(&str, &str)]) -> Self {
        let flags = format!("--demo --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 {flags}");
        Terminal::of(scratch, &flags, environment)
    }

    fn of(scratch: &Scratch, flags: &str, environment: &[(&str, &str)]) -> Self {
        let keys = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&keys).unwrap();
        unlockpt(&keys).unwrap();
        let name = ptsname(&keys, Vec::new()).unwrap().into_string().unwrap();
        let no_control = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let open = || {
            OpenOptions::new().read(true).write(true).custom_flags(no_control).open(&name).unwrap()
        };
        let service = Command::new(env!("CARGO_BIN_EXE_sundown"))
            .arg("serve")
            .args(["--temp-directory", &scratch.path("tmp")])
            .args(flags.split_whitespace())
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("STATE_DIRECTORY", state_directory())
            .env_remove("NO_COLOR")
            .env("TERM", "xterm")
            .env("SUNDOWN_ADMIN_TOKEN", "battery-staple")
            .envs(environment.iter().copied())
            .stdin(open())
            .stdout(open())
            .stderr(open())
            .spawn()
            .unwrap();
        let keys = File::from(keys);
        let (mut screen, seen) = (keys.try_clone().unwrap(), Arc::<Mutex<String>>::default());
        let told = seen.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends with an error once the other side is closed.
            while let Ok(count) = screen.read(&mut bytes) {
                told.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        let terminal = Terminal { keys, seen, service };
        terminal.wait_for("serving");
        terminal
    }

    fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    fn wait_for(&self, text: &str) {
        let began = Instant::now();
        while !self.seen().contains(text) {
            assert!(began.elapsed() < PATIENCE, "no {text}: {}", self.seen());
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        let plain = without_escapes(&self.seen());
        let (_, rest) = plain.split_once(&format!("{name}=")).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.service);
        kill_process(id, signal).unwrap();
    }

    /// Its exit code, and all that was seen.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            match self.service.try_wait().unwrap() {
                Some(status) => break status,
                None if began.elapsed() > PATIENCE => self.service.kill().unwrap(),
                None => thread::park_timeout(Duration::from_millis(5)),
            }
        };
        // What it wrote last is on its way.
        thread::park_timeout(Duration::from_millis(200));
        (status.code(), self.seen())
    }
}

/// A test that fails leaves no service behind.
impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_shows_who_is_waited_for() {
    let scratch = Scratch::new();
    let terminal = Terminal::start(&scratch, "", &[]);
    let (web, admin) = (terminal.address("web"), terminal.address("admin"));
    let slow = get(web, "/try/slow/1500");
    let stop = async {
        sleep(Duration::from_millis(200)).await;
        let bearer = "Authorization: Bearer battery-staple\r\n";
        request(admin, "POST /shutdown", bearer, "").await.unwrap()
    };
    let (slow, stop) = tokio::join!(slow, stop);
    assert_eq!((slow.unwrap().status, stop.status), (200, 202));
    let (code, seen) = terminal.wait();
    let seen = without_escapes(&seen);
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("stopping: drain, "), "{seen}");
    assert!(seen.lines().any(|line| line.trim_start().starts_with("web  for ")), "{seen}");
    let (before, _) = seen.split_once("stopped cleanly in ").expect("the timeline follows");
    assert!(before.contains("shutdown ended"), "the log is through before it: {seen}");
    assert!(!seen.contains("{\"timestamp\""), "text, not JSON: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_is_stopped_changes_no_exit_code() {
    let scratch = Scratch::new();
    let flags = "--shutdown-timeout 15s --log-level debug";
    let mut terminal = Terminal::start(&scratch, flags, &[]);
    let web = terminal.address("web");
    let slow = tokio::task::JoinSet::from_iter([async move { get(web, "/try/slow/700").await }]);
    sleep(Duration::from_millis(200)).await;
    // Ctrl-S.
    terminal.keys.write_all(b"\x13").unwrap();
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    terminal.signal(Signal::TERM);
    let slow = slow.join_all().await;
    let (code, seen) = terminal.wait();
    assert_eq!(code, Some(0), "after {:?}\n{seen}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(slow.iter().all(|answer| answer.as_ref().unwrap().status == 200));
    assert!(!seen.contains("shutdown ended"), "it was stopped: {seen}");
}

#[test]
fn a_pipe_that_nobody_reads_changes_no_exit_code() {
    let scratch = Scratch::new();
    let report = scratch.path("report.json");
    let flags = format!("--log-level debug --shutdown-timeout 15s --shutdown-report-file {report}");
    let launch = launch(&scratch, &flags).stderr(Output::FullPipe);
    let mut process = launch.spawn().unwrap();
    let began = Instant::now();
    while !fs::read_to_string(&report).is_ok_and(|report| report.contains("running")) {
        assert!(began.elapsed() < PATIENCE, "it never ran");
        thread::park_timeout(Duration::from_millis(5));
    }
    let began = Instant::now();
    process.signal(sundown_drill::process::Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0), "after {:?}\n{}", began.elapsed(), exit.stdout);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(last_word(&exit)["sundown"], "clean");
}

/// Stops it while an answer takes so many milliseconds; its exit code, and all that was seen.
async fn stopped_during(milliseconds: u32, environment: (&str, &str)) -> (Option<i32>, String) {
    let scratch = Scratch::new();
    let terminal = Terminal::start(&scratch, "", &[environment]);
    let web = terminal.address("web");
    let path = format!("/try/slow/{milliseconds}");
    let slow = tokio::task::JoinSet::from_iter([async move { get(web, &path).await }]);
    sleep(Duration::from_millis(200)).await;
    terminal.signal(Signal::TERM);
    slow.join_all().await;
    terminal.wait()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_colours_there_is_a_view_all_the_same() {
    let (code, seen) = stopped_during(700, ("NO_COLOR", "1")).await;
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("stopping: drain, "), "{seen}");
    let colours = seen.split("\x1b[").skip(1).filter(|escape| {
        let end = escape.find(|c: char| c.is_ascii_alphabetic());
        end.is_some_and(|end| escape[end..].starts_with('m'))
    });
    assert_eq!(colours.count(), 0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_cannot_redraw_gets_a_line_every_ten_seconds() {
    let (code, seen) = stopped_during(11_000, ("TERM", "dumb")).await;
    assert_eq!(code, Some(0), "{seen}");
    assert!(!seen.contains('\x1b') && !seen.contains("stopping: drain"), "{seen}");
    let line = seen.lines().find(|line| line.contains("still stopping")).expect(&seen);
    assert!(line.contains("web for 10") && line.contains("saves and leaves"), "{line}");
    assert!(seen.contains("shutdown ended"), "{seen}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_wakes_up_to_draw_what_is_not_there() {
    let scratch = Scratch::new();
    let terminal = Terminal::start(&scratch, "", &[]);
    let tasks = format!("/proc/{}/task", terminal.service.id());
    let wakes = || {
        let threads = fs::read_dir(&tasks).unwrap().map(|thread| thread.unwrap().path());
        let drawing = |path: &std::path::PathBuf| {
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            ["live view", "stderr"].contains(&name.trim())
        };
        let drawing: Vec<String> = threads
            .filter(drawing)
            .map(|path| fs::read_to_string(path.join("status")).unwrap())
            .map(|status| status.lines().filter(|line| line.contains("ctxt")).collect())
            .collect();
        assert_eq!(drawing.len(), 2, "both threads are there");
        drawing
    };
    sleep(Duration::from_millis(300)).await;
    let before = wakes();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(wakes(), before);
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.wait().0, Some(0));
}

/// Text as it would be read: without colours, and without the movements of the cursor.
pub(crate) fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end =
            escaped.find(|c: char| c.is_ascii_alphabetic()).map_or(escaped.len(), |at| at + 1);
        rest = &escaped[end..];
    }
    plain + rest
}
