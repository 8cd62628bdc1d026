//! What a file is: shown by its first bytes, promised by the extension of its name.

/// The container or signature that first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Pdf,
    Png,
    Jpeg,
    Gif,
    Tiff,
    Bmp,
    Webp,
    Zip,
    Ole,
    Rtf,
    Xml,
    Html,
    Windows,
    Elf,
    Rar,
    SevenZip,
    Gzip,
    Dwg,
    Cms,
    Mp4,
    Mp3,
}

/// A shape with its media type and its name for people, Vietnamese and English.
type ShapeRow = (Shape, &'static str, &'static str, &'static str);

const SHAPES: [ShapeRow; 21] = [
    (Shape::Pdf, "application/pdf", "PDF", "a PDF"),
    (Shape::Png, "image/png", "ảnh PNG", "a PNG image"),
    (Shape::Jpeg, "image/jpeg", "ảnh JPEG", "a JPEG image"),
    (Shape::Gif, "image/gif", "ảnh GIF", "a GIF image"),
    (Shape::Tiff, "image/tiff", "ảnh TIFF", "a TIFF image"),
    (Shape::Bmp, "image/bmp", "ảnh BMP", "a BMP image"),
    (Shape::Webp, "image/webp", "ảnh WebP", "a WebP image"),
    (Shape::Zip, "application/zip", "tệp nén ZIP", "a ZIP archive"),
    (Shape::Ole, "application/x-ole-storage", "tệp Office cũ (OLE)", "an old Office file (OLE)"),
    (Shape::Rtf, "application/rtf", "văn bản RTF", "an RTF text"),
    (Shape::Xml, "application/xml", "XML", "XML"),
    (Shape::Html, "text/html", "trang web HTML", "an HTML page"),
    (
        Shape::Windows,
        "application/vnd.microsoft.portable-executable",
        "chương trình chạy Windows (EXE)",
        "a Windows program (EXE)",
    ),
    (Shape::Elf, "application/x-executable", "chương trình chạy Linux", "a Linux program"),
    (Shape::Rar, "application/vnd.rar", "tệp nén RAR", "a RAR archive"),
    (Shape::SevenZip, "application/x-7z-compressed", "tệp nén 7z", "a 7z archive"),
    (Shape::Gzip, "application/gzip", "tệp nén gzip", "a gzip file"),
    (Shape::Dwg, "image/vnd.dwg", "bản vẽ DWG", "a DWG drawing"),
    (Shape::Cms, "application/pkcs7-mime", "chữ ký số (CMS)", "a CMS signature"),
    (Shape::Mp4, "video/mp4", "phim MP4", "an MP4 film"),
    (Shape::Mp3, "audio/mpeg", "âm thanh MP3", "an MP3 sound"),
];

/// Begin of a file by shape.
const SIGNATURES: [(&[u8], Shape); 20] = [
    (b"\x89PNG\r\n\x1a\n", Shape::Png),
    (b"\xff\xd8\xff", Shape::Jpeg),
    (b"GIF87a", Shape::Gif),
    (b"GIF89a", Shape::Gif),
    (b"II*\0", Shape::Tiff),
    (b"MM\0*", Shape::Tiff),
    (b"PK\x03\x04", Shape::Zip),
    (b"PK\x05\x06", Shape::Zip),
    (b"PK\x07\x08", Shape::Zip),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Shape::Ole),
    (b"{\\rtf", Shape::Rtf),
    (b"\x7fELF", Shape::Elf),
    (b"Rar!\x1a\x07", Shape::Rar),
    (b"7z\xbc\xaf\x27\x1c", Shape::SevenZip),
    (b"\x1f\x8b\x08", Shape::Gzip),
    (b"AC10", Shape::Dwg),
    (b"ID3\x02", Shape::Mp3),
    (b"ID3\x03", Shape::Mp3),
    (b"ID3\x04", Shape::Mp3),
    (b"%PDF-", Shape::Pdf),
];

/// The media type that an extension stands for, and the shapes that such a file has; no shape: any
/// content may have the extension.
struct NamedType {
    extension: &'static str,
    media_type: &'static str,
    shapes: &'static [Shape],
}

const fn named(
    extension: &'static str,
    media_type: &'static str,
    shapes: &'static [Shape],
) -> NamedType {
    NamedType { extension, media_type, shapes }
}

const ZIP: &[Shape] = &[Shape::Zip];
/// Office Open XML; with a password it lies in an OLE file.
const OOXML: &[Shape] = &[Shape::Zip, Shape::Ole];
const OLE: &[Shape] = &[Shape::Ole];

