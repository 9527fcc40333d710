//! Tests shutdown itself: drives real processes and judges how they stop.
