//! `torture tasks`: the real binary, ended in every way until nobody believes in luck any more.
//! `torture judge`: the evidence of a run that failed, judged again.

use crate::step::Step;
use crate::{command::Torture, needs};

/// How many kills it takes, unless said otherwise: half of them on each store, and a few more.
const TRIALS: u32 = 1100;

/// Runs it. What it was drawn from is printed, and draws the same faults again.
pub(crate) fn run(torture: &Torture) -> anyhow::Result<()> {
    needs::check()?;
    step(torture).run()
}

/// Judges what a failed run has kept.
pub(crate) fn judge(folder: &str) -> anyhow::Result<()> {
    judge_step(folder).run()
}

fn judge_step(folder: &str) -> Step {
    let words =
        "test --locked -p sundown-cli --test torture -- --nocapture --exact kept::kept_evidence";
    Step::cargo("judge", words).env("XTASK_EVIDENCE", folder)
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

    #[test]
    fn the_judge_is_told_where_the_evidence_is() {
        let line = judge_step("/tmp/kept").line();
        assert!(line.starts_with("XTASK_EVIDENCE='/tmp/kept' cargo test "), "{line}");
        assert!(line.ends_with(" --exact kept::kept_evidence"), "{line}");
    }
}
