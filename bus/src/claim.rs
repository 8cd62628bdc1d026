//! The claim check: bodies that are too large to be inline are stored once under the SHA-256 of their
//! content, and messages carry a [`Claim`].
//!
//! An upload is written to a [`Spool`], a file without a name: dropping it, or the end of the process,
//! deletes it. Committing it links the file, durably, under the digest of its content.
//!
//! Stored bytes are checked piece by piece before they are given out, from whatever offset they are
//! read: the digests of the pieces of large ones are stored beside them.

mod disk;
mod error;
mod folder;
mod object;
mod pieces;
mod reader;
mod reference;
mod spool;
mod store;
mod upload;

pub use self::{
    error::{ClaimError, StorageFailure},
    folder::Folder,
    object::{Limits, Objects, S3},
    reader::Reader,
    reference::Claim,
    spool::Spool,
    store::ClaimStore,
};
