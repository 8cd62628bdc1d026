//! Stored columns that cannot be read: each in turn is damaged while the journal is stopped, so
//! that no cached row hides the damage.

use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::*;
use proto::message::v1::*;

use crate::environment::*;
use crate::on_both;

on_both!(
    begin_makes_a_dead_letter_of_damaged_progress_and_delivers_the_others,
    the_sweeper_makes_a_dead_letter_of_damaged_progress_and_publishes_the_others,
    begin_delivers_no_message_without_its_receipt_and_index,
    columns_that_no_delivery_needs_delay_none,
    a_message_that_cannot_be_read_is_not_published,
    a_damaged_parent_cannot_be_routed_again,
    a_repeat_of_a_damaged_message_is_refused_and_never_a_second_message,
    a_search_shows_the_damaged_column_and_the_other_messages,
    damaged_facts_shorten_a_journey_and_stop_nothing,
    a_damaged_session_is_closed_and_replaced,
    a_damaged_message_can_be_withdrawn_and_releases_the_next,
    a_restored_receipt_is_delivered_after_a_redrive,
);

/// How a column is damaged, in SQL: in SQLite, where any column takes any type, and in PostgreSQL,
/// where a column can only hold a value of its type that means nothing.
type Damage = (&'static str, Option<&'static str>, Option<&'static str>);

const NO_TEXT: &str = "x'ff'";
const NO_NUMBER: &str = "'damaged'";
const NO_MESSAGE: &str = "'\\xff'::bytea";

/// Every column of `delivery_state` but its key.
const PROGRESS: [Damage; 22] = [
    ("id", Some(NO_TEXT), Some("'another'")),
    ("parent", Some(NO_TEXT), None),
    ("recipients", Some(NO_TEXT), None),
    ("accepted_at", Some(NO_NUMBER), None),
    ("body_size", Some(NO_NUMBER), None),
    ("conversation", Some(NO_TEXT), None),
    ("application", Some(NO_TEXT), None),
    ("sequence", Some(NO_NUMBER), None),
    ("urgency", Some(NO_NUMBER), None),
    ("state", Some(NO_NUMBER), Some("99")),
    ("changed_at", Some(NO_NUMBER), None),
    ("due_at", Some(NO_NUMBER), None),
    ("sweep_at", Some(NO_NUMBER), None),
    ("attempt", Some(NO_NUMBER), None),
    ("tries", Some(NO_NUMBER), None),
    ("publishes", Some(NO_NUMBER), None),
    ("session", Some(NO_TEXT), None),
    ("lease", Some(NO_NUMBER), None),
    ("fault", Some(NO_TEXT), Some(NO_MESSAGE)),
    ("detail", Some(NO_TEXT), None),
    ("blocked_by", Some(NO_TEXT), None),
    ("fact_positions", Some(NO_TEXT), Some(NO_MESSAGE)),
];

fn damage_of(environment: &Environment, damage: Damage) -> Option<&'static str> {
    if environment.is_postgres() { damage.2 } else { damage.1 }
}

/// The row of a message in `delivery_state`, found as the journal finds it.
const ITS_ROW: &str = "row_id = (SELECT row_id FROM message_row WHERE id = ";

/// Reads the state and the fault of a message as they are stored.
async fn stored(env: &Environment, id: &str) -> (State, Option<Fault>) {
    use prost::Message as _;
    let sql = format!("SELECT state, fault FROM delivery_state WHERE {ITS_ROW}'{id}')");
    let (state, fault): (i64, Vec<u8>) = if env.is_postgres() {
        let (client, _running) = client(&env.database).await;
        let row = client.query_one(&sql, &[]).await.unwrap();
        (row.get(0), row.get(1))
    } else {
        let database = rusqlite::Connection::open(&env.database).unwrap();
        database.query_row(&sql, [], |it| Ok((it.get(0)?, it.get(1)?))).unwrap()
    };
    let state = State::try_from(i32::try_from(state).unwrap()).unwrap();
    let fault = (!fault.is_empty()).then(|| Fault::decode(fault.as_slice()).unwrap());
    (state, fault)
}

/// The number of rows of facts: it grows with every decision of the writer.
async fn fact_rows(env: &Environment) -> i64 {
    count(env, "SELECT COUNT(*) FROM fact").await
}

async fn dead_letters(env: &Environment) -> i64 {
    count(env, "SELECT COUNT(*) FROM delivery_state WHERE state = 9").await
}

