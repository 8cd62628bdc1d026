//! The window's road, with a journal that remembers and a publisher that records.

use std::pin::Pin;

use bus::{Bus, PublishError, Settings};
use chassis::health::Health;
use proto::canonical::v1::{Attachment as File, Blob, Document, canonical};
use proto::journal::v1::journal_server::{Journal, JournalServer};
use proto::journal::v1::{
    AcceptRequest, AcceptResponse, BeginRequest, BeginResponse, CloseRequest, CloseResponse,
    CommandRequest, CommandResponse, EndRequest, EndResponse, FindRequest, FindResponse,
    GetRequest, GetResponse, JourneyRequest, JourneyResponse, OpenRequest, OpenResponse,
    RecordRequest, RecordResponse, body,
};
use proto::message::v1::{MessageType, Organisation};
use proto::registry::v1::registry_server::{Registry, RegistryServer};
use proto::registry::v1::{Application, Snapshot, Takes, WatchRequest};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response};
use uuid::Uuid;

use super::*;
use crate::{Directory, Parts, Service};

/// Remembers what was recorded; away or silent while told so; does not know `strangers`; says that copies
/// for `withdrawn` are over.
#[derive(Clone)]
struct Rows {
    recorded: watch::Sender<Vec<Entry>>,
    is_away: bool,
    is_silent: bool,
    strangers: Vec<String>,
    withdrawn: &'static str,
}

impl Rows {
    fn new() -> Self {
        let recorded = watch::Sender::new(Vec::new());
        Self {
            recorded,
            is_away: false,
            is_silent: false,
            strangers: Vec::new(),
            withdrawn: "nobody",
        }
    }
}

type Answered<T> = Result<Response<T>, Status>;

macro_rules! silent {
    ($($name:ident($request:ty) -> $response:ty;)*) => {
        #[tonic::async_trait]
        impl Journal for Rows {
            async fn record(&self, request: Request<RecordRequest>) -> Answered<RecordResponse> {
                if self.is_away {
                    return Err(Status::unavailable("away"));
                }
                if self.is_silent {
                    std::future::pending::<()>().await;
                }
                let entries = request.into_inner().entries;
                let copies = entries.iter().flat_map(|it| &it.derived);
                let envelopes = copies.filter_map(|it| it.message.as_ref()?.envelope.as_ref());
                let over = envelopes.filter(|it| it.application == self.withdrawn);
                let ended = over.map(|it| it.id.clone()).collect();
                self.recorded.send_modify(|it| it.extend(entries));
                Ok(Response::new(RecordResponse { unknown: self.strangers.clone(), ended }))
            }
            $(async fn $name(&self, _request: Request<$request>) -> Answered<$response> {
                Err(Status::unimplemented("not in this test"))
            })*
        }
    };
}

silent! {
    accept(AcceptRequest) -> AcceptResponse;
    open(OpenRequest) -> OpenResponse;
    close(CloseRequest) -> CloseResponse;
    begin(BeginRequest) -> BeginResponse;
    end(EndRequest) -> EndResponse;
    find(FindRequest) -> FindResponse;
    journey(JourneyRequest) -> JourneyResponse;
    get(GetRequest) -> GetResponse;
    command(CommandRequest) -> CommandResponse;
}

/// Records batches, after looking whether their rows are there; refuses one application.
#[derive(Clone)]
struct Recorder {
    batches: watch::Sender<Vec<Vec<(Channel, Message)>>>,
    rows: Rows,
    full: &'static str,
}

