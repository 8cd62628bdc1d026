//! Circulars to very many recipients (cases R02): what is bounded is the number of recipients, and not
//! that of the elements that they have.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use formats::MemoryBlobs;
use proto::fault::v1::Fault;

use crate::{document, registry};

/// Recipients that one packet may have.
const RECIPIENTS_MAX: usize = 5_000;

/// A packet whose recipients have every field.
fn circular(count: usize) -> String {
    let to = |it: usize| {
        format!(
            "<To><OrganId>A{}.{it}</OrganId><OrganizationInCharge>UBND</OrganizationInCharge>\
             <OrganName>Xã số {it}</OrganName><OrganAdd></OrganAdd><Email></Email>\
             <Telephone></Telephone><Fax></Fax><Website></Website></To>",
            it % 90 + 10
        )
    };
    let to: String = (0..count).map(to).collect();
    format!(
        "<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"><edXMLEnvelope><edXMLHeader>\
         <MessageHeader><From><OrganId>A99.1</OrganId></From>{to}<DocumentId>1</DocumentId>\
         <Code><CodeNumber>45</CodeNumber><CodeNotation>CV/TU</CodeNotation></Code>\
         <PromulgationInfo><PromulgationDate>2026/11/20</PromulgationDate></PromulgationInfo>\
         <Subject>V/v A</Subject></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"
    )
}

fn count_recipients(native: &[u8]) -> Result<usize, Fault> {
    let registry = registry();
    let (_, decoded) = registry.decode("auto", native, &[], &mut MemoryBlobs::default())?;
    Ok(document(&decoded[0].canonical).recipients.len())
}

#[test]
fn as_many_recipients_as_allowed_are_read_whatever_fields_they_have() {
    assert_eq!(count_recipients(circular(RECIPIENTS_MAX).as_bytes()).unwrap(), RECIPIENTS_MAX);
}

#[test]
fn too_many_recipients_are_refused_by_their_number_and_the_bound() {
    for count in [RECIPIENTS_MAX + 1, 20_000] {
        let fault = count_recipients(circular(count).as_bytes()).unwrap_err();
        assert_eq!(fault.code, "LT-MAP-005");
        let violation = &fault.violations[0];
        assert!(
            violation.field.ends_with("MessageHeader/To[0]") || violation.field.ends_with("To"),
            "{}",
            violation.field
        );
        let text = &violation.description_vi;
        let says = |number: usize| {
            text.contains(&format!("{number} nơi nhận"))
                || text.contains(&format!("nhiều nhất {number}"))
        };
        assert!(says(count) && says(RECIPIENTS_MAX), "{text}");
    }
}

#[test]
fn a_packet_of_elements_without_content_is_refused_by_their_number() {
    let native = format!(
        "<edXML xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\">{}</edXML>",
        "<a/>".repeat(50_000)
    );
    let fault = count_recipients(native.as_bytes()).unwrap_err();
    assert_eq!(fault.code, "LT-MAP-005");
    assert!(fault.violations[0].description_en.contains("about 50000 elements"), "{fault:?}");
}

#[test]
fn the_circulars_of_the_cases_are_read_whole() {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases/R02-many-recipients");
    let Ok(entries) = fs::read_dir(&folder) else {
        std::io::stderr().write_all(b"no cases beside the project, so R02 was not read\n").unwrap();
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let native = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&native);
        let written = text.matches("<edXML:To>").count();
        assert!(written > 2_000, "{}", path.display());
        assert_eq!(count_recipients(&native).unwrap(), written, "{}", path.display());
    }
}
