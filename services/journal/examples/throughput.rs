//! How many messages a second the journal carries: accept, record, begin, end, on both databases.
#![expect(clippy::print_stdout, reason = "the figures are its output")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement stops at the first surprise"
)]

#[path = "../tests/it/postgres_cluster.rs"]
mod cluster;

use std::time::Duration;

use bus::{Bus, CurrentBus, Settings};
use chassis::{Clock, Upstream, health::Health};
use journal::{Config, Service};
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::body::Place;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::*;
use proto::message::v1::*;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Messages of one call, calls at once, messages of one run.
const SHAPES: [(usize, usize, usize); 4] =
    [(256, 4, 60_000), (64, 4, 40_000), (16, 4, 12_000), (1, 64, 8_000)];

/// Bytes of each body; about what a packet without its attachments has.
const BODY_BYTES: usize = 1_300;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.sqlite").display().to_string();
    for (name, database) in [("sqlite", file), ("postgres", cluster::database())] {
        run(name, database).await;
    }
}

async fn run(name: &str, database: String) {
    let shutdown = CancellationToken::new();
    let bus = Bus::embedded(Settings::default());
    bus.declare_delivery("b-app").await.unwrap();
    let config = Config {
        database: chassis::secret::SecretUrl::new(database),
        calls_max: 4_096,
        sweep_ms: 1_000,
        reserve_bytes: 0,
        password_file: "".into(),
        authorities_file: "".into(),
    };
    let service = Service::new(&config);
    let journal = JournalClient::new(Upstream::local(service.server()));
    let health = Health::new();
    health.unwell("journal", "not started yet");
    let (parts, outer) = ((Clock::System, health.clone()), shutdown.clone());
    let running = async move {
        Box::pin(journal::run(config, (service, CurrentBus::fixed(bus)), parts, outer))
            .await
            .unwrap()
    };
    let measuring = async {
        while !health.is_ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for shape in SHAPES {
            measure(name, &journal, shape).await;
        }
        shutdown.cancel();
    };
    let mut all = JoinSet::new();
    all.spawn(running);
    measuring.await;
    while all.join_next().await.is_some() {}
}

async fn measure(
    name: &str,
    journal: &JournalClient<Upstream>,
    (window, calls, total): (usize, usize, usize),
) {
    let begun = tokio::time::Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..calls {
        let journal = journal.clone();
        workers.spawn(async move { work(journal, worker, window, total / calls / window).await });
    }
    let mut steps = [Duration::ZERO; 4];
    while let Some(took) = workers.join_next().await {
        for (all, one) in steps.iter_mut().zip(took.unwrap()) {
            *all += one;
        }
    }
    let took = begun.elapsed().as_secs_f64();
    let done = total / calls / window * window * calls;
    let count = u32::try_from(done / window).unwrap();
    let [accept, record, begin, end] = steps.map(|it| it / count);
    println!(
        "{name:9} window {window:3} x {calls:2} calls: {:6.0} messages/s   \
         a call takes: accept {accept:.1?} record {record:.1?} begin {begin:.1?} end {end:.1?}",
        f64::from(u32::try_from(done).unwrap()) / took,
    );
}

/// Carries windows from accept to end: how long each of the four steps took together.
async fn work(
    mut journal: JournalClient<Upstream>,
    worker: usize,
    window: usize,
    rounds: usize,
) -> [Duration; 4] {
    let open = OpenRequest {
        application: "b-app".to_owned(),
        adapter: worker.to_string(),
        receiver_class: ReceiverClass::Repeatable.into(),
        lease_ms: 600_000,
        ..OpenRequest::default()
    };
    let session = journal.open(open).await.unwrap().into_inner().session;
    let mut steps = [Duration::ZERO; 4];
    for lease in (1..).take(rounds) {
        let mut lap_start = tokio::time::Instant::now();
        let mut lap = |step: usize| {
            steps[step] += lap_start.elapsed();
            lap_start = tokio::time::Instant::now();
        };
        let items = (0..window).map(|_| item()).collect();
        let accepted = journal.accept(AcceptRequest { items }).await.unwrap().into_inner();
        lap(0);
        let parents = accepted.outcomes.into_iter().filter_map(|it| match it.outcome {
            Some(Outcome::Receipt(receipt)) => Some(receipt.message_id),
            Some(Outcome::Refused(_) | Outcome::Unknown(_)) | None => None,
        });
        let entries: Vec<Entry> = parents.map(|it| routing(&it)).collect();
        let message_ids: Vec<String> = entries
            .iter()
            .map(|it| it.derived[0].message.clone().unwrap().envelope.unwrap().id)
            .collect();
        journal.record(RecordRequest { entries, ..RecordRequest::default() }).await.unwrap();
        lap(1);
        let copy_digests = Vec::new();
        let begin = BeginRequest { session: session.clone(), message_ids, copy_digests, lease };
        let begun = journal.begin(begin).await.unwrap().into_inner().messages;
        lap(2);
        let settlements: Vec<Settlement> = begun.into_iter().map(settlement).collect();
        assert_eq!(settlements.len(), window);
        let application = "b-app".to_owned();
        let request = EndRequest { session: session.clone(), settlements, application };
        journal.end(request).await.unwrap();
        lap(3);
    }
    steps
}

