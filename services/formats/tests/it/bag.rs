//! What an item says stays with that item: leftovers come back in the record they stood in, or are
//! reported as lost.

use formats::DecodedMessage;
use proto::message::v1::Loss;

use crate::*;

/// The message of a packet, the packet written again by the same format, and what is lost.
fn write_again(format: &Format, native: &str) -> (DecodedMessage, String, Vec<Loss>) {
    let mut files = MemoryBlobs::default();
    let decoded = format.decode(native.as_bytes(), &[], &mut files);
    let decoded = decoded.unwrap_or_else(|it| panic!("{it:?}\n{native}")).remove(0);
    let mut written = Vec::new();
    let losses = format.encode(&decoded.canonical, EncodeContext::default(), &files, &mut written);
    let losses = losses.unwrap_or_else(|it| panic!("{it:?}\n{native}"));
    (decoded, String::from_utf8(written).unwrap(), losses)
}

/// The text without the white space between tags.
fn compact(xml: &str) -> String {
    xml.split('\n').map(str::trim).collect()
}

fn packet(header: &str, trace: &str, body: &str) -> String {
    let mut native = PACKET
        .replacen("<edXML:DueDate>2026/02/30</edXML:DueDate>", header, 1)
        .replacen("<edXML:Strange>giữ lại</edXML:Strange>", "", 1);
    if !trace.is_empty() {
        let old = "<edXML:TraceHeader><edXML:OrganId>A99.1</edXML:OrganId><edXML:Timestamp>2026/11/20 08:00:00</edXML:Timestamp></edXML:TraceHeader>";
        native = native.replacen(old, trace, 1);
    }
    if !body.is_empty() {
        let begin = native.find("<edXML:Reference>").unwrap();
        let end = native.find("</edXML:edXMLManifest>").unwrap();
        let (references, attachments) = body.split_once('|').unwrap();
        native.replace_range(begin..end, references);
        let begin = native.find("<Attachment>").unwrap();
        let end = native.find("</AttachmentEncoded>").unwrap();
        native.replace_range(begin..end, attachments);
    }
    native
}

fn lost(losses: &[Loss]) -> Vec<(&str, &str)> {
    let lost = losses.iter().filter(|it| it.kind() == loss::Kind::Lost);
    lost.map(|it| (it.path.as_str(), it.reason.as_str())).collect()
}

#[test]
fn a_value_that_was_not_understood_comes_back_in_its_own_record() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let header = "<edXML:ResponseFor/>\
        <edXML:ResponseFor><edXML:Code>A/B</edXML:Code><edXML:PromulgationDate>2014/02/30</edXML:PromulgationDate></edXML:ResponseFor>\
        <edXML:ResponseFor><edXML:Code>C/D</edXML:Code></edXML:ResponseFor>";
    let trace = "<edXML:TraceHeader/>\
        <edXML:TraceHeader><edXML:Timestamp>hôm qua</edXML:Timestamp></edXML:TraceHeader>\
        <edXML:TraceHeader><edXML:OrganId>A99.1</edXML:OrganId><edXML:Timestamp>2026/11/20 08:00:00</edXML:Timestamp></edXML:TraceHeader>\
        <edXML:TraceHeader><edXML:OrganId>A99.2</edXML:OrganId><edXML:Timestamp>hôm nay</edXML:Timestamp></edXML:TraceHeader>";
    let (_, written, losses) = write_again(edxml, &packet(header, trace, ""));
    let written = compact(&written);
    for kept in [
        "<edXML:Code>A/B</edXML:Code><edXML:PromulgationDate>2014/02/30<",
        "<edXML:Code>C/D</edXML:Code></edXML:ResponseFor>",
        "<edXML:TraceHeader><edXML:Timestamp>hôm qua<",
        "<edXML:OrganId>A99.1</edXML:OrganId><edXML:Timestamp>2026/11/20 08:00:00<",
        "<edXML:OrganId>A99.2</edXML:OrganId><edXML:Timestamp>hôm nay<",
    ] {
        assert!(written.contains(kept), "{kept}\n{written}");
    }
    assert_eq!(lost(&losses), []);
}

