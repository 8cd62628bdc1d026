//! Every folder of the shared cases that is marked *format*: what each of its files becomes. The
//! tests of single kinds say more; this one says that none is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proto::canonical::v1::{Date, Status};
use unicode_normalization::UnicodeNormalization as _;

use crate::*;

/// The folder of the shared cases; none when it is absent.
fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    if folder.is_dir() {
        return Some(folder);
    }
    std::io::stderr().write_all(b"no cases beside the project, so none was read\n").unwrap();
    None
}

/// Folders of a mark in the table of the cases.
fn marked(folder: &Path, mark: &str) -> BTreeSet<String> {
    let table = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let rows = table.lines().filter_map(|it| {
        let mut cells = it.trim_matches('|').split('|').map(str::trim);
        let (name, marks) = (cells.next()?, cells.next()?);
        let is_marked = marks.split(", ").any(|it| it == mark);
        is_marked.then(|| name.split(' ').next().unwrap_or_default().to_owned())
    });
    rows.collect()
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    paths.retain(|it| it.is_file());
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Files that are uploaded with a body, by the name of the body.
const UPLOADS: [(&str, &str); 3] =
    [("exe.json", "cong-van.pdf"), ("html.json", "login.pdf"), ("zeros.json", "zeros.pdf")];

/// The files beside a body: in the folder of its name, in whatever Unicode form, or as the table
/// says.
fn uploads(body: &Path) -> Vec<PathBuf> {
    let parent = body.parent().unwrap();
    let name = name_of(body);
    if let Some((_, upload)) = UPLOADS.iter().find(|it| it.0 == name) {
        return vec![parent.join(upload)];
    }
    let own: String = format!("{name}.files").nfc().collect();
    let folders = std::fs::read_dir(parent).unwrap().map(|it| it.unwrap().path());
    let mut folders = folders.filter(|it| name_of(it).nfc().collect::<String>() == own);
    folders.next().map_or_else(Vec::new, |it| files_of(&it))
}

fn day(date: Option<Date>) -> String {
    date.map_or_else(
        || "-".to_owned(),
        |it| format!("{:04}-{:02}-{:02}", it.year, it.month, it.day),
    )
}

fn describe_document(it: &Document) -> String {
    let subject: String = it.subject.chars().take(40).collect();
    let mut said = format!("{subject} | {} | {}", day(it.issued), day(it.due));
    if it.recipients.len() > 1 {
        said += &format!(" | to {}", it.recipients.len());
    }
    for file in &it.attachments {
        let name: String = file.file_name.chars().rev().take(30).collect();
        let name: String = name.chars().rev().collect();
        let size = file.content.as_ref().map_or(0, |it| it.size);
        said += &format!(" | {name} {} {size}", file.media_type);
    }
    said
}

fn describe_status(it: &Status) -> String {
    let seconds = it.at.as_ref().and_then(|it| it.at).map(|it| it.seconds);
    format!("status {} at {}", it.kind, seconds.map_or("-".to_owned(), |it| it.to_string()))
}

/// What a file becomes: the format, the values that the cases are about, and the findings; or the
/// refusal.
fn outcome(registry: &FormatRegistry, body: &Path) -> String {
    let mut files = MemoryBlobs::default();
    let declared: Vec<_> = uploads(body)
        .iter()
        .map(|it| files.declare(&name_of(it), &std::fs::read(it).unwrap()))
        .collect();
    let native = std::fs::read(body).unwrap();
    match registry.decode("auto", &native, &declared, &mut files) {
        Err(fault) => {
            let violations = fault.violations.iter().map(|it| {
                let field = it.field.rsplit('/').next().unwrap_or_default();
                format!(" {field}: {}", it.description_en)
            });
            format!("{}{}", fault.code, violations.take(1).collect::<String>())
        }
        Ok((format, decoded)) => {
            let said = decoded.iter().map(|it| {
                let said = match &it.canonical.body {
                    Some(Body::Document(it)) => describe_document(it),
                    Some(Body::Status(it)) => describe_status(it),
                    other => panic!("{other:?}"),
                };
                let findings = it.findings.iter().map(|it| {
                    format!("; {} {}", it.code, it.field.rsplit('/').next().unwrap_or_default())
                });
                said + &findings.collect::<String>()
            });
            format!("{}: {}", format.name(), said.collect::<Vec<_>>().join(" + "))
        }
    }
}

/// Marked folders of which other tests say what is right, because it needs more than one format: the
/// file of the test, and the test.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "D06-impossible-years",
        "mapping/src/item/tests.rs",
        "cases_of_impossible_years_have_their_finding",
    ),
    (
        "Q01",
        "journal/tests/it/deliveries.rs",
        "statuses_of_a_document_are_all_kept_and_in_the_order_in_which_they_occurred",
    ),
    (
        "R02-many-recipients",
        "formats/tests/it/recipients.rs",
        "the_circulars_of_the_cases_are_read_whole",
    ),
    // Each of its kinds has a row of the table below.
    (
        "truth.md",
        "formats/tests/it/shared_cases.rs",
        "every_kind_of_untrue_reading_and_writing_has_a_test",
    ),
];