impl Publish for Recorder {
    async fn publish(&self, batch: Vec<(Channel, Message)>) -> Vec<Result<(), PublishError>> {
        for (_, message) in &batch {
            let is_known =
                self.rows.recorded.borrow().iter().flat_map(|it| &it.derived).any(|it| {
                    let envelope = it.message.as_ref().and_then(|it| it.envelope.as_ref());
                    envelope.is_some_and(|it| it.id == message.id.to_string())
                });
            assert!(is_known, "a copy was published before the journal knew it");
        }
        let outcomes = batch
            .iter()
            .map(|(channel, _)| match channel.name() == self.full {
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

use crate::codec::tests::FORMAT;

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

struct Stage {
    pipeline: Pipeline<Recorder>,
    recorder: Recorder,
    _folder: tempfile::TempDir,
}

async fn stage(rows: Rows, full: &'static str) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let claims = ClaimStore::folder(folder.path()).await.unwrap();
    let recorder = Recorder { batches: watch::Sender::new(vec![]), rows: rows.clone(), full };
    let registered = Registered::new();
    registered.replace(Directory::new(snapshot()));
    let service = Service::new(config(), registered.clone(), Clock::System).unwrap();
    let translator = Translator::new(service.shelf.clone(), claims.clone(), &config());
    let journal = Upstream::local(JournalServer::new(rows));
    let files = (translator, claims);
    let pipeline = Pipeline::new(recorder.clone(), journal, registered, files, config());
    Stage { pipeline, recorder, _folder: folder }
}

impl Stage {
    fn published(&self) -> Vec<(String, MessageId)> {
        let batches = self.recorder.batches.borrow();
        batches.iter().flatten().map(|(to, it)| (to.name().to_owned(), it.id)).collect()
    }

    fn recorded(&self) -> Vec<Entry> {
        self.recorder.rows.recorded.borrow().clone()
    }
}

#[tokio::test]
async fn a_window_is_recorded_in_one_call_and_published_as_one_batch_under_derived_names() {
    let stage = stage(Rows::new(), "").await;
    let window = vec![message(1, &["a", "c"], "x"), message(2, &["c"], "y")];
    let verdicts = stage.pipeline.handle(window.clone()).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done, Verdict::Done]);
    let expected: Vec<_> = [(0, "a-1"), (0, "c-1"), (1, "c-1")]
        .into_iter()
        .map(|(place, application): (usize, &str)| {
            let name = format!("delivery.{application}");
            let id = window[place].id.derive(&name);
            (name, id)
        })
        .collect();
    assert_eq!(stage.published(), expected);
    assert_eq!(stage.recorder.batches.borrow().len(), 1);
    let entries = stage.recorded();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].disposition, Some(entry::Disposition::Routed(true)));
    assert_eq!(entries[0].derived[0].facts[0].step(), Step::Translated);

    let again = stage.pipeline.handle(window).await;
    assert_eq!(again.as_slice(), [Verdict::Done, Verdict::Done]);
    assert_eq!(stage.published()[3..], expected, "handling twice made other names");
}

#[tokio::test]
async fn a_copy_says_where_it_comes_from_and_who_reads_it() {
    let stage = stage(Rows::new(), "").await;
    let parent = message(1, &["a", "c"], "x");
    let _done = stage.pipeline.handle(vec![parent.clone()]).await;
    let (_, copy) = stage.recorder.batches.borrow()[0][0].clone();
    let envelope = Envelope::from_attributes(copy.id.to_string(), &copy.attributes).unwrap();
    assert_eq!(envelope.parent, parent.id.to_string());
    assert_eq!((envelope.application.as_str(), envelope.recipients), ("a-1", vec!["a".to_owned()]));
    assert_eq!((envelope.source.as_str(), envelope.sender.as_str()), ("s-1", "s"));
    assert_eq!(envelope.format, FORMAT);
    let row = stage.recorded()[0].derived[0].message.clone().unwrap();
    assert_eq!(row.envelope.unwrap().id, copy.id.to_string());
    let Some(body::Place::Inline(native)) = row.body.unwrap().place else { panic!("no body") };
    assert_eq!(Body::Inline(native), copy.body);
}

#[tokio::test]
async fn one_recipients_trouble_keeps_back_its_copy_only() {
    let stage = stage(Rows::new(), "").await;
    let parent = message(1, &["a", "b", "nobody"], "x");
    let verdicts = stage.pipeline.handle(vec![parent.clone()]).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done]);
    assert_eq!(stage.published().len(), 1);
    let derived = stage.recorded()[0].derived.clone();
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
    let kept = derived[1].message.as_ref().unwrap().envelope.as_ref().unwrap();
    assert_eq!(kept.id, parent.id.derive("delivery.b-1").to_string());
}

#[tokio::test]
async fn nothing_is_published_while_the_journal_is_away() {
    let stage = stage(Rows { is_away: true, ..Rows::new() }, "").await;
    let verdicts = stage.pipeline.handle(vec![message(1, &["a"], "x")]).await;
    assert!(matches!(verdicts.as_slice(), [Verdict::Retry(it)] if it.code == "LT-SYS-002"));
    assert!(stage.published().is_empty());
}