#[test]
fn attributes_and_unknown_values_come_back_in_their_own_record() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let header = "<edXML:ToPlaces><edXML:Place/><edXML:Place stt=\"2\">Hai</edXML:Place><edXML:Place stt=\"3\">Ba</edXML:Place></edXML:ToPlaces>\
        <edXML:OtherInfo><edXML:Appendixes><edXML:Appendix> </edXML:Appendix><edXML:Appendix so=\"I\">Một</edXML:Appendix></edXML:Appendixes></edXML:OtherInfo>";
    let body = "<edXML:Reference><edXML:ContentId>cid:1</edXML:ContentId><edXML:AttachmentName>a.pdf</edXML:AttachmentName></edXML:Reference>\
        <edXML:Reference><edXML:ContentId>cid:2</edXML:ContentId><edXML:AttachmentName>b.pdf</edXML:AttachmentName><edXML:So>2</edXML:So></edXML:Reference>\
        |<Attachment><Format>hai</Format><ContentId>2</ContentId><AttachmentName>b.pdf</AttachmentName><ContentTransferEncoded>JVBERi0xLjQ=</ContentTransferEncoded></Attachment>\
        <Attachment><Format>một</Format><ContentId>1</ContentId><AttachmentName>a.pdf</AttachmentName><ContentTransferEncoded>JVBERi0xLjQ=</ContentTransferEncoded></Attachment>";
    let (_, written, losses) = write_again(edxml, &packet(header, "", body));
    let written = compact(&written);
    for kept in ["Place stt=\"2\">Hai<", "Place stt=\"3\">Ba<", "Appendix so=\"I\">Một<"] {
        assert!(written.contains(kept), "{kept}\n{written}");
    }
    for (id, format) in [("1", "một"), ("2", "hai")] {
        let record = written.split("<Attachment>").find(|it| {
            it.starts_with(&format!("<ContentId>{id}<"))
                || it.starts_with(&format!("<ContentId>cid:{id}<"))
        });
        assert!(record.unwrap().contains(&format!("<Format>{format}<")), "{written}");
    }
    let second = written.split("<edXML:Reference>").nth(2).unwrap();
    assert!(second.contains("cid:2") && second.contains("<edXML:So>2<"), "{written}");
    assert_eq!(lost(&losses), []);
}

#[test]
fn json_values_come_back_in_their_own_record_and_type() {
    let registry = registry();
    let portal = registry.get("ioffice.portal").unwrap();
    let native = r#"{"Code":0,"Value":{"Total":1,"Data":[{"Guid":"g","SoHieu":"1","KyHieu":"CV","TrichYeu":"T","NgayBanHanh":"01/02/2026","La":7,"Co":true,"Cu":[1,"1",{"a":false}],
        "DonViNhanVanBanNgoaDonVi":[{"MaDonVi":"","TenDonVi":""},{"MaDonVi":"A99.1","Vai":1},{"MaDonVi":"A99.2","Vai":2}],
        "VanBanDuocTraLoi":[{},{"Guid":"x","Nam":2025},{"Guid":"y","Nam":"2026"}]}]}}"#;
    let (_, written, losses) = write_again(portal, native);
    for kept in [
        r#""La":7"#,
        r#""Co":true"#,
        r#""Cu":[1,"1",{"a":false}]"#,
        r#"{"MaDonVi":"A99.1","TenDonVi":"","Vai":1}"#,
        r#"{"MaDonVi":"A99.2","TenDonVi":"","Vai":2}"#,
        r#"{"Guid":"x","SoKyHieu":"","Nam":2025}"#,
        r#"{"Guid":"y","SoKyHieu":"","Nam":"2026"}"#,
    ] {
        assert!(written.contains(kept), "{kept}\n{written}");
    }
    assert_eq!(lost(&losses), []);
}

#[test]
fn what_cannot_be_put_back_is_reported_and_stands_nowhere_else() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let header = "<edXML:ToPlaces><edXML:Place stt=\"1\"/><edXML:Place>Hai</edXML:Place></edXML:ToPlaces>\
        <edXML:Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignatureValue>AAAA</SignatureValue></edXML:Signature>";
    let (_, written, losses) = write_again(edxml, &packet(header, "", ""));
    assert!(!written.contains("stt="), "{written}");
    let header = "leftovers[edxml.document].edXMLEnvelope/edXMLHeader/MessageHeader";
    let signature = format!("{header}/Signature");
    let attribute = format!("{header}/ToPlaces/Place/@stt");
    assert_eq!(lost(&losses), [(attribute.as_str(), "unmapped"), (&signature, "not-carried")]);
}

#[test]
fn another_format_reports_every_leftover_as_lost() {
    let registry = registry();
    let (edxml, portal) =
        (registry.get("edxml.document").unwrap(), registry.get("ioffice.portal").unwrap());
    let header = "<edXML:TaskCode>N1</edXML:TaskCode><edXML:DueDate>2026/02/30</edXML:DueDate><edXML:OtherInfo><edXML:PageAmount>0</edXML:PageAmount></edXML:OtherInfo>";
    let mut files = MemoryBlobs::default();
    let canonical = read(edxml, packet(header, "", "").as_bytes(), &mut files).unwrap();
    let losses =
        portal.encode(&canonical, EncodeContext::default(), &files, &mut Vec::new()).unwrap();
    let reported: Vec<_> = lost(&losses)
        .into_iter()
        .filter(|(path, _)| path.starts_with("leftovers["))
        .map(|(path, reason)| (path.rsplit('/').next().unwrap(), reason))
        .collect();
    assert_eq!(
        reported,
        [("TaskCode", "unmapped"), ("DueDate", "unreadable"), ("PageAmount", "as-written")]
    );
}

