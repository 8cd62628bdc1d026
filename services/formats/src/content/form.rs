//! How a written file lies in a body: as it is, or in a ZIP with one entry.

use crate::content::archive::SaidOfFile;
use crate::content::blob::{BlobDigest, BlobSource};
use crate::content::file_type::is_zip_name;
use crate::content::inspect::FileTraits;
use crate::content::pack::{pack_raw, pack_zip, plain_extension};
use crate::content::wrapping::find_wrapped;
use crate::grammar::FileForm;
use proto::fault::v1::Fault;

/// Media type of a ZIP. The library of the national axis unwraps what has it, except under a name
/// that ends in `.zip`.
const ZIP_TYPE: &str = "application/zip";
/// Another name for it, by which that library unwraps nothing.
const OTHER_ZIP_TYPE: &str = "application/x-zip-compressed";

/// True for a content type by which readers unwrap a file, so that it belongs to the file as it is
/// written, and no other text may stand in its place.
pub(crate) fn says_packed(content_type: &str) -> bool {
    content_type == ZIP_TYPE
}

/// How a format has the files in its bodies.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packing {
    pub(crate) form: FileForm,
    /// The body says beside each file whether it is in a ZIP.
    pub(crate) is_told: bool,
}

impl Packing {
    /// True when a reader has to look for wrapped files.
    pub(crate) fn may_wrap(self) -> bool {
        self.form == FileForm::Zip || self.is_told
    }
}

/// True when a file is put into a ZIP. A file named `.zip` never is: no reader would unwrap it.
fn is_wrapped(packing: Packing, file_name: &str, media_type: &str) -> bool {
    // A raw file under the type of a ZIP would be unwrapped.
    let is_misread = packing.is_told && media_type == ZIP_TYPE;
    !is_zip_name(file_name) && (packing.form == FileForm::Zip || is_misread)
}

/// The content type that a body says beside a file, so that a reader knows whether to unwrap it.
pub(crate) fn packed_media_type<'m>(
    packing: Packing,
    file_name: &str,
    media_type: &'m str,
) -> &'m str {
    if is_wrapped(packing, file_name, media_type) {
        return ZIP_TYPE;
    }
    match media_type {
        _ if file_name.ends_with(".zip") => ZIP_TYPE,
        // Whether that library looks at the case of a name is not known.
        _ if is_zip_name(file_name) => OTHER_ZIP_TYPE,
        "" => "application/octet-stream",
        other => other,
    }
}

/// Appends base64 of a file in the form of the format.
///
/// # Errors
///
/// The file cannot be read, or is too large for a ZIP.
pub(crate) fn pack(
    file: BlobDigest,
    (packing, file_name, media_type): (Packing, &str, &str),
    source: &dyn BlobSource,
    out: &mut Vec<u8>,
) -> Result<FileTraits, Fault> {
    let extension = plain_extension(file_name);
    if is_wrapped(packing, file_name, media_type) {
        return pack_zip(file, &extension, source, out);
    }
    let begin = out.len();
    let traits = pack_raw(file, source, out)?;
    let said = SaidOfFile {
        name: file_name,
        media_type: packed_media_type(packing, file_name, media_type),
        ..SaidOfFile::default()
    };
    if packing.is_told && is_unwrapped(&traits, out.get(begin..).unwrap_or_default(), &said) {
        out.truncate(begin);
        return pack_zip(file, &extension, source, out);
    }
    Ok(traits)
}

/// True for a raw ZIP that readers would take for a wrapping.
fn is_unwrapped(traits: &FileTraits, base64: &[u8], said: &SaidOfFile<'_>) -> bool {
    if !traits.head.starts_with(b"PK") {
        return false;
    }
    let bytes = base64_simd::STANDARD.decode_to_vec(base64).unwrap_or_default();
    find_wrapped(&bytes, said).map_or(true, |it| it.is_some())
}
