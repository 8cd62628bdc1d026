//! The formats in force: those that are shipped with the product, and those that the registry sends.

use std::sync::Arc;

use formats::{CodeListSet, DescriptionFile, FormatRegistry};
use parking_lot::RwLock;
use proto::journal::v1::StoredFormat;
use proto::registry::v1::FormatDescription;
use registry_client::Directory;

use crate::codec::Codec;

/// Sets of formats that are remembered: messages in progress may still have the one before the last.
const SETS_MAX: usize = 2;

/// The name under which the journal keeps code lists beside formats. No format has it, because the
/// name of a loaded format is that of its file.
const CODE_LISTS: &str = "registry/code-lists";

/// The formats of each snapshot of the registry. A message takes the snapshot once, so one decision
/// sees the applications and the formats of one moment, and a message keeps the versions it began with.
#[derive(Debug)]
pub(crate) struct FormatsInForce {
    shipped: FormatRegistry,
    /// The last sets by their digests, the newest first.
    sets: RwLock<Vec<([u8; 32], Arc<Codec>)>>,
}

impl FormatsInForce {
    /// The formats shipped with the product.
    ///
    /// # Errors
    ///
    /// A shipped description does not compile.
    pub(crate) fn shipped() -> anyhow::Result<Self> {
        let shipped = FormatRegistry::shipped().map_err(|mistakes| {
            let texts: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("a format does not compile: {}", texts.join("; "))
        })?;
        Ok(Self { shipped, sets: RwLock::new(Vec::new()) })
    }

    /// The formats of a snapshot. A description is compiled once, when the first message needs it.
    pub(crate) fn of(&self, directory: &Directory) -> Arc<Codec> {
        let digest = directory.formats_digest();
        let find = |sets: &[([u8; 32], Arc<Codec>)]| {
            sets.iter().find(|(of, _)| *of == digest).map(|(_, codec)| Arc::clone(codec))
        };
        if let Some(codec) = find(&self.sets.read()) {
            return codec;
        }
        let mut sets = self.sets.write();
        if let Some(codec) = find(&sets) {
            return codec;
        }
        let newest = sets.first().map_or(&self.shipped, |(_, codec)| codec.formats());
        let codec = Arc::new(Codec::new(load(newest, directory)));
        sets.insert(0, (digest, Arc::clone(&codec)));
        sets.truncate(SETS_MAX);
        codec
    }

    /// The versions that are used with a snapshot, for the journal to keep, and the code lists, so that
    /// what a message was converted by can be read again.
    pub(crate) fn versions(&self, directory: &Directory) -> Vec<StoredFormat> {
        let shipped = self.shipped.all().zip(FormatRegistry::shipped_texts());
        let shipped = shipped.map(|(format, text)| StoredFormat {
            hash: format.hash().to_owned(),
            name: format.name().to_owned(),
            version: format.version(),
            shipped: true,
            text: text.to_owned(),
            ..StoredFormat::default()
        });
        let loaded = directory.formats().iter().map(|it| StoredFormat {
            hash: it.hash.clone(),
            name: it.name.clone(),
            version: it.version,
            text: it.text.clone(),
            ..StoredFormat::default()
        });
        let lists = CodeListSet::new(directory.code_lists());
        let lists = (!lists.text().is_empty()).then(|| StoredFormat {
            hash: lists.hash(),
            name: CODE_LISTS.to_owned(),
            text: lists.text().to_owned(),
            ..StoredFormat::default()
        });
        shipped.chain(loaded).chain(lists).collect()
    }
}

/// Loads the formats of a snapshot. What the registry could load and this process cannot, because it
/// is of another version, is logged, and its last version stays.
fn load(newest: &FormatRegistry, directory: &Directory) -> FormatRegistry {
    let file =
        |it: &FormatDescription| DescriptionFile { file: it.file.clone(), text: it.text.clone() };
    let files: Vec<_> = directory.formats().iter().map(file).collect();
    let (formats, mistakes) = newest.with(&files);
    for it in mistakes {
        let file = it.file.as_str();
        tracing::error!(file, error = %it.fault, "format of the registry cannot be loaded");
    }
    let lists = CodeListSet::new(directory.code_lists());
    let (loaded, code_lists) = (files.len(), lists.hash());
    tracing::info!(loaded, code_lists, "formats are in force");
    formats.with_code_lists(lists)
}

#[cfg(test)]
mod tests {
    use proto::canonical::v1::canonical::Body;
    use proto::registry::v1::{CodeList, CodeRow, Snapshot};
    use sha2::{Digest as _, Sha256};

    use crate::files::ExtractedFiles;

    use super::*;

