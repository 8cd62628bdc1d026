//! Keys at the top of a description, of its code lists, and of what it is detected by.

use super::construct::{Construct, ValueShape, words};

/// The canonical messages that a description may carry.
const CARRIES: &[&str] = &["Document", "Status", "DeliveryReport", "Canonical"];

/// Keys at the top of a description.
pub(crate) const FILE_KEYS: &[Construct] = &[
    Construct::required(
        "format",
        ValueShape::Text,
        words(
            "tên của định dạng, như phanmem.congvan",
            "name of the format, such as vendor.letter",
        ),
        "format: phanmem.congvan\n",
    ),
    Construct::required(
        "version",
        ValueShape::Whole,
        words("số phiên bản của mô tả, từ 1", "version of the description, from 1"),
        "version: 1\n",
    ),
    Construct::required(
        "title",
        ValueShape::Text,
        words("tên cho người đọc", "name for people"),
        "title: Công văn của phần mềm X\n",
    ),
    Construct::required(
        "carries",
        ValueShape::Word(CARRIES),
        words(
            "loại thông điệp: Document văn bản, Status trạng thái, DeliveryReport báo phát",
            "type of the message: Document, Status or DeliveryReport",
        ),
        "carries: Document\n",
    ),
    Construct::required(
        "syntax",
        ValueShape::Syntax,
        words("cú pháp của tệp và các tùy chọn của nó", "syntax of the file, with its options"),
        "syntax: {kind: json, records: \"\"}\n",
    ),
    Construct::optional(
        "direction",
        ValueShape::Word(&["both", "read"]),
        words(
            "both đọc và ghi (mặc định), read chỉ đọc, không ai nhận được ở dạng này",
            "both: read and written (the default); read: no message can be written in it",
        ),
        "direction: read\n",
    ),
    Construct::optional(
        "dialect",
        ValueShape::Text,
        words(
            "tên biến thể; mỗi thông điệp đọc được đều báo nó cho bên gửi",
            "name of the dialect, which every message that is read reports to its sender",
        ),
        "dialect: edXML 2014\n",
    ),
    Construct::optional(
        "file-form",
        ValueShape::Word(&["raw", "zip"]),
        words(
            "tệp trong nội dung khi ghi: raw để nguyên (mặc định), zip mỗi tệp trong một ZIP",
            "how a written file lies in the body: raw, as it is (the default), or zip, each in a ZIP",
        ),
        "file-form: zip\n",
    ),
    Construct::optional(
        "detect",
        ValueShape::DetectConditions,
        words(
            "chỗ có hay không có, để nhận ra định dạng khi không ai nêu tên",
            "places that are there or not, by which the format is told from others",
        ),
        "detect:\n  - has: TrichYeu\n  - lacks: TrangThai\n",
    ),
    Construct::optional(
        "others",
        ValueShape::Word(&["keep", "report"]),
        words(
            "chỗ không có trong mô tả: keep giữ và ghi lại vào cùng định dạng, report bỏ",
            "places that no rule names: keep writes them back into the same format, report drops them",
        ),
        "others: keep\n",
    ),
    Construct::optional(
        "empty",
        ValueShape::Texts,
        words("những chữ nghĩa là không có gì", "texts that mean that a value is absent"),
        "empty: [\"\", \"-\", \"null\"]\n",
    ),
    Construct::optional(
        "write-empty",
        ValueShape::Text,
        words(
            "chữ được ghi khi không có giá trị; không khai thì không ghi chỗ ấy",
            "text that is written for an absent value; without it the place is left out",
        ),
        "write-empty: \"\"\n",
    ),
    Construct::optional(
        "named",
        ValueShape::Boolean,
        words(
            "chỉ dùng khi nêu tên định dạng, không bao giờ tự nhận ra",
            "the format is used only where its name is given, and never detected",
        ),
        "named: yes\n",
    ),
    Construct::optional(
        "lists",
        ValueShape::Lists,
        words(
            "danh mục mã theo tên, cho bộ đổi `code`",
            "code lists by name, for the converter `code`",
        ),
        "lists:\n  do-khan: {rows: {\"0\": NORMAL, \"1\": URGENT}}\n",
    ),
    Construct::optional(
        "parts",
        ValueShape::Parts,
        words("nhóm dòng dùng ở nhiều nơi, theo tên", "rules that several places use, by name"),
        "parts:\n  co-quan:\n    - {at: Ma, to: \"ids[0]\", as: org-id}\n    - {at: Ten, to: name}\n\
         fields:\n  - {at: NoiGui, to: sender, use: co-quan}\n",
    ),
    Construct::optional(
        "fields",
        ValueShape::Rules,
        words(
            "các dòng: chỗ nào là trường chuẩn nào",
            "the rules: which place is which canonical field",
        ),
        "fields:\n  - {at: TrichYeu, to: subject, need: both}\n",
    ),
    Construct::optional(
        "loss",
        ValueShape::TextMap,
        words(
            "những gì định dạng không chở được, bằng lời, theo lý do",
            "what the format cannot carry, in words for people, by reason",
        ),
        "loss:\n  no-place: không có chỗ cho bút phê\n",
    ),
];

