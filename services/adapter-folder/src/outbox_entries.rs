//! What lies in an outbox: the documents, and which folder holds the attachments of which document.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization as _;

/// Maximum number of documents of one scan; the next scan finds the others.
pub(crate) const DOCUMENTS_MAX: usize = 1_000;
/// Maximum number of attachments of one document.
const FILES_MAX: usize = 1_000;
/// Suffixes that programs give to files that they are still writing.
const TEMPORARY_SUFFIXES: [&str; 5] = [".tmp", ".part", ".partial", ".crdownload", ".filepart"];
/// Files that operating systems create in folders.
const SYSTEM_FILES: [&str; 3] = ["thumbs.db", "desktop.ini", "__macosx"];

/// The entries of an outbox.
#[derive(Debug, Default)]
pub(crate) struct OutboxEntries {
    folder: PathBuf,
    /// Names of the files that may be documents.
    pub(crate) documents: Vec<OsString>,
    /// Names of folders with letters beyond ASCII, by the same letters composed (NFC): some systems
    /// and archives decompose the names of what they copy.
    folders: HashMap<String, Vec<OsString>>,
}

impl OutboxEntries {
    /// Lists a folder.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let mut entries = Self { folder: folder.to_owned(), ..Self::default() };
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Ok(file_type) = entry.file_type() else { continue };
            let name = entry.file_name();
            if file_type.is_dir() && !name.is_ascii() {
                entries.folders.entry(composed(&name)).or_default().push(name);
            } else if file_type.is_file()
                && !is_ignored(&name)
                && entries.documents.len() < DOCUMENTS_MAX
            {
                entries.documents.push(name);
            }
        }
        Ok(entries)
    }

    /// Path of the folder with the attachments of a document: `<name>.files`, else the only folder
    /// whose name has the same letters and that is no other document's own.
    pub(crate) fn attachments_of(&self, document: &OsStr) -> PathBuf {
        let own = attachment_folder(document);
        let is_others = |folder: &OsString| {
            self.documents.iter().any(|it| it != document && attachment_folder(it) == *folder)
        };
        let same_letters = match self.folders.get(&composed(&own)) {
            Some(folders) if !folders.contains(&own) => folders.as_slice(),
            Some(_) | None => &[],
        };
        let mut free = same_letters.iter().filter(|it| !is_others(it));
        match (free.next(), free.next()) {
            (Some(only), None) => self.folder.join(only),
            _ => self.folder.join(own),
        }
    }
}

/// The letters of a name composed (NFC).
fn composed(name: &OsStr) -> String {
    name.to_string_lossy().nfc().collect()
}

/// The files that would be submitted with a document, were its folder an outbox.
///
/// # Errors
///
/// A folder cannot be read.
pub fn attachments_beside(document: &Path) -> io::Result<Vec<PathBuf>> {
    let Some(name) = document.file_name() else { return Ok(Vec::new()) };
    let folder = document.parent().filter(|it| !it.as_os_str().is_empty());
    let entries = OutboxEntries::read(folder.unwrap_or(Path::new(".")))?;
    Ok(AttachmentFolder::read(&entries.attachments_of(name))?.files)
}

/// The attachments of a document, in the folder `<name>.files`.
#[derive(Debug, Default)]
pub(crate) struct AttachmentFolder {
    /// Regular files, in the order of their names.
    pub(crate) files: Vec<PathBuf>,
    /// A file is still being written.
    pub(crate) is_incomplete: bool,
}

impl AttachmentFolder {
    /// Lists the folder; one that does not exist is empty. Links are not followed.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(folder) {
            Ok(it) if it.is_dir() => {}
            Ok(_) => {
                let message = format!("{} is not a folder", folder.display());
                return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
            }
            // With `.files` added, the name of a document may be too long for a folder.
            Err(error) => {
                let kinds = [io::ErrorKind::NotFound, io::ErrorKind::InvalidFilename];
                return if kinds.contains(&error.kind()) {
                    Ok(Self::default())
                } else {
                    Err(error)
                };
            }
        }
        let mut attachments = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            attachments.is_incomplete |= is_temporary(&name.to_string_lossy().to_lowercase());
            let is_file = entry.file_type()?.is_file() && !is_ignored(&name);
            if is_file && attachments.files.len() < FILES_MAX {
                attachments.files.push(entry.path());
            }
        }
        attachments.files.sort();
        Ok(attachments)
    }
}

/// Name of the folder with the attachments of a document.
pub(crate) fn attachment_folder(name: &OsStr) -> OsString {
    let mut folder = name.to_owned();
    folder.push(".files");
    folder
}

/// True for hidden, temporary and system files, which are never documents.
fn is_ignored(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    name.starts_with(['.', '~']) || is_temporary(&name) || SYSTEM_FILES.contains(&name.as_str())
}

/// True for a lower-case name with the suffix of a temporary file.
fn is_temporary(name: &str) -> bool {
    TEMPORARY_SUFFIXES.iter().any(|it| name.ends_with(it))
}
