//! Windows of messages, with a journal that injects faults and a publisher that records batches.

use std::pin::Pin;

use bus::{Bus, PublishError, Settings};
use bytes::Bytes;
use chassis::health::Health;
use proto::canonical::v1::{Attachment as File, Blob, Document, canonical};
use proto::journal::v1::journal_server::{Journal, JournalServer};
use proto::journal::v1::{
    AcceptRequest, AcceptResponse, BeginRequest, BeginResponse, CloseRequest, CloseResponse,
    CommandRequest, CommandResponse, EndRequest, EndResponse, FindRefusalsRequest,
    FindRefusalsResponse, FindRequest, FindResponse, GetRequest, GetResponse, JourneyRequest,
    JourneyResponse, OpenRequest, OpenResponse, PausesRequest, PausesResponse, PublishAgainRequest,
    PublishAgainResponse, RecordRequest, RecordResponse, RenewRequest, RenewResponse,
    ResendRequest, ResendResponse, body,
};
use proto::message::v1::{MessageType, Organisation};
use proto::registry::v1::registry_server::{Registry, RegistryServer};
use proto::registry::v1::{Application, Snapshot, Takes, WatchRequest};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use registry_client::Directory;

use super::*;
use crate::codec::tests::FORMAT;
use crate::{MappingDependencies, Service};

/// A journal that keeps what is recorded and injects faults.
#[derive(Clone)]
struct FaultyJournal {
    recorded: watch::Sender<Vec<Entry>>,
    /// Calls fail as if the journal could not be reached.
    is_unavailable: bool,
    /// Calls are never answered.
    is_hanging: bool,
    /// Ids of messages that have no row.
    unknown: Vec<String>,
    altered: Vec<String>,
    /// An application whose copies have been withdrawn.
    withdrawn: &'static str,
}