const NAMED_TYPES: [NamedType; 58] = [
    named("pdf", "application/pdf", &[Shape::Pdf]),
    named("doc", "application/msword", &[Shape::Ole, Shape::Rtf]),
    named("xls", "application/vnd.ms-excel", OLE),
    named("ppt", "application/vnd.ms-powerpoint", OLE),
    named("msg", "application/vnd.ms-outlook", OLE),
    named("vsd", "application/vnd.visio", OLE),
    named("rtf", "application/rtf", &[Shape::Rtf]),
    named("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", OOXML),
    named("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", OOXML),
    named(
        "pptx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        OOXML,
    ),
    named("dotx", "application/vnd.openxmlformats-officedocument.wordprocessingml.template", OOXML),
    named("xltx", "application/vnd.openxmlformats-officedocument.spreadsheetml.template", OOXML),
    named("ppsx", "application/vnd.openxmlformats-officedocument.presentationml.slideshow", OOXML),
    named("docm", "application/vnd.ms-word.document.macroEnabled.12", OOXML),
    named("xlsm", "application/vnd.ms-excel.sheet.macroEnabled.12", OOXML),
    named("pptm", "application/vnd.ms-powerpoint.presentation.macroEnabled.12", OOXML),
    named("xlsb", "application/vnd.ms-excel.sheet.binary.macroEnabled.12", OOXML),
    named("vsdx", "application/vnd.ms-visio.drawing", ZIP),
    named("odt", "application/vnd.oasis.opendocument.text", ZIP),
    named("ods", "application/vnd.oasis.opendocument.spreadsheet", ZIP),
    named("odp", "application/vnd.oasis.opendocument.presentation", ZIP),
    named("odg", "application/vnd.oasis.opendocument.graphics", ZIP),
    named("epub", "application/epub+zip", ZIP),
    named("jar", "application/java-archive", ZIP),
    named("apk", "application/vnd.android.package-archive", ZIP),
    named("kmz", "application/vnd.google-earth.kmz", ZIP),
    named("xps", "application/vnd.ms-xpsdocument", ZIP),
    named("oxps", "application/oxps", ZIP),
    named("asice", "application/vnd.etsi.asic-e+zip", ZIP),
    named("asics", "application/vnd.etsi.asic-s+zip", ZIP),
    named("mmap", "application/vnd.mindjet.mindmanager", ZIP),
    named("xmind", "application/vnd.xmind.workbook", ZIP),
    named("ipa", "application/x-ios-app", ZIP),
    named("zip", "application/zip", ZIP),
    named("rar", "application/vnd.rar", &[Shape::Rar]),
    named("7z", "application/x-7z-compressed", &[Shape::SevenZip]),
    named("gz", "application/gzip", &[Shape::Gzip]),
    named("tgz", "application/gzip", &[Shape::Gzip]),
    named("png", "image/png", &[Shape::Png]),
    named("jpg", "image/jpeg", &[Shape::Jpeg]),
    named("jpeg", "image/jpeg", &[Shape::Jpeg]),
    named("gif", "image/gif", &[Shape::Gif]),
    named("tif", "image/tiff", &[Shape::Tiff]),
    named("tiff", "image/tiff", &[Shape::Tiff]),
    named("bmp", "image/bmp", &[Shape::Bmp]),
    named("webp", "image/webp", &[Shape::Webp]),
    named("dwg", "image/vnd.dwg", &[Shape::Dwg]),
    named("p7s", "application/pkcs7-signature", &[Shape::Cms]),
    named("p7m", "application/pkcs7-mime", &[Shape::Cms]),
    named("mp4", "video/mp4", &[Shape::Mp4]),
    named("exe", "application/vnd.microsoft.portable-executable", &[Shape::Windows]),
    named("html", "text/html", &[Shape::Html]),
    named("htm", "text/html", &[Shape::Html]),
    named("xml", "application/xml", &[Shape::Xml]),
    named("edxml", "application/xml", &[Shape::Xml]),
    named("svg", "image/svg+xml", &[Shape::Xml]),
    named("txt", "text/plain", &[]),
    named("csv", "text/csv", &[]),
];

/// Extensions of programs, which are told by their content under no other name.
const PROGRAMS: [&str; 6] = ["exe", "dll", "com", "scr", "sys", "so"];

/// Bytes at the beginning of a file in which a PDF may have its header (ISO 32000-1, annex H.3.4.1),
/// and which are enough to recognise every shape.
pub const HEAD_BYTES: usize = 1_024;

