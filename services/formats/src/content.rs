//! Files inside a body: decoded from base64, unwrapped from a ZIP with one entry, and encoded back.

mod blob;
mod media_type;
mod memory;
mod pack;
mod unpack;

#[cfg(test)]
mod tests;

pub use blob::{BlobDigest, BlobSink, BlobSource};
pub use memory::MemoryBlobs;

pub(crate) use blob::{NullSink, digest_reference};
pub(crate) use media_type::{media_type_of_content, media_type_of_name};
pub(crate) use pack::{pack, plain_extension};
pub(crate) use unpack::{UnpackBudget, UnpackedFile, empty_file, unpack};
