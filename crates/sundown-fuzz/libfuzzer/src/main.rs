//! libFuzzer's entry: the target is named in the environment, so that all of them are one program.

#![no_main]

use std::sync::LazyLock;

use sundown_fuzz::{TARGETS, Target, target};

/// Names the target.
const VARIABLE: &str = "SUNDOWN_FUZZ";

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    let names = TARGETS.map(|target| target.name).join(", ");
    target(&name).unwrap_or_else(|| panic!("{VARIABLE} names one of {names}"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.check)(data));