impl FaultyJournal {
    fn new() -> Self {
        let recorded = watch::Sender::new(Vec::new());
        Self {
            recorded,
            is_unavailable: false,
            is_hanging: false,
            unknown: Vec::new(),
            altered: Vec::new(),
            withdrawn: "none",
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

macro_rules! journal_with_record_only {
    ($($name:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl Journal for FaultyJournal {
            async fn record(&self, request: Request<RecordRequest>) -> Answer<RecordResponse> {
                if self.is_unavailable {
                    return Err(Status::unavailable("in a test"));
                }
                if self.is_hanging {
                    std::future::pending::<()>().await;
                }
                let entries = request.into_inner().entries;
                let copies = entries.iter().flat_map(|it| &it.derived);
                let envelopes = copies.filter_map(|it| it.message.as_ref()?.envelope.as_ref());
                let withdrawn = envelopes.filter(|it| it.application == self.withdrawn);
                let ended = withdrawn.map(|it| it.id.clone()).collect();
                self.recorded.send_modify(|it| it.extend(entries));
                let (unknown, altered) = (self.unknown.clone(), self.altered.clone());
                Ok(Response::new(RecordResponse { unknown, ended, altered }))
            }
            async fn pauses(&self, _: Request<PausesRequest>) -> Answer<PausesResponse> {
                Ok(Response::new(PausesResponse::default()))
            }
            $(async fn $name(&self, _request: Request<$request>) -> Answer<$response> {
                Err(Status::unimplemented("not in this test"))
            })*
        }
    };
}

journal_with_record_only! {
    accept(AcceptRequest) -> AcceptResponse;
    open(OpenRequest) -> OpenResponse;
    close(CloseRequest) -> CloseResponse;
    renew(RenewRequest) -> RenewResponse;
    publish_again(PublishAgainRequest) -> PublishAgainResponse;
    begin(BeginRequest) -> BeginResponse;
    end(EndRequest) -> EndResponse;
    find(FindRequest) -> FindResponse;
    find_refusals(FindRefusalsRequest) -> FindRefusalsResponse;
    journey(JourneyRequest) -> JourneyResponse;
    get(GetRequest) -> GetResponse;
    command(CommandRequest) -> CommandResponse;
    resend(ResendRequest) -> ResendResponse;
}

/// Records batches, and asserts that the rows of their messages are recorded before.
#[derive(Clone)]
struct RecordingPublisher {
    batches: watch::Sender<Vec<Vec<(Channel, Message)>>>,
    journal: FaultyJournal,
    /// A channel that refuses messages.
    full_channel: &'static str,
}

impl Publish for RecordingPublisher {
    async fn publish(&self, batch: Vec<(Channel, Message)>) -> Vec<Result<(), PublishError>> {
        for (_, message) in &batch {
            let is_known =
                self.journal.recorded.borrow().iter().flat_map(|it| &it.derived).any(|it| {
                    let envelope = it.message.as_ref().and_then(|it| it.envelope.as_ref());
                    envelope.is_some_and(|it| it.id == message.id.to_string())
                });
            assert!(is_known, "a copy was published before its row was recorded");
        }
        let outcomes = batch
            .iter()
            .map(|(channel, _)| match channel.name() == self.full_channel {
                true => Err(PublishError::Refused { channel: channel.clone() }),
                false => Ok(()),
            })
            .collect();
        self.batches.send_modify(|it| it.push(batch));
        outcomes
    }
}

fn snapshot() -> Snapshot {
    let application = |id: &str, organisation: &str, format: &str| Application {
        id: id.into(),
        organisation: organisation.into(),
        takes: vec![Takes { r#type: MessageType::Document.into(), format: format.into() }],
        ..Application::default()
    };
    Snapshot {
        revision: "1".into(),
        organisations: ["a", "b", "c", "d"]
            .map(|key| Organisation { key: key.into(), ..Organisation::default() })
            .into(),
        applications: vec![
            application("a-1", "a", FORMAT),
            application("b-1", "b", "no.such.format"),
            application("c-1", "c", FORMAT),
            application("d-1", "d", "ioffice.portal"),
        ],
        ..Snapshot::default()
    }
}

fn message(number: u128, recipients: &[&str], subject: &str) -> Message {
    let document = Document { subject: subject.into(), ..Document::default() };
    let canonical = Canonical { origin: None, body: Some(canonical::Body::Document(document)) };
    let id = MessageId::new(Uuid::from_u128(number));
    let envelope = Envelope {
        id: id.to_string(),
        source: "s-1".into(),
        sender: "s".into(),
        r#type: MessageType::Document.into(),
        conversation: "conversation".into(),
        recipients: recipients.iter().map(|it| (*it).to_owned()).collect(),
        accepted_at_us: 1_700_000_000_000_000,
        ..Envelope::default()
    };
    Message {
        id,
        conversation: "conversation".into(),
        attributes: envelope.attributes(),
        body: Body::Inline(canonical.encode_to_vec().into()),
    }
}

fn config() -> Config {
    Config {
        native_bytes_max: 1 << 20,
        reading_bytes_max: 1 << 21,
        room_ms_max: 100,
        aside_bytes_min: 1 << 18,
        aside_max: 2,
        canonical_bytes_max: 1 << 20,
        translating_max: 4,
        journal_ms_max: 100,
    }
}

struct TestPipeline {
    pipeline: Pipeline<RecordingPublisher>,
    publisher: RecordingPublisher,
    _folder: tempfile::TempDir,
}

async fn start(journal: FaultyJournal, full_channel: &'static str) -> TestPipeline {
    let folder = tempfile::tempdir().unwrap();
    let claims = ClaimStore::folder(folder.path()).await.unwrap();
    let batches = watch::Sender::new(vec![]);
    let publisher = RecordingPublisher { batches, journal: journal.clone(), full_channel };
    let registry = RegistryFollower::new("mapping.registry");
    registry.replace(Directory::new(snapshot()));
    let service = Service::new(config(), registry.clone(), Clock::System).unwrap();
    let translator = Translator::new(service.formats.clone(), claims.clone(), &config());
    let journal = Upstream::local(JournalServer::new(journal));
    let translation = (translator, claims);
    let pipeline = Pipeline::new(publisher.clone(), journal, registry, translation, config());
    TestPipeline { pipeline, publisher, _folder: folder }
}

impl TestPipeline {
    fn published(&self) -> Vec<(String, MessageId)> {
        let batches = self.publisher.batches.borrow();
        batches.iter().flatten().map(|(to, it)| (to.name().to_owned(), it.id)).collect()
    }

    fn recorded(&self) -> Vec<Entry> {
        self.publisher.journal.recorded.borrow().clone()
    }
}

#[tokio::test]
async fn a_window_is_recorded_in_one_call_and_published_as_one_batch_with_derived_ids() {
    let test = start(FaultyJournal::new(), "").await;
    let window = vec![message(1, &["a", "c"], "x"), message(2, &["c"], "y")];
    let verdicts = test.pipeline.handle(window.clone()).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done, Verdict::Done]);
    let expected: Vec<_> = [(0, "a-1"), (0, "c-1"), (1, "c-1")]
        .into_iter()
        .map(|(index, application): (usize, &str)| {
            let name = format!("delivery.{application}");
            let id = window[index].id.derive(&name);
            (name, id)
        })
        .collect();
    assert_eq!(test.published(), expected);
    assert_eq!(test.publisher.batches.borrow().len(), 1);
    let entries = test.recorded();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].disposition, Some(entry::Disposition::Routed(true)));
    assert_eq!(entries[0].derived[0].facts[0].step(), Step::Translated);

    let again = test.pipeline.handle(window).await;
    assert_eq!(again.as_slice(), [Verdict::Done, Verdict::Done]);
    assert_eq!(test.published()[3..], expected, "handling a window twice made other ids");
}

#[tokio::test]
async fn a_copy_names_its_parent_and_its_recipient() {
    let test = start(FaultyJournal::new(), "").await;
    let parent = message(1, &["a", "c"], "x");
    let _done = test.pipeline.handle(vec![parent.clone()]).await;
    let (_, copy) = test.publisher.batches.borrow()[0][0].clone();
    let envelope = Envelope::from_attributes(copy.id.to_string(), &copy.attributes).unwrap();
    assert_eq!(envelope.parent, parent.id.to_string());
    assert_eq!((envelope.application.as_str(), envelope.recipients), ("a-1", vec!["a".to_owned()]));
    assert_eq!((envelope.source.as_str(), envelope.sender.as_str()), ("s-1", "s"));
    assert_eq!(envelope.format, FORMAT);
    let row = test.recorded()[0].derived[0].message.clone().unwrap();
    assert_eq!(row.envelope.unwrap().id, copy.id.to_string());
    let Some(body::Place::Inline(native)) = row.body.unwrap().place else { panic!("no body") };
    assert_eq!(Body::Inline(native), copy.body);
}

#[tokio::test]
async fn a_failure_holds_back_the_copy_of_its_recipient_only() {
    let test = start(FaultyJournal::new(), "").await;
    let parent = message(1, &["a", "b", "nobody"], "x");
    let verdicts = test.pipeline.handle(vec![parent.clone()]).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done]);
    assert_eq!(test.published().len(), 1);
    let derived = test.recorded()[0].derived.clone();
    let found: Vec<_> = derived
        .iter()
        .map(|it| {
            let fault = it.fault.as_ref().map(|it| it.code.as_str());
            (it.message.as_ref().unwrap().envelope.as_ref().unwrap().application.as_str(), fault)
        })
        .collect();
    let expected = [("a-1", None), ("b-1", Some("LT-MAP-216")), ("", Some("LT-MAP-204"))];
    assert_eq!(found, expected);
    assert_eq!(derived[1].fault.as_ref().unwrap().params["application"], "b-1");
    let held_back = derived[1].message.as_ref().unwrap().envelope.as_ref().unwrap();
    assert_eq!(held_back.id, parent.id.derive("delivery.b-1").to_string());
}

