//! The configuration: what is read, what is refused and in which words, what is documented.

mod layers;
mod round_trip;
mod sums;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn flags(given: &[(&str, Option<&str>)]) -> Vec<Flag> {
    given.iter().map(|(name, value)| (name.to_string(), value.map(str::to_owned))).collect()
}

/// A file of this content, named for the test.
fn file(test: &str, content: &str) -> PathBuf {
    let name = format!("sundown-config-{}-{test}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, content).expect("the temporary directory is writable");
    path
}

/// What is wrong with a file of this content, its name left out.
fn refused(test: &str, content: &str) -> String {
    let path = file(test, content);
    let problems = load(Some(&path), [], &[]).expect_err(content).to_string();
    fs::remove_file(&path).expect("it was written");
    problems.replace(&path.display().to_string(), "FILE")
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let path = file(
        "layers",
        "[shutdown]\ntimeout = \"40s\"\nflush = 2\nrelease = \"1500ms\"\n[web]\nworkers = 3\n",
    );
    let environment = env(&[
        ("GRACEFUL_SHUTDOWN_TIMEOUT", "50"),
        ("SUNDOWN_SHUTDOWN_FLUSH", "3s"),
        ("PATH", "/bin"),
    ]);
    let flags = flags(&[("--shutdown-timeout", Some("1m")), ("--demo", None)]);
    let loaded = load(Some(&path), environment, &flags).expect("it is fine");
    let shutdown = &loaded.config.shutdown;
    assert_eq!(shutdown.timeout, Time::seconds(60));
    assert_eq!(shutdown.flush, Auto(Some(Time::seconds(3))));
    assert_eq!(shutdown.release.show(), "1500ms");
    assert_eq!(loaded.config.web.demo, Auto(Some(true)));
    assert_eq!(loaded.config.web.workers, Auto(Some(3)));
    let told = effective(&loaded);
    for line in [
        "timeout = \"60s\"                              # --shutdown-timeout".to_owned(),
        "flush = \"3s\"                                 # SUNDOWN_SHUTDOWN_FLUSH".to_owned(),
        format!("release = \"1500ms\"                           # {}:4", path.display()),
        "interval = \"10s\"                             # by default".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}\n{told}");
    }
    // What it tells is a file that says the same.
    fs::write(&path, told).expect("it is writable");
    let again = load(Some(&path), [], &[]).expect("it can be read");
    assert_eq!(format!("{:?}", again.config), format!("{:?}", loaded.config));
    fs::remove_file(path).expect("it was written");
}

#[test]
fn the_cap_of_the_seeds_is_honoured_under_its_own_name() {
    let loaded = load(None, env(&[("GRACEFUL_SHUTDOWN_TIMEOUT", "25")]), &[]).expect("it is fine");
    assert_eq!(loaded.config.shutdown.timeout, Time::seconds(25));
    let default = load(None, [], &[]).expect("nothing is fine");
    assert_eq!(default.config.shutdown.timeout, Time::seconds(600));
}