/// The shape that the first bytes of a file show; none for a plain text and for unknown bytes.
pub(crate) fn shape_of(head: &[u8]) -> Option<Shape> {
    let signature = SIGNATURES.iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, shape)) = signature {
        return Some(*shape);
    }
    let at = |begin: usize, text: &[u8]| head.get(begin..begin + text.len()) == Some(text);
    if at(0, b"RIFF") && at(8, b"WEBP") {
        return Some(Shape::Webp);
    }
    let brands: [&[u8]; 4] = [b"iso", b"mp4", b"avc1", b"M4V"];
    if at(4, b"ftyp") && brands.iter().any(|it| at(8, it)) {
        return Some(Shape::Mp4);
    }
    if at(0, b"BM") && at(6, &[0; 4]) {
        return Some(Shape::Bmp);
    }
    if is_program(head) {
        return Some(Shape::Windows);
    }
    if is_cms(head) {
        return Some(Shape::Cms);
    }
    let markup = markup_shape(head);
    let has_header = || head.windows(5).any(|it| it == b"%PDF-");
    markup.or_else(|| has_header().then_some(Shape::Pdf))
}

/// True for the begin of a Windows program: the letters MZ, and no text behind them.
fn is_program(head: &[u8]) -> bool {
    let is_binary = |it: &u8| *it < b'\t';
    head.starts_with(b"MZ") && head.get(2..).is_some_and(|it| it.iter().any(is_binary))
}

/// True for signed data of the Cryptographic Message Syntax (RFC 5652), in DER or BER.
fn is_cms(head: &[u8]) -> bool {
    const SIGNED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
    let begin = head.get(..20).unwrap_or(head);
    head.first() == Some(&0x30) && begin.windows(SIGNED_DATA.len()).any(|it| it == SIGNED_DATA)
}

/// HTML or XML by the first letters behind a byte order mark, white space and comments.
fn markup_shape(head: &[u8]) -> Option<Shape> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let is = |text: &[u8]| head.get(..text.len()).is_some_and(|it| it.eq_ignore_ascii_case(text));
    if is(b"<?xml") {
        return Some(Shape::Xml);
    }
    let tags: [&[u8]; 6] = [b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<title"];
    if tags.iter().any(|it| is(it)) {
        return Some(Shape::Html);
    }
    // An element without a declaration in front: XML 1.0 permits that.
    let is_element = head.first() == Some(&b'<')
        && head.get(1).is_some_and(|it| it.is_ascii_alphabetic() || *it == b'!');
    is_element.then_some(Shape::Xml)
}

/// The extension of a name in lower case, without its point; none for a name without one.
fn extension_of(file_name: &str) -> Option<String> {
    let (_, extension) = file_name.trim_end().rsplit_once('.')?;
    (!extension.is_empty()).then(|| extension.to_lowercase())
}

fn named_type(file_name: &str) -> Option<&'static NamedType> {
    let extension = extension_of(file_name)?;
    NAMED_TYPES.iter().find(|it| it.extension == extension)
}

/// The row of a media type, which may be written in any case (RFC 2045).
fn type_named(media_type: &str) -> Option<&'static NamedType> {
    let is_zip = ["application/x-zip-compressed", "application/x-zip"].contains(&media_type);
    let media_type = if is_zip { "application/zip" } else { media_type };
    NAMED_TYPES.iter().find(|it| it.media_type.eq_ignore_ascii_case(media_type))
}

/// True for a name that ends in `.zip`, in any case.
pub(crate) fn is_zip_name(file_name: &str) -> bool {
    extension_of(file_name).is_some_and(|it| it == "zip")
}

/// What a name and a media type promise of a file's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// The file is a ZIP archive itself (Office Open XML, OpenDocument, KMZ ...).
    Zip,
    /// The file is no ZIP archive.
    NoZip,
    /// The extension is unknown, and the media type says nothing.
    Unknown,
}

/// What a name promises; for an unknown extension, what the media type promises.
pub(crate) fn zip_promise(file_name: &str, media_type: &str) -> Promise {
    match named_type(file_name).or_else(|| type_named(media_type)) {
        Some(it) if it.media_type == "application/zip" && !is_zip_name(file_name) => {
            Promise::Unknown
        }
        Some(it) if it.shapes.contains(&Shape::Zip) => Promise::Zip,
        Some(_) => Promise::NoZip,
        None if media_type.ends_with("+zip") => Promise::Zip,
        None => Promise::Unknown,
    }
}

