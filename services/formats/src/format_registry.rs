//! The formats of an installation, by name or detected from native content.

use std::panic::catch_unwind;
use std::sync::Arc;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;
use sha2::{Digest as _, Sha256};

use crate::content::BlobSink;
use crate::convert::CodeListSet;
use crate::detection::{Detection, detect, precedence};
use crate::diagnostic::{Defect, SourceMistake, SourcePosition, description_fault};
use crate::format::{DecodedMessage, DecodedRecord, Format, messages_of};
use crate::registered_format::{FormatSource, RegisteredFormat};
use crate::scan::decode_text;

/// The descriptions shipped with the product.
const SHIPPED: &[&str] = &[
    include_str!("../../mapping/formats/edxml.document/description.yaml"),
    include_str!("../../mapping/formats/edxml.status/description.yaml"),
    include_str!("../../mapping/formats/edxml.envelope/description.yaml"),
    include_str!("../../mapping/formats/edxml.govn/description.yaml"),
    include_str!("../../mapping/formats/edxml.cv512/description.yaml"),
    include_str!("../../mapping/formats/voffice.register/description.yaml"),
    include_str!("../../mapping/formats/ioffice.portal/description.yaml"),
    include_str!("../../mapping/formats/ioffice.push/description.yaml"),
    include_str!("../../mapping/formats/ioffice.results/description.yaml"),
    include_str!("../../mapping/formats/ioffice.lgsp/description.yaml"),
    include_str!("../../mapping/formats/ioffice.lgsp.dossier/description.yaml"),
    include_str!("../../mapping/formats/ioffice.directory/description.yaml"),
    include_str!("../../mapping/formats/coyeu.document/description.yaml"),
    include_str!("../../mapping/formats/eoffice.laocai/description.yaml"),
    include_str!("../../mapping/formats/edxml.json/description.yaml"),
    include_str!("../../mapping/formats/edxml.json.status/description.yaml"),
    include_str!("../../mapping/formats/letter/description.yaml"),
    include_str!("../../mapping/formats/delivery.report/description.yaml"),
    include_str!("../../mapping/formats/canonical.json/description.yaml"),
];

/// The text of a description that is not part of the product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescriptionFile {
    /// The file, as it is shown to people.
    pub file: String,
    /// The whole text.
    pub text: String,
}

/// Why a description was not loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct DescriptionMistake {
    /// The file of the description.
    pub file: String,
    /// Name of the format; empty when the text has none.
    pub format: String,
    /// The code, with one violation for each mistake.
    pub fault: Fault,
}

/// Compiled formats by name; clones share them.
#[derive(Clone, Debug)]
pub struct FormatRegistry(Arc<Vec<RegisteredFormat>>);

impl FormatRegistry {
    /// Compiles the descriptions shipped with the product.
    ///
    /// # Errors
    ///
    /// A shipped description has a mistake; the tests of this crate exclude that.
    pub fn shipped() -> Result<Self, Vec<String>> {
        let compile = |text: &&str| {
            let format = Arc::new(Format::compile(text)?);
            Ok::<_, Vec<SourceMistake>>(RegisteredFormat { format, source: FormatSource::Shipped })
        };
        let formats: Result<Vec<_>, _> = SHIPPED.iter().map(compile).collect();
        match formats {
            Ok(formats) => Ok(Self(Arc::new(formats))),
            Err(mistakes) => Err(mistakes.iter().map(ToString::to_string).collect()),
        }
    }

