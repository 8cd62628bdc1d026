//! Files inside a body: decoded from base64, unwrapped from a ZIP with one entry, told by their
//! content, and encoded back.

mod archive;
mod base64_writer;
mod blob;
mod file_type;
mod form;
mod inspect;
mod judge;
mod memory;
mod name;
mod pack;
mod unpack;
mod wrapping;

#[cfg(test)]
mod tests;

pub use blob::{BlobDigest, BlobSink, BlobSource};
pub use file_type::HEAD_BYTES;
pub use memory::MemoryBlobs;
pub use name::{NameMatch, match_file_name};

pub(crate) use archive::SaidOfFile;
pub(crate) use blob::{NullSink, digest_reference};
pub(crate) use file_type::media_type_of;
pub(crate) use form::{Packing, pack, packed_media_type, says_packed};
pub(crate) use inspect::FileTraits;
pub(crate) use judge::judge;
pub(crate) use name::plain_file_name;
pub(crate) use unpack::{UnpackBudget, empty_file, unpack};
