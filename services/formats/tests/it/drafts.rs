//! First descriptions from a sample of each syntax.

use formats::cases::{Case, differences, run_case, untouched};
use formats::{Draft, Format, draft_description};

fn draft(native: &str, files: &[(&str, &str)]) -> Draft {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    let sample =
        Case { native: native.as_bytes().to_vec(), files: files.collect(), ..Case::default() };
    let draft = draft_description("xa.thu", &sample).unwrap_or_else(|it| panic!("{it}"));
    // The draft passes the check of formats with the sample as its only case.
    let (format, mistakes) = Format::check(&draft.description);
    let format = format.unwrap_or_else(|| panic!("{mistakes:#?}\n{}", draft.description));
    let outcome = run_case(&format, &sample);
    let case = Case {
        class: draft.outcome.class.to_owned(),
        outcome: draft.outcome.outcome.clone(),
        canonical: draft.outcome.canonical.clone(),
        ..sample
    };
    assert!(differences(&case, &outcome).is_empty(), "{}", draft.description);
    assert_ne!(outcome.class, "refused", "{}\n{}", outcome.outcome, draft.description);
    let found = untouched(&format, &draft.description, &[(case, outcome)]);
    assert!(found.is_empty(), "{found:#?}\n{}", draft.description);
    draft
}

fn assert_has(draft: &Draft, lines: &[&str]) {
    for it in lines {
        assert!(draft.description.contains(it), "{it}\n{}", draft.description);
    }
}

#[test]
fn a_json_sample_gives_a_description() {
    let sample = r#"{"Code": 0, "Value": {"Total": 1, "Data": [{
        "DoMat": "0", "SoKyHieu": "45/CV-UBND", "Trích yếu": "V/v họp giao ban", "NgayBanHanh": "20/11/2026",
        "LoaiVanBan": "Công văn", "DoKhan": "Khẩn", "NguoiKy": {"HoTen": "Người Ký", "ChucVu": "Chủ tịch"},
        "NoiNhan": [{"Ma": "A99.2", "Ten": "Sở Nội vụ"}], "MaHoSo": "HS-1", "SoTrang": 3,
        "Files": [{"TenTep": "cv.pdf", "DuongDan": "cv.pdf", "Khac": {"Sâu": [1, 2]}}], "Rong": []
    }]}}"#;
    let draft = draft(sample, &[("cv.pdf", "%PDF-1.4 x")]);
    assert_has(
        &draft,
        &[
            "syntax: {kind: json, records: \"Value/Data\", around: ",
            ", count: \"Value/Total\"}\n",
            "  - {at: \"SoKyHieu\", to: \"number\", pattern: \"{number}/{notation}\", whole: printed, split: no}\n",
            "  - {at: \"Trích yếu\", to: \"subject\", need: both}\n",
            "  - {at: \"NgayBanHanh\", to: \"issued\", as: date dd/MM/yyyy, need: both}\n",
            "  do-mat: {list: secrecy, gate: none, rows: {\"0\": none}}\n",
            "  do-khan: {rows: {\"Khẩn\": URGENT}}\n",
            "  - each: \"NoiNhan\"\n    to: \"recipients[role=MAIN]\"\n    fields:\n      - {at: \"Ma\", to: \"organisation.ids[0]\", as: org-id}\n",
            "  - at: \"NguoiKy\"\n    to: \"signers[role=SIGNER]\"\n",
            "      - {at: \"DuongDan\", to: \"content.ref\", as: fetch}\n",
            "  # - {at: \"MaHoSo\", to: ?}  # \"HS-1\"\n",
            "  # - {each: \"Rong\", to: ?}  # \"\"\n",
        ],
    );
    let canonical = draft.outcome.canonical.clone().unwrap();
    assert!(canonical.contains("\"subject\": \"V/v họp giao ban\""), "{canonical}");
    assert_eq!((draft.proposed, draft.open), (13, 3), "{}", draft.description);
}

