//! `torture tasks`: the real binary, ended in every way until nobody believes in luck any more.

use crate::step::Step;
use crate::{command::Torture, needs};

/// How many kills it takes, unless said otherwise: half of them on each store, and a few more.
const TRIALS: u32 = 1100;

/// Runs it. What it was drawn from is printed, and draws the same faults again.
pub(crate) fn run(torture: &Torture) -> anyhow::Result<()> {
    needs::check()?;
    step(torture).run()
}

/// One trial after the other, so that each has the machine for itself.
fn step(torture: &Torture) -> Step {
    let words =
        "test --release --locked -p sundown-cli --test torture -- --nocapture --test-threads 1";
    let trials = torture.trials.unwrap_or(TRIALS);
    let step = Step::cargo("torture", words).env("XTASK_TORTURE", trials.to_string());
    match torture.seed {
        Some(seed) => step.env("XTASK_SEED", seed.to_string()),
        None => step,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_and_seed_are_passed_on() {
        let line = |trials, seed| step(&Torture { trials, seed }).line();
        let usual = line(None, None);
        assert!(usual.starts_with("XTASK_TORTURE='1100' cargo test --release "), "{usual}");
        let told = line(Some(5), Some(7));
        assert!(told.starts_with("XTASK_TORTURE='5' XTASK_SEED='7' cargo test "), "{told}");
    }
}
