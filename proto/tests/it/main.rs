//! Tests of the contracts and of the error catalogue.

mod comments;
mod compatibility;
mod envelopes;
mod faults;
mod vendor_contract;
