//! Items in frames, over the generated client.

use chassis::Upstream;
use proto::canonical::v1::{
    Canonical, Date, Document, DocumentNumber, Organisation, OrganisationId, Recipient,
    canonical::Body,
};
use proto::mapping::v1::mapping_client::MappingClient;
use proto::mapping::v1::mapping_server::MappingServer;
use proto::message::v1::{self as message, MessageType, OrganisationCode};
use proto::registry::v1::{self as registry, Application, Right, Takes};

use super::*;
use crate::Directory;
use crate::codec::tests::{FORMAT, native};

const LIMIT: u64 = 2 << 20;

fn directory() -> Directory {
    let organisation = |key: &str, code: &str| message::Organisation {
        key: key.into(),
        codes: vec![OrganisationCode { value: code.into(), ..OrganisationCode::default() }],
        ..message::Organisation::default()
    };
    let kind = MessageType::Document.into();
    Directory::new(registry::Snapshot {
        revision: "1".into(),
        organisations: vec![organisation("tinhuy", "A99.1"), organisation("mttq", "A99.2")],
        applications: vec![Application {
            id: "mttq-1".into(),
            organisation: "mttq".into(),
            takes: vec![Takes { r#type: kind, format: FORMAT.into() }],
            ..Application::default()
        }],
        rights: vec![Right {
            from: "*".into(),
            to: "*".into(),
            types: vec![kind],
            ..Right::default()
        }],
        ..registry::Snapshot::default()
    })
}

fn service() -> Service {
    let registered = Registered::new();
    registered.replace(directory());
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
    Service::new(config, registered, Clock::System).unwrap()
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
    native(&Canonical { origin: None, body: Some(Body::Document(document)) })
}

fn open(item: u32, size: usize) -> NormalizeRequest {
    let open = NormalizeItem {
        sender: "tinhuy".into(),
        format: FORMAT.into(),
        native_size: bytes(size),
        ..NormalizeItem::default()
    };
    NormalizeRequest { item, open: Some(open), ..NormalizeRequest::default() }
}

fn piece(item: u32, native: &[u8]) -> NormalizeRequest {
    NormalizeRequest { item, native: native.to_vec().into(), ..NormalizeRequest::default() }
}

fn whole(item: u32, native: &[u8]) -> [NormalizeRequest; 2] {
    [open(item, native.len()), piece(item, native)]
}

/// What each item came to, by its number: a code, or `passed`.
async fn call(service: Service, frames: Vec<NormalizeRequest>) -> Vec<(u32, String)> {
    let mut client = MappingClient::new(Upstream::local(MappingServer::new(service)));
    let frames = futures::stream::iter(frames);
    let mut answers = client.normalize(frames).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        match answer.frame.unwrap() {
            Frame::Normalized(it) => {
                assert_eq!(it.recipients, ["mttq"]);
                found.push((answer.item, "passed".to_owned()));
            }
            Frame::Refused(it) => found.push((answer.item, it.code)),
            Frame::Blob(_) => {}
        }
    }
    found.sort();
    found
}

fn expect(found: &[(u32, &str)]) -> Vec<(u32, String)> {
    found.iter().map(|(item, it)| (*item, (*it).to_owned())).collect()
}

#[tokio::test]
async fn items_interleave_and_one_refusal_is_its_own() {
    let (good, foreign) = (document("A99.1", "x"), document("A99.2", "x"));
    let large = document("A99.1", &"đ ".repeat(90_000));
    let frames = vec![
        open(1, good.len()),
        open(2, large.len()),
        piece(1, &good[..5]),
        piece(2, &large[..1000]),
        open(3, foreign.len()),
        piece(3, &foreign),
        piece(2, &large[1000..]),
        piece(1, &good[5..]),
    ];
    let found = call(service(), frames).await;
    assert_eq!(found, expect(&[(1, "passed"), (2, "passed"), (3, "LT-MAP-202")]));
}

#[tokio::test]
async fn frames_that_do_not_fit_are_refused_alone() {
    let good = document("A99.1", "x");
    let mut frames = vec![open(1, 3), piece(1, &good), piece(9, b""), open(2, good.len())];
    frames.extend([open(2, good.len())]);
    frames.push(open(3, usize::try_from(LIMIT).unwrap() + 1));
    frames.push(open(4, good.len()));
    frames.extend(whole(5, &good));
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
async fn who_finds_no_room_is_told_to_come_again() {
    let service = service();
    let all = u32::try_from(service.room.available_permits()).unwrap();
    let held = Arc::clone(&service.room).acquire_many_owned(all).await.unwrap();
    let good = document("A99.1", "x");
    let found = call(service.clone(), whole(1, &good).into()).await;
    assert_eq!(found, expect(&[(1, "LT-MAP-214")]));
    drop(held);
    assert_eq!(call(service.clone(), whole(1, &good).into()).await, expect(&[(1, "passed")]));
    assert_eq!(service.room.available_permits(), usize::try_from(all).unwrap());
}

#[tokio::test]
async fn nothing_is_read_before_the_registry() {
    let service = Service { registered: Registered::new(), ..service() };
    let mut client = MappingClient::new(Upstream::local(MappingServer::new(service)));
    let refused = client.normalize(futures::stream::empty()).await.unwrap_err();
    assert_eq!(Fault::from_status(&refused).unwrap().code, "LT-SYS-002");
}

#[tokio::test]
async fn what_breaks_down_is_answered() {
    let (answers, mut ready) = mpsc::channel(1);
    aside(7, answers, || panic!("in a test")).await;
    let answer = ready.recv().await.unwrap();
    let Some(Frame::Refused(fault)) = answer.frame else { panic!("not refused") };
    assert_eq!((answer.item, fault.code.as_str()), (7, "LT-SYS-001"));
    assert!(ready.recv().await.is_none());
}

#[test]
fn a_day_begins_in_vietnam() {
    assert_eq!(day(1_764_003_600_000_000), "2025-11-25");
    assert_eq!(day(1_764_003_599_000_000), "2025-11-24");
}

#[tokio::test]
async fn files_inside_a_packet_come_out_as_they_went_in_and_secret_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let claims = bus::ClaimStore::folder(folder.path()).await.unwrap();
    let content: bytes::Bytes =
        (0..1_200_000_u32).map(|it| it.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let claim = claims.put(content.clone()).await.unwrap();
    let found = |subject: &'static str| {
        let (claims, service) = (claims.clone(), service());
        async move {
            let packet = tokio::task::spawn_blocking(move || packet(claims, claim, subject));
            let packet = packet.await.unwrap();
            let mut frames = vec![open(1, packet.len())];
            frames[0].open.as_mut().unwrap().format = "auto".into();
            frames.extend(packet.chunks(1 << 20).map(|it| piece(1, it)));
            let mut client = MappingClient::new(Upstream::local(MappingServer::new(service)));
            let answers = client.normalize(futures::stream::iter(frames)).await.unwrap();
            answers.into_inner().map(|it| it.unwrap().frame.unwrap()).collect::<Vec<_>>().await
        }
    };
    let mut frames = found("Báo cáo").await;
    let last = frames.pop();
    let Some(Frame::Normalized(normalized)) = last else { panic!("refused: {last:?}") };
    let attachment = &normalized.attachments[0];
    assert_eq!(attachment.blob, Some(0));
    let named = attachment.attachment.as_ref().unwrap().claim.as_ref().unwrap();
    assert_eq!(named.sha256, claim.sha256.as_slice());
    let mut came = Vec::new();
    for frame in frames {
        let Frame::Blob(chunk) = frame else { panic!("not a file") };
        came.extend_from_slice(&chunk.data);
        assert_eq!(chunk.last, came.len() == content.len());
    }
    assert!(came == content);

    let frames = found("Báo cáo (Mật)").await;
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
    let stored = crate::blobs::Stored::of(claims, tokio::runtime::Handle::current());
    let bytes = prost::Message::encode_to_vec(&canonical);
    let shelf = Shelf::shipped().unwrap();
    let context = formats::EncodeContext::default();
    shelf.write("edxml.document", &bytes, context, &stored).unwrap().native
}

fn decoded(native: &[u8]) -> Canonical {
    let shelf = Shelf::shipped().unwrap();
    let mut found = crate::blobs::Found::default();
    shelf.read(FORMAT, native, &[], &mut found).unwrap().canonical
}