#[tokio::test]
async fn nothing_is_published_while_the_journal_is_unavailable() {
    let test = start(FaultyJournal { is_unavailable: true, ..FaultyJournal::new() }, "").await;
    let verdicts = test.pipeline.handle(vec![message(1, &["a"], "x")]).await;
    assert!(matches!(verdicts.as_slice(), [Verdict::Retry(it)] if it.code == "LT-SYS-002"));
    assert!(test.published().is_empty());
}

#[tokio::test]
async fn a_call_to_the_journal_has_a_time_limit() {
    let test = start(FaultyJournal { is_hanging: true, ..FaultyJournal::new() }, "").await;
    let verdicts = test.pipeline.handle(vec![message(1, &["a"], "x")]).await;
    assert!(matches!(verdicts.as_slice(), [Verdict::Retry(it)] if it.code == "LT-SYS-002"));
    assert!(test.published().is_empty());
}

#[tokio::test]
async fn a_message_that_is_twice_in_a_window_is_processed_once() {
    let test = start(FaultyJournal::new(), "delivery.a-1").await;
    let (first, other) = (message(1, &["a", "c"], "x"), message(2, &["c"], "y"));
    let window = vec![first.clone(), other.clone(), first.clone(), other, first];
    let verdicts = test.pipeline.handle(window).await;
    let found: Vec<_> = verdicts.as_slice().iter().map(|it| matches!(it, Verdict::Done)).collect();
    assert_eq!(
        found,
        [false, true, false, true, false],
        "a duplicate has the verdict of the first"
    );
    assert_eq!(test.published().len(), 3);
    assert_eq!(test.recorded().len(), 2);
}

