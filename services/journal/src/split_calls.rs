//! Works on a call message by message when it cannot be written as a whole.

use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{AcceptOutcome, Acceptance, DeadLetter, Entry, RecordResponse};

use crate::call::Call;
use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::reply::Reply;
use crate::writer::Writer;

impl Writer {
    /// Works on each call by itself.
    pub(crate) async fn work_each_alone(
        &mut self,
        database: &mut Database,
        calls: Vec<&Call>,
    ) -> Result<(), DatabaseError> {
        for call in calls {
            self.work_alone(database, call).await?;
        }
        Ok(())
    }

    /// Works on a call message by message; only the messages that cannot be written even so get the
    /// fault.
    pub(crate) async fn split(
        &mut self,
        database: &mut Database,
        call: &Call,
        fault: Fault,
    ) -> Result<(), DatabaseError> {
        match call {
            Call::Accept(items, reply) if items.len() > 1 => {
                let outcomes = self.split_accept(database, items, &fault).await?;
                reply.send(Ok(outcomes));
            }
            Call::Record(entries, refusals, reply) if can_be_reduced(entries) => {
                let (own, _answer) = Reply::channel();
                let refusals = Call::Record(Vec::new(), refusals.clone(), own);
                Box::pin(self.work_alone(database, &refusals)).await?;
                let response = self.split_record(database, entries, &fault).await?;
                reply.send(Ok(response));
            }
            other @ (Call::Accept(..)
            | Call::Record(..)
            | Call::Open(..)
            | Call::Close(..)
            | Call::Renew(..)
            | Call::Pause(..)
            | Call::Resume(..)
            | Call::Begin(..)
            | Call::End(..)
            | Call::Command(..)
            | Call::Resend(..)
            | Call::Postpone(..)
            | Call::Note(..)
            | Call::StoreFormats(..)) => other.refuse(fault),
        }
        Ok(())
    }

    async fn split_accept(
        &mut self,
        database: &mut Database,
        items: &[Acceptance],
        fault: &Fault,
    ) -> Result<Vec<AcceptOutcome>, DatabaseError> {
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            let (own, mut answered) = Reply::channel();
            let call = Call::Accept(vec![item.clone()], own);
            Box::pin(self.work_alone(database, &call)).await?;
            let outcome = match answered.try_recv() {
                Ok(Ok(mut outcomes)) => outcomes.pop(),
                Ok(Err(_)) | Err(_) => None,
            };
            let refused = || AcceptOutcome {
                outcome: Some(Outcome::Refused(fault.clone())),
                ..AcceptOutcome::default()
            };
            outcomes.push(outcome.unwrap_or_else(refused));
        }
        Ok(outcomes)
    }

    async fn split_record(
        &mut self,
        database: &mut Database,
        entries: &[Entry],
        fault: &Fault,
    ) -> Result<RecordResponse, DatabaseError> {
        let mut response = RecordResponse::default();
        for entry in reduced(entries, fault) {
            let (own, mut answered) = Reply::channel();
            let call = Call::Record(vec![entry], Vec::new(), own);
            Box::pin(self.work_alone(database, &call)).await?;
            if let Ok(Ok(RecordResponse { unknown, ended, altered })) = answered.try_recv() {
                response.unknown.extend(unknown);
                response.ended.extend(ended);
                response.altered.extend(altered);
            }
        }
        Ok(response)
    }
}

/// True while entries hold anything beside one dead letter.
fn can_be_reduced(entries: &[Entry]) -> bool {
    let is_bare = |it: &Entry| {
        it.facts.is_empty()
            && it.derived.is_empty()
            && matches!(it.disposition, Some(Disposition::Dead(_)))
    };
    entries.len() > 1 || entries.iter().any(|it| !is_bare(it))
}

/// Entries to be tried one by one. An entry that was tried by itself is reduced to a dead letter:
/// its message waits for an operator.
fn reduced(entries: &[Entry], fault: &Fault) -> Vec<Entry> {
    if entries.len() > 1 {
        return entries.to_vec();
    }
    let dead_letter = |it: &Entry| {
        let disposition = Disposition::Dead(DeadLetter { fault: Some(fault.clone()) });
        let (message_id, copy_digest) = (it.message_id.clone(), it.copy_digest.clone());
        Entry { message_id, disposition: Some(disposition), copy_digest, ..Entry::default() }
    };
    entries.iter().map(dead_letter).collect()
}
