//! Encoding: the native content, the losses, and refusals where the format would say something
//! else.

use crate::*;

#[test]
fn a_packet_becomes_portal_json_and_the_losses_are_reported() {
    let registry = registry();
    let (edxml, portal) =
        (registry.get("edxml.document").unwrap(), registry.get("ioffice.portal").unwrap());
    let mut files = MemoryBlobs::default();
    let decoded = edxml.decode(PACKET.as_bytes(), &[], &mut files).unwrap().remove(0);
    assert_eq!(decoded.findings.len(), 1, "the day that does not exist is a finding");
    let it = document(&decoded.canonical);
    assert_eq!(it.subject, "V/v A & B");
    assert_eq!(it.attachments.len(), 1, "the two records of one file are one attachment");
    assert_eq!(it.attachments[0].id, "9");
    assert_eq!(it.leftovers[0].items.len(), 2);
    let mut written = Vec::new();
    let losses =
        portal.encode(&decoded.canonical, EncodeContext::default(), &files, &mut written).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let record = &value["Value"]["Data"][0];
    assert_eq!(value["Value"]["Total"], 1);
    assert_eq!(record["KyHieu"], "CV/TU");
    assert_eq!(record["NgayBanHanh"], "20/11/2026");
    assert_eq!(record["MaDinhDanh"], "A99.1");
    assert_eq!(record["SoDen"], "", "the portal wants every key");
    assert_eq!(record["DonViNhanVanBanNgoaDonVi"][0]["MaDonVi"], "000.00.02.A99");
    let lost: Vec<_> = losses
        .iter()
        .filter(|it| it.kind() == loss::Kind::Lost)
        .map(|it| it.path.as_str())
        .collect();
    assert!(lost.iter().any(|it| it.starts_with("trace[0]")), "{lost:?}");
    assert!(losses.iter().any(|it| it.kind() == loss::Kind::Added && it.path == "issuer.name"));
}

#[test]
fn the_portal_refers_to_declared_files() {
    let registry = registry();
    let portal = registry.get("ioffice.portal").unwrap();
    let body = |files: &str| {
        format!(
            r#"{{"Code":0,"Value":{{"Total":1,"Data":[{{"Guid":"g1","SoHieu":"1","KyHieu":"CV-MT","TrichYeu":"T","NgayBanHanh":"01/02/2026","DoMat":"0","DonViNhanVanBanNgoaDonVi":[{{"MaDonVi":"A99.1"}}],"Attachments":[{files}]}}]}}}}"#
        )
    };
    let claim = Claim { sha256: vec![7; 32].into(), size: 5 };
    let declared = [DeclaredAttachment {
        reference: "/u/a.pdf".into(),
        file_name: "a.pdf".into(),
        claim: Some(claim),
        ..DeclaredAttachment::default()
    }];
    let sink = &mut MemoryBlobs::default();
    let one = r#"{"Id":3,"FileName":"a.pdf","FileSize":"5","FilePath":"/u/a.pdf"}"#;
    let decoded = portal.decode(body(one).as_bytes(), &declared, sink).unwrap().remove(0);
    assert_eq!(document(&decoded.canonical).attachments[0].content.as_ref().unwrap().size, 5);
    let code = |native: String, declared: &[DeclaredAttachment]| {
        portal.decode(native.as_bytes(), declared, &mut MemoryBlobs::default()).unwrap_err().code
    };
    assert_eq!(code(body(one), &[]), "LT-MAP-008", "named but absent");
    assert_eq!(code(body(""), &declared), "LT-MAP-013", "present but not named");
    let other = one.replace("\"5\"", "\"6\"");
    assert_eq!(code(body(&other), &declared), "LT-MAP-011", "another size");
    let secret = body("").replace(r#""DoMat":"0""#, r#""DoMat":"1""#);
    assert_eq!(code(secret, &[]), "LT-MAP-007", "secret");
    for hidden in [r#""DoMat":["0","1"]"#, r#""DoMat":{"x":"1"}"#, r#""DoMat":["1"]"#] {
        let secret = body("").replace(r#""DoMat":"0""#, hidden);
        assert_eq!(code(secret, &[]), "LT-MAP-007", "{hidden}");
    }
}

#[test]
fn leftovers_cannot_change_mapped_content() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let mut files = MemoryBlobs::default();
    let mut canonical = read(edxml, PACKET.as_bytes(), &mut files).unwrap();
    let Some(Body::Document(document)) = &mut canonical.body else { panic!("no document") };
    let header = "edXMLEnvelope/edXMLHeader/MessageHeader";
    let item = |at: &str, raw: &str| Leftover {
        at: format!("{header}/{at}"),
        raw: raw.to_owned(),
        ..Default::default()
    };
    document.leftovers[0].items = vec![
        item("a><b", "x"),
        item("Subject/Other", "x"),
        item("To[7]/OrganId", "A99.66"),
        item("Fine", "a <b> & \u{1}c"),
        item("Two[0]", "1"),
        item("Two[1]", "2"),
        item("Deep/Deeper/@level", "3"),
    ];
    let mut written = Vec::new();
    edxml.encode(&canonical, EncodeContext::default(), &files, &mut written).unwrap();
    let text = String::from_utf8(written.clone()).unwrap();
    for absent in ["a><b", "<edXML:Other>", "A99.66"] {
        assert!(!text.contains(absent), "{absent}");
    }
    assert!(text.contains("<edXML:Fine>a &lt;b&gt; &amp; c</edXML:Fine>"), "{text}");
    let again = read(edxml, &written, &mut files).unwrap();
    let Some(Body::Document(again)) = &again.body else { panic!("no document") };
    let ats: Vec<_> = again.leftovers[0].items.iter().map(|it| it.at.as_str()).collect();
    for back in ["Fine", "Two[0]", "Two[1]", "Deep/Deeper/@level"] {
        assert!(ats.contains(&format!("{header}/{back}").as_str()), "{back}: {ats:?}");
    }
}

#[test]
fn the_writing_organisation_is_the_last_hop_of_the_trace() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let mut files = MemoryBlobs::default();
    let canonical = read(edxml, PACKET.as_bytes(), &mut files).unwrap();
    let context =
        EncodeContext { now_us: 1_764_000_000_000_000, organisation: "00.38.W00".to_owned() };
    let mut written = Vec::new();
    let report = edxml.encode(&canonical, context.clone(), &files, &mut written).unwrap();
    assert!(report.iter().all(|it| it.kind() != loss::Kind::Lost), "{report:?}");
    assert!(report.iter().any(|it| it.path.starts_with("trace[1]") && it.reason == "context"));
    let again = read(edxml, &written, &mut files).unwrap();
    let codes = |it: &Canonical| -> Vec<String> {
        let trace = &document(it).trace;
        trace.iter().map(|it| it.organisation.as_ref().unwrap().ids[0].value.clone()).collect()
    };
    assert_eq!(codes(&again), ["A99.1", "00.38.W00"]);
    let mut twice = Vec::new();
    edxml.encode(&again, context, &files, &mut twice).unwrap();
    assert_eq!(
        codes(&read(edxml, &twice, &mut files).unwrap()).len(),
        2,
        "the hop is not repeated"
    );
}

