//! The syntaxes of native content, with their options.

use super::construct::{Construct, ValueShape, words};
use crate::diagnostic::Wording;

/// A syntax: a value of `kind`.
#[derive(Debug)]
pub(crate) struct SyntaxEntry {
    pub(crate) kind: &'static str,
    pub(crate) meaning: Wording,
    pub(crate) keys: &'static [Construct],
    /// Sections of a description that use it.
    pub(crate) example: &'static str,
}

/// Every syntax.
pub(crate) const SYNTAXES: &[SyntaxEntry] = &[
    SyntaxEntry {
        kind: "xml",
        meaning: words("XML có một không gian tên", "XML with one namespace"),
        keys: XML,
        example: XML_EXAMPLE,
    },
    SyntaxEntry {
        kind: "json",
        meaning: words(
            "JSON: một đối tượng, hay một danh sách bản ghi",
            "JSON: one object, or a list of records",
        ),
        keys: JSON,
        example: "syntax: {kind: json, records: Value/Data}\n",
    },
    SyntaxEntry {
        kind: "csv",
        meaning: words(
            "bảng chữ như Excel xuất ra (CSV); mỗi dòng là một văn bản, mỗi cột một chỗ",
            "delimited text such as Excel's CSV; each row is a message, each column a place",
        ),
        keys: CSV,
        example: "syntax: {kind: csv, separator: [\";\", \",\"]}\nfields:\n  - {at: Trích yếu, to: subject}\n",
    },
    SyntaxEntry {
        kind: "fields",
        meaning: words(
            "chữ có tên trường đứng trước giá trị, như `Tên: giá trị` hay `[Tên]giá trị[/Tên]`",
            "text with named fields, such as `Name: value` or `[name]value[/name]`",
        ),
        keys: FIELDS,
        example: "syntax: {kind: fields, open: \"[{name}]\", close: \"[/{name}]\"}\nfields:\n  - {at: TrichYeu, to: subject}\n",
    },
    SyntaxEntry {
        kind: "canonical-json",
        meaning: words(
            "chính mô hình chuẩn, dạng JSON; không có dòng nào",
            "the canonical model itself as JSON; there are no rules",
        ),
        keys: &[],
        example: "carries: Canonical\nsyntax: {kind: canonical-json}\n",
    },
];

const XML: &[Construct] = &[
    Construct::required(
        "root",
        ValueShape::Text,
        words("tên phần tử gốc", "name of the root element"),
        XML_EXAMPLE,
    ),
    Construct::required(
        "namespace",
        ValueShape::Text,
        words("không gian tên (URI)", "the namespace, a URI"),
        XML_EXAMPLE,
    ),
    Construct::required(
        "prefix",
        ValueShape::Text,
        words("tiền tố của phần tử khi ghi", "prefix of written elements"),
        XML_EXAMPLE,
    ),
    Construct::required(
        "declared-at",
        ValueShape::Text,
        words("tên phần tử khai báo tiền tố", "name of the element that declares the prefix"),
        XML_EXAMPLE,
    ),
    Construct::optional(
        "ignore",
        ValueShape::Texts,
        words(
            "phần tử không đọc và không giữ, như chữ ký trên nội dung cũ",
            "elements that are neither read nor kept, such as signatures over old bytes",
        ),
        "syntax: {kind: xml, root: a, namespace: \"urn:vi-du\", prefix: p, declared-at: a, ignore: [Signature]}\n",
    ),
];

const XML_EXAMPLE: &str = "syntax: {kind: xml, root: VanBan, namespace: \"urn:vi-du\", prefix: vb, declared-at: VanBan}\n";

const JSON: &[Construct] = &[
    Construct::required(
        "records",
        ValueShape::Text,
        words(
            "đường dẫn đến danh sách bản ghi; để trống khi cả nội dung là một bản ghi",
            "path of the list of records; empty where the body is one record",
        ),
        "syntax: {kind: json, records: Value/Data}\n",
    ),
    Construct::optional(
        "around",
        ValueShape::Text,
        words(
            "JSON bao quanh các bản ghi, ghi ra nguyên như vậy",
            "JSON around the records, written as it is",
        ),
        "syntax: {kind: json, records: Value/Data, around: '{\"Value\": {\"Data\": []}}'}\n",
    ),
    Construct::optional(
        "count",
        ValueShape::Text,
        words("đường dẫn đến chỗ ghi số bản ghi", "path of the member with the number of records"),
        "syntax: {kind: json, records: Value/Data, around: '{\"Value\": {\"Total\": 0, \"Data\": []}}', count: Value/Total}\n",
    ),
];