/// Keys of a condition in `detect`.
pub(crate) const DETECT_KEYS: &[Construct] = &[
    Construct::optional(
        "has",
        ValueShape::Text,
        words("chỗ phải có", "a place that is there"),
        "detect: [{has: TrichYeu}]\n",
    ),
    Construct::optional(
        "lacks",
        ValueShape::Text,
        words("chỗ phải không có", "a place that is not there"),
        "detect: [{lacks: TrangThai}]\n",
    ),
];

/// Keys of a code list.
pub(crate) const LIST_KEYS: &[Construct] = &[
    Construct::optional(
        "rows",
        ValueShape::TextMap,
        words(
            "mã của định dạng: giá trị chuẩn; mã để trong dấu nháy",
            "code of the format: canonical value; codes stand in quotes",
        ),
        "lists:\n  do-khan: {rows: {\"0\": NORMAL, \"1\": URGENT}}\n\
         fields:\n  - {at: DoKhan, to: urgency, as: code do-khan}\n",
    ),
    Construct::optional(
        "list",
        ValueShape::Text,
        words(
            "tên danh mục chuẩn, cho trường kiểu Code",
            "name of the canonical list, for fields of type Code",
        ),
        "lists:\n  loai: {list: document-type, rows: {\"CV\": cong-van}, open: yes}\n\
         fields:\n  - {at: LoaiVanBan, to: type, as: code loai}\n",
    ),
    Construct::optional(
        "registered",
        ValueShape::Text,
        words(
            "tên danh mục trong sổ đăng ký: các dòng của nó đứng sau `rows`, mã có hiệu lực vào ngày của văn bản được dùng",
            "name of the list in the registry: its rows follow those of `rows`, and the codes that are valid on the document's day are used",
        ),
        "lists:\n  loai: {list: document-type, registered: loai-van-ban-ioffice, open: yes}\n\
         fields:\n  - {at: LoaiVanBan, to: type, as: code loai}\n",
    ),
    Construct::optional(
        "by",
        ValueShape::Word(&["code", "name"]),
        words(
            "định dạng ghi gì của dòng trong sổ đăng ký: mã (`code`, mặc định) hay tên (`name`)",
            "what the format has of a row of the registry: its code (`code`, the default) or its name (`name`)",
        ),
        "lists:\n  loai: {registered: document-type, by: name, open: yes}\n\
         fields:\n  - {at: TenLoai, to: type, as: code loai}\n",
    ),
    Construct::optional(
        "also",
        ValueShape::TextMap,
        words(
            "thêm mã được đọc như `rows` và không bao giờ được ghi",
            "further codes that are read as those of `rows` and never written",
        ),
        "lists:\n  do-khan: {rows: {\"0\": NORMAL, \"1\": URGENT}, also: {\"01\": URGENT}}\n\
         fields:\n  - {at: DoKhan, to: urgency, as: code do-khan}\n",
    ),
    Construct::optional(
        "near",
        ValueShape::TextMap,
        words(
            "mã được ghi cho giá trị chuẩn không có mã riêng; báo là đã đổi",
            "the code that is written for a canonical value without one; reported as a change",
        ),
        "lists:\n  do-khan: {rows: {\"0\": NORMAL, \"3\": FLASH}, near: {FLASH_TIMED: \"3\"}}\n\
         fields:\n  - {at: DoKhan, to: urgency, as: code do-khan}\n",
    ),
    Construct::optional(
        "open",
        ValueShape::Boolean,
        words(
            "chữ ngoài danh mục được đọc như tên gọi",
            "texts outside the rows are read as names",
        ),
        "lists:\n  loai: {list: document-type, open: yes}\n\
         fields:\n  - {at: LoaiVanBan, to: type, as: code loai}\n",
    ),
    Construct::optional(
        "other",
        ValueShape::Text,
        words(
            "giá trị enum của mọi mã ngoài danh mục; chính mã vào trường `unlisted` của dòng",
            "enum value of every code outside the rows; the code itself goes to the rule's `unlisted`",
        ),
        "carries: Status\nlists:\n  loai: {other: OTHER, rows: {\"01\": ARRIVED}}\n\
         fields:\n  - {at: MaTrangThai, to: kind, as: code loai, unlisted: code.code}\n",
    ),
    Construct::optional(
        "gate",
        ValueShape::Text,
        words(
            "giá trị duy nhất được phép; giá trị khác là độ mật và văn bản bị từ chối",
            "the only permitted value; any other is a secrecy mark and refuses the item",
        ),
        "lists:\n  do-mat: {list: secrecy, rows: {\"0\": none, \"1\": mat}, gate: none}\n\
         fields:\n  - {at: DoMat, to: secrecy, as: code do-mat}\n",
    ),
];
