//! Descriptions that are shipped nowhere: together they use the constructs that no shipped format
//! needs, so that the laws hold for formats that others will write.

use proptest::prelude::{ProptestConfig, any, proptest};

use proto::canonical::v1::{Canonical, Document, canonical::Body};

use super::laws::patch::check_losses;
use crate::{EncodeContext, Format, MemoryBlobs};

const FLAT_RULES: &str = "
fields:
  - {at: id, to: id}
  - {at: Số, to: number.number}
  - {at: Ký hiệu, to: number.notation, max: 10, too-long: refuse}
  - {at: Ghi chú, to: note, max: 8}
  - {at: Ngày, to: issued, as: date dd/MM/yyyy}
  - {at: Trích yếu, to: subject, need: both}
  - {at: Khẩn, to: urgency, as: code urgency}
  - {at: Trang, to: pages, as: whole}
  - {at: Chỉ đạo, to: directive, as: yes-no Có Không}
  - {at: Mã gửi, to: 'sender.ids[0]', as: org-id}
  - {at: Lạ, to: 'extras[t.la]', as: extra}
  - {each: Nơi nhận, to: places}
lists:
  urgency: {rows: {Thường: NORMAL, Khẩn: URGENT, Hỏa tốc: FLASH}}
";

/// Constructs that no shipped format uses, below the record and inside a list.
const JSON_RULES: &str = "
fields:
  - {at: Loại, to: type, as: code type}
  - {at: Id, to: id}
  - {at: Số ký hiệu, to: number, pattern: '{number}/{notation} | {number}-{notation}', where: {number: 0-9 a-z A-Z}, whole: printed}
  - {at: Trích yếu, to: subject, need: both}
  - {at: Nơi nhận, to: places, as: list ;}
  - {at: Khẩn, to: urgency, as: code urgency, read-default: URGENT, write-default: NORMAL}
  - {at: Trang, to: pages, as: whole, read-default: '7'}
  - {at: Mật khẩu, const: x1}
  - {at: Ghi chú, to: note, when: {has: id}}
  - {at: Tóm tắt, to: summary, when: {lacks: [id, note]}}
  - when: {urgency: [URGENT, VERY_URGENT]}
    fields:
      - {at: Hạn/Ngày, to: due, as: date d/M/yyyy}
      - {at: Hạn/Lý do, to: change.reason}
  - {at: Địa điểm, to: place, when: {type: cong-van}}
  - {at: Chỉ đạo, to: directive, as: yes-no Có Không}
  - {at: Ngôn ngữ, to: language, when: {directive: 'true'}}
  - {at: Cơ quan, to: issuer.name, else: sender.name}
  - each: Người/Ký
    to: 'signers[role=SIGNER]'
    fields:
      - {at: Tên, to: full_name, need: both}
      - {at: Chức vụ, to: position, when: {has: unit}}
      - {at: Đơn vị, to: unit}
  - {each: Từ khóa, to: keywords}
lists:
  type: {list: document-type, open: yes, rows: {CV: cong-van, QD: quyet-dinh}, also: {cv: cong-van}}
  urgency: {rows: {'0': NORMAL, '1': URGENT, '3': FLASH}, near: {VERY_URGENT: '3', FLASH_TIMED: '3'}}
";

/// Each syntax with the rules that go with it.
const DESCRIPTIONS: [(&str, &str); 5] = [
    ("{kind: json, records: a}", JSON_RULES),
    ("{kind: csv, separator: ';'}", FLAT_RULES),
    ("{kind: csv, separator: \"\\t\", bom: yes}", FLAT_RULES),
    ("{kind: fields, open: '[{name}]', close: '[/{name}]'}", FLAT_RULES),
    ("{kind: fields, open: '{name}: ', line-break: ' '}", FLAT_RULES),
];

/// The texts of the descriptions.
pub(super) fn texts() -> Vec<String> {
    let text = |(index, (syntax, rules)): (usize, &(&str, &str))| {
        let head = format!("format: t{index}\nversion: 1\ntitle: t\ncarries: Document\n");
        format!("{head}syntax: {syntax}\n{rules}")
    };
    DESCRIPTIONS.iter().enumerate().map(text).collect()
}

pub(super) fn formats() -> Vec<Format> {
    let compile =
        |it: &String| Format::compile(it).unwrap_or_else(|error| panic!("{it}\n{error:#?}"));
    texts().iter().map(compile).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_receiver_of_any_syntax_reads_what_the_losses_say(seed in any::<u64>()) {
        for format in formats() {
            check_losses(&format, seed);
        }
    }
}

#[test]
fn synthetic_formats_accept_enough_random_messages() {
    for format in formats() {
        let accepted = (0..100).filter(|it| check_losses(&format, *it)).count();
        assert!(accepted > 20, "{}: {accepted} of 100", format.name());
    }
}

/// A record of a flat syntax in which nothing stands is none: who reads the content finds no document.
#[test]
fn a_message_without_any_value_of_a_flat_format_is_not_written() {
    for syntax in ["{kind: csv}", "{kind: fields, open: '{name}: '}"] {
        let head = "format: t\nversion: 1\ntitle: t\ncarries: Document\n";
        let rules = "fields: [{at: a, to: id}, {at: b, to: subject}]\n";
        let format = Format::compile(&format!("{head}syntax: {syntax}\n{rules}")).unwrap();
        let document = Document { note: "khác".into(), ..Document::default() };
        let mut canonical = Canonical { origin: None, body: Some(Body::Document(document)) };
        let files = MemoryBlobs::default();
        let write = |canonical: &Canonical| {
            let mut native = Vec::new();
            let written = format.encode(canonical, EncodeContext::default(), &files, &mut native);
            written.map(|_| format.decode(&native, &[], &mut MemoryBlobs::default()).unwrap())
        };
        let fault = write(&canonical).unwrap_err();
        assert_eq!((&*fault.code, &*fault.violations[0].field), ("LT-MAP-012", "a, b"), "{syntax}");
        if let Some(Body::Document(it)) = &mut canonical.body {
            it.subject = "Trích yếu".into();
        }
        assert_eq!(write(&canonical).unwrap().len(), 1, "{syntax}");
    }
}