#[tokio::test]
async fn a_copy_with_refused_losses_waits_for_an_operator() {
    use proto::canonical::v1::{Change, Date, DocumentNumber, change};
    let document = |kind: change::Kind| Document {
        id: "1".into(),
        number: Some(DocumentNumber {
            number: "45".into(),
            notation: "CV/TU".into(),
            ..DocumentNumber::default()
        }),
        subject: "Báo cáo".into(),
        issued: Some(Date { year: 2026, month: 11, day: 24 }),
        change: Some(Change { kind: kind.into(), ..Change::default() }),
        ..Document::default()
    };
    let of = |number, document| {
        let canonical = Canonical { origin: None, body: Some(canonical::Body::Document(document)) };
        let body = Body::Inline(canonical.encode_to_vec().into());
        Message { body, ..message(number, &["a", "d"], "") }
    };
    let test = start(FaultyJournal::new(), "").await;
    // The portal's format has no field for the copy number.
    let mut numbered = document(change::Kind::New);
    numbered.number.as_mut().unwrap().copy_number = "2".into();
    let window = vec![of(1, document(change::Kind::New)), of(2, numbered)];
    let verdicts = test.pipeline.handle(window).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done, Verdict::Done]);
    let to: Vec<_> = test.published().into_iter().map(|(to, _)| to).collect();
    assert_eq!(
        to,
        ["delivery.a-1", "delivery.d-1", "delivery.a-1"],
        "the change kind of a new document may be lost"
    );
    let entries = test.recorded();
    let held_back = &entries[1].derived[1];
    let fault = held_back.fault.as_ref().unwrap();
    assert_eq!(fault.code, "LT-MAP-224");
    assert_eq!(fault.params["application"], "d-1");
    assert_eq!(fault.violations[0].field, "number.copy_number");
    assert!(held_back.message.as_ref().unwrap().body.as_ref().unwrap().place.is_none());
    assert_eq!(held_back.facts[0].step(), Step::Translated, "the loss report is in the journal");
}

#[tokio::test]
async fn a_format_is_encoded_once_for_all_applications_that_take_it() {
    let test = start(FaultyJournal::new(), "").await;
    let message = message(1, &["a", "c"], "x");
    let parent = test.pipeline.read_message(&message).await.ok().unwrap();
    let directory = test.pipeline.registry.directory();
    let routes = find_routes(&directory, &parent.envelope.recipients, MessageType::Document);
    let mut cache = test.pipeline.copy_maker.new_cache(&directory);
    for route in &routes {
        let copy = test.pipeline.copy_maker.make_copy(&parent, route, &mut cache).await;
        assert!(copy.message.is_some());
    }
    assert_eq!((routes.len(), cache.by_format.len()), (2, 1));
}

#[tokio::test]
async fn a_full_channel_retries_its_message_only() {
    let test = start(FaultyJournal::new(), "delivery.a-1").await;
    let window = vec![message(1, &["a", "c"], "x"), message(2, &["c"], "y")];
    let verdicts = test.pipeline.handle(window).await;
    assert!(matches!(verdicts.as_slice(), [Verdict::Retry(_), Verdict::Done]), "{verdicts:?}");
}

#[tokio::test]
async fn unreadable_and_unknown_messages_are_rejected_alone() {
    let unknown = message(3, &["a"], "z");
    let journal = FaultyJournal { unknown: vec![unknown.id.to_string()], ..FaultyJournal::new() };
    let test = start(journal, "").await;
    let mut broken = message(1, &["a"], "x");
    broken.body = Body::Inline(Bytes::from_static(b"\xff\xff\xff"));
    let mut incomplete = message(4, &["a"], "x");
    incomplete.attributes.remove("sender");
    let missing = Message {
        body: Body::Claim(bus::Claim::from_content(b"missing")),
        ..message(5, &["a"], "x")
    };
    let window = vec![broken, message(2, &["c"], "y"), unknown, incomplete, missing];
    let verdicts = test.pipeline.handle(window).await;
    let found: Vec<_> = verdicts
        .as_slice()
        .iter()
        .map(|it| match it {
            Verdict::Done => "done",
            Verdict::Retry(it) | Verdict::Reject(it) => it.code.as_str(),
        })
        .collect();
    assert_eq!(found, ["LT-MAP-217", "done", "LT-MAP-221", "LT-MAP-217", "LT-MAP-218"]);
    assert_eq!(test.published().len(), 1);
}

