//! The rules of the house. Each failure prints all offenders and one sentence of why.

mod circles;
mod code;
mod dependencies;
mod files;
mod tree;
