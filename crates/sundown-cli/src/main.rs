//! The thin binary `sundown`.
fn main() {}
