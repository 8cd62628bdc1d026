//! Invalid input is refused at submit with its code, and nothing of it is stored.

use lienthong_tests::up::{Agency, Up, write_registry};
use proto::fault::v1::Fault;
use sdk::{Connection, File, Item, SubmitError, SubmitHandle};
use serde_json::{Value, json};

fn portal(change: impl Fn(&mut Value)) -> Item {
    let mut document = json!({
        "Guid": "g-1", "SoHieu": "1", "KyHieu": "BC-VP", "TrichYeu": "Báo cáo",
        "NgayBanHanh": "20/11/2026", "DoMat": "0", "MaDinhDanh": "A99.1",
        "DonViNhanVanBanNgoaDonVi": [{ "MaDonVi": "A99.2" }], "Attachments": [],
    });
    change(&mut document);
    let body = json!({ "Code": 0, "Value": { "Total": 1, "Data": [document] } });
    Item { format: "ioffice.portal".to_owned(), body: body.to_string().into(), ..Item::default() }
}

async fn expect_refusal(submit_handle: &SubmitHandle, item: &Item, what: &str) -> Fault {
    match submit_handle.submit(item).await {
        Err(SubmitError::Refused(fault) | SubmitError::NotAdmitted(fault)) => fault,
        other => panic!("{what} is not refused: {other:?}"),
    }
}

fn files_in(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|it| it.unwrap().path()).map(|it| if it.is_dir() { files_in(&it) } else { 1 }).sum()
}

/// The expected code, an item, and what is wrong with the item.
type Case = (&'static str, Item, &'static str);

fn native_item(format: &str, body: &[u8]) -> Item {
    Item { format: format.to_owned(), body: body.to_vec().into(), ..Item::default() }
}

/// Bodies that cannot be read.
fn unreadable() -> Vec<Case> {
    let doctype = b"<!DOCTYPE edXML [<!ENTITY a \"b\">]><edXML/>";
    let elsewhere = b"<edXML xmlns=\"http://example.vn/khac\"/>";
    vec![
        ("LT-MAP-001", native_item("edxml.document", b"<edXML><a>"), "truncated XML"),
        ("LT-MAP-002", native_item("ioffice.portal", b"{\"Value\":"), "truncated JSON"),
        ("LT-MAP-003", native_item("edxml.document", doctype), "a DTD"),
        ("LT-MAP-004", native_item("edxml.document", b"<eDoc/>"), "another root"),
        ("LT-MAP-006", native_item("edxml.document", elsewhere), "another namespace"),
        ("LT-MAP-009", native_item("ioffice.portal", b"{\"Value\":{\"Data\":[]}}"), "no document"),
        ("LT-MAP-016", native_item("ioffice.portal", b"{\"Value\": \"\xff\"}"), "no UTF-8"),
        ("LT-MAP-017", native_item("no.such", b"{}"), "an unknown format"),
        ("LT-MAP-018", native_item("auto", "xin chào".as_bytes()), "an unknown content"),
    ]
}

/// Documents with an invalid field, or whose sender has no right to send them.
fn invalid_fields() -> Vec<Case> {
    let to =
        |code: &str| portal(|it| it["DonViNhanVanBanNgoaDonVi"] = json!([{ "MaDonVi": code }]));
    let subject = |text: &str| portal(|it| it["TrichYeu"] = json!(text));
    let unnumbered = portal(|it| {
        it["SoHieu"] = json!("");
        it["KyHieu"] = json!("");
    });
    vec![
        ("LT-MAP-014", subject(""), "no subject"),
        ("LT-MAP-014", portal(|it| it["NgayBanHanh"] = json!("30/02/2026")), "an impossible day"),
        ("LT-MAP-007", portal(|it| it["DoMat"] = json!("2")), "a secret document"),
        ("LT-MAP-210", subject("TUYỆT MẬT: phương án"), "a mark in the subject"),
        ("LT-MAP-210", subject("Báo cáo tình hình - MẬT"), "a mark behind the subject"),
        ("LT-MAP-210", subject("TUYET MAT phuong an"), "a mark without accents"),
        ("LT-MAP-210", portal(|it| it["SoHieu"] = json!("12 (M)")), "a mark in the number"),
        ("LT-MAP-210", portal(|it| it["GhiChu"] = json!("Tối mật")), "a mark in a note"),
        ("LT-MAP-210", portal(|it| it["MucDoMat"] = json!("2")), "a mark in an unknown field"),
        ("LT-MAP-014", unnumbered, "no number"),
        ("LT-MAP-201", portal(|it| it["MaDinhDanh"] = json!("A99.9")), "an unknown sender"),
        ("LT-MAP-202", portal(|it| it["MaDinhDanh"] = json!("A99.2")), "a foreign sender"),
        ("LT-MAP-204", to("A99.9"), "an unknown recipient"),
        ("LT-MAP-207", to("A99.3"), "no right to write to them"),
    ]
}

