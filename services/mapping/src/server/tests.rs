//! `Normalize` calls over the generated client.

use chassis::Upstream;
use proto::canonical::v1::{
    Canonical, Date, Document, DocumentNumber, Organisation, OrganisationId, Recipient,
    canonical::Body,
};
use proto::mapping::v1::mapping_client::MappingClient;
use proto::mapping::v1::mapping_server::MappingServer;
use proto::message::v1::{self as message, MessageType, OrganisationCode};
use proto::registry::v1::{self as registry, Application, Right, Takes};

use registry_client::Directory;

use super::*;
use crate::codec::Codec;
use crate::codec::tests::{FORMAT, encode_native};
use crate::files::{ExtractedFiles, StoredFiles};

const LIMIT: u64 = 2 << 20;

fn directory() -> Directory {
    let organisation = |key: &str, code: &str| message::Organisation {
        key: key.into(),
        codes: vec![OrganisationCode { value: code.into(), ..OrganisationCode::default() }],
        ..message::Organisation::default()
    };
    let message_type = MessageType::Document.into();
    Directory::new(registry::Snapshot {
        revision: "1".into(),
        organisations: vec![organisation("tinhuy", "A99.1"), organisation("mttq", "A99.2")],
        applications: vec![Application {
            id: "mttq-1".into(),
            organisation: "mttq".into(),
            takes: vec![Takes { r#type: message_type, format: FORMAT.into() }],
            ..Application::default()
        }],
        rights: vec![Right {
            from: "*".into(),
            to: "*".into(),
            types: vec![message_type],
            ..Right::default()
        }],
        ..registry::Snapshot::default()
    })
}

fn service() -> Service {
    let registry = RegistryFollower::new("mapping.registry");
    registry.replace(directory());
    let config = Config {
        native_bytes_max: LIMIT,
        reading_bytes_max: 2 * LIMIT,
        room_ms_max: 50,
        aside_bytes_min: 64 * 1024,
        aside_max: 2,
        canonical_bytes_max: LIMIT,
        translating_max: 1,
        journal_ms_max: 1_000,
    };
    Service::new(config, registry, Clock::System).unwrap()
}

fn document(sender: &str, subject: &str) -> Vec<u8> {
    let organisation = |code: &str| {
        let id = OrganisationId {
            scheme: "qd20".into(),
            value: code.into(),
            ..OrganisationId::default()
        };
        Some(Organisation { ids: vec![id], ..Organisation::default() })
    };
    let recipient = Recipient { organisation: organisation("A99.2"), ..Recipient::default() };
    let document = Document {
        id: "1".into(),
        number: Some(DocumentNumber {
            number: "45".into(),
            notation: "CV/TU".into(),
            ..DocumentNumber::default()
        }),
        issued: Some(Date { year: 2026, month: 11, day: 24 }),
        subject: subject.into(),
        sender: organisation(sender),
        recipients: vec![recipient],
        ..Document::default()
    };
    encode_native(&Canonical { origin: None, body: Some(Body::Document(document)) })
}

fn open(item: u32, size: usize) -> NormalizeRequest {
    let open = NormalizeItem {
        sender: "tinhuy".into(),
        format: FORMAT.into(),
        native_size: to_u64(size),
        ..NormalizeItem::default()
    };
    NormalizeRequest { item, open: Some(open), ..NormalizeRequest::default() }
}

fn chunk(item: u32, native: &[u8]) -> NormalizeRequest {
    NormalizeRequest { item, native: native.to_vec().into(), ..NormalizeRequest::default() }
}

fn complete(item: u32, native: &[u8]) -> [NormalizeRequest; 2] {
    [open(item, native.len()), chunk(item, native)]
}

/// The outcome of each item, by its number: the code of its refusal, or `passed`.
async fn call(service: Service, frames: Vec<NormalizeRequest>) -> Vec<(u32, String)> {
    let mut client = MappingClient::new(Upstream::local(MappingServer::new(service)));
    let frames = futures::stream::iter(frames);
    let mut answers = client.normalize(frames).await.unwrap().into_inner();
    let mut outcomes = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        match answer.frame.unwrap() {
            Frame::Normalized(it) => {
                assert_eq!(it.recipients, ["mttq"]);
                outcomes.push((answer.item, "passed".to_owned()));
            }
            Frame::Refused(it) => outcomes.push((answer.item, it.code)),
            Frame::Blob(_) => {}
        }
    }
    outcomes.sort();
    outcomes
}

fn expect(outcomes: &[(u32, &str)]) -> Vec<(u32, String)> {
    outcomes.iter().map(|(item, it)| (*item, (*it).to_owned())).collect()
}

#[tokio::test]
async fn interleaved_items_are_decided_independently() {
    let (good, foreign) = (document("A99.1", "x"), document("A99.2", "x"));
    // White space behind the value makes the item large and its texts not.
    let large = [document("A99.1", "x"), vec![b' '; 180_000]].concat();
    let frames = vec![
        open(1, good.len()),
        open(2, large.len()),
        chunk(1, &good[..5]),
        chunk(2, &large[..1000]),
        open(3, foreign.len()),
        chunk(3, &foreign),
        chunk(2, &large[1000..]),
        chunk(1, &good[5..]),
    ];
    let found = call(service(), frames).await;
    assert_eq!(found, expect(&[(1, "passed"), (2, "passed"), (3, "LT-MAP-202")]));
}

#[tokio::test]
async fn frames_that_violate_the_protocol_refuse_their_item_only() {
    let good = document("A99.1", "x");
    let mut frames = vec![open(1, 3), chunk(1, &good), chunk(9, b""), open(2, good.len())];
    frames.extend([open(2, good.len())]);
    frames.push(open(3, usize::try_from(LIMIT).unwrap() + 1));
    frames.push(open(4, good.len()));
    frames.extend(complete(5, &good));
    let found = call(service(), frames).await;
    let expected = [
        (1, "LT-MAP-213"),
        (2, "LT-MAP-213"),
        (3, "LT-MAP-212"),
        (4, "LT-MAP-213"),
        (5, "passed"),
        (9, "LT-MAP-213"),
    ];
    assert_eq!(found, expect(&expected));
}

#[tokio::test]
async fn an_item_is_refused_with_a_retryable_code_when_memory_is_exhausted() {
    let service = service();
    let all = u32::try_from(service.memory_permits.available_permits()).unwrap();
    let permit = Arc::clone(&service.memory_permits).acquire_many_owned(all).await.unwrap();
    let good = document("A99.1", "x");
    let found = call(service.clone(), complete(1, &good).into()).await;
    assert_eq!(found, expect(&[(1, "LT-MAP-214")]));
    drop(permit);
    assert_eq!(call(service.clone(), complete(1, &good).into()).await, expect(&[(1, "passed")]));
    assert_eq!(service.memory_permits.available_permits(), usize::try_from(all).unwrap());
}

#[tokio::test]
async fn no_item_is_decided_before_the_first_snapshot_of_the_registry() {
    let service = Service { registry: RegistryFollower::new("mapping.registry"), ..service() };
    let mut client = MappingClient::new(Upstream::local(MappingServer::new(service)));
    let refused = client.normalize(futures::stream::empty()).await.unwrap_err();
    assert_eq!(Fault::from_status(&refused).unwrap().code, "LT-SYS-002");
}

#[tokio::test]
async fn an_item_whose_processing_panics_is_answered() {
    let (answers, mut ready) = mpsc::channel(1);
    run_blocking(7, answers, || panic!("in a test")).await;
    let answer = ready.recv().await.unwrap();
    let Some(Frame::Refused(fault)) = answer.frame else { panic!("not refused") };
    assert_eq!((answer.item, fault.code.as_str()), (7, "LT-SYS-001"));
    assert!(ready.recv().await.is_none());
}

#[tokio::test]
async fn extracted_files_have_the_same_bytes_and_a_refused_packet_yields_none() {
    let folder = tempfile::tempdir().unwrap();
    let claims = bus::ClaimStore::folder(folder.path()).await.unwrap();
    let content: bytes::Bytes =
        (0..1_200_000_u32).map(|it| it.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let claim = claims.put(content.clone()).await.unwrap();
    let normalize = |subject: &'static str| {
        let (claims, service) = (claims.clone(), service());
        async move {
            let packet = tokio::task::spawn_blocking(move || packet(claims, claim, subject));
            let packet = packet.await.unwrap();
            let mut frames = vec![open(1, packet.len())];
            frames[0].open.as_mut().unwrap().format = "auto".into();
            frames.extend(packet.chunks(1 << 20).map(|it| chunk(1, it)));
            let mut client = MappingClient::new(Upstream::local(MappingServer::new(service)));
            let answers = client.normalize(futures::stream::iter(frames)).await.unwrap();
            answers.into_inner().map(|it| it.unwrap().frame.unwrap()).collect::<Vec<_>>().await
        }
    };
    let mut frames = normalize("Báo cáo").await;
    let last = frames.pop();
    let Some(Frame::Normalized(normalized)) = last else { panic!("refused: {last:?}") };
    let attachment = &normalized.attachments[0];
    assert_eq!(attachment.blob, Some(0));
    let named = attachment.attachment.as_ref().unwrap().claim.as_ref().unwrap();
    assert_eq!(named.sha256, claim.sha256.as_slice());
    let mut received = Vec::new();
    for frame in frames {
        let Frame::Blob(chunk) = frame else { panic!("not a file") };
        received.extend_from_slice(&chunk.data);
        assert_eq!(chunk.last, received.len() == content.len());
    }
    assert!(received == content);

    let frames = normalize("Báo cáo (Mật)").await;
    assert!(matches!(&frames[..], [Frame::Refused(it)] if it.code == "LT-MAP-210"), "{frames:?}");
}

/// A national packet with one file in it.
fn packet(claims: bus::ClaimStore, claim: bus::Claim, subject: &str) -> Vec<u8> {
    use proto::canonical::v1::{Attachment, Blob, Code, Person, recipient};
    let Some(Body::Document(mut document)) = decoded(&document("A99.1", subject)).body else {
        panic!("not a document")
    };
    document.recipients[0].set_role(recipient::Role::Main);
    document.place = "Cà Mau".into();
    document.r#type =
        Some(Code { list: "document-type".into(), name: "Công văn".into(), ..Code::default() });
    document.signers = vec![Person { full_name: "Nguyễn Văn A".into(), ..Person::default() }];
    document.attachments = vec![Attachment {
        id: "f1".into(),
        file_name: "a.pdf".into(),
        media_type: "application/pdf".into(),
        content: Some(Blob { r#ref: claim.to_string(), size: claim.size, ..Blob::default() }),
        ..Attachment::default()
    }];
    for it in [&mut document.sender, &mut document.recipients[0].organisation] {
        it.as_mut().unwrap().name = "Cơ quan".into();
    }
    let canonical = Canonical { origin: None, body: Some(Body::Document(document)) };
    let stored = StoredFiles::new(claims, tokio::runtime::Handle::current());
    let bytes = prost::Message::encode_to_vec(&canonical);
    let codec = Codec::with_shipped_formats().unwrap();
    let context = formats::EncodeContext::default();
    codec.encode("edxml.document", &bytes, context, &stored).unwrap().native
}

fn decoded(native: &[u8]) -> Canonical {
    let codec = Codec::with_shipped_formats().unwrap();
    let mut extracted = ExtractedFiles::default();
    let records = codec.decode(FORMAT, native, &[], &mut extracted).unwrap();
    records[0].outcome.clone().unwrap().canonical
}