/// True when a file below the services has a test of this name.
fn has_test(file: &str, name: &str) -> bool {
    let services = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let source = std::fs::read_to_string(services.join(file)).unwrap();
    source.contains(&format!("fn {name}("))
}

/// Each file of each marked folder, and what it becomes.
const OUTCOMES: &[(&str, &[(&str, &str)])] = &[
    (
        "A01-attachment-name-forms",
        &[
            (
                "1-same.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | Công văn số 5.pdf application/pdf 26",
            ),
            (
                "2-disk-nfd.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | Công văn số 5.pdf application/pdf 26",
            ),
            (
                "3-body-nfd.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | Công văn số 5.pdf application/pdf 26",
            ),
            (
                "5-path.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | Công văn số 5.pdf application/pdf 26",
            ),
            (
                "6-percent.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | Công văn số 5.pdf application/pdf 26",
            ),
            (
                "7-backslash.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | Công văn số 5.pdf application/pdf 26",
            ),
            (
                "8-thư mục.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | Công văn số 5.pdf application/pdf 26",
            ),
        ],
    ),
    (
        "A05-file-is-not-what-it-says",
        &[
            (
                "exe.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | cong-van.pdf application/vnd.microsoft.portable-executable 602; LT-MAP-040 FilePath",
            ),
            (
                "html.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | login.pdf text/html 52; LT-MAP-040 FilePath",
            ),
            (
                "zeros.json",
                "ioffice.portal: Về việc thử | 2026-11-18 | - | zeros.pdf application/octet-stream 5000; LT-MAP-040 FilePath",
            ),
        ],
    ),
    (
        "D01-sentinel-due-date",
        &[
            (
                "0-0001_01_01.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-054 DueDate",
            ),
            (
                "1-0001-01-01.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-054 DueDate",
            ),
            (
                "2-01_01_0001.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-054 DueDate",
            ),
            (
                "3-1900_01_01.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-054 DueDate",
            ),
            (
                "4-0001-01-01T000000.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-054 DueDate",
            ),
        ],
    ),
    (
        "D02-other-date-forms",
        &[
            (
                "00.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "02.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "04.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-05 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "06.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "08.xml",
                "LT-MAP-014 PromulgationDate: \"11/20/2026\" has the month first, which is not read",
            ),
            (
                "10.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
        ],
    ),
    (
        "D03-status-time-forms",
        &[
            ("00.xml", "edxml.status: status 1 at 1795141800"),
            ("02.xml", "edxml.status: status 1 at 1795141800"),
            ("04.xml", "edxml.status: status 1 at 1795141800"),
            ("06.xml", "edxml.status: status 1 at 1795141800"),
            ("08.xml", "edxml.status: status 1 at 1795141800"),
        ],
    ),
    (
        "D04-status-code-forms",
        &[
            ("0.xml", "edxml.status: status 1 at 1795141800; LT-MAP-050 StatusCode"),
            ("1.xml", "edxml.status: status 3 at 1795141800; LT-MAP-050 StatusCode"),
            ("3.xml", "edxml.status: status 6 at 1795141800"),
            ("4.xml", "edxml.status: status 3 at 1795141800; LT-MAP-050 StatusCode"),
            ("6.xml", "edxml.status: status 3 at 1795141800; LT-MAP-050 StatusCode"),
        ],
    ),
    (
        "E02-date-with-time",
        &[(
            "a.xml",
            "edxml.document: Về việc thử gói tin tổng hợp | 2023-03-14 | 2023-03-14 | van-ban.pdf application/pdf 26; LT-MAP-053 PromulgationDate; LT-MAP-053 DueDate",
        )],
    ),
    (
        "F01-empty-file",
        &[
            ("a.xml", "LT-MAP-010 ContentTransferEncoded: the file is empty, 0 bytes"),
            ("zip.xml", "LT-MAP-010 ContentTransferEncoded: the file is empty, 0 bytes"),
        ],
    ),
    (
        "F02-attachment-names",
        &[(
            "a.xml",
            "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | 12-2025-QĐ-UBND.pdf application/pdf 27 | 13-2025-QĐ-UBND.pdf application/pdf 27 |  hội, quốc phòng, an ninh .pdf application/pdf 27 | Công văn.pdf application/pdf 27 | Công văn.pdf application/pdf 27 | văn bản.pdf application/pdf 27 | VĂN BẢN.PDF application/pdf 27 | to trinh.docx application/pdf 27 | .pdf application/pdf 27; LT-MAP-042 AttachmentName; LT-MAP-042 AttachmentName; LT-MAP-042 AttachmentName; LT-MAP-042 AttachmentName; LT-MAP-042 AttachmentName; LT-MAP-040 ContentTransferEncoded",
        )],
    ),
    ("J02-json-utf16", &[("a.json", "ioffice.portal: Về việc thử | 2026-11-18 | -")]),
    (
        "J07-dates",
        &[
            ("a.json", "ioffice.portal: Về việc thử | 2026-11-18 | -"),
            ("b.json", "ioffice.portal: Về việc thử | 2026-11-18 | -"),
            ("c.json", "ioffice.portal: Về việc thử | 2026-11-18 | -"),
        ],
    ),
    ("J09-null-everywhere", &[("a.json", "ioffice.portal: Về việc thử | 2026-11-18 | -")]),
    (
        "J11-html-error-page",
        &[
            ("a.json", "LT-MAP-032 body: is an HTML page, not data"),
            ("b.json", "LT-MAP-018"),
            ("c.json", "LT-MAP-018 body: is empty"),
        ],
    ),
    ("J13-paged", &[("a.json", "ioffice.portal: Về việc thử | 2026-11-18 | -; LT-MAP-033 Total")]),
    (
        "J18-null-list",
        &[
            ("attachments-null.json", "ioffice.portal: Về việc thử | 2026-11-18 | -"),
            ("attachments-of-null.json", "ioffice.portal: Về việc thử | 2026-11-18 | -"),
            ("empty-object.json", "ioffice.portal: Về việc thử | 2026-11-18 | -"),
            ("recipients-null.json", "ioffice.portal: Về việc thử | 2026-11-18 | -"),
            ("replaces-null.json", "ioffice.portal: Về việc thử | 2026-11-18 | -"),
            (
                "xml-empty-attachmentencoded.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | -",
            ),
            (
                "xml-nil-attachment.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | -",
            ),
        ],
    ),
    (
        "N12-legacy-encodings",
        &[
            (
                "not-tcvn3.xml",
                "edxml.document: Bảng giá: 5 µm, 30 °C, ¶ 2 | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "tcvn3-bytes.xml",
                "edxml.document: Công văn về việc | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-060 OrganName; LT-MAP-060 OrganName; LT-MAP-060 Place; LT-MAP-060 TypeName; LT-MAP-060 Subject",
            ),
            (
                "vni-in-unicode.xml",
                "edxml.document: Công văn về việc triển khai | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-060 Subject",
            ),
        ],
    ),
    (
        "T04-tcvn3-as-latin1",
        &[(
            "a.xml",
            "edxml.document: Công văn về việc triển khai nhiệm vụ | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-060 Subject",
        )],
    ),
    (
        "T05-utf8-twice",
        &[(
            "a.xml",
            "edxml.document: Công văn về việc | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-060 Subject",
        )],
    ),
    (
        "T06-replacement-char",
        &[(
            "a.xml",
            "edxml.document: C�ng v�n v� vi�c | 2026-11-20 | - | van-ban.pdf application/pdf 27; LT-MAP-052 Subject; LT-MAP-041 ContentTransferEncoded",
        )],
    ),
    (
        "T09-null-words",
        &[(
            "a.xml",
            "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-034 OrganName; LT-MAP-034 Content; LT-MAP-034 DueDate",
        )],
    ),
    (
        "X03-utf16",
        &[
            (
                "be-bom.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "le-bom.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "le-nobom.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
        ],
    ),
    (
        "X04-windows-1258",
        &[(
            "a.xml",
            "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
        )],
    ),
    (
        "X05-latin1-that-is-also-utf8",
        &[(
            "a.xml",
            "edxml.document: Bao cao á so 5 | 2026-11-20 | - | van-ban.pdf application/pdf 26; LT-MAP-062 encoding",
        )],
    ),
    (
        "X07-foreign-namespace-same-name",
        &[
            (
                "a.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "b-statuscode.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
        ],
    ),
    (
        "X08-nil-other-prefix",
        &[
            (
                "a.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
            (
                "b.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
            ),
        ],
    ),
    ("X09-html-entity", &[("a.xml", "LT-MAP-003 Subject: the entity &nbsp; is none of XML")]),
    (
        "X13-base64-data-uri",
        &[(
            "a.xml",
            "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
        )],
    ),
    (
        "X14-base64-url-nopad",
        &[
            (
                "nopad.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 28",
            ),
            (
                "trailing-bits.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 28",
            ),
            (
                "url.xml",
                "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 19",
            ),
        ],
    ),
    (
        "Z01-zip-small-high-ratio",
        &[(
            "blank-page.xml",
            "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | quet-trang-trang.bmp image/bmp 76002; LT-MAP-040 ContentTransferEncoded",
        )],
    ),
    (
        "Z02-zip-macos",
        &[(
            "a.xml",
            "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
        )],
    ),
    (
        "Z03-zip-in-folder",
        &[(
            "a.xml",
            "edxml.document: Về việc thử gói tin tổng hợp | 2026-11-20 | - | van-ban.pdf application/pdf 26",
        )],
    ),
];

/// Each kind of `truth.md`, the file of its test, and the test.
const TRUTH: &[(usize, &str, &str)] = &[
    (1, "formats/tests/it/bag.rs", "a_value_that_was_not_understood_comes_back_in_its_own_record"),
    (2, "formats/tests/it/attachments.rs", "a_zip_stays_what_it_is_unless_it_wraps_the_file"),
    (2, "formats/src/content/tests.rs", "the_library_of_the_axis_reads_every_written_file"),
    (3, "formats/tests/it/values.rs", "what_identifies_is_written_whole"),
    (4, "formats/tests/it/values.rs", "an_unreadable_time_is_never_replaced"),
    (5, "formats/tests/it/bag.rs", "an_explicit_zero_and_an_explicit_no_stay"),
    (6, "formats/tests/it/bag.rs", "an_explicit_zero_and_an_explicit_no_stay"),
    (7, "formats/tests/it/bag.rs", "another_format_reports_every_leftover_as_lost"),
    (7, "formats/tests/it/bag.rs", "what_cannot_be_put_back_is_reported_and_stands_nowhere_else"),
    (8, "formats/tests/it/attachments.rs", "the_media_type_is_that_of_the_content_else_as_said"),
    (9, "formats/tests/it/bag.rs", "of_two_differing_values_the_second_is_kept_with_a_finding"),
    (10, "formats/tests/it/said.rs", "a_recall_in_another_spelling_or_place_is_no_new_document"),
    (10, "formats/tests/it/bag.rs", "a_repeated_group_is_a_finding"),
    (11, "formats/tests/it/said.rs", "a_recall_takes_its_target_from_the_only_reference"),
    (12, "formats/tests/it/attachments.rs", "a_zip_stays_what_it_is_unless_it_wraps_the_file"),
    (
        13,
        "formats/tests/it/attachments.rs",
        "a_file_that_contradicts_its_name_is_a_finding_in_its_field",
    ),
    (
        14,
        "formats/tests/it/said.rs",
        "a_name_of_another_namespace_changes_nothing_and_comes_back_in_it",
    ),
    (
        15,
        "mapping/src/item/tests.rs",
        "what_no_recipient_can_get_is_refused_with_the_senders_own_fields",
    ),
    (
        16,
        "../tests/tests/it/commands.rs",
        "format_try_writes_attachments_into_the_packet_and_the_folder",
    ),
    (17, "formats/tests/it/values.rs", "cases_of_days_have_their_value"),
    (18, "formats/tests/it/bag.rs", "an_empty_record_or_group_beside_a_real_one_says_nothing"),
    (18, "formats/tests/it/said.rs", "an_empty_status_code_makes_no_status"),
    (
        19,
        "formats/tests/it/said.rs",
        "an_unbound_name_is_the_packets_and_an_empty_declaration_binds_none",
    ),
    (20, "formats/tests/it/attachments.rs", "a_missing_file_is_named_as_a_person_knows_it"),
    (20, "formats/tests/it/attachments.rs", "the_prefix_of_a_content_id_joins_in_any_case"),
    (21, "formats/src/content/tests.rs", "a_zip_that_cannot_be_opened_says_why"),
    (
        22,
        "formats/tests/it/bad_inputs.rs",
        "nothing_but_white_space_and_comments_stands_outside_the_root",
    ),
    (23, "formats/tests/it/attachments.rs", "a_real_packet_does_not_grow_when_it_is_written"),
];

#[test]
fn every_kind_of_untrue_reading_and_writing_has_a_test() {
    let Some(folder) = folder() else { return };
    let text = std::fs::read_to_string(folder.join("truth.md")).unwrap();
    let kinds = (1..).take_while(|it| text.contains(&format!("{it}. "))).count();
    let tested: BTreeSet<usize> = TRUTH.iter().map(|it| it.0).collect();
    assert_eq!(tested, (1..=kinds).collect());
    for (kind, file, name) in TRUTH {
        assert!(has_test(file, name), "{kind}: {file} has no {name}");
    }
}

#[test]
fn every_marked_case_becomes_what_is_right() {
    let Some(folder) = folder() else { return };
    let mut marked = marked(&folder, "format");
    assert!(marked.len() > 30, "{marked:?}");
    for (folder, file, name) in ELSEWHERE {
        assert!(marked.remove(*folder), "{folder} is not marked");
        assert!(has_test(file, name), "{folder}: {file} has no {name}");
    }
    let registry = registry();
    let mut wrong = Vec::new();
    let expected: BTreeMap<_, _> = OUTCOMES.iter().copied().collect();
    for name in &marked {
        let expected: BTreeMap<&str, &str> = expected
            .get(name.as_str())
            .map_or_else(BTreeMap::new, |it| it.iter().copied().collect());
        let is_upload = |it: &Path| UPLOADS.iter().any(|(_, upload)| *upload == name_of(it));
        let bodies = files_of(&folder.join(name)).into_iter().filter(|it| !is_upload(it));
        let bodies: Vec<_> = bodies.collect();
        assert!(!bodies.is_empty(), "{name} has no files");
        for body in bodies {
            let (file, is) = (name_of(&body), outcome(&registry, &body));
            if expected.get(file.as_str()) != Some(&is.as_str()) {
                wrong.push(format!("{name}/{file}: {is}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
