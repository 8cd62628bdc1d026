//! The connection to the format engine: formats by name, native bytes in, native bytes out.

use std::io;

use bus::Claim;
use formats::{
    BlobSink, BlobSource, DecodedMessage, DecodedRecord, EncodeContext, Format as CompiledFormat,
    FormatRegistry,
};
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
    /// Identifies the record by the native bytes: their SHA-256, and its place where there are
    /// several.
    pub(crate) native_identity: Vec<u8>,
    /// Irregularities that did not stop the decoding.
    pub(crate) findings: Vec<Finding>,
}

/// A record of native bytes, decoded or refused by itself.
#[derive(Clone, Debug)]
pub(crate) struct ItemRecord {
    /// Where it stands in the body.
    pub(crate) place: String,
    pub(crate) outcome: Result<DecodedItem, Fault>,
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
    fn admit(&mut self, record: usize, canonical: &Canonical) -> Result<(), Fault> {
        self.bears_secrecy_mark |= secrecy::find_mark(canonical).is_some();
        self.read.insert(record, read_attributes(canonical));
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

    /// Decodes native bytes to the messages of their records; attachments inside go to `files`.
    pub(crate) fn decode(
        &self,
        format: &str,
        native: &[u8],
        declared: &[DeclaredAttachment],
        files: &mut ExtractedFiles,
    ) -> Result<Vec<ItemRecord>, Fault> {
        let (format, records) = self.0.decode_records(format, native, declared, files)?;
        let is_single = records.len() == 1;
        let decoded = |message: DecodedMessage, place: &str| {
            let origin = message.canonical.origin.as_ref();
            let native = origin.and_then(|it| it.native.as_ref());
            let mut identity = native.map(|it| it.value.to_vec()).unwrap_or_default();
            identity.extend_from_slice(if is_single { b"" } else { place.as_bytes() });
            DecodedItem {
                format: format.name().to_owned(),
                version: format.version(),
                hash: format.hash().to_owned(),
                native_identity: identity,
                findings: message.findings,
                canonical: message.canonical,
            }
        };
        let record = |it: DecodedRecord| ItemRecord {
            outcome: it.outcome.map(|message| decoded(message, &it.place)),
            place: it.place,
        };
        Ok(records.into_iter().map(record).collect())
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
