//! Profiles: a partner's small differences from a format.

use formats::{EncodeContext, Format, FormatRegistry, MemoryBlobs, expand_profile};

use crate::{PACKET, read};

fn expand(profile: &str) -> Result<String, String> {
    let expanded = expand_profile(profile, FormatRegistry::shipped_texts()).unwrap();
    expanded.map_err(|fault| fault.violations[0].description_en.clone())
}

const HEAD: &str = "of: edxml.document\nformat: edxml.partner\nversion: 1\ntitle: Đối tác\n";

#[test]
fn a_profile_writes_as_its_partner_reads() {
    let rest = "syntax: {prefix: ns1}\nlists: {urgency: {'9': NORMAL}}\n\
                places: {edXMLEnvelope/edXMLHeader/MessageHeader/Subject: {max: 5}, \
                edXMLEnvelope/edXMLHeader/MessageHeader/From/Email: {max: 3, too-long: refuse}}\n";
    let text = expand(&format!("{HEAD}{rest}")).unwrap();
    let partner = Format::compile(&text).unwrap_or_else(|it| panic!("{it:#?}"));
    let registry = FormatRegistry::shipped().unwrap();
    let base = registry.get("edxml.document").unwrap();
    assert_eq!(partner.name(), "edxml.partner");
    assert_ne!(partner.hash(), base.hash());
    let packet = PACKET.replace(
        "</edXML:DueDate>",
        "</edXML:DueDate><edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo>",
    );
    let mut files = MemoryBlobs::default();
    let mut canonical = read(base, packet.as_bytes(), &mut files).unwrap();
    let mut native = Vec::new();
    let losses = partner.encode(&canonical, EncodeContext::default(), &files, &mut native).unwrap();
    let written = String::from_utf8(native).unwrap();
    assert!(written.contains("<ns1:Subject>V/v A</ns1:Subject>"), "{written}");
    assert!(written.contains("<ns1:Priority>9</ns1:Priority>"), "{written}");
    assert!(losses.iter().any(|it| it.path == "subject" && it.value == "V/v A"), "{losses:?}");
    canonical.origin = None;
    let mut same = Vec::new();
    base.encode(&canonical, EncodeContext::default(), &files, &mut same).unwrap();
    assert!(
        String::from_utf8(same).unwrap().contains("<edXML:Priority>0<"),
        "the base is as it was"
    );
}

#[test]
fn a_profile_changes_no_more_than_it_may() {
    assert!(expand_profile("format: x\n", FormatRegistry::shipped_texts()).is_none());
    for (rest, expected) in [
        ("places: {edXMLEnvelope/Nowhere: {max: 1}}", "no such place"),
        ("places: {edXMLEnvelope/edXMLHeader/MessageHeader/Subject: {need: read}}", "loosens"),
        ("places: {edXMLEnvelope/edXMLHeader/MessageHeader/Subject: {const: x}}", "loosens"),
        (
            "places: {edXMLEnvelope/edXMLHeader/MessageHeader/Subject: {to: id}}",
            "cannot change `to`",
        ),
        ("lists: {nothing: {'1': NORMAL}}", "no list `nothing`"),
        ("syntax: {root: x}", "cannot change `root`"),
    ] {
        let mistake = expand(&format!("{HEAD}{rest}\n")).unwrap_err();
        assert!(mistake.contains(expected), "{rest}: {mistake}");
    }
    let unknown = expand("of: none\nformat: x\nversion: 1\ntitle: x\n").unwrap_err();
    assert!(unknown.contains("no format `none`"), "{unknown}");
}
