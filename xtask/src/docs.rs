//! `docs`: the API's pages, built without a warning.

use crate::step::Step;

/// Where the front page lies, seen from the workspace's root.
const FRONT_PAGE: &str = "doc/sundown/index.html";

/// The step that builds the pages; a broken link in them is an error.
pub(crate) fn step() -> Step {
    Step::cargo("docs", "doc --workspace --no-deps --locked").flags("RUSTDOCFLAGS", "-D warnings")
}

/// Builds the pages and says where they are.
pub(crate) fn run() -> anyhow::Result<()> {
    step().run()?;
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    println!("front page: {target}/{FRONT_PAGE}");
    Ok(())
}
