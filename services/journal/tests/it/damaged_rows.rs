//! Damaged rows.
