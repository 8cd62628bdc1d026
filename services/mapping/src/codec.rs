//! The seam to the format engine: formats by name, bytes in, bytes out.

use std::io;

use bus::Claim;
use formats::{BlobSink, BlobSource, EncodeContext, Format as Plan};
use prost::Message as _;
use proto::canonical::v1::Canonical;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{DeclaredAttachment, Format};
use proto::message::v1::Loss;

use crate::blobs::{Found, Stored};
use crate::normalize::Reading;
use crate::secrecy;

/// The formats this service reads and writes.
#[derive(Debug)]
pub(crate) struct Shelf(formats::FormatRegistry);

/// Native bytes and what they could not say.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) native: Vec<u8>,
    pub(crate) version: u32,
    pub(crate) hash: String,
    pub(crate) losses: Vec<Loss>,
}

impl BlobSink for Found {
    fn admit(&mut self, canonical: &Canonical) -> Result<(), Fault> {
        self.bears_mark |= secrecy::marked(canonical).is_some();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.append(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.end()
    }
}

impl BlobSource for Stored {
    fn read(&self, sha256: [u8; 32], size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        self.pour(&Claim { sha256, size }, into)
    }
}

impl Shelf {
    /// The formats shipped with the product.
    pub(crate) fn shipped() -> anyhow::Result<Self> {
        let shipped = formats::FormatRegistry::shipped();
        shipped
            .map(Self)
            .map_err(|it| anyhow::anyhow!("a format does not compile: {}", it.join("; ")))
    }

    /// What there is, for whoever asks.
    pub(crate) fn list(&self) -> Vec<Format> {
        let format = |it: &Plan| Format {
            name: it.name().to_owned(),
            version: it.version(),
            hash: it.hash().to_owned(),
            title: it.title().to_owned(),
            carries: it.carries().iter().map(|it| i32::from(*it)).collect(),
        };
        self.0.all().iter().map(format).collect()
    }

    /// The sender's own path of a canonical path.
    pub(crate) fn place(&self, format: &str, path: &str) -> String {
        self.0.get(format).map_or_else(|| path.to_owned(), |it| it.native_path(path))
    }

    /// Reads native bytes; files inside go to `found`.
    pub(crate) fn read(
        &self,
        format: &str,
        native: &[u8],
        declared: &[DeclaredAttachment],
        found: &mut Found,
    ) -> Result<Reading, Fault> {
        let (format, mut decoded) = self.0.decode(format, native, declared, found)?;
        let (Some(read), true) = (decoded.pop(), decoded.is_empty()) else {
            return Err(Fault::new(&code::LT_MAP_223));
        };
        let origin = read.canonical.origin.as_ref();
        let native = origin.and_then(|it| it.native.as_ref()).map(|it| it.value.to_vec());
        Ok(Reading {
            format: format.name().to_owned(),
            version: format.version(),
            hash: format.hash().to_owned(),
            native_sha256: native.unwrap_or_default(),
            findings: read.findings,
            canonical: read.canonical,
        })
    }

    /// Writes a canonical message in a format.
    pub(crate) fn write(
        &self,
        format: &str,
        canonical: &[u8],
        context: EncodeContext,
        files: &Stored,
    ) -> Result<Written, Fault> {
        let known = self.0.get(format);
        let plan = known.ok_or_else(|| Fault::new(&code::LT_MAP_216).param("format", format))?;
        let unreadable =
            |it: prost::DecodeError| Fault::new(&code::LT_MAP_217).detail(it.to_string());
        let canonical = Canonical::decode(canonical).map_err(unreadable)?;
        let mut native = Vec::new();
        let losses = plan.encode(&canonical, context, files, &mut native)?;
        let hash = plan.hash().to_owned();
        Ok(Written { native, version: plan.version(), hash, losses })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! The native form that tests write.

    use super::*;

    /// A format that holds everything.
    pub(crate) const FORMAT: &str = "canonical.json";

    /// A message in it.
    pub(crate) fn native(canonical: &Canonical) -> Vec<u8> {
        let shelf = Shelf::shipped().unwrap();
        let bytes = canonical.encode_to_vec();
        shelf.write(FORMAT, &bytes, EncodeContext::default(), &Stored::none()).unwrap().native
    }
}
