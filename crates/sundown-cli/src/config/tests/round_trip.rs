//! What `sundown config` prints is a file that says the same, whatever the values are.

use std::collections::BTreeMap;

use super::*;
use crate::config::load::Loading;

/// A text that a key might take: most keys refuse most of them.
fn text(rng: &mut fastrand::Rng) -> String {
    const WORDS: [&str; 12] = [
        "auto", "off", "true", "false", "json", "text", "warn", "TRACE", "0123", "1e3", "nan", "-0",
    ];
    const PIECES: [&str; 16] = [
        "/",
        "a",
        "\"",
        "\\",
        "\n",
        "\r\n",
        "\t",
        "\u{7f}",
        "\u{1b}",
        "\u{85}",
        "\u{200b}",
        "é",
        "日",
        "#",
        "'",
        "\u{1f4a5}",
    ];
    match rng.u8(0..7) {
        0 => rng.choice(WORDS).map(str::to_owned).unwrap_or_default(),
        1 => rng.u64(0..2000).to_string(),
        2 => format!("{}{}", rng.u64(1..99_999), rng.choice(["ms", "s", "m", "h"]).unwrap_or("s")),
        3 => format!("{}{}", rng.u64(1..9999), rng.choice(["KiB", "MiB", "GiB", ""]).unwrap_or("")),
        4 => format!("{}.{}.0.1:{}", rng.u8(..), rng.u8(..), rng.u16(..)),
        5 => format!("[{:x}::{:x}]:{}", rng.u16(..), rng.u16(..), rng.u16(..)),
        _ => (0..rng.usize(1..12)).filter_map(|_| rng.choice(PIECES)).collect(),
    }
}

/// What a file says, without asking whether it can work.
fn read(content: &str) -> Result<Config, String> {
    let mut problems = origin::Problems::default();
    let mut config = Config::default();
    for setting in toml::read("FILE", content, &mut problems).0 {
        (setting.key.set)(&mut config, &setting.value)
            .map_err(|error| format!("{}: {error}", setting.key.path()))?;
    }
    if problems.0.is_empty() { Ok(config) } else { Err(problems.to_string()) }
}

#[test]
fn what_is_printed_loads_again_and_says_the_same() {
    for seed in 0..500 {
        let rng = &mut fastrand::Rng::with_seed(seed);
        let mut loading = Loading::default();
        for key in Key::all().filter(|key| !key.is_secret) {
            for _ in 0..8 {
                // Those that are refused leave what was there.
                let _ = (key.set)(&mut loading.config, &text(rng));
            }
        }
        let budgets = Budgets::of(&loading.config.shutdown, false);
        let origins = [("web.listen".to_owned(), Origin::Variable("A\nB".to_owned()))];
        let loaded = Loaded {
            config: loading.config,
            commands: BTreeMap::new(),
            budgets,
            origins: origins.into(),
        };
        let told = effective(&loaded);
        let again = read(&told).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{told}"));
        assert_eq!(format!("{again:?}"), format!("{:?}", loaded.config), "seed {seed}\n{told}");
    }
}

#[test]
fn a_path_that_looks_like_a_number_is_none() {
    let path = |text: &str| {
        let set = flags(&[("--temp-directory", Some(text))]);
        effective(&load(None, [], &set).expect("it is a path"))
    };
    assert!(path("0123").contains("directory = \"0123\""));
    assert!(path("a\u{7f}\"b").contains("directory = \"a\\u007F\\\"b\""));
}