/// Bad inputs of the reliability catalogue (B-021, B-024, B-038, B-044, B-058).
fn bad_inputs() -> Vec<Case> {
    let to =
        |code: &str| portal(|it| it["DonViNhanVanBanNgoaDonVi"] = json!([{ "MaDonVi": code }]));
    let long = portal(|it| it["TrichYeu"] = json!("x".repeat(1 << 20)));
    let unknown = b"<?xml version=\"1.0\" encoding=\"klingon\"?><edXML/>";
    vec![
        ("LT-MAP-023", native_item("edxml.document", unknown), "an encoding that nobody knows"),
        ("LT-MAP-001", native_item("edxml.document", b"<edXML/>rest"), "text behind the root"),
        ("LT-MAP-001", native_item("edxml.document", b"<edXML/><edXML/>"), "a second root"),
        ("LT-MAP-001", native_item("edxml.document", b"<edXML/>\n\0\0"), "NULs behind the root"),
        ("LT-MAP-002", native_item("ioffice.portal", b"{} {}"), "something behind the JSON"),
        ("LT-MAP-225", to("a99.2"), "a code in lower case"),
        ("LT-MAP-225", to("A99.2 "), "a code with a blank behind"),
        ("LT-MAP-225", to("A99.2\u{200b}"), "a code with a zero-width space"),
        ("LT-MAP-225", to("\u{ff21}99.2"), "a code with a full-width letter"),
        ("LT-MAP-226", to("A99.1"), "the sender as recipient"),
        ("LT-MAP-005", long, "a subject of 1 MB"),
        ("LT-MAP-014", portal(|it| it["TrichYeu"] = json!("\u{200b}")), "an invisible subject"),
        ("LT-EX-011", Item { key: "k\u{feff}".to_owned(), ..portal(|_| ()) }, "a key with a mark"),
    ]
}

/// Documents whose attachments differ from what the body declares.
fn wrong_files() -> Vec<Case> {
    let file = File {
        reference: "/u/a.pdf".to_owned(),
        name: "a.pdf".to_owned(),
        media_type: String::new(),
        content: vec![1, 2, 3].into(),
    };
    let named = json!({ "Id": "1", "FileName": "a.pdf", "FilePath": "/u/a.pdf" });
    let mut sized = named.clone();
    sized["FileSize"] = json!("4");
    let with = |listed: Vec<&Value>, files: usize| Item {
        files: vec![file.clone(); files],
        ..portal(|it| it["Attachments"] = json!(listed))
    };
    let empty = File { content: Vec::new().into(), ..file.clone() };
    let with_empty = Item { files: vec![empty], ..with(vec![&named], 0) };
    vec![
        ("LT-MAP-010", with_empty, "a file of no bytes"),
        ("LT-MAP-008", with(vec![&named], 0), "an attachment that was not uploaded"),
        ("LT-MAP-013", with(vec![], 1), "an attachment that the body does not name"),
        ("LT-MAP-011", with(vec![&sized], 1), "a file of another size"),
        ("LT-GW-002", with(vec![&named], 201), "more files than are taken"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_input_is_refused_with_its_code_and_not_stored() {
    let folder = tempfile::tempdir().unwrap();
    let agencies = [
        Agency { key: "mot", code: "A99.1", takes: "ioffice.portal" },
        Agency { key: "hai", code: "A99.2", takes: "ioffice.portal" },
        Agency { key: "ba", code: "A99.3", takes: "ioffice.portal" },
    ];
    write_registry(&folder.path().join("registry"), &agencies);
    let registry = folder.path().join("registry/registry.yaml");
    let open = std::fs::read_to_string(&registry).unwrap();
    let narrow = open.replace("from: \"*\", to: \"*\"", "from: mot, to: hai");
    assert_ne!(open, narrow);
    std::fs::write(&registry, narrow).unwrap();
    let up = Up::start(folder.path(), &[]);
    let connection = Connection::new(up.gateway(), "mot-token");
    let submit_handle = connection.submit_handle().unwrap();
    for (code, item, what) in [unreadable(), invalid_fields(), bad_inputs(), wrong_files()].concat()
    {
        let fault = expect_refusal(&submit_handle, &item, what).await;
        assert_eq!(fault.code, code, "{what}: {fault:?}");
    }
    let stranger = Connection::new(up.gateway(), "guess");
    assert_eq!(
        expect_refusal(&stranger.submit_handle().unwrap(), &portal(|_| ()), "a guess").await.code,
        "LT-GW-006"
    );
    assert_eq!(files_in(&folder.path().join("claims")), 0, "no attachment is stored");
    let data = folder.path().display().to_string();
    let (found, exit) =
        up.command(&["find", "--json", "--internal", &up.internal(), "--data", &data]);
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["messages"], json!([]), "no message is stored");
    assert_eq!(exit, 4);

    let mut first = portal(|_| ());
    first.key = "k".to_owned();
    submit_handle.submit(&first).await.unwrap();
    let mut other = portal(|it| it["TrichYeu"] = json!("Khác"));
    other.key = "k".to_owned();
    assert_eq!(expect_refusal(&submit_handle, &other, "a used key").await.code, "LT-JNL-001");
    assert!(
        submit_handle.submit(&portal(|_| ())).await.unwrap().repeat,
        "the same content without a key"
    );
    for spelling in ["1/BC-VP", "1-bc-vp", "bao cao"] {
        let (found, exit) = up.command(&[
            "find",
            spelling,
            "--json",
            "--internal",
            &up.internal(),
            "--data",
            &data,
        ]);
        assert_eq!(exit, 0, "{spelling}: {found}");
    }
}