fn settlement(begun: Begun) -> Settlement {
    assert_eq!(begun.answer(), Answer::Deliver);
    let taken = TakenAnswer { reference: "ref".to_owned() };
    let answer = Some(settlement::Answer::Taken(taken));
    Settlement { message_id: begun.message_id, lease: begun.lease, answer }
}

fn item() -> Acceptance {
    let id = Uuid::new_v4();
    let envelope = Envelope {
        id: id.to_string(),
        source: "a-app".to_owned(),
        sender: "a".to_owned(),
        r#type: MessageType::Document.into(),
        format: "edxml.document".to_owned(),
        conversation: Uuid::new_v4().to_string(),
        recipients: vec!["b".to_owned()],
        traceparent: format!("00-{}-00f067aa0ba902b7-01", id.simple()),
        ..Envelope::default()
    };
    let index = Index {
        number: format!("{}/VPCP-TTĐT", id.as_u128() % 10_000),
        document_id: id.to_string(),
        subject: "Về việc tăng cường phòng, chống lụt bão và tìm kiếm cứu nạn đợt 2".to_owned(),
        ..Index::default()
    };
    Acceptance {
        message: Some(Message { envelope: Some(envelope), body: Some(body(id)) }),
        key: id.to_string(),
        content_digest: id.as_bytes().repeat(2).into(),
        native: Some(body(id)),
        native_sha256: vec![7; 32].into(),
        attachments: vec![Attachment { id: "1".to_owned(), ..Attachment::default() }],
        index: Some(index),
        facts: vec![fact(Step::Submitted), fact(Step::Normalized)],
        submission_digest: [Uuid::new_v4().into_bytes(), id.into_bytes()].concat().into(),
        outline_digest: [Uuid::new_v4().into_bytes(), id.into_bytes()].concat().into(),
        submitted_format: "auto".to_owned(),
        known_only: false,
    }
}

/// Bytes that a database cannot compress much, made without much work.
fn body(seed: Uuid) -> Body {
    let mut state = seed.as_u128() | 1;
    let mut bytes = Vec::with_capacity(BODY_BYTES + 16);
    while bytes.len() < BODY_BYTES {
        state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    Body { place: Some(Place::Inline(bytes.into())) }
}

fn fact(step: Step) -> Fact {
    let (step, component) = (step.into(), "mapping@measure".to_owned());
    Fact { step, at_us: 1, component, attempt: 1, duration_us: 70, ..Fact::default() }
}

fn routing(parent: &str) -> Entry {
    let id = Uuid::new_v5(&parent.parse().unwrap(), b"delivery.b-app");
    let envelope = Envelope {
        id: id.to_string(),
        source: "a-app".to_owned(),
        sender: "a".to_owned(),
        r#type: MessageType::Document.into(),
        recipients: vec!["b".to_owned()],
        application: "b-app".to_owned(),
        ..Envelope::default()
    };
    let derived = Derived {
        message: Some(Message { envelope: Some(envelope), body: Some(body(id)) }),
        attachments: Vec::new(),
        facts: vec![fact(Step::Translated)],
        fault: None,
    };
    Entry {
        message_id: parent.to_owned(),
        facts: vec![fact(Step::Routed)],
        derived: vec![derived],
        disposition: Some(Disposition::Routed(true)),
        ..Entry::default()
    }
}