#[tokio::test]
async fn a_journal_that_does_not_answer_is_given_up() {
    let stage = stage(Rows { is_silent: true, ..Rows::new() }, "").await;
    let verdicts = stage.pipeline.handle(vec![message(1, &["a"], "x")]).await;
    assert!(matches!(verdicts.as_slice(), [Verdict::Retry(it)] if it.code == "LT-SYS-002"));
    assert!(stage.published().is_empty());
}

#[tokio::test]
async fn a_message_that_came_twice_is_worked_on_once() {
    let stage = stage(Rows::new(), "delivery.a-1").await;
    let (first, other) = (message(1, &["a", "c"], "x"), message(2, &["c"], "y"));
    let window = vec![first.clone(), other.clone(), first.clone(), other, first];
    let verdicts = stage.pipeline.handle(window).await;
    let found: Vec<_> = verdicts.as_slice().iter().map(|it| matches!(it, Verdict::Done)).collect();
    assert_eq!(found, [false, true, false, true, false], "a copy has its first's verdict");
    assert_eq!(stage.published().len(), 3);
    assert_eq!(stage.recorded().len(), 2);
}

#[tokio::test]
async fn a_copy_that_would_lose_what_must_be_kept_waits_for_an_operator() {
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
    let stage = stage(Rows::new(), "").await;
    // The number of a copy has no place in the portal.
    let mut numbered = document(change::Kind::New);
    numbered.number.as_mut().unwrap().copy_number = "2".into();
    let window = vec![of(1, document(change::Kind::New)), of(2, numbered)];
    let verdicts = stage.pipeline.handle(window).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done, Verdict::Done]);
    let to: Vec<_> = stage.published().into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, ["delivery.a-1", "delivery.d-1", "delivery.a-1"], "a new one goes");
    let entries = stage.recorded();
    let kept = &entries[1].derived[1];
    let fault = kept.fault.as_ref().unwrap();
    assert_eq!(fault.code, "LT-MAP-224");
    assert_eq!(fault.params["application"], "d-1");
    assert_eq!(fault.violations[0].field, "number.copy_number");
    assert!(kept.message.as_ref().unwrap().body.as_ref().unwrap().place.is_none());
    assert_eq!(kept.facts[0].step(), Step::Translated, "the loss report is in the journal");
}

#[tokio::test]
async fn one_format_is_written_once_for_all_who_take_it() {
    let stage = stage(Rows::new(), "").await;
    let source = stage.pipeline.open(&message(1, &["a", "c"], "x")).await.ok().unwrap();
    let directory = stage.pipeline.registered.now();
    let ways = route(&directory, &source.envelope.recipients, MessageType::Document);
    let mut made = Made::new();
    for way in &ways {
        let (copy, _row) = stage.pipeline.copy(&source, way, &mut made).await;
        assert!(copy.is_some());
    }
    assert_eq!((ways.len(), made.len()), (2, 1));
}

#[tokio::test]
async fn a_full_channel_brings_back_its_message_only() {
    let stage = stage(Rows::new(), "delivery.a-1").await;
    let window = vec![message(1, &["a", "c"], "x"), message(2, &["c"], "y")];
    let verdicts = stage.pipeline.handle(window).await;
    assert!(matches!(verdicts.as_slice(), [Verdict::Retry(_), Verdict::Done]), "{verdicts:?}");
}

#[tokio::test]
async fn what_is_unreadable_or_unknown_is_rejected_alone() {
    let stranger = message(3, &["a"], "z");
    let rows = Rows { strangers: vec![stranger.id.to_string()], ..Rows::new() };
    let stage = stage(rows, "").await;
    let mut broken = message(1, &["a"], "x");
    broken.body = Body::Inline(Bytes::from_static(b"\xff\xff\xff"));
    let mut nameless = message(4, &["a"], "x");
    nameless.attributes.remove("sender");
    let gone =
        Message { body: Body::Claim(bus::Claim::from_content(b"gone")), ..message(5, &["a"], "x") };
    let window = vec![broken, message(2, &["c"], "y"), stranger, nameless, gone];
    let verdicts = stage.pipeline.handle(window).await;
    let found: Vec<_> = verdicts
        .as_slice()
        .iter()
        .map(|it| match it {
            Verdict::Done => "done",
            Verdict::Retry(it) | Verdict::Reject(it) => it.code.as_str(),
        })
        .collect();
    assert_eq!(found, ["LT-MAP-217", "done", "LT-MAP-221", "LT-MAP-217", "LT-MAP-218"]);
    assert_eq!(stage.published().len(), 1);
}

