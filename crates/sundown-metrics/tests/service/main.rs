//! The exporter through its public API: what it records when, and that the text is what
//! Prometheus reads.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod exposition;
mod rendering;
mod shutdown;
mod support;