#[test]
fn an_xml_sample_gives_a_description() {
    let sample = "<vb:VanBan xmlns:vb=\"urn:xa\" phien-ban=\"2\"><vb:ThongTin><vb:so_ky_hieu>45/CV</vb:so_ky_hieu>\
        <vb:trich_yeu>Họp</vb:trich_yeu><vb:ngay>2026-11-20</vb:ngay><vb:la>x</vb:la></vb:ThongTin>\
        <vb:Tep><vb:Ten>a.txt</vb:Ten><vb:NoiDung>aGVsbG8=</vb:NoiDung></vb:Tep>\
        <vb:Tep><vb:Ten>b.txt</vb:Ten><vb:NoiDung>aGVsbG8=</vb:NoiDung></vb:Tep></vb:VanBan>";
    let draft = draft(sample, &[]);
    assert_has(
        &draft,
        &[
            "syntax: {kind: xml, root: VanBan, namespace: \"urn:xa\", prefix: vb, declared-at: VanBan}\n",
            "  - has: \"ThongTin/so_ky_hieu\"\n",
            "  - at: \"ThongTin\"\n    fields:\n",
            "      - {at: \"trich_yeu\", to: \"subject\", need: both}\n",
            "      # - {at: \"la\", to: ?}  # \"x\"\n",
            "  # - {at: \"@phien-ban\", to: ?}  # \"2\"\n",
            "  - each: \"Tep\"\n    to: \"attachments\"\n",
        ],
    );
    let plain = "<VanBan><TrichYeu>Họp</TrichYeu></VanBan>";
    assert_has(&self::draft(plain, &[]), &["The sample has no namespace", "\"urn:xa.thu\""]);
}

#[test]
fn a_table_and_named_fields_give_descriptions() {
    let table = "Số ký hiệu;Trích yếu;Ngày ban hành;Độ khẩn;Kinh phí\r\n45/CV;Họp;20/11/2026;thường;1,5\r\n\
                 46/CV;Báo cáo;21/11/2026;thường;\r\n";
    assert_has(
        &draft(table, &[]),
        &[
            "syntax: {kind: csv, separator: \";\"}\n",
            "  - {at: \"Ngày ban hành\", to: \"issued\", as: date dd/MM/yyyy, need: both}\n",
            "  # - {at: \"Kinh phí\", to: ?}  # \"1,5\"\n",
        ],
    );
    let closed = "[So]45[/So]\n[TrichYeu]Họp, giao ban[/TrichYeu]\n[Ngay]20/11/2026[/Ngay]\n";
    assert_has(
        &draft(closed, &[]),
        &["open: \"[{name}]\", close: \"[/{name}]\"", "  - {at: \"So\", to: \"number.number\"}\n"],
    );
    let lines = "Số ký hiệu: 45/CV\nTrích yếu: Họp giao ban, báo cáo\nNgày: 20/11/2026\nHết\n";
    assert_has(
        &draft(lines, &[]),
        &["open: \"{name}: \"", "  - {at: \"Trích yếu\", to: \"subject\""],
    );
}

#[test]
fn what_a_sample_refutes_is_left_to_the_author() {
    // The day is none, a mark of secrecy is never taken for harmless, and a file did not come along.
    let sample = r#"{"TrichYeu": "Họp", "NgayBanHanh": "hôm qua", "DoMat": "Mật", "DoKhan": "xanh",
        "SoTrang": "ba", "Subject": "lần nữa", "no": "x", "a/b": "y", "TepDinhKem": [{"Ten": "a.pdf", "Url": "khong-co.pdf"}]}"#;
    let draft = draft(sample, &[]);
    assert_has(
        &draft,
        &[
            "  # - {at: \"NgayBanHanh\", to: ?}  # \"hôm qua\"\n",
            "  # - {at: \"DoMat\", to: ?}  # \"Mật\"\n",
            "  # - {at: \"DoKhan\", to: ?}  # \"xanh\"\n",
            "  # - {at: \"SoTrang\", to: ?}  # \"ba\"\n",
            "  # - {at: \"Subject\", to: ?}  # \"lần nữa\"\n",
            "  # - each: \"TepDinhKem\", to: ?, fields:\n",
            "  #     - {at: \"Url\", to: ?}  # \"khong-co.pdf\"\n",
        ],
    );
}

#[test]
fn a_sample_of_no_syntax_is_refused() {
    let refused = |native: &str| {
        let sample = Case { native: native.as_bytes().to_vec(), ..Case::default() };
        draft_description("x", &sample).unwrap_err().code
    };
    assert_eq!(refused("Kính gửi các cơ quan"), "LT-FMT-071");
    assert_eq!(refused(""), "LT-FMT-071");
    assert_eq!(refused("{\"a\":"), "LT-MAP-002");
    assert_eq!(refused("<a><b></a>"), "LT-MAP-001");
}
