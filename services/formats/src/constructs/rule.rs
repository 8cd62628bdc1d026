//! Keys of a rule.

use super::construct::{Construct, ValueShape, words};

const PATTERN_EXAMPLE: &str = "fields:\n  - at: SoKyHieu\n    to: number\n    pattern: \"{number}/{notation} | {number}-{notation}\"\n    where: {number: 0-9 a-z}\n    whole: printed\n";

/// Keys of a rule.
pub(crate) const RULE_KEYS: &[Construct] = &[
    Construct::optional(
        "at",
        ValueShape::Text,
        words(
            "chỗ trong định dạng: a/b là b trong a, @x là thuộc tính x, \".\" là chính bản ghi",
            "native place: a/b is b inside a, @x is the attribute x, \".\" is the record itself",
        ),
        "fields:\n  - {at: ThongTin/TrichYeu, to: subject}\n",
    ),
    Construct::optional(
        "each",
        ValueShape::Text,
        words(
            "chỗ lặp lại; mỗi lần là một phần tử của danh sách chuẩn",
            "a repeated place; each is an item of the canonical list",
        ),
        "fields:\n  - each: NoiNhan\n    to: \"recipients[role=MAIN]\"\n    fields:\n      - {at: Ten, to: organisation.name}\n",
    ),
    Construct::optional(
        "to",
        ValueShape::Text,
        words(
            "trường chuẩn, tính từ nhóm chứa dòng này; [0] phần tử đầu, [role=MAIN] phần tử có giá trị ấy",
            "canonical field, from the group around the rule; [0] the first item, [role=MAIN] items with that value",
        ),
        "fields:\n  - {at: TrichYeu, to: subject}\n  - {at: NguoiKy, to: \"signers[role=SIGNER].full_name\"}\n",
    ),
    Construct::optional(
        "as",
        ValueShape::Text,
        words(
            "bộ đổi và tham số của nó; không có thì là `text`",
            "converter with its arguments; `text` where absent",
        ),
        "fields:\n  - {at: NgayBanHanh, to: issued, as: date dd/MM/yyyy}\n",
    ),
    Construct::optional(
        "fields",
        ValueShape::Rules,
        words("các dòng bên trong nhóm hay phần tử", "the rules inside the group or the item"),
        "fields:\n  - at: ThongTin\n    fields:\n      - {at: TrichYeu, to: subject}\n",
    ),
    Construct::optional(
        "use",
        ValueShape::Text,
        words(
            "tên phần trong `parts` có các dòng bên trong",
            "name of the part in `parts` whose rules apply inside",
        ),
        "parts:\n  co-quan: [{at: Ten, to: name}]\nfields:\n  - {at: NoiGui, to: sender, use: co-quan}\n",
    ),
    Construct::optional(
        "need",
        ValueShape::Word(&["read", "write", "both"]),
        words(
            "bắt buộc khi đọc, khi ghi, hay cả hai; thiếu thì từ chối",
            "needed when reading, when writing, or both; refused where it is missing",
        ),
        "fields:\n  - {at: TrichYeu, to: subject, need: both}\n",
    ),
    Construct::optional(
        "max",
        ValueShape::Whole,
        words("số ký tự mà định dạng cho phép", "characters that the format permits"),
        "fields:\n  - {at: TrichYeu, to: subject, max: 500}\n",
    ),
    Construct::optional(
        "too-long",
        ValueShape::Word(&["cut", "carry", "refuse"]),
        words(
            "chữ dài hơn `max` khi ghi: cut cắt và báo, carry ghi đủ, refuse từ chối; chữ định danh không bao giờ cắt",
            "a text beyond `max` when writing: cut and reported, carried whole, or refused; identities are never cut",
        ),
        "fields:\n  - {at: SoHieu, to: number.number, max: 20, too-long: refuse}\n",
    ),
    Construct::optional(
        "empty",
        ValueShape::Texts,
        words(
            "thêm những chữ nghĩa là không có, chỉ ở chỗ này",
            "further texts that mean absent, at this place only",
        ),
        "fields:\n  - {at: GhiChu, to: note, empty: [\"không\"]}\n",
    ),
    Construct::optional(
        "read-default",
        ValueShape::Text,
        words(
            "giá trị khi chỗ này không có: giá trị enum, hay chữ như định dạng ghi",
            "value where the place is missing: an enum value, or a text as the format writes it",
        ),
        "lists:\n  do-khan: {rows: {\"0\": NORMAL, \"1\": URGENT}}\n\
         fields:\n  - {at: DoKhan, to: urgency, as: code do-khan, read-default: NORMAL}\n",
    ),
    Construct::optional(
        "write-default",
        ValueShape::Text,
        words(
            "ghi gì khi không có giá trị: một chữ, `index` số thứ tự, `now` lúc ghi",
            "what is written for an absent value: a text, `index`, or `now`",
        ),
        "fields:\n  - {at: LoaiVanBan, to: \"extras[phanmem.Loai]\", as: extra, write-default: \"2\"}\n",
    ),
    Construct::optional(
        "else",
        ValueShape::Text,
        words(
            "trường được ghi thay khi `to` vắng",
            "canonical field that is written when `to` is absent",
        ),
        "fields:\n  - {at: CoQuanBanHanh, to: issuer.name, else: sender.name}\n",
    ),
    Construct::optional(
        "const",
        ValueShape::Text,
        words(
            "chữ luôn được ghi ở đây khi nhóm chứa nó được ghi",
            "a text that is always written here, where the group around it is written",
        ),
        "fields:\n  - at: ThongTin\n    fields:\n      - {at: TrichYeu, to: subject}\n      - {at: PhienBan, const: \"1.0\"}\n",
    ),
    Construct::optional(
        "literal",
        ValueShape::Boolean,
        words(
            "JSON: số, true, false được ghi không có dấu nháy",
            "JSON: a number, true or false is written without quotes",
        ),
        "fields:\n  - {at: SoTrang, to: pages, as: whole, literal: yes}\n",
    ),
    Construct::optional(
        "unchecked",
        ValueShape::Boolean,
        words(
            "chữ khác `const` được đọc mà không báo",
            "a text that differs from the `const` is read without a finding",
        ),
        "fields:\n  - at: ThongTin\n    fields:\n      - {at: TrichYeu, to: subject}\n      - {at: PhienBan, const: \"1.0\", unchecked: yes}\n",
    ),
    Construct::optional(
        "pattern",
        ValueShape::Text,
        words(
            "mẫu tách một chữ thành các trường của `to` và ghép lại; \" | \" ngăn các cách viết",
            "a template that splits one text into fields of `to` and joins them; \" | \" separates alternatives",
        ),
        PATTERN_EXAMPLE,
    ),
    Construct::optional(
        "where",
        ValueShape::TextMap,
        words(
            "những ký tự mà một phần của mẫu có thể có, như `0-9 a-z`",
            "the characters that a part of the pattern may hold, such as `0-9 a-z`",
        ),
        PATTERN_EXAMPLE,
    ),
    Construct::optional(
        "whole",
        ValueShape::Text,
        words(
            "trường giữ nguyên cả chữ của mẫu",
            "the field that keeps the text of the pattern as it stood",
        ),
        PATTERN_EXAMPLE,
    ),
    Construct::optional(
        "split",
        ValueShape::Boolean,
        words(
            "no: khi đọc chỉ giữ cả chữ vào `whole`, không tách",
            "no: reading only keeps the text in `whole` and does not split it",
        ),
        "fields:\n  - {at: SoKyHieu, to: number, pattern: \"{number}/{notation}\", whole: printed, split: no}\n",
    ),
    Construct::optional(
        "when",
        ValueShape::TextsMap,
        words(
            "dòng chỉ được đọc và ghi khi trường chuẩn có một trong các giá trị này; `has`, `lacks`: khi có, khi không có",
            "the rule is read and written only where the canonical field has one of the values; `has`, `lacks`: is there, is not",
        ),
        "lists:\n  loai: {rows: {\"1\": REVOKE, \"2\": UPDATE}}\n\
         fields:\n  - {at: Loai, to: change.kind, as: code loai}\n  - to: change\n    when: {change.kind: [REVOKE, UPDATE]}\n    fields:\n      - {at: MaGoc, to: target.id}\n",
    ),
    Construct::optional(
        "match",
        ValueShape::Text,
        words(
            "khóa trong phần tử: các bản ghi cùng khóa là một phần tử",
            "the key inside an item: records with the same key are one item",
        ),
        MATCH_EXAMPLE,
    ),
    Construct::optional(
        "pair",
        ValueShape::Boolean,
        words(
            "mỗi bản ghi phải có một bản ghi cùng khóa ở `each` kia của danh sách; cần `match`",
            "each record needs one with the same key in the other `each` of the list; it needs a `match`",
        ),
        MATCH_EXAMPLE,
    ),
    Construct::optional(
        "unlisted",
        ValueShape::Text,
        words(
            "trường chữ nhận mã ngoài danh mục, khi danh mục có `other`",
            "text field that takes a code outside the list, where the list has `other`",
        ),
        "carries: Status\nlists:\n  loai: {other: OTHER, rows: {\"01\": ARRIVED}}\n\
         fields:\n  - {at: MaTrangThai, to: kind, as: code loai, unlisted: code.code}\n",
    ),
    Construct::optional(
        "decides",
        ValueShape::Boolean,
        words(
            "thiếu nó thì mục có nghĩa khác: tên gần giống hay sai chỗ vẫn được đọc, kèm lưu ý, hoặc bị từ chối",
            "without it the item means another thing: a misspelt or misplaced node is read, with a finding, or refused",
        ),
        "lists:\n  loai: {rows: {\"0\": NEW, \"1\": REVOKE}}\n\
         fields:\n  - {at: LoaiNghiepVu, to: change.kind, as: code loai, decides: yes}\n",
    ),
    Construct::optional(
        "read-else",
        ValueShape::Text,
        words(
            "trường chuẩn được đọc thay khi chỗ này không có, nếu chỉ có một giá trị",
            "canonical field that is read where the node is missing, when it has one value",
        ),
        "fields:\n  - {at: TraLoi, to: \"relations[kind=ANSWERS].target.id\"}\n\
        \u{20} - {at: MaGoc, to: change.target.id, read-else: \"relations[kind=ANSWERS].target.id\"}\n",
    ),
    Construct::optional(
        "expect",
        ValueShape::Boolean,
        words("thiếu thì là một lưu ý, không từ chối", "its absence is a finding, no refusal"),
        "fields:\n  - {at: MaGoc, to: change.target.id, expect: yes}\n",
    ),
    Construct::optional(
        "read-only",
        ValueShape::Boolean,
        words("chỉ đọc, không bao giờ ghi", "the rule is read and never written"),
        "fields:\n  - {at: TrichYeu, to: subject}\n  - {at: TieuDeCu, to: subject, read-only: yes}\n",
    ),
    Construct::optional(
        "append",
        ValueShape::Boolean,
        words(
            "khi ghi thêm một chặng cho cơ quan của mình",
            "when writing, a hop for the own organisation is added",
        ),
        "fields:\n  - each: Vet\n    to: trace\n    append: yes\n    fields:\n\
        \u{20}     - {at: Ma, to: \"organisation.ids[0]\", as: org-id}\n      - {at: Luc, to: at, as: \"time yyyy/MM/dd HH:mm:ss\"}\n",
    ),
    Construct::optional(
        "bare",
        ValueShape::Boolean,
        words(
            "XML: phần tử này và bên trong không có tiền tố",
            "XML: the elements and what is inside have no prefix",
        ),
        "syntax: {kind: xml, root: a, namespace: \"urn:vi-du\", prefix: p, declared-at: a}\n\
         fields:\n  - each: Tep\n    to: attachments\n    bare: yes\n    fields:\n      - {at: Ten, to: file_name}\n",
    ),
    Construct::optional(
        "own-prefix",
        ValueShape::Boolean,
        words(
            "XML: phần tử có tiền tố dù nhóm chứa nó là `bare`",
            "XML: the element has the prefix although an outer one is `bare`",
        ),
        "syntax: {kind: xml, root: a, namespace: \"urn:vi-du\", prefix: p, declared-at: a}\n\
         fields:\n  - each: Tep\n    to: attachments\n    bare: yes\n    fields:\n      - {at: Ten, to: file_name}\n      - {at: NoiDung, to: content, as: content, own-prefix: yes}\n",
    ),
];

const MATCH_EXAMPLE: &str = "fields:\n  - each: DanhMuc\n    to: attachments\n    match: id\n    pair: yes\n    fields:\n      - {at: Ma, to: id, need: both}\n      - {at: Ten, to: file_name}\n  - each: Tep\n    to: attachments\n    match: id\n    pair: yes\n    fields:\n      - {at: Ma, to: id, need: both}\n      - {at: NoiDung, to: content, as: content}\n";
