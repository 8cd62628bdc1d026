//! Whether a ZIP is a file itself or only wraps one.
//!
//! The library of the national axis puts every file into a ZIP with one entry, and unwraps where the
//! content type is `application/zip` and the name does not end in `.zip`. Other writers wrap under
//! any content type. So a ZIP named `.zip` is the file; under a name that stands for no ZIP it wraps
//! the file; in between, the entry has to show that it is the named file.

use proto::fault::code;
use proto::fault::v1::Fault;
use secrecy_marks::find_in_file_name;

use crate::content::archive::{Archive, SaidOfFile, damaged, entry_count, invalid_file};
use crate::content::file_type::{Promise, has_telling_entry, is_zip_name, zip_promise};
use crate::content::pack::is_entry_name;

/// The index of the entry that a ZIP only wraps; none: the bytes are the file itself.
///
/// # Errors
///
/// The ZIP should wrap a file, and holds none or several, or cannot be read; or a name inside bears
/// a secrecy mark.
pub(crate) fn find_wrapped(bytes: &[u8], said: &SaidOfFile<'_>) -> Result<Option<usize>, Fault> {
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"PK\x05\x06") {
        return Ok(None);
    }
    let promise = zip_promise(said.name, said.media_type);
    // Where files lie as they are, a ZIP is the file.
    let is_zip = said.is_raw || is_zip_name(said.name);
    let Ok(archive) = Archive::new(std::io::Cursor::new(bytes)) else {
        return if !is_zip && (promise == Promise::NoZip || said.says_zip) {
            Err(damaged(said.label))
        } else {
            Ok(None)
        };
    };
    check_entry_names(&archive, said.label)?;
    if is_zip || is_document(&archive) {
        return Ok(None);
    }
    let files: Vec<(usize, String)> = archive
        .file_names()
        .enumerate()
        .map(|(index, name)| (index, name.map_or_else(|_| String::new(), |it| it.into_owned())))
        .filter(|(_, name)| !is_system_entry(name))
        .collect();
    // `ZipArchive` counts entries of the same name once.
    let is_repeated = entry_count(bytes).is_some_and(|it| it != archive.len());
    match files.as_slice() {
        [(index, name)] if !is_repeated => Ok(wraps(promise, name, said).then_some(*index)),
        _ if promise != Promise::NoZip => Ok(None),
        [] => Err(invalid_file(said.label, "ZIP không có tệp nào", "the ZIP holds no file")),
        _ => Err(invalid_file(
            said.label,
            "ZIP phải có đúng một tệp",
            "the ZIP must hold exactly one file",
        )),
    }
}

/// True when the only entry of a ZIP is the named file.
fn wraps(promise: Promise, entry: &str, said: &SaidOfFile<'_>) -> bool {
    let last = last_name(entry);
    let extension = |it: &str| it.rsplit_once('.').map(|(_, it)| it.to_lowercase());
    let is_named_alike = is_entry_name(last)
        || last == said.name
        || (extension(last).is_some() && extension(last) == extension(said.name));
    match promise {
        Promise::NoZip => true,
        Promise::Zip => is_named_alike || (said.says_zip && has_telling_entry(said.name)),
        Promise::Unknown => is_named_alike || said.says_zip,
    }
}

/// The last part of an entry's name.
pub(crate) fn last_name(entry: &str) -> &str {
    entry.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// True for a folder, and for what an operating system adds of itself: macOS puts the attributes of
/// each file into a second one.
fn is_system_entry(name: &str) -> bool {
    let last = last_name(name).to_lowercase();
    let mut folders = name.split(['/', '\\']);
    last.is_empty()
        || last.starts_with("._")
        || [".ds_store", "thumbs.db", "desktop.ini"].contains(&last.as_str())
        || folders.any(|it| it == "__MACOSX")
}

/// Names of entries that are searched for a secrecy mark.
const ENTRY_NAMES_MAX: usize = 10_000;

/// Refuses an archive in which a file's name bears a secrecy mark.
fn check_entry_names(archive: &Archive<'_>, label: &str) -> Result<(), Fault> {
    let mut names = archive.file_names().flatten().take(ENTRY_NAMES_MAX);
    if names.all(|it| find_in_file_name(&it).is_none()) {
        return Ok(());
    }
    Err(Fault::new(&code::LT_MAP_007).violation(
        label,
        "trong tệp nén có tên tệp mang dấu chỉ độ mật, hoặc độ mật không rõ",
        "the name of a file inside bears a secrecy mark, or an unclear one",
    ))
}

/// True for an Office Open XML, OpenDocument, EPUB, Android or Java archive.
fn is_document(archive: &Archive<'_>) -> bool {
    archive.file_names().flatten().any(|it| {
        ["[Content_Types].xml", "mimetype", "AndroidManifest.xml"].contains(&it.as_ref())
            || it.starts_with("META-INF/")
    })
}
