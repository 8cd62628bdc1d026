//! The laws that hold for every format, tried on random messages, and on the cases of every shipped
//! format as they are and changed at random.
//!
//! ```sh
//! LIENTHONG_LAWS=100000 cargo test --release -p lienthong-formats --lib laws::    # for every format
//! LIENTHONG_LAWS_FORMAT=letter LIENTHONG_LAWS_SEED=7 cargo test -p lienthong-formats --lib laws::
//! ```

pub(super) mod leaves;
pub(super) mod patch;
mod reading;
mod round_trip;
mod run;
mod shipped_case;

pub(super) use run::{Law, SHIPPED, formats_with_rules};
pub(super) use shipped_case::{any_case_of, shipped_cases};