#[test]
fn a_value_the_format_cannot_represent_is_refused() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let mut files = MemoryBlobs::default();
    let good = read(edxml, PACKET.as_bytes(), &mut files).unwrap();
    let refused = |change: &dyn Fn(&mut Document)| {
        let mut canonical = good.clone();
        let Some(Body::Document(it)) = &mut canonical.body else { panic!("no document") };
        change(it);
        let mut out = Vec::new();
        let fault =
            edxml.encode(&canonical, EncodeContext::default(), &files, &mut out).unwrap_err();
        assert!(out.is_empty());
        assert_eq!(fault.code, "LT-MAP-012");
        fault.violations[0].field.clone()
    };
    assert_eq!(refused(&|it| it.change.get_or_insert_default().kind = 5), "change.kind");
    assert_eq!(refused(&|it| it.id.clear()), "id");
    assert_eq!(refused(&|it| it.number = None), "number.number");
    assert_eq!(
        refused(&|it| it.sender.as_mut().unwrap().ids[0].value = "A".repeat(36)),
        "sender.ids[0]"
    );
}

#[test]
fn a_missing_required_group_is_reported_by_its_own_name() {
    let format = Format::compile(
        r#"
format: x
version: 1
title: X
carries: Document
syntax: {kind: json, records: a}
fields:
  - {at: T, to: subject}
  - at: N
    to: number
    need: both
    fields: [{at: S, to: number}]
"#,
    )
    .unwrap();
    let fault =
        format.decode(br#"{"a":[{"T":"x"}]}"#, &[], &mut MemoryBlobs::default()).unwrap_err();
    assert_eq!((fault.code.as_str(), fault.violations[0].field.as_str()), ("LT-MAP-014", "a[0]/N"));
    let document = Document { subject: "x".into(), ..Default::default() };
    let canonical = Canonical { origin: None, body: Some(Body::Document(document)) };
    let mut out = Vec::new();
    let written =
        format.encode(&canonical, EncodeContext::default(), &MemoryBlobs::default(), &mut out);
    let fault = written.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.violations[0].field.as_str()), ("LT-MAP-012", "number"));
}

#[test]
fn a_lost_item_does_not_shift_the_items_after_it() {
    let registry = registry();
    let edxml = registry.get("edxml.document").unwrap();
    let mut files = MemoryBlobs::default();
    let mut canonical = read(edxml, PACKET.as_bytes(), &mut files).unwrap();
    let Some(Body::Document(it)) = &mut canonical.body else { panic!("no document") };
    let first = it.recipients[0].clone();
    for (index, role) in [2, 1].into_iter().enumerate() {
        let mut other = first.clone();
        other.role = role;
        let id = &mut other.organisation.as_mut().unwrap().ids[0];
        (id.scheme, id.value) = ("qd20".into(), format!("A99.{index}"));
        it.recipients.insert(index, other);
    }
    it.signers = vec![
        proto::canonical::v1::Person { full_name: "A".into(), role: 1, ..Default::default() },
        proto::canonical::v1::Person { full_name: "B".into(), role: 1, ..Default::default() },
    ];
    let report =
        edxml.encode(&canonical, EncodeContext::default(), &files, &mut Vec::new()).unwrap();
    let losses_in = |path: &str| -> Vec<_> {
        let losses = report.iter().filter(|it| it.path.starts_with(path));
        losses.map(|it| (it.kind(), it.path.as_str(), it.reason.as_str())).collect()
    };
    let recipients = losses_in("recipients");
    assert!(!recipients.is_empty());
    for it in recipients {
        assert!(
            it.0 == loss::Kind::Lost
                && it.1.starts_with("recipients[0].")
                && it.2 == "not-admitted",
            "{it:?}"
        );
    }
    assert!(losses_in("signers[1]").iter().all(|it| it.2 == "first-only"));
    assert_eq!(losses_in("signers[0]"), []);
}
