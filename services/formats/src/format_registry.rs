//! The formats of an installation, by name or detected from native content.

use std::sync::Arc;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;

use crate::content::BlobSink;
use crate::format::{DecodedMessage, Format};
use crate::grammar::Syntax;
use crate::scan::decode_utf8;
use crate::tree::Tree;

/// The descriptions shipped with the product.
const SHIPPED: [&str; 5] = [
    include_str!("../../mapping/formats/edxml.document/description.yaml"),
    include_str!("../../mapping/formats/edxml.status/description.yaml"),
    include_str!("../../mapping/formats/ioffice.portal/description.yaml"),
    include_str!("../../mapping/formats/delivery.report/description.yaml"),
    include_str!("../../mapping/formats/canonical.json/description.yaml"),
];

/// Compiled formats by name; clones share them.
#[derive(Clone, Debug)]
pub struct FormatRegistry(Arc<Vec<Format>>);

impl FormatRegistry {
    /// Compiles the descriptions shipped with the product.
    ///
    /// # Errors
    ///
    /// A shipped description has a mistake; the tests of this crate exclude that.
    pub fn shipped() -> Result<Self, Vec<String>> {
        let formats: Result<Vec<_>, _> = SHIPPED.iter().map(|it| Format::compile(it)).collect();
        Ok(Self(Arc::new(formats?)))
    }

    /// The format of that name.
    pub fn get(&self, name: &str) -> Option<&Format> {
        self.0.iter().find(|it| it.name() == name)
    }

    /// All formats, in the order in which they are detected.
    pub fn all(&self) -> &[Format] {
        &self.0
    }

    /// The format of that name, or for `auto` the format detected from the bytes.
    ///
    /// # Errors
    ///
    /// No format has that name, or none is detected.
    pub fn choose(&self, name: &str, native: &[u8]) -> Result<&Format, Fault> {
        if name == "auto" { Ok(self.detect(native)?.0) } else { self.require(name) }
    }

    /// Decodes native bytes in the format of that name, or for `auto` in the format detected from
    /// them; detection and decoding share one scan.
    ///
    /// # Errors
    ///
    /// No format has that name, none is detected, or the bytes are refused.
    pub fn decode(
        &self,
        name: &str,
        native: &[u8],
        declared: &[DeclaredAttachment],
        sink: &mut dyn BlobSink,
    ) -> Result<(&Format, Vec<DecodedMessage>), Fault> {
        if name != "auto" {
            let format = self.require(name)?;
            return Ok((format, format.decode(native, declared, sink)?));
        }
        let (format, tree) = self.detect(native)?;
        Ok((format, format.decode_scanned(&tree, (native, declared), sink)?))
    }

    fn require(&self, name: &str) -> Result<&Format, Fault> {
        self.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.iter().map(Format::name).collect();
            Fault::new(&code::LT_MAP_017).param("format", name).param("known", known.join(", "))
        })
    }

    /// The first format that detects the bytes, and their tree.
    fn detect<'a>(&self, native: &'a [u8]) -> Result<(&Format, Tree<'a>), Fault> {
        let text = decode_utf8(native)?;
        let is_xml = match text.trim_start().chars().next() {
            Some('<') => true,
            Some('{' | '[') => false,
            _ => return Err(Fault::new(&code::LT_MAP_018)),
        };
        let mut malformed = None;
        let mut scanned: Vec<(&Syntax, Result<Tree<'a>, Fault>)> = Vec::new();
        for format in self.0.iter().filter(|it| is_xml == matches!(it.syntax, Syntax::Xml { .. })) {
            // Formats with the same scan share its tree.
            if !scanned.iter().any(|(it, _)| it.has_same_scan(&format.syntax)) {
                scanned.push((&format.syntax, format.scan(text)));
            }
            match scanned.iter_mut().find(|(it, _)| it.has_same_scan(&format.syntax)) {
                Some((_, Ok(tree))) if format.detects(tree) => {
                    return Ok((format, std::mem::take(tree)));
                }
                Some((_, Err(fault))) => malformed = malformed.or(Some(fault.clone())),
                Some((_, Ok(_))) | None => {}
            }
        }
        // A syntax error says more to the sender than "unknown format".
        if let Some(fault) = malformed {
            return Err(fault);
        }
        Err(Fault::new(&code::LT_MAP_018))
    }
}