#[tokio::test]
async fn a_copy_that_is_over_is_not_published() {
    let stage = stage(Rows { withdrawn: "a-1", ..Rows::new() }, "").await;
    let verdicts = stage.pipeline.handle(vec![message(1, &["a", "c"], "x")]).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done]);
    let channels = stage.published().into_iter().map(|it| it.0);
    assert_eq!(channels.collect::<Vec<_>>(), ["delivery.c-1"]);
}

#[tokio::test]
async fn a_large_body_comes_as_a_claim_and_goes_as_one() {
    let stage = stage(Rows::new(), "").await;
    let mut large = message(1, &["a"], &"đ".repeat(bus::INLINE_BYTES_MAX));
    let Body::Inline(bytes) = large.body else { panic!("inline") };
    large.body = Body::Claim(stage.pipeline.claims.put(bytes.clone()).await.unwrap());
    let verdicts = stage.pipeline.handle(vec![large]).await;
    assert_eq!(verdicts.as_slice(), [Verdict::Done]);
    let (_, copy) = stage.recorder.batches.borrow()[0][0].clone();
    assert!(matches!(copy.body, Body::Claim(_)));
    let row = stage.recorded()[0].derived[0].message.clone().unwrap().body.unwrap();
    assert!(matches!(row.place, Some(body::Place::Claim(_))));
}

#[tokio::test]
async fn files_are_claims_of_the_copys_row() {
    let stage = stage(Rows::new(), "").await;
    let claim = stage.pipeline.claims.put(Bytes::from_static(b"%PDF-")).await.unwrap();
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
    let _done = stage.pipeline.handle(vec![Message { body, ..message(1, &["a"], "") }]).await;
    let attachments = stage.recorded()[0].derived[0].attachments.clone();
    assert_eq!((attachments.len(), attachments[0].file_name.as_str()), (1, "a.pdf"));
    assert_eq!(attachments[0].claim.as_ref().unwrap().sha256, claim.sha256.as_slice());
}

/// A registry that says one thing and then goes away.
struct Sayer;

#[tonic::async_trait]
impl Registry for Sayer {
    type WatchStream = Pin<Box<dyn futures::Stream<Item = Result<Snapshot, Status>> + Send>>;

    async fn watch(&self, _request: Request<WatchRequest>) -> Answered<Self::WatchStream> {
        Ok(Response::new(Box::pin(stream::iter([Ok(snapshot())]))))
    }
}

#[tokio::test]
async fn the_service_carries_from_intake_to_delivery_though_the_registry_went_away() {
    let folder = tempfile::tempdir().unwrap();
    let rows = Rows::new();
    let bus = Bus::embedded(Settings { partitions: 2, ..Settings::default() });
    for application in ["a-1", "c-1"] {
        let _channel = bus.declare_delivery(application).await.unwrap();
    }
    let parts = Parts {
        bus: bus.clone(),
        claims: ClaimStore::folder(folder.path()).await.unwrap(),
        journal: Upstream::local(JournalServer::new(rows.clone())),
        registry: Upstream::local(RegistryServer::new(Sayer)),
        service: Service::new(config(), Registered::new(), Clock::System).unwrap(),
        health: Health::new(),
    };
    let shutdown = CancellationToken::new();
    let mut running = tokio::task::JoinSet::new();
    running.spawn(crate::run(config(), parts, shutdown.clone()));
    let publisher = bus.publisher().await.unwrap();
    let sent = message(1, &["a"], "x");
    let outcomes = publisher.publish(vec![(bus.intake(&sent.conversation), sent)]).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let mut recorded = rows.recorded.subscribe();
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, recorded.wait_for(|it| !it.is_empty())).await.unwrap().unwrap();
    shutdown.cancel();
    running.join_next().await.unwrap().unwrap().unwrap();
}
