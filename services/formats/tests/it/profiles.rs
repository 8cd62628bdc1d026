//! Profiles: a partner's small differences from a format.

use formats::cases::run_base_case;
use formats::{EncodeContext, Format, FormatRegistry, MemoryBlobs, expand_profile};

use crate::cases::{formats, load, name, sorted};
use crate::{PACKET, read};

fn expand(profile: &str) -> Result<String, String> {
    let expanded = expand_profile(profile, FormatRegistry::shipped_texts()).unwrap();
    let expanded = expanded.map(|it| it.description);
    expanded.map_err(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
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
            "5:60: LT-FMT-002: edXMLEnvelope/edXMLHeader/MessageHeader/Subject: không có khóa `to` ở đây",
        ),
        (
            "places: {edXMLEnvelope/edXMLHeader/MessageHeader/Subjekt: {max: 1}}",
            "did you mean `edXMLEnvelope/edXMLHeader/MessageHeader/Subject`?",
        ),
        ("lists: {nothing: {'1': NORMAL}}", "no list `nothing`"),
        (
            "lists: {urgenzy: {'1': NORMAL}}",
            "5:18: LT-FMT-070: urgenzy: định dạng gốc không có danh mục `urgenzy`; có phải `urgency`?",
        ),
        ("syntax: {root: x}", "there is no key `root` here"),
        ("syntax: {quote: x}", "`xml`, the syntax of the base, has no `quote`"),
        ("titel: x", "there is no key `titel` here; did you mean `title`?"),
    ] {
        let mistake = expand(&format!("{HEAD}{rest}\n")).unwrap_err();
        assert!(mistake.contains(expected), "{rest}: {mistake}");
    }
    let secret =
        "of: ioffice.portal\nformat: x\nversion: 1\ntitle: x\nlists: {secrecy: {'1': none}}\n";
    assert!(expand(secret).unwrap_err().contains("`1` is a secrecy mark of the base"));
    let unknown = expand("of: edxml.dokument\nformat: x\nversion: 1\ntitle: x\n").unwrap_err();
    assert!(unknown.contains("1:5: LT-FMT-070: of: "), "{unknown}");
    assert!(unknown.ends_with("did you mean `edxml.document`?"), "{unknown}");
    let several =
        format!("{HEAD}lists: {{a: {{'1': b}}, c: {{'1': d}}}}\nplaces: {{x: {{max: 1}}}}\n");
    assert_eq!(expand(&several).unwrap_err().lines().count(), 3, "all are said at once");
}

/// Runs every case of a base in a profile: its differences, and what none explains.
fn run_cases(base: &str, rest: &str) -> (Vec<String>, Vec<String>) {
    let text = format!("of: {base}\nformat: partner\nversion: 1\ntitle: Đối tác\n{rest}\n");
    let profile = Format::compile(&expand(&text).unwrap()).unwrap_or_else(|it| panic!("{it:#?}"));
    let registry = FormatRegistry::shipped().unwrap();
    let base_format = registry.get(base).unwrap();
    let (mut differences, mut failures) = (Vec::new(), Vec::new());
    for folder in sorted(&formats().join(base).join("cases")) {
        let outcome = run_base_case(base_format, &profile, &load(&folder));
        let case = name(&folder);
        differences.extend(outcome.differences.iter().map(|it| format!("{case}: {it}")));
        failures.extend(outcome.failures.iter().map(|(_, it)| format!("{case}: {it}")));
    }
    (differences, failures)
}

#[test]
fn every_case_of_a_base_holds_in_a_profile_of_it() {
    let none = (Vec::new(), Vec::new());
    // A profile that changes nothing loses nothing, whatever its base.
    for base in sorted(&formats()) {
        let registry = FormatRegistry::shipped().unwrap();
        let format = registry.get(&name(&base)).unwrap();
        if format.has_rules() && format.is_written() {
            assert_eq!(run_cases(format.name(), ""), none, "{}", format.name());
        }
    }
    let (differences, failures) = run_cases(
        "edxml.document",
        "syntax: {prefix: ns1}\nlists: {urgency: {'9': URGENT}}\n\
         places: {edXMLEnvelope/edXMLHeader/MessageHeader/Subject: {max: 5}}",
    );
    assert_eq!(failures, Vec::<String>::new());
    assert!(differences.iter().any(|it| it == "new: CHANGED subject"), "{differences:#?}");
    assert!(differences.iter().all(|it| it.ends_with(": CHANGED subject")), "{differences:#?}");
    let (differences, _) = run_cases("letter", "places: {thu/ghi_chu: {need: both}}");
    assert!(
        differences.contains(&"nothing-optional: LT-MAP-012 note".to_owned()),
        "{differences:#?}"
    );
}

#[test]
fn a_case_of_the_base_that_a_profile_breaks_is_a_failure() {
    // What the base refuses as an unclear secrecy mark, this profile reads as none.
    let (_, failures) = run_cases("coyeu.document", "lists: {secrecy: {'Hạn chế': none}}");
    assert!(failures.iter().any(|it| it.contains("the profile takes it")), "{failures:#?}");
}
