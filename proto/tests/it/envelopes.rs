//! The conversion of envelopes to CloudEvents attributes.

use proto::envelope::InvalidEnvelope;
use proto::journal::v1::Envelope;
use proto::message::v1::MessageType;

#[test]
fn an_envelope_is_equal_after_conversion_to_attributes_and_back() {
    let envelope = Envelope {
        id: "7c1e".into(),
        source: "tinhuy-ioffice".into(),
        sender: "tinhuy".into(),
        r#type: MessageType::Status.into(),
        format: "edxml.status".into(),
        format_version: 1,
        conversation: "c".into(),
        recipients: vec!["a".into(), "b".into()],
        occurred_at_us: -5,
        sequence: u64::MAX,
        attempt: 2,
        ..Envelope::default()
    };
    let attributes = envelope.attributes();
    assert_eq!(attributes["type"], "status");
    let read = |attributes| Envelope::from_attributes("7c1e".into(), attributes);
    assert_eq!(read(&attributes).unwrap(), envelope);
    let mut broken = attributes.clone();
    broken.insert("sequence".into(), "x".into());
    assert_eq!(read(&broken), Err(InvalidEnvelope { attribute: "sequence" }));
}