#[test]
fn every_key_can_be_set_in_every_way_to_what_it_shows() {
    let defaults = Config::default();
    for key in Key::all().filter(|key| !key.is_secret) {
        let shown = (key.show)(&defaults);
        let by_flag = [(key.flag(), Some(shown.clone()))];
        let by_variable = [(key.env().into(), shown.clone().into())];
        let content = format!("[{}]\n{} = {shown:?}\n", key.section, key.name);
        let path = file(key.name, &content);
        for loaded in
            [load(None, [], &by_flag), load(None, by_variable, &[]), load(Some(&path), [], &[])]
        {
            let loaded = loaded.unwrap_or_else(|problems| panic!("{}: {problems}", key.path()));
            assert_eq!((key.show)(&loaded.config), shown, "{}", key.path());
        }
        fs::remove_file(path).expect("it was written");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_what_is_allowed() {
    for (name, content, expected) in [
        (
            "key",
            "[web]\n\nlisen = \"127.0.0.1:80\"\n",
            "FILE:3: unknown key `lisen` in [web] (there are listen, workers, token, ",
        ),
        (
            "section",
            "# hm\n[wbe]\nlisten = 1",
            "FILE:2: unknown section `wbe` (there are [shutdown], ",
        ),
        ("flat", "web = 3", "FILE:1: `web` is a section: write [web] and its keys"),
        (
            "time",
            "[shutdown]\ntimeout = \"soon\"",
            "FILE:2: `shutdown.timeout` takes a time like 30s, 250ms, 5m or 1h; a bare number is \
             seconds, not `soon`: `soon` is no unit of time",
        ),
        ("unit", "[shutdown]\ntimeout = \"3 weeks\"", "`weeks` is no unit of time"),
        ("century", "[shutdown]\ntimeout = \"876000h\"", "that is longer than a year"),
        ("huge", "[web]\nhead_timeout = 9000000000000000000", "that is longer than a year"),
        ("tiny", "[temp]\nage = \"0.5ms\"", "the smallest part of a time is a millisecond"),
        ("negative", "[shutdown]\nflush = -3", "not `-3`"),
        ("zero", "[shutdown]\ntimeout = 0", "FILE:2: `shutdown.timeout` must be more than 0"),
        ("unsaved", "[shutdown]\nflush = 0", "FILE:2: `shutdown.flush` must be more than 0"),
        ("unreleased", "[shutdown]\nrelease = 0", "`shutdown.release` must be more than 0"),
        ("size", "[web]\nbody_limit = \"1MB\"", "not `1MB`: the units are KiB, MiB and GiB"),
        ("much", "[web]\nbody_limit = \"99999999999999GiB\"", "that is too many"),
        ("list", "[web]\nworkers = [3]", "FILE:2: `web.workers` takes `auto`, or a number from 1"),
        ("count", "[web]\nworkers = 0", "not `0`"),
        ("crowd", "[web]\nworkers = 513", "a number from 1 to 512, not `513`"),
        ("host", "[web]\nlisten = \"example.org:80\"", "a name is not resolved, give its address"),
        (
            "level",
            "[log]\nlevel = \"3\"",
            "`off`, `error`, `warn`, `info`, `debug` or `trace`, not `3`",
        ),
        ("syntax", "[web]\nopen = yes\n", "FILE:2: this is not TOML: "),
        (
            "twice",
            "[web]\nopen = true\nopen = false\n",
            "FILE:3: this is not TOML: duplicate key `open`",
        ),
        ("empty", "[temp]\nquota = 0", "FILE:2: `temp.quota` must be more than 0"),
        (
            "reachable",
            "[web]\nlisten = \"0.0.0.0:80\"",
            "FILE:2: `web.listen` is 0.0.0.0:80, which others can reach: set SUNDOWN_WEB_TOKEN or",
        ),
        (
            "same",
            "[admin]\nlisten = \"127.0.0.1:8080\"",
            "FILE:2: `admin.listen` is 127.0.0.1:8080, as `web.listen` is",
        ),
    ] {
        let problems = refused(name, content);
        assert!(problems.contains(expected), "{name}: {problems}");
    }
}

#[test]
fn commands_that_cannot_be_are_named_with_their_lines() {
    for (name, content, expected) in [
        (
            "command",
            "[commands.x]\nrun = [\"convert\"]",
            "FILE:1: `commands.x.run` begins with `convert`: give the whole path",
        ),
        (
            "program",
            "[commands.x]\nlines = true",
            "FILE:1: the command `x` needs `run`, its program",
        ),
        (
            "grace",
            "[commands.x]\nrun = [\"/bin/true\"]\ngrace = \"1m\"",
            "FILE:3: `commands.x.grace` is at most 4.5s",
        ),
        (
            "command key",
            "[commands.x]\nrun = [\"/bin/true\"]\nshell = true",
            "FILE:3: `commands.x.shell` is unknown: `shell` (there are run, arguments,",
        ),
    ] {
        let problems = refused(name, content);
        assert!(problems.contains(expected), "{name}: {problems}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let path = file("all", "[web]\nopen = 3\nlisen = 1\n");
    let environment = env(&[("SUNDOWN_WEB_LISTN", "x"), ("GRACEFUL_SHUTDOWN_TIMEOUT", "x")]);
    let flags =
        flags(&[("--web-opne", None), ("--listen", None), ("--web-token", Some("12345678"))]);
    let problems = load(Some(&path), environment, &flags).expect_err("much is wrong").to_string();
    fs::remove_file(path).expect("it was written");
    assert_eq!(problems.lines().count(), 7, "{problems}");
    for part in [
        "SUNDOWN_WEB_LISTN: there is no such setting (is SUNDOWN_WEB_LISTEN meant?)",
        "--web-opne: there is no such flag (is --web-open meant?)",
        "--listen: takes an address and a port",
        "--web-token: everybody who lists processes would see it (set SUNDOWN_WEB_TOKEN or",
    ] {
        assert!(problems.contains(part), "{part}\n{problems}");
    }
}

#[test]
fn secrets_come_from_files_or_variables_and_are_never_shown() {
    let path = file("token", "correct-horse\n");
    let open = env(&[
        ("SUNDOWN_WEB_LISTEN", "0.0.0.0:80"),
        ("SUNDOWN_WEB_TOKEN_FILE", &path.display().to_string()),
    ]);
    let loaded = load(None, open.clone(), &[]).expect("a token is enough");
    let token = loaded.config.web.token.0.clone().expect("it was read");
    assert_eq!(token.0, "correct-horse");
    let told = format!("{}{:?}", effective(&loaded), loaded.config);
    assert!(!told.contains("correct-horse"), "{told}");

    let both = [open, env(&[("SUNDOWN_WEB_TOKEN", "battery-staple")])].concat();
    let problems = load(None, both, &[]).expect_err("which one?").to_string();
    assert!(problems.contains("`web.token` is set as well, by SUNDOWN_WEB_TOKEN"), "{problems}");

    fs::write(&path, "short").expect("it is writable");
    let short = env(&[("SUNDOWN_ADMIN_TOKEN_FILE", &path.display().to_string())]);
    let problems = load(None, short, &[]).expect_err("too short").to_string();
    assert!(problems.contains("does not hold a secret of at least 8"), "{problems}");
    fs::remove_file(&path).expect("it was written");
    let problems = load(None, env(&[("SUNDOWN_ADMIN_TOKEN", "my secret")]), &[])
        .expect_err("a space")
        .to_string();
    assert!(!problems.contains("my secret"), "{problems}");
}

#[test]
fn an_unreadable_file_is_named() {
    let problems = load(Some("/no/such.toml".as_ref()), [], &[]).expect_err("there is none");
    assert!(problems.to_string().contains("cannot read /no/such.toml: "), "{problems}");
}

/// The reference in the docs is written by this test when `XTASK_BLESS` is set.
#[test]
fn the_reference_is_what_the_definition_says() {
    const MARK: &str = "<!-- written by a test: XTASK_BLESS=1 cargo test -p sundown-cli -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = fs::read_to_string(path).expect("docs/configuration.md is there");
    let (head, _) = text.split_once(MARK).expect("it has its mark");
    let expected = format!("{head}{MARK}{}", reference::reference());
    if std::env::var_os("XTASK_BLESS").is_some() {
        fs::write(path, &expected).expect("docs/configuration.md is writable");
        return;
    }
    assert!(text == expected, "docs/configuration.md is behind: run this with XTASK_BLESS=1");
}