async fn count(env: &Environment, sql: &str) -> i64 {
    if env.is_postgres() {
        let (client, _running) = client(&env.database).await;
        client.query_one(sql, &[]).await.unwrap().get(0)
    } else {
        let database = rusqlite::Connection::open(&env.database).unwrap();
        database.query_row(sql, [], |it| it.get(0)).unwrap()
    }
}

#[track_caller]
fn assert_names(fault: Option<Fault>, table: &str, column: &str) {
    let fault = fault.unwrap_or_else(|| panic!("{table}.{column}: no fault"));
    assert_eq!(fault.code, "LT-JNL-009", "{table}.{column}: {fault}");
    let param = |name: &str| fault.params.get(name).cloned().unwrap_or_default();
    assert_eq!((param("table").as_str(), param("column").as_str()), (table, column));
}

/// A message in hand whose application was away: it is parked, so a start leaves its row alone.
async fn parked(env: &mut Environment, session: &str) -> String {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let lease = env.deliver(session, &id).await;
    env.end(session, &id, lease, unavailable(0)).await;
    id
}

/// Parks a message for each column of `delivery_state` and a healthy one, and damages the columns.
async fn with_damaged_progress(mut env: Environment) -> (Environment, Vec<Parked>, String) {
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let (mut damaged, mut sql) = (Vec::new(), String::new());
    for it in PROGRESS {
        let Some(value) = damage_of(&env, it) else { continue };
        let id = parked(&mut env, &session).await;
        let column = it.0;
        sql += &format!("UPDATE delivery_state SET {column} = {value} WHERE {ITS_ROW}'{id}');");
        damaged.push((column, id));
    }
    let healthy = parked(&mut env, &session).await;
    (env.restart_after(&sql, &sql).await, damaged, healthy)
}

/// A damaged column, and the id of its message.
type Parked = (&'static str, String);

/// Asks for damaged messages and lets time pass, again and again: nothing more is decided on them.
async fn assert_at_rest(env: &mut Environment, session: &str, damaged: &[Parked]) {
    env.published_in_a_while().await;
    let before = fact_rows(env).await;
    for _ in 0..3 {
        env.advance(90_000);
        let published = env.published_in_a_while().await;
        for (column, id) in damaged {
            assert!(!published.contains(id), "{column}: nothing publishes it");
            let answer = env.answers(session, &[id]).await.remove(0);
            assert_ne!(answer, Answer::Deliver, "{column}");
        }
    }
    assert_eq!(fact_rows(env).await, before, "nothing happens any more");
}

async fn begin_makes_a_dead_letter_of_damaged_progress_and_delivers_the_others(env: Environment) {
    let (mut env, damaged, healthy) = with_damaged_progress(env).await;
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    env.command(Action::Release, &healthy).await;
    let mut ids: Vec<&str> = damaged.iter().map(|(_, id)| id.as_str()).collect();
    ids.push(&healthy);
    let mut begun = env.begin(&session, &ids).await;
    let of_healthy = begun.pop().unwrap();
    assert_eq!((of_healthy.answer(), of_healthy.attachments.len()), (Answer::Deliver, 1));
    for ((column, id), begun) in damaged.iter().zip(begun) {
        // The session's application cannot be compared with it.
        let is_unknown = *column == "application";
        let expected = if is_unknown { Answer::Unknown } else { Answer::Hold };
        assert_eq!(begun.answer(), expected, "{column}");
        let (state, fault) = stored(&env, id).await;
        assert_eq!(state, State::Dead, "{column}");
        assert_names(fault, "delivery_state", column);
    }
    env.end(&session, &healthy, of_healthy.lease, taken()).await;
    assert_at_rest(&mut env, &session, &damaged).await;
}

async fn the_sweeper_makes_a_dead_letter_of_damaged_progress_and_publishes_the_others(
    env: Environment,
) {
    let (mut env, mut damaged, healthy) = with_damaged_progress(env).await;
    // The sweeper finds rows by this column; a Begin finds this row, as the test before shows.
    damaged.retain(|(column, _)| *column != "sweep_at");
    env.advance(11);
    assert_eq!(env.next_published().await.1, healthy);
    for (column, id) in &damaged {
        let is_dead = async || {
            let (state, fault) = stored(&env, id).await;
            (state == State::Dead).then_some(fault)
        };
        let fault = eventually(is_dead).await;
        // Under another id, which no rule forbids, there is no content.
        let is_renamed = *column == "id" && env.is_postgres();
        let place =
            if is_renamed { ("message_row", "row_id") } else { ("delivery_state", *column) };
        assert_names(fault, place.0, place.1);
    }
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &healthy).await;
    env.end(&session, &healthy, lease, taken()).await;
    assert_at_rest(&mut env, &session, &damaged).await;
}

