//! One module for each parser.

pub(crate) mod config;
pub(crate) mod manifest;
pub(crate) mod postgres_url;
pub(crate) mod report;
pub(crate) mod setting;
pub(crate) mod shim;
pub(crate) mod task;
pub(crate) mod url;
