//! Which layer wins, and what in the environment is ours.

use super::*;

/// What is wrong with an environment of one variable, or nothing.
fn problem_of(name: &str, value: &str) -> String {
    load(None, env(&[(name, value)]), &[])
        .map_or_else(|problems| problems.to_string(), |_| String::new())
}

#[test]
fn what_kubernetes_sets_for_a_service_of_our_name_is_no_mistake() {
    let links = env(&[
        ("SUNDOWN_SERVICE_HOST", "10.0.0.1"),
        ("SUNDOWN_SERVICE_PORT", "80"),
        ("SUNDOWN_SERVICE_PORT_HTTP", "80"),
        ("SUNDOWN_PORT", "tcp://10.0.0.1:80"),
        ("SUNDOWN_WEB_SERVICE_HOST", "fd00::1"),
        ("SUNDOWN_WEB_PORT", "sctp://[fd00::1]:80"),
        ("SUNDOWN_WEB_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("SUNDOWN_WEB_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("SUNDOWN_WEB_PORT_80_TCP_PORT", "80"),
        ("SUNDOWN_WEB_PORT_80_TCP_PROTO", "tcp"),
    ]);
    load(None, links, &[]).expect("nothing is wrong");
}

#[test]
fn a_name_that_only_looks_like_a_service_link_is_refused() {
    for (name, value) in [
        ("SUNDOWN_WEB_PORT", "9000"),
        ("SUNDOWN_PORT", "0.0.0.0:80"),
        ("SUNDOWN_WEB_SERVICE_HOST", "localhost"),
        ("SUNDOWN_WEB_SERVICE_PORT", "http"),
        ("SUNDOWN_WEB_PORT_80_TCP", "80"),
        ("SUNDOWN_WEB_PORT_80", "tcp://10.0.0.1:80"),
        ("SUNDOWN_WEB_PORT_80_TCP_ADR", "10.0.0.1"),
        ("SUNDOWN_WEB_PORT_80_TCP_ADDR", "web"),
    ] {
        let problem = problem_of(name, value);
        assert!(problem.starts_with(&format!("{name}: there is no such setting")), "{problem}");
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused_by_name_and_others_are_nobodys_business() {
    use std::os::unix::ffi::OsStringExt as _;
    let bytes = || OsString::from_vec(b"/tmp/\xff".to_vec());
    for name in ["SUNDOWN_TEMP_DIRECTORY", "GRACEFUL_SHUTDOWN_TIMEOUT", "SUNDOWN_WEB_TOKEN"] {
        let problems = load(None, [(name.into(), bytes())], &[]).expect_err(name).to_string();
        assert!(problems.starts_with(&format!("{name}: takes ")), "{problems}");
        assert!(problems.ends_with("this is not UTF-8"), "{problems}");
    }
    load(None, [("PATH".into(), bytes()), (bytes(), bytes())], &[]).expect("they are not ours");
}

#[test]
fn a_file_that_cannot_be_read_is_blamed_on_who_named_it() {
    let by_flag =
        load(Some("/no/such.toml".as_ref()), env(&[("SUNDOWN_CONFIG", "/nor/this")]), &[]);
    let problems = by_flag.expect_err("there is none").to_string();
    assert!(problems.starts_with("--config: cannot read /no/such.toml: "), "{problems}");
    let problems = problem_of("SUNDOWN_CONFIG", "/no/such.toml");
    assert!(problems.starts_with("SUNDOWN_CONFIG: cannot read /no/such.toml: "), "{problems}");
    assert_eq!(problem_of("SUNDOWN_CONFIG", ""), "", "empty is none");
}

#[test]
fn of_a_token_and_a_file_of_one_the_higher_layer_counts() {
    let (low, high) = (file("low", "correct-horse"), file("high", "battery-staple"));
    let by_file = |key: &str| format!("[web]\n{key}\n");
    let named = by_file(&format!("token_file = \"{}\"", low.display()));
    let said = by_file("token = \"correct-horse\"");
    let variable = env(&[("SUNDOWN_WEB_TOKEN", "battery-staple")]);
    let flag = flags(&[("--web-token-file", Some(&*high.display().to_string()))]);
    for (content, environment, flags, expected) in [
        (&*named, vec![], &[][..], "correct-horse"),
        (&*named, variable.clone(), &[][..], "battery-staple"),
        (&*said, vec![], &flag[..], "battery-staple"),
        ("", variable.clone(), &flag[..], "battery-staple"),
    ] {
        let path = file("tokens", content);
        let loaded =
            load(Some(&path), environment, flags).unwrap_or_else(|e| panic!("{content} {e}"));
        let token = loaded.config.web.token.0.clone().expect("there is one");
        assert_eq!(token.0, expected, "{content}");
        // What is shown must not bring the loser back.
        let told = effective(&loaded);
        assert!(
            !told.contains(&*low.display().to_string()) || expected == "correct-horse",
            "{told}"
        );
        fs::remove_file(path).expect("it was written");
    }
    for path in [low, high] {
        fs::remove_file(path).expect("it was written");
    }
}

#[test]
fn words_are_taken_in_capitals_and_units_are_not() {
    for (name, value) in [
        ("SUNDOWN_LOG_LEVEL", "INFO"),
        ("SUNDOWN_LOG_FORMAT", "Json"),
        ("SUNDOWN_WEB_OPEN", "TRUE"),
        ("SUNDOWN_WEB_WORKERS", "AUTO"),
        ("SUNDOWN_SHUTDOWN_REPORT_FILE", "Off"),
    ] {
        assert_eq!(problem_of(name, value), "");
    }
    assert!(problem_of("SUNDOWN_TEMP_AGE", "5M").contains("`M` is no unit of time"));
    assert!(problem_of("SUNDOWN_WEB_OPEN", "yes").contains("takes `true` or `false`, not `yes`"));
}

#[test]
fn loopback_is_loopback_however_it_is_written() {
    for address in ["[::ffff:127.0.0.1]:80", "[::1]:80", "127.1.2.3:80"] {
        assert_eq!(problem_of("SUNDOWN_WEB_LISTEN", address), "", "{address}");
    }
    assert!(problem_of("SUNDOWN_WEB_LISTEN", "[::ffff:10.0.0.1]:80").contains("others can reach"));
}