/// Columns of `message_row` that Begin reads: of the message itself, or of its parent.
const CONTENT: [(&str, Damage); 5] = [
    ("derived", ("receipt", Some(NO_TEXT), Some(NO_MESSAGE))),
    // An emptied column is damaged too, because a stored receipt names its message.
    ("derived", ("receipt", Some("x''"), Some("''::bytea"))),
    ("derived", ("receipt", Some(NO_NUMBER), None)),
    ("derived", ("parent", Some(NO_TEXT), Some("'nobody'"))),
    ("parent", ("search_index", Some(NO_TEXT), Some(NO_MESSAGE))),
];

async fn begin_delivers_no_message_without_its_receipt_and_index(mut env: Environment) {
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let (mut damaged, mut sql) = (Vec::new(), String::new());
    for (row, it) in CONTENT {
        let Some(value) = damage_of(&env, it) else { continue };
        let id = parked(&mut env, &session).await;
        let of = match row {
            "parent" => format!("(SELECT parent FROM message_row WHERE id = '{id}')"),
            _ => format!("'{id}'"),
        };
        sql += &format!("UPDATE message_row SET {} = {value} WHERE id = {of};", it.0);
        damaged.push((it.0, id));
    }
    // Without its row of content nothing is known of a message.
    let lost = parked(&mut env, &session).await;
    sql += &format!("DELETE FROM message_row WHERE id = '{lost}';");
    let healthy = parked(&mut env, &session).await;
    let mut env = env.restart_after(&sql, &sql).await;
    let ids: Vec<String> = damaged.iter().map(|(_, id)| id.clone()).chain([healthy]).collect();
    for id in &ids {
        assert!(env.command(Action::Release, id).await, "the row of its progress is healthy");
    }
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let mut begun = env.begin(&session, &ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let healthy = begun.pop().unwrap();
    assert_eq!((healthy.answer(), healthy.attachments.len()), (Answer::Deliver, 1));
    assert!(healthy.index.is_some_and(|it| it.number.ends_with("/CV")));
    for ((column, id), begun) in damaged.iter().zip(begun) {
        assert_eq!((begun.answer(), begun.state()), (Answer::Hold, State::Dead), "{column}");
        let (state, fault) = stored(&env, id).await;
        assert_eq!(state, State::Dead, "{column}");
        assert_names(fault, "message_row", column);
    }
    assert_eq!(env.answers(&session, &[&lost]).await, [Answer::Unknown]);
    // Its progress is due, and then it is found that there is nothing to publish.
    let before = dead_letters(&env).await;
    env.advance(11);
    eventually(async || (dead_letters(&env).await == before + 1).then_some(())).await;
    env.end(&session, &healthy.message_id, healthy.lease, taken()).await;
    assert_at_rest(&mut env, &session, &damaged).await;
}

async fn columns_that_no_delivery_needs_delay_none(mut env: Environment) {
    let columns = [
        ("message_type", NO_NUMBER, "99"),
        ("source", NO_TEXT, "'another'"),
        ("sender", NO_TEXT, "'another'"),
        ("recipients", NO_TEXT, "'another'"),
        ("accepted_at", NO_NUMBER, "-1"),
        ("item_key", NO_TEXT, "'another'"),
        ("content_digest", NO_TEXT, "'another'"),
        ("trace_id", NO_TEXT, "'another'"),
        ("number_folded", NO_TEXT, "'another'"),
        ("document_id", NO_TEXT, "'another'"),
        ("native", NO_TEXT, NO_MESSAGE),
    ];
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let (mut ids, mut sql) = (Vec::new(), String::new());
    for (column, sqlite, postgres) in columns {
        let id = parked(&mut env, &session).await;
        let value = if env.is_postgres() { postgres } else { sqlite };
        // A value of its own in each row, for the columns that are unique.
        let value = value.replace("another", &format!("another {column}"));
        sql += &format!("UPDATE message_row SET {column} = {value} WHERE id = '{id}';");
        ids.push(id);
    }
    let mut env = env.restart_after(&sql, &sql).await;
    for id in &ids {
        assert!(env.command(Action::Release, id).await);
    }
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    for (begun, (column, ..)) in env
        .begin(&session, &ids.iter().map(String::as_str).collect::<Vec<_>>())
        .await
        .iter()
        .zip(columns)
    {
        assert_eq!((begun.answer(), begun.attachments.len()), (Answer::Deliver, 1), "{column}");
    }
}

async fn a_message_that_cannot_be_read_is_not_published(mut env: Environment) {
    let columns: [Damage; 5] = [
        ("envelope", Some(NO_TEXT), Some(NO_MESSAGE)),
        ("envelope", Some("x''"), Some("''::bytea")),
        ("body", Some(NO_TEXT), Some(NO_MESSAGE)),
        ("body", Some("x''"), Some("''::bytea")),
        ("row_id", Some(NO_NUMBER), Some("0")),
    ];
    let (mut damaged, mut sql) = (Vec::new(), String::new());
    for it in columns {
        let submitted = env.accept_one(item()).await.message_id;
        let derived = env.accept_and_route(item(), &["b-app"]).await.remove(0);
        let value = damage_of(&env, it).unwrap();
        for id in [submitted, derived] {
            sql += &format!("UPDATE message_row SET {} = {value} WHERE id = '{id}';", it.0);
            damaged.push((it.0, id));
        }
    }
    let healthy = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let mut env = env.restart_after(&sql, &sql).await;
    assert_eq!(env.next_published().await.1, healthy);
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    eventually(async || (dead_letters(&env).await == 10).then_some(())).await;
    for (column, id) in damaged.iter().filter(|(column, _)| *column != "row_id") {
        let (state, fault) = stored(&env, id).await;
        assert_eq!(state, State::Dead, "{column}");
        assert_names(fault, "message_row", column);
    }
    let lease = env.deliver(&session, &healthy).await;
    env.end(&session, &healthy, lease, taken()).await;
    assert_at_rest(&mut env, &session, &damaged).await;
}

async fn a_damaged_parent_cannot_be_routed_again(mut env: Environment) {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let parent = env.accept_one(item()).await.message_id;
        let mut entry = routing(&parent, &["b-app"]);
        entry.derived[0].message.as_mut().unwrap().body = None;
        entry.derived[0].fault = Some(Fault::new(&proto::fault::code::LT_SYS_002));
        ids.push((parent, derived_ids(&entry).remove(0)));
        env.record(vec![entry]).await;
    }
    let [(unreadable, first), (missing, second)] = [ids[0].clone(), ids[1].clone()];
    let value = if env.is_postgres() { NO_MESSAGE } else { NO_TEXT };
    let sql = format!(
        "UPDATE message_row SET body = {value} WHERE id = '{unreadable}'; \
         DELETE FROM message_row WHERE id = '{missing}';"
    );
    let mut env = env.restart_after(&sql, &sql).await;
    env.advance(11);
    for (id, column) in [(&first, "body"), (&second, "parent")] {
        eventually(async || (stored(&env, id).await.0 == State::Dead).then_some(())).await;
        assert_names(stored(&env, id).await.1, "message_row", column);
    }
    env.advance(90_000);
    assert_eq!(env.published_in_a_while().await, Vec::<String>::new());
}