#[tokio::test]
async fn of_an_altered_message_nothing_is_published_and_nothing_fails() {
    let altered = message(3, &["a"], "z");
    let journal = FaultyJournal { altered: vec![altered.id.to_string()], ..FaultyJournal::new() };
    let test = start(journal.clone(), "").await;
    let digest = copy_digest(&altered, "");
    let verdicts = test.pipeline.handle(vec![altered, message(2, &["c"], "y")]).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done, Verdict::Done]);
    assert_eq!(test.published().len(), 1);
    assert_eq!(journal.recorded.borrow()[0].copy_digest, digest.as_slice());
}

#[tokio::test]
async fn a_withdrawn_copy_is_not_published() {
    let test = start(FaultyJournal { withdrawn: "a-1", ..FaultyJournal::new() }, "").await;
    let verdicts = test.pipeline.handle(vec![message(1, &["a", "c"], "x")]).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done]);
    let channels = test.published().into_iter().map(|it| it.0);
    assert_eq!(channels.collect::<Vec<_>>(), ["delivery.c-1"]);
}

#[tokio::test]
async fn a_large_body_is_read_and_published_as_a_claim() {
    let test = start(FaultyJournal::new(), "").await;
    let mut large = message(1, &["a"], &"đ".repeat(bus::INLINE_BYTES_MAX));
    let Body::Inline(bytes) = large.body else { panic!("inline") };
    large.body = Body::Claim(test.pipeline.claims.put(bytes.clone()).await.unwrap());
    let verdicts = test.pipeline.handle(vec![large]).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done]);
    let (_, copy) = test.publisher.batches.borrow()[0][0].clone();
    assert!(matches!(copy.body, Body::Claim(_)));
    let row = test.recorded()[0].derived[0].message.clone().unwrap().body.unwrap();
    assert!(matches!(row.place, Some(body::Place::Claim(_))));
}

#[tokio::test]
async fn attachments_are_listed_in_the_row_of_the_copy() {
    let test = start(FaultyJournal::new(), "").await;
    let claim = test.pipeline.claims.put(Bytes::from_static(b"%PDF-")).await.unwrap();
    let document = Document {
        attachments: vec![File {
            id: "f1".into(),
            file_name: "a.pdf".into(),
            content: Some(Blob { r#ref: claim.to_string(), size: claim.size, ..Blob::default() }),
            ..File::default()
        }],
        ..Document::default()
    };
    let canonical = Canonical { origin: None, body: Some(canonical::Body::Document(document)) };
    let body = Body::Inline(canonical.encode_to_vec().into());
    let _done = test.pipeline.handle(vec![Message { body, ..message(1, &["a"], "") }]).await;
    let attachments = test.recorded()[0].derived[0].attachments.clone();
    assert_eq!((attachments.len(), attachments[0].file_name.as_str()), (1, "a.pdf"));
    assert_eq!(attachments[0].claim.as_ref().unwrap().sha256, claim.sha256.as_slice());
}

/// A registry whose watch ends after one snapshot.
struct EndingRegistry;

#[tonic::async_trait]
impl Registry for EndingRegistry {
    type WatchStream = Pin<Box<dyn futures::Stream<Item = Result<Snapshot, Status>> + Send>>;

    async fn watch(&self, _request: Request<WatchRequest>) -> Answer<Self::WatchStream> {
        Ok(Response::new(Box::pin(stream::iter([Ok(snapshot())]))))
    }
}

#[tokio::test]
async fn messages_are_processed_while_the_registry_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let journal = FaultyJournal::new();
    let bus = Bus::embedded(Settings { partitions: 2, ..Settings::default() });
    for application in ["a-1", "c-1"] {
        let _channel = bus.declare_delivery(application).await.unwrap();
    }
    let dependencies = MappingDependencies {
        bus: bus::CurrentBus::fixed(bus.clone()),
        claims: ClaimStore::folder(folder.path()).await.unwrap(),
        journal: Upstream::local(JournalServer::new(journal.clone())),
        // It does not have these calls, and nothing waits for them.
        format_store: Upstream::local(JournalServer::new(journal.clone())),
        registry: Upstream::local(RegistryServer::new(EndingRegistry)),
        service: Service::new(config(), RegistryFollower::new("mapping.registry"), Clock::System)
            .unwrap(),
        health: Health::new(),
    };
    let shutdown = CancellationToken::new();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(crate::run(config(), dependencies, shutdown.clone()));
    let publisher = bus.publisher().await.unwrap();
    let sent = message(1, &["a"], "x");
    let outcomes = publisher.publish(vec![(bus.intake(&sent.conversation), sent)]).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let mut recorded = journal.recorded.subscribe();
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, recorded.wait_for(|it| !it.is_empty())).await.unwrap().unwrap();
    shutdown.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();
}
