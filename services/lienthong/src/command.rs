//! The commands, one file each.

pub(crate) mod certificates;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod find;
pub(crate) mod format;
pub(crate) mod operator_action;
pub(crate) mod pause;
pub(crate) mod registry;
pub(crate) mod resend;
pub(crate) mod send;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod trace;
pub(crate) mod up;
