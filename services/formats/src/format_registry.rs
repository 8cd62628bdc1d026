//! The formats there are.

use std::sync::Arc;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;

use crate::content::BlobSink;
use crate::format::reading::utf8;
use crate::format::{DecodedMessage, Format};
use crate::grammar::Syntax;
use crate::tree::Tree;

/// The descriptions shipped with the product.
const SHIPPED: [&str; 4] = [
    include_str!("../../mapping/formats/edxml.document/description.yaml"),
    include_str!("../../mapping/formats/edxml.status/description.yaml"),
    include_str!("../../mapping/formats/ioffice.portal/description.yaml"),
    include_str!("../../mapping/formats/canonical.json/description.yaml"),
];

/// Formats by name; clones share them.
#[derive(Clone, Debug)]
pub struct FormatRegistry(Arc<Vec<Format>>);

impl FormatRegistry {
    /// The shipped formats.
    ///
    /// # Errors
    ///
    /// A shipped description has a mistake; a test keeps this from being released.
    pub fn shipped() -> Result<Self, Vec<String>> {
        let formats: Result<Vec<_>, _> = SHIPPED.iter().map(|it| Format::compile(it)).collect();
        Ok(Self(Arc::new(formats?)))
    }

    /// The format of that name.
    pub fn get(&self, name: &str) -> Option<&Format> {
        self.0.iter().find(|it| it.name() == name)
    }

    /// All of them.
    pub fn all(&self) -> &[Format] {
        &self.0
    }

    /// The format of that name, or for `auto` the one the bytes have.
    ///
    /// # Errors
    ///
    /// There is no such format, or none fits.
    pub fn choose(&self, name: &str, native: &[u8]) -> Result<&Format, Fault> {
        if name == "auto" { Ok(self.detect(native)?.0) } else { self.known(name) }
    }

    /// Reads native bytes in the format of that name, or for `auto` in the one they have, with one
    /// look at them.
    ///
    /// # Errors
    ///
    /// There is no such format, none fits, or the bytes cannot be read.
    pub fn decode(
        &self,
        name: &str,
        native: &[u8],
        declared: &[DeclaredAttachment],
        sink: &mut dyn BlobSink,
    ) -> Result<(&Format, Vec<DecodedMessage>), Fault> {
        if name != "auto" {
            let format = self.known(name)?;
            return Ok((format, format.decode(native, declared, sink)?));
        }
        let (format, tree) = self.detect(native)?;
        Ok((format, format.decode_scanned(&tree, (native, declared), sink)?))
    }

    fn known(&self, name: &str) -> Result<&Format, Fault> {
        self.get(name).ok_or_else(|| {
            let known: Vec<_> = self.0.iter().map(Format::name).collect();
            Fault::new(&code::LT_MAP_017).param("format", name).param("known", known.join(", "))
        })
    }

    /// The format that bytes have, and what was seen of them.
    fn detect<'a>(&self, native: &'a [u8]) -> Result<(&Format, Tree<'a>), Fault> {
        let text = utf8(native)?;
        let is_xml = match text.trim_start().chars().next() {
            Some('<') => true,
            Some('{' | '[') => false,
            _ => return Err(Fault::new(&code::LT_MAP_018)),
        };
        let mut broken = None;
        let mut scanned: Vec<(&Syntax, Result<Tree<'a>, Fault>)> = Vec::new();
        for format in self.0.iter().filter(|it| is_xml == matches!(it.syntax, Syntax::Xml { .. })) {
            // Formats of one syntax look at the same tree.
            if !scanned.iter().any(|(it, _)| it.scans_as(&format.syntax)) {
                scanned.push((&format.syntax, format.scan(text)));
            }
            match scanned.iter_mut().find(|(it, _)| it.scans_as(&format.syntax)) {
                Some((_, Ok(tree))) if format.detects(tree) => {
                    return Ok((format, std::mem::take(tree)));
                }
                Some((_, Err(fault))) => broken = broken.or(Some(fault.clone())),
                Some((_, Ok(_))) | None => {}
            }
        }
        // What is broken is told as broken rather than as unknown.
        if let Some(fault) = broken {
            return Err(fault);
        }
        Err(Fault::new(&code::LT_MAP_018))
    }
}