async fn a_repeat_of_a_damaged_message_is_refused_and_never_a_second_message(mut env: Environment) {
    let columns: [Damage; 3] = [
        ("receipt", Some(NO_TEXT), Some(NO_MESSAGE)),
        ("receipt", Some("x''"), Some("''::bytea")),
        ("content_digest", Some("1"), None),
    ];
    let (mut damaged, mut sql) = (Vec::new(), String::new());
    for it in columns {
        let Some(value) = damage_of(&env, it) else { continue };
        // A number in a TEXT column becomes a text, so bytes that are no text damage it.
        let value = if it.0 == "content_digest" { NO_TEXT } else { value };
        let item = item();
        let id = env.accept_one(item.clone()).await.message_id;
        sql += &format!("UPDATE message_row SET {} = {value} WHERE id = '{id}';", it.0);
        damaged.push((it.0, item));
    }
    let sequences = item_of("numbered");
    env.accept_one(sequences.clone()).await;
    if !env.is_postgres() {
        sql += "UPDATE delivery_state SET sequence = 'damaged' WHERE conversation = 'numbered';";
    }
    let mut env = env.restart_after(&sql, &sql).await;
    let mut items: Vec<Acceptance> = damaged.iter().map(|(_, item)| item.clone()).collect();
    items.push(item());
    let mut outcomes = env.accept(items).await;
    assert!(matches!(outcomes.pop(), Some(Outcome::Receipt(_))), "its neighbour is accepted");
    for ((column, _), outcome) in damaged.iter().zip(outcomes) {
        let Outcome::Refused(fault) = outcome else { panic!("{column}: {outcome:?}") };
        assert_names(Some(fault), "message_row", column);
    }
    let next = env.accept(vec![item_of("numbered")]).await.remove(0);
    match next.clone() {
        Outcome::Receipt(receipt) => assert!(env.is_postgres() && receipt.sequence == 2),
        Outcome::Refused(fault) => assert_names(Some(fault), "delivery_state", "sequence"),
        Outcome::Unknown(_) => panic!("{next:?}"),
    }
}

