//! A journal in memory: who has what in hand, and what was said.

use std::collections::HashMap;
use std::sync::Arc;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome as Accepted;
use proto::journal::v1::begun::Answer;
use proto::journal::v1::ended::Outcome;
use proto::journal::v1::journal_server::Journal;
use proto::journal::v1::settlement::Answer as Given;
use proto::journal::v1::*;
use proto::message::v1::*;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) state: State,
    pub(crate) session: String,
    pub(crate) lease: u64,
    pub(crate) attempt: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) rows: HashMap<String, Row>,
    pub(crate) items: Vec<Acceptance>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) accepts: usize,
    /// Ids that came back without having left the gateway.
    pub(crate) unsent: Vec<String>,
    /// Ids that were given back with their session, so that nobody knows how far they came.
    pub(crate) given_back: Vec<String>,
    /// Answers that came with a lease which was over, as application and message.
    pub(crate) late: Vec<(String, String)>,
    sessions: HashMap<String, (String, String)>,
    count: u64,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct FakeJournal(pub(crate) Arc<Mutex<Book>>);

impl Book {
    fn take_over(&mut self, item: Acceptance) -> Accepted {
        let envelope = item.message.clone().unwrap().envelope.unwrap();
        let older = self.items.iter().find(|it| !item.key.is_empty() && it.key == item.key);
        if older.is_some_and(|it| it.content_digest != item.content_digest) {
            return Accepted::Refused(Fault::new(&code::LT_JNL_001).param("key", &item.key));
        }
        let repeat = self.items.iter().any(|it| it.content_digest == item.content_digest);
        let receipt = Receipt {
            message_id: envelope.id.clone(),
            conversation: envelope.conversation.clone(),
            accepted_at_us: 1,
            sequence: 1,
            repeat,
            native_sha256: item.native_sha256.clone(),
            attachments: item.attachments.clone(),
            r#type: envelope.r#type,
            recipients: envelope.recipients.clone(),
        };
        if !repeat {
            let row = Row { state: State::Accepted, ..Row::default() };
            self.rows.insert(envelope.id, row);
            self.items.push(item);
        }
        Accepted::Receipt(receipt)
    }

    fn end_session(&mut self, session: &str) -> u32 {
        self.sessions.remove(session);
        let mut count = 0;
        for (id, row) in &mut self.rows {
            if row.session == session && row.state == State::InHand {
                row.state = State::Queued;
                self.given_back.push(id.clone());
                count += 1;
            }
        }
        count
    }

    fn begin(&mut self, session: &str, id: &str) -> Begun {
        self.count += 1;
        let begun = Begun { message_id: id.to_owned(), ..Begun::default() };
        let Some(row) = self.rows.get_mut(id) else {
            return Begun { answer: Answer::Unknown.into(), ..begun };
        };
        if row.state != State::Queued {
            let is_held = row.state == State::InHand;
            let answer = if is_held { Answer::InHandElsewhere } else { Answer::AlreadyDone };
            return Begun { answer: answer.into(), ..begun };
        }
        row.state = State::InHand;
        row.session = session.to_owned();
        row.lease = self.count;
        row.attempt += 1;
        Begun {
            answer: Answer::Deliver.into(),
            lease: row.lease,
            lease_until_us: i64::MAX,
            attempt: row.attempt,
            attachments: row.attachments.clone(),
            ..begun
        }
    }

