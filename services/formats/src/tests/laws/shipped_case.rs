//! The cases of every shipped format.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proto::fault::v1::Fault;
use proto::mapping::v1::DeclaredAttachment;

use super::run::formats_with_rules;
use crate::format::DecodedMessage;
use crate::scan::decode_text;
use crate::tests::native_tree::NativeNode;
use crate::tests::random_messages::RandomMessages;
use crate::{Format, MemoryBlobs};

/// A case of a shipped format.
pub(in crate::tests) struct ShippedCase {
    pub(in crate::tests) format: &'static Format,
    pub(in crate::tests) name: String,
    pub(in crate::tests) native: Vec<u8>,
    pub(in crate::tests) files: MemoryBlobs,
    pub(in crate::tests) declared: Vec<DeclaredAttachment>,
}

impl ShippedCase {
    fn load(format: &'static Format, folder: &Path) -> Self {
        let entries = |it: &Path| -> Vec<PathBuf> {
            let mut paths: Vec<_> =
                fs::read_dir(it).into_iter().flatten().map(|it| it.unwrap().path()).collect();
            paths.sort();
            paths
        };
        let is_native = |it: &PathBuf| it.file_stem().is_some_and(|it| it == "native");
        let native = entries(folder).into_iter().find(is_native).unwrap();
        let (mut files, mut declared) = (MemoryBlobs::default(), Vec::new());
        for it in entries(&folder.join("files")) {
            let name = it.file_name().unwrap().to_string_lossy().into_owned();
            declared.push(files.declare(&name, &fs::read(&it).unwrap()));
        }
        let name = format!("{}/{}", format.name(), folder.file_name().unwrap().to_string_lossy());
        Self { format, name, native: fs::read(native).unwrap(), files, declared }
    }

    pub(in crate::tests) fn decode(&self, native: &[u8]) -> Result<Vec<DecodedMessage>, Fault> {
        self.format.decode(native, &self.declared, &mut self.files.clone())
    }

    /// The content as a plain tree, and its bytes in the writing of the tests.
    pub(in crate::tests) fn tree(&self) -> Option<NativeNode> {
        let text = decode_text(&self.native, self.format.syntax.charset()).ok()?.text;
        let tree = self.format.scan(&text).ok()?;
        NativeNode::of(&tree, &self.format.syntax)
    }
}

/// The cases of every shipped format with rules.
pub(in crate::tests) fn shipped_cases() -> Vec<ShippedCase> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mapping/formats");
    let mut cases = Vec::new();
    for format in formats_with_rules() {
        let mut folders: Vec<_> = fs::read_dir(root.join(format.name()).join("cases"))
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect();
        folders.sort();
        cases.extend(folders.iter().map(|it| ShippedCase::load(format, it)));
    }
    cases
}

/// The cases of each shipped format, by its name.
static CASES: LazyLock<BTreeMap<&str, Vec<ShippedCase>>> = LazyLock::new(|| {
    let mut cases = BTreeMap::<&str, Vec<ShippedCase>>::new();
    for it in shipped_cases() {
        cases.entry(it.format.name()).or_default().push(it);
    }
    cases
});

/// The cases of a shipped format.
pub(in crate::tests) fn cases_of(format: &Format) -> &'static [ShippedCase] {
    CASES.get(format.name()).map_or(&[], Vec::as_slice)
}

/// A case of a shipped format, at random.
pub(in crate::tests) fn any_case_of(
    format: &Format,
    random: &mut RandomMessages,
) -> &'static ShippedCase {
    let cases = cases_of(format);
    &cases[random.index_below(cases.len())]
}