    /// The texts of the descriptions shipped with the product.
    pub fn shipped_texts() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().copied()
    }

    /// The shipped formats with these beside them, in place of any that were loaded before; and the
    /// mistakes of those that cannot be. A description that this registry has is not compiled again,
    /// so formats that are in use stay shared.
    ///
    /// Of a file with a mistake, the format that this registry has of it stays. A name belongs to the
    /// product or to one file. Two formats must differ in what they are
    /// detected by.
    #[must_use]
    pub fn with(&self, files: &[DescriptionFile]) -> (Self, Vec<DescriptionMistake>) {
        let is_shipped = |it: &&RegisteredFormat| it.source == FormatSource::Shipped;
        let mut formats: Vec<_> = self.0.iter().filter(is_shipped).cloned().collect();
        let mut mistakes = Vec::new();
        for it in files {
            match self.load(it, &formats) {
                Ok(format) => formats.push(format),
                Err(mistake) => {
                    mistakes.push(mistake);
                    formats.extend(self.last_good(it, &formats));
                }
            }
        }
        sort_by_precedence(&mut formats);
        (Self(Arc::new(formats)), mistakes)
    }

    /// These formats with the lists of a registry, whose rows the lists of descriptions are bound to.
    #[must_use]
    pub fn with_code_lists(&self, lists: CodeListSet) -> Self {
        let lists = Arc::new(lists);
        let with_lists = |it: &RegisteredFormat| match it.format.with_code_lists(&lists) {
            Some(format) => RegisteredFormat { format: Arc::new(format), ..it.clone() },
            None => it.clone(),
        };
        Self(Arc::new(self.0.iter().map(with_lists).collect()))
    }

    /// What this registry has of a file that has a mistake now.
    fn last_good(
        &self,
        file: &DescriptionFile,
        others: &[RegisteredFormat],
    ) -> Option<RegisteredFormat> {
        let source = FormatSource::File(file.file.clone());
        let last = self.0.iter().find(|it| it.source == source)?;
        let is_free = others.iter().all(|it| it.format.name() != last.format.name());
        is_free.then(|| last.clone())
    }

    fn load(
        &self,
        file: &DescriptionFile,
        others: &[RegisteredFormat],
    ) -> Result<RegisteredFormat, DescriptionMistake> {
        let mistake = |format: &str, fault: Fault| {
            let (file, format) = (file.file.clone(), format.to_owned());
            DescriptionMistake { file, format, fault }
        };
        let format = self.compile(&file.text).map_err(|it| mistake("", description_fault(&it)))?;
        let name = format.name().to_owned();
        if let Some(other) = others.iter().find(|it| it.format.name() == name) {
            let fault = match &other.source {
                FormatSource::Shipped => Fault::new(&code::LT_FMT_021).param("format", &name),
                FormatSource::File(first) => {
                    Fault::new(&code::LT_FMT_022).param("format", &name).param("first", first)
                }
            };
            return Err(mistake(&name, fault));
        }
        let is_same = |it: &&RegisteredFormat| precedence(&format, &it.format).is_equal();
        if let Some(other) = others.iter().find(is_same) {
            let fault = Fault::new(&code::LT_FMT_023).param("format", &name);
            return Err(mistake(&name, fault.param("other", other.format.name())));
        }
        Ok(RegisteredFormat { format, source: FormatSource::File(file.file.clone()) })
    }

    /// Compiles a description, unless this registry has it.
    fn compile(&self, text: &str) -> Result<Arc<Format>, Vec<SourceMistake>> {
        let hash = hex::encode(Sha256::digest(text.as_bytes()));
        if let Some(known) = self.0.iter().find(|it| it.format.hash() == hash) {
            return Ok(Arc::clone(&known.format));
        }
        // A description is compiled in every role; none may end it.
        let compiled = catch_unwind(|| Format::compile(text)).unwrap_or_else(|_panic| {
            let defect = Defect::new(
                &code::LT_SYS_001,
                "lỗi bên trong bộ máy định dạng",
                "the format engine failed",
            );
            Err(vec![SourceMistake::new(SourcePosition::default(), "", defect)])
        });
        compiled.map(Arc::new)
    }

    /// The format of that name.
    pub fn get(&self, name: &str) -> Option<&Format> {
        self.0.iter().map(|it| &*it.format).find(|it| it.name() == name)
    }

    /// All formats, in the order in which they are detected.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Format> + Clone {
        self.0.iter().map(|it| &*it.format)
    }

    /// All formats with where they come from, in the order in which they are detected.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = (&Format, &FormatSource)> + Clone {
        self.0.iter().map(|it| (&*it.format, &it.source))
    }

    /// The format of that name, or for `auto` the format detected from the bytes.
    ///
    /// # Errors
    ///
    /// No format has that name, none is detected, or several are.
    pub fn choose(&self, name: &str, native: &[u8]) -> Result<&Format, Fault> {
        if name != "auto" {
            return self.require(name);
        }
        match decode_text(native, None) {
            Ok(text) => Ok(detect(&self.0, &text.text)?.format),
            Err(fault) => self.detect_by_charset(native).ok_or(fault),
        }
    }

    /// Decodes native bytes of which every record is a message, as [`Self::decode_records`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Self::decode_records`], or the first record is refused.
    pub fn decode(
        &self,
        name: &str,
        native: &[u8],
        declared: &[DeclaredAttachment],
        sink: &mut dyn BlobSink,
    ) -> Result<(&Format, Vec<DecodedMessage>), Fault> {
        let (format, records) = self.decode_records(name, native, declared, sink)?;
        Ok((format, messages_of(records)?))
    }

    /// Decodes native bytes in the format of that name, or for `auto` in the format detected from
    /// them; detection and decoding share one scan. Each record is a message, or is refused by
    /// itself.
    ///
    /// # Errors
    ///
    /// No format has that name, none is detected, several are, or the item is refused as a whole.
    pub fn decode_records(
        &self,
        name: &str,
        native: &[u8],
        declared: &[DeclaredAttachment],
        sink: &mut dyn BlobSink,
    ) -> Result<(&Format, Vec<DecodedRecord>), Fault> {
        if name != "auto" {
            let format = self.require(name)?;
            return Ok((format, format.decode_records(native, declared, sink)?));
        }
        let text = match decode_text(native, None) {
            Ok(text) => text,
            Err(fault) => {
                let format = self.detect_by_charset(native).ok_or(fault)?;
                return Ok((format, format.decode_records(native, declared, sink)?));
            }
        };
        let Detection { format, tree } = detect(&self.0, &text.text)?;
        Ok((format, format.decode_scanned(&tree, &text, (native, declared), sink)?))
    }

    /// The first format whose description says the charset of bytes that are no Unicode, and that
    /// detects them.
    fn detect_by_charset(&self, native: &[u8]) -> Option<&Format> {
        self.0.iter().map(|it| &*it.format).find(|it| {
            let charset = it.syntax.charset();
            let text = charset.and_then(|_| decode_text(native, charset).ok());
            text.is_some_and(|text| it.scan(&text.text).is_ok_and(|tree| it.detects(&tree)))
        })
    }

    fn require(&self, name: &str) -> Result<&Format, Fault> {
        self.get(name).ok_or_else(|| {
            let known: Vec<_> = self.all().map(Format::name).collect();
            Fault::new(&code::LT_MAP_017).param("format", name).param("known", known.join(", "))
        })
    }
}

/// Orders formats so that one with further conditions is tried before the one whose conditions it
/// has, and otherwise the shipped ones first.
fn sort_by_precedence(formats: &mut Vec<RegisteredFormat>) {
    let mut rest = std::mem::take(formats);
    while !rest.is_empty() {
        let is_next = |at: usize, it: &RegisteredFormat| {
            let mut others = rest.iter().enumerate().filter(|(other, _)| *other != at);
            !others.any(|(_, other)| precedence(&other.format, &it.format).is_before())
        };
        // Precedence is a partial order, so there is always a first one.
        let next = rest.iter().enumerate().position(|(at, it)| is_next(at, it)).unwrap_or(0);
        formats.push(rest.remove(next));
    }
}

#[cfg(test)]
mod mutated_descriptions;
#[cfg(test)]
mod tests;