/// True for a name whose format has an entry that tells it (`[Content_Types].xml`, `mimetype` ...), so
/// that a ZIP without one is not this file.
pub(crate) fn has_telling_entry(file_name: &str) -> bool {
    named_type(file_name).is_some_and(|it| {
        it.shapes.contains(&Shape::Zip)
            && !["kmz", "mmap", "xmind", "ipa", "zip"].contains(&it.extension)
    })
}

/// Media types that say nothing of a file.
const GENERIC_TYPES: [&str; 8] = [
    "",
    "application/octet-stream",
    "application/x-download",
    "application/force-download",
    "application/download",
    "application/unknown",
    "application/x-unknown",
    "binary/octet-stream",
];

/// Media type of arbitrary bytes (RFC 2046).
const UNKNOWN_MEDIA_TYPE: &str = "application/octet-stream";

/// The media type of a file: by its content where that can be told, else as the sender said, else
/// by its name. What the content contradicts does not count. Without a head, the content is not at
/// hand.
pub(crate) fn media_type_of(head: Option<&[u8]>, said: &str, file_name: &str) -> String {
    let essence = said.split(';').next().unwrap_or_default().trim();
    let is_said = !GENERIC_TYPES.contains(&essence) && essence.contains('/');
    let shape = head.and_then(shape_of);
    let by_name = named_type(file_name);
    let by_said = type_named(essence);
    // A shape that many formats share does not contradict a type outside the table.
    let is_container = |it: Shape| matches!(it, Shape::Zip | Shape::Ole | Shape::Xml | Shape::Cms);
    if let Some(shape) = shape {
        let fits = |it: &&&NamedType| it.shapes.contains(&shape);
        if let Some(named) = by_name.as_ref().filter(fits).or(by_said.as_ref().filter(fits)) {
            return named.media_type.to_owned();
        }
        let is_plausible = is_said && by_said.is_none() && is_container(shape);
        return if is_plausible { essence } else { shape_row(shape).1 }.to_owned();
    }
    let is_possible = |it: &NamedType| head.is_none() || !it.shapes.iter().any(is_proof);
    if is_said && by_said.is_none_or(is_possible) {
        return by_said.map_or(essence, |it| it.media_type).to_owned();
    }
    by_name.filter(|it| is_possible(it)).map_or(UNKNOWN_MEDIA_TYPE, |it| it.media_type).to_owned()
}

/// Shapes without which a file is not of their type.
fn is_proof(shape: &Shape) -> bool {
    matches!(shape, Shape::Pdf | Shape::Png | Shape::Jpeg | Shape::Gif | Shape::Zip)
}

/// True for shapes that every file of their type has: HTML may be a fragment, a signature in PEM.
fn is_certain(shape: Shape) -> bool {
    use Shape::{Cms, Dwg, Html, Mp3, Mp4, Xml};
    !matches!(shape, Html | Xml | Cms | Mp4 | Mp3 | Dwg)
}

fn shape_row(shape: Shape) -> &'static ShapeRow {
    SHAPES.iter().find(|it| it.0 == shape).unwrap_or(&SHAPES[0])
}

/// The shape's name for people, Vietnamese and English.
pub(crate) fn shape_name(shape: Shape) -> (&'static str, &'static str) {
    let (_, _, vi, en) = shape_row(shape);
    (vi, en)
}

/// What a name promises in words for people, when the content shows something else; none when they
/// agree, or when the extension promises nothing.
pub(crate) fn contradicted_name(
    head: &[u8],
    file_name: &str,
) -> Option<(&'static str, &'static str)> {
    let shape = shape_of(head);
    let is_program = matches!(shape, Some(Shape::Windows | Shape::Elf));
    let Some(named) = named_type(file_name) else {
        let extension = extension_of(file_name).unwrap_or_default();
        let is_hidden = is_program && !PROGRAMS.contains(&extension.as_str());
        return is_hidden.then_some(("tệp dữ liệu", "a file of data"));
    };
    let is_text_shape = matches!(shape, None | Some(Shape::Xml | Shape::Html | Shape::Rtf));
    match (named.shapes.first(), shape) {
        (None, _) => (!is_text_shape).then_some(("tệp chữ", "a text")),
        (Some(_), Some(shape)) if named.shapes.contains(&shape) => None,
        (Some(first), None) if !is_certain(*first) => None,
        (Some(first), _) => Some(shape_name(*first)),
    }
}
