//! Same-run comparisons with peers and limits.