async fn a_search_shows_the_damaged_column_and_the_other_messages(mut env: Environment) {
    let columns: [Damage; 5] = [
        ("envelope", Some(NO_TEXT), Some(NO_MESSAGE)),
        ("receipt", Some(NO_TEXT), Some(NO_MESSAGE)),
        ("search_index", Some(NO_TEXT), Some(NO_MESSAGE)),
        ("body", Some(NO_TEXT), Some(NO_MESSAGE)),
        ("native", Some(NO_TEXT), Some(NO_MESSAGE)),
    ];
    let (mut damaged, mut sql) = (Vec::new(), String::new());
    for it in columns {
        let id = env.accept_one(item_of("searched")).await.message_id;
        let value = damage_of(&env, it).unwrap();
        sql += &format!("UPDATE message_row SET {} = {value} WHERE id = '{id}';", it.0);
        damaged.push((it.0, id));
    }
    let healthy = env.accept_one(item_of("searched")).await.message_id;
    env.execute(&sql, &sql).await;
    let conversation = "searched".to_owned();
    let found = env.find(FindRequest { conversation, ..FindRequest::default() }).await;
    assert_eq!(found.messages.len(), 6);
    let of = |id: &str| {
        let mut all = found.messages.iter();
        all.find(|it| it.envelope.as_ref().unwrap().id == id).unwrap().clone()
    };
    assert_eq!(of(&healthy).fault, None);
    for (column, id) in &damaged {
        let part = |part: get_request::Part| {
            let request = GetRequest { message_id: id.clone(), part: part.into() };
            let mut journal = env.journal.clone();
            async move { journal.get(request).await.map(tonic::Response::into_inner) }
        };
        let (native, body) =
            (part(get_request::Part::Native).await, part(get_request::Part::Body).await);
        match *column {
            "native" => assert!(body.is_ok() && native.is_err()),
            "body" => assert!(body.is_err() && native.is_ok()),
            "envelope" => assert!(body.is_err() && native.is_err()),
            _ => assert!(body.is_ok() && native.is_ok()),
        }
        for status in [native, body].into_iter().filter_map(Result::err) {
            assert_eq!(status.code(), tonic::Code::DataLoss);
            assert_names(Fault::from_status(&status), "message_row", column);
        }
        if ["envelope", "receipt", "search_index"].contains(column) {
            assert_names(of(id).fault, "message_row", column);
            let journey = env.journey(id).await;
            assert_names(journey.message.unwrap().fault, "message_row", column);
        }
    }
}

async fn damaged_facts_shorten_a_journey_and_stop_nothing(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    assert!(!env.journey(&id).await.truncated);
    env.execute(
        "UPDATE fact SET entries = x'ff' WHERE position = 1; DELETE FROM fact WHERE position = 3",
        "UPDATE fact SET entries = '\\xff' WHERE position = 1; DELETE FROM fact WHERE position = 3",
    )
    .await;
    let journey = env.journey(&id).await;
    assert!(journey.truncated, "{journey:?}");
    // An entry without a disposition reads the facts, to tell a repeat.
    let parent = journey.message.unwrap().envelope.unwrap().id;
    let facts = vec![fact(Step::Unavailable)];
    let plain = Entry { message_id: parent.clone(), facts, ..Entry::default() };
    assert_eq!(env.record(vec![plain]).await, Vec::<String>::new());
    assert!(env.steps(&parent).await.contains(&Step::Unavailable));
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let lease = env.deliver(&session, &id).await;
    assert_eq!(env.end(&session, &id, lease, taken()).await.state(), State::Taken);
}

