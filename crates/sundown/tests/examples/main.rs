//! Every example, ended by real signals: what its pattern promises is what it does.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fault_tolerant;
mod flag_worker;
mod graceful_then_forced;
mod hooks;
mod kubernetes_tasks;
mod program;
mod signal_manager;
mod token_tree;
mod trading_phases;
