//! Stops a Rust service without losing anything.
