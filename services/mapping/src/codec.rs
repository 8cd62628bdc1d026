//! The connection to the format engine: formats by name, native bytes in, native bytes out.

use std::io;

use bus::Claim;
use formats::{BlobSink, BlobSource, EncodeContext, Format as CompiledFormat, FormatRegistry};
use prost::Message as _;
use proto::canonical::v1::Canonical;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::{DeclaredAttachment, Format};
use proto::message::v1::{Finding, Loss};

use crate::files::{ExtractedFiles, StoredFiles};
use crate::search_index::read_attributes;
use crate::secrecy;

/// Decodes and encodes in the formats that this service has.
#[derive(Debug)]
pub(crate) struct Codec(FormatRegistry);

/// One message decoded from native bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecodedItem {
    /// The canonical message.
    pub(crate) canonical: Canonical,
    /// The format's name.
    pub(crate) format: String,
    /// Version of the format's description.
    pub(crate) version: u32,
    /// SHA-256 of the format's description, lower-case hex.
    pub(crate) hash: String,
    /// SHA-256 of the native bytes.
    pub(crate) native_sha256: Vec<u8>,
    /// Irregularities that did not stop the decoding.
    pub(crate) findings: Vec<Finding>,
}

/// A message encoded in a format.
#[derive(Debug)]
pub(crate) struct EncodedMessage {
    pub(crate) native: Vec<u8>,
    pub(crate) version: u32,
    pub(crate) hash: String,
    /// The loss report: canonical fields that the format could not carry unchanged.
    pub(crate) losses: Vec<Loss>,
}

impl BlobSink for ExtractedFiles {
    fn admit(&mut self, canonical: &Canonical) -> Result<(), Fault> {
        self.bears_secrecy_mark |= secrecy::find_mark(canonical).is_some();
        self.read = Some(read_attributes(canonical));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.append(bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.complete_file()
    }
}

impl BlobSource for StoredFiles {
    fn read(&self, sha256: [u8; 32], size: u64, into: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        self.read_into(&Claim { sha256, size }, into)
    }
}

impl Codec {
    /// Decodes and encodes in these formats.
    pub(crate) fn new(formats: FormatRegistry) -> Self {
        Self(formats)
    }

    /// The formats.
    pub(crate) fn formats(&self) -> &FormatRegistry {
        &self.0
    }

    /// Every format as the contract lists it.
    pub(crate) fn list_formats(&self) -> Vec<Format> {
        let format = |it: &CompiledFormat| Format {
            name: it.name().to_owned(),
            version: it.version(),
            hash: it.hash().to_owned(),
            title: it.title().to_owned(),
            carries: it.carries().iter().map(|it| i32::from(*it)).collect(),
        };
        self.0.all().map(format).collect()
    }

    /// The native path of a canonical path, by which a refusal names the sender's own field; the
    /// canonical path when the format has none for it.
    pub(crate) fn native_path(&self, format: &str, path: &str) -> String {
        self.0.get(format).map_or_else(|| path.to_owned(), |it| it.native_path(path))
    }

    /// Why a message cannot be written in a format for want of what the format needs; none when it can
    /// be, or for a format that is not there.
    pub(crate) fn find_missing(&self, format: &str, canonical: &Canonical) -> Option<Fault> {
        self.0.get(format)?.find_missing(canonical)
    }

    /// Decodes native bytes that hold exactly one message; attachments inside go to `files`.
    pub(crate) fn decode(
        &self,
        format: &str,
        native: &[u8],
        declared: &[DeclaredAttachment],
        files: &mut ExtractedFiles,
    ) -> Result<DecodedItem, Fault> {
        let (format, mut messages) = self.0.decode(format, native, declared, files)?;
        let (Some(message), true) = (messages.pop(), messages.is_empty()) else {
            return Err(Fault::new(&code::LT_MAP_223));
        };
        let origin = message.canonical.origin.as_ref();
        let native = origin.and_then(|it| it.native.as_ref()).map(|it| it.value.to_vec());
        Ok(DecodedItem {
            format: format.name().to_owned(),
            version: format.version(),
            hash: format.hash().to_owned(),
            native_sha256: native.unwrap_or_default(),
            findings: message.findings,
            canonical: message.canonical,
        })
    }

    /// Encodes a canonical message, itself encoded in protobuf, in a format.
    pub(crate) fn encode(
        &self,
        format: &str,
        canonical: &[u8],
        context: EncodeContext,
        files: &StoredFiles,
    ) -> Result<EncodedMessage, Fault> {
        let unknown = || Fault::new(&code::LT_MAP_216).param("format", format);
        let format = self.0.get(format).ok_or_else(unknown)?;
        let unreadable =
            |it: prost::DecodeError| Fault::new(&code::LT_MAP_217).detail(it.to_string());
        let canonical = Canonical::decode(canonical).map_err(unreadable)?;
        let mut native = Vec::new();
        let losses = format.encode(&canonical, context, files, &mut native)?;
        let hash = format.hash().to_owned();
        Ok(EncodedMessage { native, version: format.version(), hash, losses })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    //! The native form in which other tests write messages.

    use super::*;

    impl Codec {
        /// The formats shipped with the product.
        pub(crate) fn with_shipped_formats() -> anyhow::Result<Self> {
            FormatRegistry::shipped()
                .map(Self)
                .map_err(|it| anyhow::anyhow!("a format does not compile: {}", it.join("; ")))
        }
    }

    /// A format that loses nothing.
    pub(crate) const FORMAT: &str = "canonical.json";

    /// A message encoded in [`FORMAT`].
    pub(crate) fn encode_native(canonical: &Canonical) -> Vec<u8> {
        let codec = Codec::with_shipped_formats().unwrap();
        let bytes = canonical.encode_to_vec();
        let files = StoredFiles::none();
        codec.encode(FORMAT, &bytes, EncodeContext::default(), &files).unwrap().native
    }
}