    fn end(&mut self, session: &str, ending: &Settlement) -> Ended {
        let ended = |outcome: Outcome, state: State| Ended {
            message_id: ending.message_id.clone(),
            outcome: outcome.into(),
            state: state.into(),
        };
        let Some(row) = self.rows.get_mut(&ending.message_id) else {
            return ended(Outcome::NotKnown, State::Unspecified);
        };
        let state = match ending.answer.as_ref().unwrap() {
            Given::Taken(_) => State::Taken,
            Given::Refused(_) => State::Refused,
            Given::Unavailable(_) => State::Parked,
            Given::Unsent(_) => State::Queued,
        };
        if row.state == State::InHand && row.session == session && row.lease == ending.lease {
            if state == State::Queued {
                self.unsent.push(ending.message_id.clone());
            }
            row.state = state;
            return ended(Outcome::Closed, state);
        }
        let is_ended = matches!(row.state, State::Taken | State::Refused);
        let outcome = if row.state == state {
            Outcome::Repeated
        } else if is_ended {
            Outcome::Contradicted
        } else {
            Outcome::LeaseLost
        };
        ended(outcome, row.state)
    }
}

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Journal for FakeJournal {
    async fn accept(&self, request: Request<AcceptRequest>) -> Answered<AcceptResponse> {
        let mut book = self.0.lock().await;
        book.accepts += 1;
        let items = request.into_inner().items.into_iter();
        let outcomes = items.map(|it| AcceptOutcome { outcome: Some(book.take_over(it)) });
        Ok(Response::new(AcceptResponse { outcomes: outcomes.collect() }))
    }

    async fn record(&self, request: Request<RecordRequest>) -> Answered<RecordResponse> {
        let mut book = self.0.lock().await;
        let RecordRequest { entries, refusals } = request.into_inner();
        book.refusals.extend(refusals);
        let ids = entries.into_iter().map(|it| it.message_id);
        let unknown = ids.filter(|it| !book.rows.contains_key(it)).collect();
        Ok(Response::new(RecordResponse { unknown, ended: Vec::new() }))
    }

    async fn open(&self, request: Request<OpenRequest>) -> Answered<OpenResponse> {
        let mut book = self.0.lock().await;
        let request = request.into_inner();
        let place = (request.application, request.adapter);
        let same = book.sessions.iter().filter(|(_, it)| **it == place);
        let older: Vec<_> = same.map(|(id, _)| id.clone()).collect();
        let given_back = older.iter().map(|it| book.end_session(it)).sum();
        book.count += 1;
        let session = format!("session-{}", book.count);
        book.sessions.insert(session.clone(), place);
        Ok(Response::new(OpenResponse { session, given_back }))
    }

    async fn close(&self, request: Request<CloseRequest>) -> Answered<CloseResponse> {
        let given_back = self.0.lock().await.end_session(&request.into_inner().session);
        Ok(Response::new(CloseResponse { given_back }))
    }

    async fn begin(&self, request: Request<BeginRequest>) -> Answered<BeginResponse> {
        let mut book = self.0.lock().await;
        let request = request.into_inner();
        if !book.sessions.contains_key(&request.session) {
            return Err(Fault::new(&code::LT_JNL_004).into());
        }
        let ids = request.message_ids.iter();
        let messages = ids.map(|it| book.begin(&request.session, it)).collect();
        Ok(Response::new(BeginResponse { messages }))
    }

    async fn end(&self, request: Request<EndRequest>) -> Answered<EndResponse> {
        let mut book = self.0.lock().await;
        let request = request.into_inner();
        let settlements = request.settlements.iter();
        let messages: Vec<_> = settlements.map(|it| book.end(&request.session, it)).collect();
        for it in messages.iter().filter(|it| it.outcome() == Outcome::LeaseLost) {
            book.late.push((request.application.clone(), it.message_id.clone()));
        }
        Ok(Response::new(EndResponse { messages }))
    }

    async fn find(&self, request: Request<FindRequest>) -> Answered<FindResponse> {
        let book = self.0.lock().await;
        let asked = request.into_inner();
        let found = book.items.iter().filter(|it| {
            let envelope = it.message.as_ref().unwrap().envelope.as_ref().unwrap();
            envelope.id == asked.text || (!asked.key.is_empty() && it.key == asked.key)
        });
        let summary = |it: &Acceptance| Summary {
            envelope: it.message.as_ref().unwrap().envelope.clone(),
            key: it.key.clone(),
            state: State::Accepted.into(),
            ..Summary::default()
        };
        let messages = found.map(summary).collect();
        Ok(Response::new(FindResponse { messages, next: String::new() }))
    }

    async fn journey(&self, _: Request<JourneyRequest>) -> Answered<JourneyResponse> {
        Ok(Response::new(JourneyResponse::default()))
    }

    async fn get(&self, _: Request<GetRequest>) -> Answered<GetResponse> {
        Err(Status::unimplemented("not asked here"))
    }

    async fn command(&self, _: Request<CommandRequest>) -> Answered<CommandResponse> {
        Err(Status::unimplemented("not asked here"))
    }
}
