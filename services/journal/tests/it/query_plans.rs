//! Every statement that the journal runs finds its rows by an index, in both databases.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Once;

use proto::journal::v1::command_request::Action;
use proto::journal::v1::*;
use proto::message::v1::*;
use proto::operate::v1::pause_target::Kind as TargetKind;
use proto::operate::v1::{PauseRequest, PauseTarget, ResumeRequest};
use tracing::field::{Field, Visit};
use tracing::span;

use crate::environment::*;

thread_local! {
    /// The statements that the journal ran in this thread.
    static STATEMENTS: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Collects into [`STATEMENTS`]. It is the default of the process, as tracing may drop the events of
/// a subscriber that is the default of one thread only while other threads write theirs.
struct Collector;

impl Visit for Collector {
    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "sql" {
            STATEMENTS.with_borrow_mut(|all| all.insert(value.to_owned()));
        }
    }
}

impl tracing::Subscriber for Collector {
    fn enabled(&self, of: &tracing::Metadata<'_>) -> bool {
        of.target() == "journal::statement"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Collector);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Makes every kind of call, and returns the statements that the journal ran.
async fn statements(kind: Kind) -> (Environment, BTreeSet<String>) {
    static COLLECTING: Once = Once::new();
    COLLECTING.call_once(|| tracing::subscriber::set_global_default(Collector).unwrap());
    let mut env = Environment::new(kind).await;
    let first = item_of("doc");
    let parent = env.accept_one(first.clone()).await.message_id;
    env.accept_one(Acceptance { key: "again".to_owned(), ..first }).await;
    env.record(vec![routing(&parent, &["b-app", "c-app"])]).await;
    env.record(vec![Entry { disposition: None, ..routing(&parent, &["b-app", "c-app"]) }]).await;
    let (refusals, actions) = (vec![Refusal::default()], vec![OperatorAction::default()]);
    let request = RecordRequest { entries: vec![routing(&parent, &["b-app"])], refusals, actions };
    env.journal.record(request).await.unwrap();
    let ids = derived_ids(&routing(&parent, &["b-app", "c-app"]));
    let later = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &ids[0]).await;
    env.answers(&session, &[&later]).await;
    env.end(&session, &ids[0], lease, taken()).await;
    env.end(&session, &ids[0], lease, refused()).await;
    env.deliver(&session, &later).await;
    env.open("b-app", ReceiverClass::Repeatable).await;
    env.journal.close(CloseRequest { session }).await.unwrap();
    env.command(Action::Withdraw, &ids[1]).await;
    let request = ResendRequest { message_id: ids[1].clone(), ..ResendRequest::default() };
    env.journal.resend(request).await.unwrap();
    env.advance(31);
    env.next_published().await;
    let get = GetRequest { message_id: parent.clone(), part: 1 };
    env.journal.get(get).await.unwrap();
    env.journey(&ids[0]).await;
    env.service.read_progress().await.unwrap();
    env.service.read_sessions().await.unwrap();
    env.journal.renew(RenewRequest { sessions: vec!["unknown".to_owned()] }).await.unwrap();
    for (kind, name) in [
        (TargetKind::Application, "b-app"),
        (TargetKind::Organisation, "b"),
        (TargetKind::Channel, "intake"),
    ] {
        let target = Some(PauseTarget { kind: kind.into(), name: name.to_owned() });
        let request = PauseRequest { target: target.clone(), ..PauseRequest::default() };
        env.service.pause(request).await.unwrap();
        env.journey(&ids[0]).await;
        let request = ResumeRequest { target, ..ResumeRequest::default() };
        env.service.resume(request).await.unwrap();
    }
    for request in searches(&parent) {
        env.find(request).await;
    }
    for request in searches_of_refusals() {
        env.journal.find_refusals(request).await.unwrap();
    }
    call_format_store(&env).await;
    (env, STATEMENTS.take())
}

/// Makes every call of the store of formats.
async fn call_format_store(env: &Environment) {
    let mut store = env.format_store();
    let format = format_of("letter", 1, "text");
    let request = StoreFormatsRequest { formats: vec![format.clone()], in_use: false };
    store.store_formats(request).await.unwrap();
    for name in ["", "letter"] {
        let request = ListFormatsRequest { name: name.to_owned(), limit: 0 };
        store.list_formats(request).await.unwrap();
    }
    store.get_format(GetFormatRequest { hash: format.hash }).await.unwrap();
}

/// Every filter of a search of refused items, alone and with a page.
fn searches_of_refusals() -> Vec<FindRefusalsRequest> {
    let name = "x".to_owned();
    let base = [
        FindRefusalsRequest::default(),
        FindRefusalsRequest { application: name.clone(), ..FindRefusalsRequest::default() },
        FindRefusalsRequest { organisation: name.clone(), ..FindRefusalsRequest::default() },
        FindRefusalsRequest { code: name.clone(), ..FindRefusalsRequest::default() },
        FindRefusalsRequest { key: name.clone(), ..FindRefusalsRequest::default() },
        FindRefusalsRequest { number: name.clone(), ..FindRefusalsRequest::default() },
        FindRefusalsRequest { text: name.clone(), ..FindRefusalsRequest::default() },
    ];
    let with_page = |it: &FindRefusalsRequest| FindRefusalsRequest {
        cursor: "1:x".to_owned(),
        from_us: 1,
        to_us: 9,
        ..it.clone()
    };
    base.iter().flat_map(|it| [it.clone(), with_page(it)]).collect()
}