/// Names of the charsets that plain text may be in.
const CHARSETS: &[&str] = &["tcvn3", "vni", "viscii", "windows-1258"];

const CSV: &[Construct] = &[
    Construct::optional(
        "separator",
        ValueShape::TextOrTexts,
        words(
            "ký tự giữa các ô; nêu nhiều thì khi đọc tự chọn, khi ghi dùng ký tự đầu",
            "character between cells; of several, reading takes the one that fits and writing the first",
        ),
        "syntax: {kind: csv, separator: [\";\", \",\"]}\n",
    ),
    Construct::optional(
        "quote",
        ValueShape::Text,
        words("ký tự bao quanh ô có dấu phân cách", "character around cells that hold a separator"),
        "syntax: {kind: csv, quote: \"'\"}\n",
    ),
    Construct::optional(
        "header",
        ValueShape::Boolean,
        words(
            "dòng đầu là tên cột; no thì chỗ là số của cột, từ 1",
            "the first row has the titles; with no, a place is the number of its column, from 1",
        ),
        "syntax: {kind: csv, header: no}\nfields:\n  - {at: \"1\", to: subject}\n",
    ),
    Construct::optional(
        "charset",
        ValueShape::Word(CHARSETS),
        words(
            "bảng mã của nội dung không phải Unicode, và của tệp được ghi; không có thì UTF-8",
            "charset of content that is no Unicode, and of what is written; UTF-8 without it",
        ),
        "syntax: {kind: csv, charset: tcvn3}\n",
    ),
    Construct::optional(
        "bom",
        ValueShape::Boolean,
        words(
            "khi ghi có dấu BOM để Excel nhận ra UTF-8",
            "a byte order mark is written, by which Excel knows UTF-8",
        ),
        "syntax: {kind: csv, bom: yes}\n",
    ),
];

const FIELDS: &[Construct] = &[
    Construct::required(
        "open",
        ValueShape::Text,
        words(
            "chữ đứng trước giá trị, có {name} là tên trường",
            "what stands before a value, with {name} for the field's name",
        ),
        "syntax: {kind: fields, open: \"{name}: \"}\n",
    ),
    Construct::optional(
        "close",
        ValueShape::Text,
        words(
            "chữ đứng sau giá trị; không có thì giá trị hết ở cuối dòng",
            "what stands behind a value; without it the value ends with its line",
        ),
        "syntax: {kind: fields, open: \"[{name}]\", close: \"[/{name}]\"}\n",
    ),
    Construct::optional(
        "charset",
        ValueShape::Word(CHARSETS),
        words(
            "bảng mã của nội dung không phải Unicode, và của tệp được ghi; không có thì UTF-8",
            "charset of content that is no Unicode, and of what is written; UTF-8 without it",
        ),
        "syntax: {kind: fields, open: \"{name}: \", charset: vni}\n",
    ),
    Construct::optional(
        "between",
        ValueShape::Text,
        words(
            "khoảng trắng giữa các trường khi ghi; mặc định xuống dòng",
            "white space that is written between fields; a line break by default",
        ),
        "syntax: {kind: fields, open: \"[{name}]\", close: \"[/{name}]\", between: \" \"}\n",
    ),
    Construct::optional(
        "line-break",
        ValueShape::Text,
        words(
            "chữ thay cho xuống dòng bên trong giá trị; không có thì từ chối",
            "what is written for a line break inside a value; without it such a value is refused",
        ),
        "syntax: {kind: fields, open: \"{name}: \", line-break: \" | \"}\n",
    ),
    Construct::optional(
        "blank-line",
        ValueShape::Boolean,
        words(
            "mỗi văn bản cách nhau một dòng trống; không thì cả tệp là một văn bản",
            "records are separated by an empty line; else the whole text is one record",
        ),
        "syntax: {kind: fields, open: \"{name}: \", blank-line: yes}\n",
    ),
];