#[test]
fn of_two_differing_values_the_second_is_kept_with_a_finding() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let body = "<edXML:Reference><edXML:ContentId>cid:1</edXML:ContentId><edXML:AttachmentName>a.pdf</edXML:AttachmentName><edXML:Description>Một</edXML:Description></edXML:Reference>\
        |<Attachment><ContentId>1</ContentId><AttachmentName>b.pdf</AttachmentName><Description>Hai</Description><ContentTransferEncoded>JVBERi0xLjQ=</ContentTransferEncoded></Attachment>";
    let (decoded, written, losses) = write_again(edxml, &packet("", "", body));
    let fields: Vec<_> = decoded.findings.iter().map(|it| (&*it.code, &*it.field)).collect();
    assert_eq!(
        fields,
        [
            ("LT-MAP-031", "AttachmentEncoded/Attachment/AttachmentName"),
            ("LT-MAP-031", "AttachmentEncoded/Attachment/Description"),
        ]
    );
    assert_eq!(document(&decoded.canonical).attachments[0].file_name, "a.pdf");
    for kept in [">a.pdf<", ">b.pdf<", ">Một<", ">Hai<"] {
        assert_eq!(written.matches(kept).count(), 1, "{kept}\n{written}");
    }
    assert_eq!(lost(&losses), []);
}

#[test]
fn an_explicit_zero_and_an_explicit_no_stay() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let header = "<edXML:OtherInfo><edXML:PromulgationAmount>0</edXML:PromulgationAmount><edXML:PageAmount>0</edXML:PageAmount></edXML:OtherInfo>";
    let trace = "<edXML:TraceHeader><edXML:OrganId>A99.1</edXML:OrganId></edXML:TraceHeader><edXML:Bussiness><edXML:BussinessDocType>2</edXML:BussinessDocType><edXML:DocumentId>d</edXML:DocumentId><edXML:BussinessDocumentInfo><edXML:DocumentInfo>0</edXML:DocumentInfo><edXML:DocumentReceiver>0</edXML:DocumentReceiver></edXML:BussinessDocumentInfo></edXML:Bussiness>";
    let (_, written, losses) = write_again(edxml, &packet(header, trace, ""));
    for kept in ["PromulgationAmount>0<", "PageAmount>0<", "DocumentInfo>0<", "DocumentReceiver>0<"]
    {
        assert!(written.contains(kept), "{kept}\n{written}");
    }
    assert_eq!(lost(&losses), []);
}

#[test]
fn a_text_that_was_not_understood_wins_over_a_default() {
    let registry = registry();
    let status = registry.get("edxml.status").unwrap();
    let native = r#"<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXMLEnvelope><edXMLHeader><MessageHeader>
        <From><OrganId>A99.2</OrganId></From><ResponseFor><OrganId>A99.1</OrganId><Code>45/CV</Code><DocumentId>d</DocumentId></ResponseFor>
        <StatusCode>03</StatusCode><Timestamp>sáng nay</Timestamp></MessageHeader></edXMLHeader></edXMLEnvelope></edXML>"#;
    let (_, written, losses) = write_again(status, native);
    assert!(written.contains("Timestamp>sáng nay<"), "{written}");
    assert!(losses.is_empty(), "{losses:?}");
}

#[test]
fn a_repeated_group_is_a_finding() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let header = "<edXML:From><edXML:OrganId>A99.9</edXML:OrganId></edXML:From><edXML:OtherInfo><edXML:PageAmount>2</edXML:PageAmount></edXML:OtherInfo><edXML:OtherInfo><edXML:PageAmount>3</edXML:PageAmount></edXML:OtherInfo>";
    let (decoded, written, losses) = write_again(edxml, &packet(header, "", ""));
    let fields: Vec<_> =
        decoded.findings.iter().map(|it| it.field.rsplit('/').next().unwrap()).collect();
    assert_eq!(fields, ["From[1]", "OtherInfo[1]"]);
    assert!(written.contains("A99.9") && written.contains("PageAmount>3<"), "{written}");
    assert_eq!(lost(&losses), []);
}

#[test]
fn an_empty_record_or_group_beside_a_real_one_says_nothing() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let header = "<edXML:To/><edXML:To><edXML:OrganId/></edXML:To><edXML:OtherInfo/><edXML:OtherInfo><edXML:PageAmount>3</edXML:PageAmount></edXML:OtherInfo><edXML:Content/><edXML:Content>Có</edXML:Content>";
    let (decoded, ..) = write_again(edxml, &packet(header, "", ""));
    let it = document(&decoded.canonical);
    assert_eq!((it.recipients.len(), it.pages, it.summary.as_str()), (1, 3, "Có"));
    assert_eq!(decoded.findings, []);
}
