//! The seam to the format engine: the only file that knows its calls.

use prost::Message as _;
use proto::canonical::v1::{Canonical, Organisation};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{DeclaredAttachment, Format, Loss};
use sha2::{Digest as _, Sha256};

use crate::blobs::{Found, Stored};
use crate::normalize::Reading;

#[derive(Debug)]
pub(crate) struct Shelf {}

/// What a written message may know besides its content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    /// The organisation that will read it.
    pub(crate) organisation: Option<Organisation>,
    /// A time that is the same however often it is written.
    pub(crate) now_us: i64,
}

/// Native bytes and what they could not say.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) native: Vec<u8>,
    pub(crate) version: u32,
    pub(crate) hash: String,
    pub(crate) losses: Vec<Loss>,
}

impl Shelf {
    pub(crate) fn shipped() -> anyhow::Result<Self> {
        Ok(Self {})
    }
    pub(crate) fn list(&self) -> Vec<Format> {
        Vec::new()
    }
    pub(crate) fn place(&self, _format: &str, path: &str) -> String {
        path.to_owned()
    }
    pub(crate) fn read(
        &self,
        format: &str,
        native: &[u8],
        _declared: &[DeclaredAttachment],
        _found: &mut Found,
    ) -> Result<Reading, Fault> {
        let canonical = Canonical::decode(native)
            .map_err(|it| Fault::new(&code::LT_MAP_217).detail(it.to_string()))?;
        Ok(Reading {
            canonical,
            format: format.to_owned(),
            version: 1,
            native_sha256: Sha256::digest(native).into(),
            ..Reading::default()
        })
    }
    pub(crate) fn write(
        &self,
        format: &str,
        canonical: &[u8],
        _context: &Context,
        _files: &Stored,
    ) -> Result<Written, Fault> {
        if format != "canonical" {
            return Err(Fault::new(&code::LT_MAP_216));
        }
        Ok(Written { native: canonical.to_vec(), version: 1, hash: String::new(), losses: vec![] })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! The native form that tests write.

    use super::*;

    /// A format that holds everything.
    pub(crate) const FORMAT: &str = "canonical";

    /// A message in it.
    pub(crate) fn native(canonical: &Canonical) -> Vec<u8> {
        canonical.encode_to_vec()
    }
}