async fn a_damaged_session_is_closed_and_replaced(mut env: Environment) {
    let columns: [Damage; 3] = [
        ("receiver_class", Some(NO_NUMBER), Some("99")),
        ("lease_ms", Some(NO_NUMBER), None),
        ("application", Some(NO_TEXT), None),
    ];
    for it in columns {
        let Some(value) = damage_of(&env, it) else { continue };
        let (in_hand, next) = (item(), item());
        let in_hand = env.accept_and_route(in_hand, &["b-app"]).await.remove(0);
        let next = env.accept_and_route(next, &["b-app"]).await.remove(0);
        let session = env.open_as("b-app", it.0, ReceiverClass::Repeatable).await.session;
        env.deliver(&session, &in_hand).await;
        let sql = format!("UPDATE session SET {} = {value} WHERE id = '{session}'", it.0);
        env.execute(&sql, &sql).await;
        let request = env.begin_request(&session, &[&next]);
        let status = env.journal.begin(request).await.unwrap_err();
        assert_eq!(Fault::from_status(&status).unwrap().code, "LT-JNL-004", "{}", it.0);
        let closed = env.journal.close(CloseRequest { session }).await.unwrap().into_inner();
        assert_eq!(closed.given_back, 1);
        assert_eq!(env.state(&in_hand).await, State::InDoubt, "its class is not known");
        let session = env.open_as("b-app", it.0, ReceiverClass::Repeatable).await.session;
        env.deliver(&session, &next).await;
    }
}

async fn a_damaged_message_can_be_withdrawn_and_releases_the_next(mut env: Environment) {
    let first = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let second = env.accept_and_route(item_of("doc"), &["b-app"]).await.remove(0);
    let value = if env.is_postgres() { NO_MESSAGE } else { NO_TEXT };
    let sql =
        format!("UPDATE delivery_state SET fact_positions = {value} WHERE {ITS_ROW}'{first}')");
    let mut env = env.restart_after(&sql, &sql).await;
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    let answers = env.answers(&session, &[&first, &second]).await;
    assert_eq!(answers, [Answer::Hold, Answer::Hold]);
    env.published_in_a_while().await;
    assert!(!env.command(Action::Redrive, &first).await, "the damage is still there");
    assert!(env.command(Action::Withdraw, &first).await);
    assert_eq!(stored(&env, &first).await.0, State::Withdrawn);
    assert_eq!(env.next_published().await.1, second);
    env.deliver(&session, &second).await;
}

async fn a_restored_receipt_is_delivered_after_a_redrive(mut env: Environment) {
    let id = env.accept_and_route(item(), &["b-app"]).await.remove(0);
    let value = if env.is_postgres() { NO_MESSAGE } else { NO_TEXT };
    let sql = format!(
        "CREATE TABLE backup AS SELECT receipt FROM message_row WHERE id = '{id}'; \
         UPDATE message_row SET receipt = {value} WHERE id = '{id}'"
    );
    let mut env = env.restart_after(&sql, &sql).await;
    let session = env.open("b-app", ReceiverClass::Repeatable).await;
    assert_eq!(env.answers(&session, &[&id]).await, [Answer::Hold]);
    assert!(env.command(Action::Redrive, &id).await);
    assert_eq!(env.answers(&session, &[&id]).await, [Answer::Hold], "it is still damaged");
    assert_eq!(env.state(&id).await, State::Dead);
    let sql =
        format!("UPDATE message_row SET receipt = (SELECT receipt FROM backup) WHERE id = '{id}'");
    env.execute(&sql, &sql).await;
    assert!(env.command(Action::Redrive, &id).await);
    let begun = env.begin(&session, &[&id]).await.remove(0);
    assert_eq!((begun.answer(), begun.attachments.len()), (Answer::Deliver, 1));
}

#[tokio::test]
async fn a_damaged_watermark_keeps_the_journal_from_starting_and_says_where() {
    let env = Environment::new(Kind::Sqlite).await;
    let (database, _directory) = env.stop().await;
    let damaged = rusqlite::Connection::open(&database).unwrap();
    damaged.execute_batch("UPDATE sweep_watermark SET at = x'ff'").unwrap();
    let config = config(&database);
    let parts = (journal::Service::new(&config), bus::CurrentBus::new(bus::Settings::default()));
    let clock = (chassis::Clock::fixed(1), chassis::health::Health::new());
    let running = journal::run(config, parts, clock, tokio_util::sync::CancellationToken::new());
    let error = tokio::time::timeout(WAIT_MAX, Box::pin(running)).await.unwrap().unwrap_err();
    let expected = "column `at` of table `sweep_watermark` (key all) cannot be read";
    assert!(format!("{error:#}").contains(expected), "{error:#}");
}
