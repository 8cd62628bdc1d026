//! Items in frames, over the generated client.

use chassis::Upstream;
use proto::canonical::v1::{
    Canonical, Document, Organisation, OrganisationId, Recipient, canonical::Body,
};
use proto::journal::v1::MessageType;
use proto::mapping::v1::mapping_client::MappingClient;
use proto::mapping::v1::mapping_server::MappingServer;
use proto::registry::v1::{self as registry, Application, OrganisationCode, Right, Takes};

use super::*;
use crate::Directory;
use crate::codec::tests::{FORMAT, native};

const LIMIT: u64 = 2 << 20;

fn directory() -> Directory {
    let organisation = |key: &str, code: &str| registry::Organisation {
        key: key.into(),
        codes: vec![OrganisationCode { value: code.into(), ..OrganisationCode::default() }],
        ..registry::Organisation::default()
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

#[test]
fn a_day_begins_in_vietnam() {
    assert_eq!(day(1_764_003_600_000_000), "2025-11-25");
    assert_eq!(day(1_764_003_599_000_000), "2025-11-24");
}
