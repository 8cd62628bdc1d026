//! The one writer: gathers calls, works on them in one transaction, answers when it is on disk.

use std::time::Duration;

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::entry::Disposition;
use proto::journal::v1::{AcceptOutcome, DeadLetter, Entry, RecordResponse};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::sync::CancellationToken;

use crate::database::{Database, DatabaseError};
use crate::desk::Desk;
use crate::group::{Call, send};
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::{drive, group, sweep};

/// A group takes no more calls once it has this many messages; while it waits for the disk the
/// next one gathers.
const GROUP_MAX: usize = 1_024;

/// Whose turn it is.
enum Turn {
    /// A call's; none: there will be no more.
    Call(Option<Call>),
    /// The sweeper's.
    Sweep,
    /// Whether any message is still held.
    Look,
}

/// How often it is looked whether any message is still held.
const LOOK: Duration = Duration::from_secs(60);

/// The writer and what it needs beside its database.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Ids of messages that are free to go.
    pub(crate) drives: mpsc::Sender<Vec<String>>,
    pub(crate) clock: chassis::Clock,
    pub(crate) metrics: Metrics,
    pub(crate) memory: Memory,
}

impl Keeper {
    /// Works until `shutdown`, and on what had come until then. Whoever still waits when this
    /// ends, waits no longer: the calls end with it.
    pub(crate) async fn keep(
        mut self,
        database: &mut Database,
        mut calls: mpsc::Receiver<Call>,
        (poll, shutdown): (Duration, &CancellationToken),
    ) -> Result<(), DatabaseError> {
        let mut sweeps = tokio::time::interval(poll);
        sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // The order matters: calls do not keep the sweeper from its turn.
            let turn = tokio::select! {
                biased;
                () = shutdown.cancelled() => Turn::Call(calls.try_recv().ok()),
                _ = looks.tick() => Turn::Look,
                _ = sweeps.tick() => Turn::Sweep,
                call = calls.recv() => Turn::Call(call),
            };
            let first = match turn {
                Turn::Call(Some(call)) => Some(call),
                Turn::Call(None) => return Ok(()),
                Turn::Look => {
                    self.memory.look(database).await?;
                    calls.try_recv().ok()
                }
                Turn::Sweep => {
                    self.sweep(database, &mut sweeps).await?;
                    // Nor does the sweeper keep calls from theirs.
                    calls.try_recv().ok()
                }
            };
            let Some(first) = first else { continue };
            let mut weight = first.weight();
            let mut group = vec![first];
            while weight < GROUP_MAX
                && let Ok(call) = calls.try_recv()
            {
                weight += call.weight();
                group.push(call);
            }
            self.work(database, group).await?;
        }
    }

    /// The sweeper leaves half of the room to what calls let go.
    fn has_room(&self) -> bool {
        self.drives.capacity() > self.drives.max_capacity() / 2
    }

    async fn sweep(
        &mut self,
        database: &mut Database,
        sweeps: &mut tokio::time::Interval,
    ) -> Result<(), DatabaseError> {
        // What is swept up now could not go anywhere.
        if !self.has_room() {
            return Ok(());
        }
        let mut desk = Desk::new(database, self.clock.now_us(), &mut self.memory);
        desk.database.begin().await?;
        let outcome = match sweep::sweep(&mut desk).await {
            Ok(more) => desk.flush().await.map(|()| more),
            Err(error) => Err(error),
        };
        let (more, due) = finish(desk, outcome).await?;
        self.let_go(database, due).await?;
        if more {
            sweeps.reset_immediately();
        }
        Ok(())
    }

    /// Works on a group; when one of it cannot be written, on each call by itself, so that
    /// nobody's mistake is another one's.
    async fn work(
        &mut self,
        database: &mut Database,
        group: Vec<Call>,
    ) -> Result<(), DatabaseError> {
        for call in &group {
            self.metrics.called(call.kind());
        }
        match self.together(database, group.clone()).await {
            Err(error) if error.is_of_values() => {
                let (count, error) = (group.len(), error.words());
                tracing::error!(count, error, "calls cannot be written together");
                for call in group {
                    self.alone(database, call).await?;
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn together(
        &mut self,
        database: &mut Database,
        group: Vec<Call>,
    ) -> Result<(), DatabaseError> {
        let begun = tokio::time::Instant::now();
        let mut desk = Desk::new(database, self.clock.now_us(), &mut self.memory);
        desk.database.begin().await?;
        let mut answers = Vec::with_capacity(group.len());
        let mut outcome = group::work(&mut desk, group, &mut answers).await;
        if outcome.is_ok() {
            outcome = desk.flush().await;
        }
        let ((), due) = finish(desk, outcome).await?;
        self.let_go(database, due).await?;
        self.metrics.committed(begun.elapsed());
        for answer in answers {
            answer();
        }
        Ok(())
    }

    async fn alone(&mut self, database: &mut Database, call: Call) -> Result<(), DatabaseError> {
        match self.together(database, vec![call.clone()]).await {
            Err(error) if error.is_of_values() => {
                let words = error.words();
                let (kind, error) = (call.kind(), &words);
                tracing::error!(kind, error, "call cannot be written");
                let fault = Fault::new(&code::LT_JNL_006).param("part", "content").detail(words);
                self.piecemeal(database, call, fault).await
            }
            outcome => outcome,
        }
    }

    /// Works on a call message by message; only what cannot be written even so gets the fault.
    async fn piecemeal(
        &mut self,
        database: &mut Database,
        call: Call,
        fault: Fault,
    ) -> Result<(), DatabaseError> {
        match call {
            Call::Accept(items, reply) if items.len() > 1 => {
                let mut outcomes = Vec::with_capacity(items.len());
                for item in items {
                    let (own, mut answer) = mpsc::channel(1);
                    Box::pin(self.alone(database, Call::Accept(vec![item], own))).await?;
                    let told = answer.try_recv().ok().and_then(Result::ok);
                    let refused = || Some(Outcome::Refused(fault.clone()));
                    let outcome = told.and_then(|mut it| it.pop());
                    outcomes.push(outcome.unwrap_or_else(|| AcceptOutcome { outcome: refused() }));
                }
                send(&reply, Ok(outcomes));
            }
            Call::Record(entries, refusals, reply) if is_rich(&entries) => {
                let mut told = RecordResponse::default();
                let (own, _answer) = mpsc::channel(1);
                Box::pin(self.alone(database, Call::Record(Vec::new(), refusals, own))).await?;
                for entry in parts(entries, &fault) {
                    let (own, mut answer) = mpsc::channel(1);
                    let call = Call::Record(vec![entry], Vec::new(), own);
                    Box::pin(self.alone(database, call)).await?;
                    let RecordResponse { unknown, ended } =
                        answer.try_recv().ok().and_then(Result::ok).unwrap_or_default();
                    told.unknown.extend(unknown);
                    told.ended.extend(ended);
                }
                send(&reply, Ok(told));
            }
            other @ (Call::Accept(..)
            | Call::Record(..)
            | Call::Open(..)
            | Call::Close(..)
            | Call::Begin(..)
            | Call::End(..)
            | Call::Command(..)
            | Call::NotDriven(..)) => other.refuse(fault),
        }
        Ok(())
    }

    /// Lets go what the committed group said.
    async fn let_go(
        &mut self,
        database: &mut Database,
        due: Vec<String>,
    ) -> Result<(), DatabaseError> {
        if !due.is_empty()
            && let Err(TrySendError::Full(due)) = self.drives.try_send(due)
        {
            self.put_off(database, due).await?;
        }
        Ok(())
    }

    /// Leaves to the sweeper what there is no room for now.
    async fn put_off(
        &mut self,
        database: &mut Database,
        due: Vec<String>,
    ) -> Result<(), DatabaseError> {
        let mut desk = Desk::new(database, self.clock.now_us(), &mut self.memory);
        desk.database.begin().await?;
        let due: Vec<_> = due.into_iter().map(|it| (it, drive::FULL)).collect();
        let outcome = match drive::not_driven(&mut desk, &due).await {
            Ok(()) => desk.flush().await,
            Err(error) => Err(error),
        };
        finish(desk, outcome).await.map(|_| ())
    }
}

/// Commits, or undoes; with what is free to go now.
async fn finish<T>(
    desk: Desk<'_>,
    outcome: Result<T, DatabaseError>,
) -> Result<(T, Vec<String>), DatabaseError> {
    match outcome {
        Ok(value) => {
            desk.database.commit().await?;
            Ok((value, desk.committed()))
        }
        Err(error) => {
            if let Err(undo) = desk.database.rollback().await {
                tracing::warn!(error = %undo, "transaction was not undone");
            }
            Err(error)
        }
    }
}

/// True while there is something to leave out of entries.
fn is_rich(entries: &[Entry]) -> bool {
    let is_bare = |it: &Entry| {
        it.facts.is_empty()
            && it.derived.is_empty()
            && matches!(it.disposition, Some(Disposition::Dead(_)))
    };
    entries.len() > 1 || entries.iter().any(|it| !is_bare(it))
}

/// Entries to be tried one by one; of one that was tried by itself only its end is left: its
/// message waits for an operator.
fn parts(entries: Vec<Entry>, fault: &Fault) -> Vec<Entry> {
    if entries.len() > 1 {
        return entries;
    }
    let buried = |it: Entry| {
        let fate = Some(Disposition::Dead(DeadLetter { fault: Some(fault.clone()) }));
        Entry { message_id: it.message_id, disposition: fate, ..Entry::default() }
    };
    entries.into_iter().map(buried).collect()
}