    fn description(version: u32) -> FormatDescription {
        let text = format!(
            "format: own.letter\nversion: {version}\ntitle: Thư\ncarries: Document\n\
             syntax: {{kind: json, records: \"\"}}\ndetect: [{{has: letter}}]\n\
             fields:\n  - {{at: line, to: subject}}\n"
        );
        FormatDescription {
            name: "own.letter".to_owned(),
            version,
            hash: format!("{version}"),
            file: "own.letter.yaml".to_owned(),
            text,
            ..FormatDescription::default()
        }
    }

    fn directory(formats: Vec<FormatDescription>) -> Directory {
        Directory::new(Snapshot { revision: "1".to_owned(), formats, ..Snapshot::default() })
    }

    /// A registry in which a name of a document's type has this code.
    fn directory_with_code(code: &str) -> Directory {
        let row =
            CodeRow {
                code: code.to_owned(), name_vi: "Công văn".to_owned(), ..CodeRow::default()
            };
        let list =
            CodeList { name: "document-type".to_owned(), rows: vec![row], ..CodeList::default() };
        let revision = code.to_owned();
        Directory::new(Snapshot { revision, code_lists: vec![list], ..Snapshot::default() })
    }

    /// The type of a letter and the hash of the lists by which it was read.
    fn read_type(codec: &Codec) -> (String, String) {
        let native = r#"{"Value":{"Data":[{"Guid":"1","SoHieu":"4","KyHieu":"CV","TrichYeu":"V/v",
            "DoMat":"0","LoaiVanBan":"Công văn","NgayBanHanh":"20/11/2026",
            "DonViNhanVanBanNgoaDonVi":[{"MaDonVi":"A99.2"}]}]}}"#;
        let mut files = ExtractedFiles::default();
        let mut records =
            codec.decode("ioffice.portal", native.as_bytes(), &[], &mut files).unwrap();
        let decoded = records.remove(0).outcome.unwrap();
        let lists_hash = decoded.canonical.origin.unwrap().lists_hash;
        let Some(Body::Document(document)) = decoded.canonical.body else { panic!("no document") };
        (document.r#type.unwrap().code, format!("{lists_hash:02x}"))
    }

    #[test]
    fn a_changed_list_is_used_by_the_next_message_and_not_by_those_in_progress() {
        let formats = FormatsInForce::shipped().unwrap();
        let none = formats.of(&directory(vec![]));
        assert_eq!(read_type(&none), (String::new(), String::new()));
        let (first, second) = (directory_with_code("cv"), directory_with_code("cong-van"));
        let in_progress = formats.of(&first);
        let (code, hash) = read_type(&in_progress);
        assert_eq!(code, "cv");
        let (changed, other_hash) = read_type(&formats.of(&second));
        assert_eq!(changed, "cong-van");
        assert_ne!(hash, other_hash);
        assert_eq!(read_type(&in_progress), (code, hash.clone()), "as it began");
        assert_eq!(read_type(&formats.of(&first)).1, hash);
        // What the hash in a message names can be read again.
        let kept = formats.versions(&first).into_iter().find(|it| it.hash == hash).unwrap();
        assert_eq!(hash, format!("{:x}", Sha256::digest(&kept.text)));
        assert!(kept.text.contains("Công văn"), "{}", kept.text);
    }

    fn version(of: &Codec) -> Option<u32> {
        of.list_formats().into_iter().find(|it| it.name == "own.letter").map(|it| it.version)
    }

    #[test]
    fn each_snapshot_has_its_own_formats_while_messages_of_the_one_before_are_in_progress() {
        let formats = FormatsInForce::shipped().unwrap();
        let (none, first, second) =
            (directory(vec![]), directory(vec![description(1)]), directory(vec![description(2)]));
        assert_eq!(version(&formats.of(&none)), None);
        let in_progress = formats.of(&first);
        assert!(Arc::ptr_eq(&in_progress, &formats.of(&first)), "it is compiled once");
        assert_eq!(version(&formats.of(&second)), Some(2));
        assert_eq!(version(&formats.of(&first)), Some(1), "for messages that took it before");
        assert_eq!(version(&formats.of(&none)), None);
        assert_eq!(version(&in_progress), Some(1));
    }

    #[test]
    fn what_cannot_be_loaded_keeps_its_last_version() {
        let formats = FormatsInForce::shipped().unwrap();
        formats.of(&directory(vec![description(1)]));
        let broken = FormatDescription { text: "format: [".to_owned(), ..description(2) };
        assert_eq!(version(&formats.of(&directory(vec![broken]))), Some(1));
    }

    #[test]
    fn every_version_that_is_used_is_named_by_the_hash_of_its_text() {
        let formats = FormatsInForce::shipped().unwrap();
        let versions = formats.versions(&directory(vec![]));
        for it in &versions {
            assert_eq!(format!("{:x}", Sha256::digest(&it.text)), it.hash, "{}", it.name);
        }
        assert_eq!(versions.len(), formats.shipped.all().len());
    }
}