/// Every filter of a search, alone and with others.
fn searches(id: &str) -> Vec<FindRequest> {
    let text = |it: &str| FindRequest { text: it.to_owned(), ..FindRequest::default() };
    let base = [
        FindRequest::default(),
        text(id),
        text("7/CV-UB bao cao"),
        FindRequest { organisation: "a".to_owned(), ..FindRequest::default() },
        FindRequest { conversation: "doc".to_owned(), ..FindRequest::default() },
        FindRequest { application: "b-app".to_owned(), ..FindRequest::default() },
        text("abcdef12"),
        FindRequest { number: "7/CV-UB".to_owned(), ..FindRequest::default() },
        FindRequest { code: "LT-MAP-001".to_owned(), ..FindRequest::default() },
        FindRequest {
            application: "a-app".to_owned(),
            key: "key".to_owned(),
            organisation: "a".to_owned(),
            ..FindRequest::default()
        },
    ];
    let states = [vec![], vec![4], vec![1, 3, 5, 6, 9, 10], vec![8], vec![7, 2]];
    let mut all = Vec::new();
    for request in base {
        for states in &states {
            let states = states.clone();
            let with = FindRequest { states, ..request.clone() };
            let cursor = format!("1:{id}");
            let page = FindRequest { cursor, from_us: 1, to_us: 9, r#type: 1, ..with.clone() };
            all.extend([FindRequest { derived: true, ..page.clone() }, with, page]);
        }
    }
    all
}

/// The tables that grow.
const GROWING: [&str; 9] = [
    "message_row",
    "delivery_state",
    "fact",
    "key_alias",
    "digest_alias",
    "message_party",
    "subject",
    "refusal",
    "format_version",
];

#[tokio::test]
async fn sqlite_scans_no_table() {
    let (env, statements) = statements(Kind::Sqlite).await;
    assert!(statements.len() > 60, "{}", statements.len());
    let database = rusqlite::Connection::open(&env.database).unwrap();
    for sql in statements {
        let plan = format!("EXPLAIN QUERY PLAN {}", sql.replace('$', "?"));
        let mut asked = database.prepare(&plan).unwrap();
        let mut rows = asked.raw_query();
        while let Some(row) = rows.next().unwrap() {
            let step: String = row.get(3).unwrap();
            assert!(!is_scan(&step, &sql), "{step}\n  {sql}");
        }
    }
}

/// True when a plan reads every row of a table that grows. A page of all messages may be read in
/// the order of its index; a narrow search may not.
fn is_scan(step: &str, sql: &str) -> bool {
    let is_narrow = sql.contains(" UNION ") || sql.contains("conversation = $");
    let is_page = sql.contains("ORDER BY accepted_at DESC, id DESC LIMIT") && !is_narrow;
    let in_order = is_page && step == "SCAN message_row USING INDEX message_row_accepted"
        || step == "SCAN refusal USING INDEX refusal_last"
        || step == "SCAN format_version USING INDEX format_version_seen";
    let names = GROWING.into_iter().chain(["message", "m", "k", "s", "f", "p", "a"]);
    let words = step.contains(" VIRTUAL TABLE INDEX ");
    let scanned = step.strip_prefix("SCAN ").unwrap_or_default().split(' ').next();
    names.into_iter().any(|it| scanned == Some(it)) && !in_order && !words
}

#[tokio::test]
async fn postgres_scans_no_table() {
    let (env, statements) = statements(Kind::Postgres).await;
    let (client, _running) = client(&env.database).await;
    let settings = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan";
    client.batch_execute(settings).await.unwrap();
    for sql in statements {
        let parameters = (1..).take_while(|it| sql.contains(&format!("${it}"))).count();
        let nothing = vec!["NULL"; parameters].join(", ");
        let nothing = if parameters == 0 { nothing } else { format!("({nothing})") };
        client.batch_execute(&format!("PREPARE asked AS {sql}")).await.unwrap();
        let plan = client.query(&format!("EXPLAIN EXECUTE asked{nothing}"), &[]).await.unwrap();
        for step in plan.iter().map(|it| it.get::<_, String>(0)) {
            let is_scan =
                GROWING.into_iter().any(|it| step.contains(&format!("Seq Scan on {it} ")));
            assert!(!is_scan, "{step}\n  {sql}");
        }
        client.batch_execute("DEALLOCATE asked").await.unwrap();
    }
}

/// PostgreSQL updates a row whose indexed columns do not change without writing any index (a
/// heap-only tuple).
#[tokio::test]
async fn steps_of_a_message_write_no_index_entry() {
    let mut env = Environment::new(Kind::Postgres).await;
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    env.end(&session, &id, lease, taken()).await;
    let (database, directory) = env.stop().await;
    let (client, _running) = client(&database).await;
    let sql =
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'delivery_state'";
    // The server publishes its statistics when the writing connection is closed.
    let counted = eventually(async || {
        let row = client.query_one(sql, &[]).await.unwrap();
        let counted: (i64, i64) = (row.get(0), row.get(1));
        (counted.0 >= 3).then_some(counted)
    });
    // Routed, begun, taken.
    assert_eq!(counted.await, (3, 3));
    drop(directory);
}
