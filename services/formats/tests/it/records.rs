//! A body of several records: each is a message or is refused by itself.

use formats::{DecodedRecord, Format, MemoryBlobs};
use proto::fault::v1::Fault;

use crate::{document, registry};

const TABLE: &str = "
format: t
version: 1
title: t
carries: Document
detect: [{has: Số}]
syntax: {kind: csv}
fields:
  - {at: Số, to: number.number, need: both}
  - {at: Ngày, to: issued, as: date dd/MM/yyyy, need: both}
  - {at: Trích yếu, to: subject, need: both}
";

fn decode(format: &Format, native: &str) -> Result<Vec<DecodedRecord>, Fault> {
    format.decode_records(native.as_bytes(), &[], &mut MemoryBlobs::default())
}

/// Of each record its place, and the subject or the code and the fields of its fault.
fn outcomes(records: &[DecodedRecord]) -> Vec<(&str, String)> {
    let outcome = |it: &DecodedRecord| match &it.outcome {
        Ok(message) => document(&message.canonical).subject.clone(),
        Err(fault) => {
            let fields = fault.violations.iter().map(|it| format!(" {}", it.field));
            fault.code.clone() + &fields.collect::<String>()
        }
    };
    records.iter().map(|it| (it.place.as_str(), outcome(it))).collect()
}

#[test]
fn a_bad_row_is_refused_with_its_line_and_its_column_and_stops_no_other() {
    let format = Format::compile(TABLE).unwrap();
    let table = "Số,Ngày,Trích yếu\n1,01/02/2026,\"Một\nhai\"\n2,31/02/2026,\n3,03/02/2026,Ba\n\
                 4,04/02/2026\n5,05/02/2026,x,y\n6,06/02/2026,Sáu\n";
    assert_eq!(
        outcomes(&decode(&format, table).unwrap()),
        [
            ("line 2", "Một\nhai".to_owned()),
            ("line 4", "LT-MAP-014 line 4/Ngày line 4/Trích yếu".to_owned()),
            ("line 5", "Ba".to_owned()),
            ("line 6", "LT-MAP-065 line 6".to_owned()),
            ("line 7", "LT-MAP-065 line 7".to_owned()),
            ("line 8", "Sáu".to_owned()),
        ]
    );
    let fault = format.decode(table.as_bytes(), &[], &mut MemoryBlobs::default()).unwrap_err();
    assert_eq!(fault.violations.len(), 2, "the first refused record, where all must be messages");
}

#[test]
fn what_is_wrong_with_the_body_is_no_record_s() {
    let format = Format::compile(TABLE).unwrap();
    let fault = decode(&format, "Số,Ngày,Trích yếu\n1,01/02/2026,Một\n2,\"x\n").unwrap_err();
    assert_eq!((fault.code.as_str(), &*fault.violations[0].field), ("LT-MAP-065", "line 3"));
    let fault = decode(&format, "Số,Ngày,Trích yếu\n").unwrap_err();
    assert_eq!(fault.code, "LT-MAP-009");
    // A mark in a row that no rule can read refuses all, because the bytes of the body are stored
    // with each record; one in a text is left to the sink, which sees the message.
    let marked = "Số,Ngày,Trích yếu\n1,01/02/2026,Một\n2,02/02/2026,Hai,Độ mật: Tuyệt mật\n";
    assert_eq!(decode(&format, marked).unwrap_err().code, "LT-MAP-007");
}

#[test]
fn a_row_that_cannot_be_told_apart_is_no_row_where_a_column_is_the_secrecy_mark() {
    let gated = TABLE.replace(
        "fields:",
        "lists:\n  secrecy: {list: secrecy, rows: {\"0\": none, \"1\": mat}, gate: none}\nfields:\n  \
         - {at: Mật, to: secrecy, as: code secrecy}",
    );
    let format = Format::compile(&gated).unwrap();
    let good = "Mật,Số,Ngày,Trích yếu\n0,1,01/02/2026,Một\n";
    assert!(decode(&format, good).is_ok());
    let fault = decode(&format, &format!("{good}0,2,02/02/2026,Hai, ba\n")).unwrap_err();
    assert_eq!((fault.code.as_str(), &*fault.violations[0].field), ("LT-MAP-065", "line 3"));
    let fault = decode(&format, &format!("{good}1,2,99/02/2026,Hai\n")).unwrap_err();
    assert_eq!((fault.code.as_str(), &*fault.violations[0].field), ("LT-MAP-007", "line 3/Mật"));
}

#[test]
fn shipped_formats_of_several_records_give_each_its_outcome() {
    let registry = registry();
    for (name, native, expected) in [
        (
            "eoffice.laocai",
            r#"{"rows":[{"external_doc_id":"1","notation":"1/A","abstract":"Một","publish_date":"2026-02-01"},
                {"external_doc_id":"2","notation":"2/A","publish_date":"2026-02-30"},
                {"external_doc_id":"3","notation":"3/A","abstract":"Ba","publish_date":"2026-02-03"}]}"#,
            ["rows[0]", "rows[1]/abstract rows[1]/publish_date", "rows[2]"],
        ),
        (
            "ioffice.push",
            r#"[{"dossierId":"1","summary":"Một"},{"summary":"Hai"},{"dossierId":"3","summary":"Ba"}]"#,
            ["[0]", "[1]/dossierId", "[2]"],
        ),
        (
            "ioffice.directory",
            "ID: 1\nNAME: Một\nAGENT_ID: A\n\nID: 2\nAGENT_ID: B\n\nID: 3\nNAME: Ba\nAGENT_ID: C\n",
            ["line 1", "line 5/NAME", "line 8"],
        ),
        (
            "ioffice.results",
            r#"{"data":[{"dossierId":"1","soKyHieu":"1/A"},{"soKyHieu":"2/A"},{"dossierId":"3","soKyHieu":"3/A"}]}"#,
            ["data[0]", "data[1]/dossierId", "data[2]"],
        ),
    ] {
        let records = decode(registry.get(name).unwrap(), native).unwrap();
        let read: Vec<String> = records
            .iter()
            .map(|it| match &it.outcome {
                Ok(_) => it.place.clone(),
                Err(fault) => {
                    assert_eq!(fault.code, "LT-MAP-014", "{name}");
                    assert!(fault.violations[0].field.starts_with(&it.place), "{name}");
                    let mut fields: Vec<_> =
                        fault.violations.iter().map(|it| it.field.as_str()).collect();
                    fields.sort_unstable();
                    fields.join(" ")
                }
            })
            .collect();
        assert_eq!(read, expected, "{name}");
    }
}
