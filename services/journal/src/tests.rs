//! Tests of the whole writer.

mod random_calls;
