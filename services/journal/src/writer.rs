//! The single writer: collects calls into groups, works on each group in one transaction, and
//! answers once the transaction is on disk.

use std::time::Duration;

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::call::{Call, QueuedCall};
use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::group::{self, Answer};
use crate::metrics::Metrics;
use crate::publish_again::{LatelyRuns, Lost, PublishAgain};
use crate::publish_due::CHANNEL_FULL_WAIT;
use crate::row_cache::RowCache;
use crate::storage::{Storage, storage_fault};
use crate::sweep::postpone;
use crate::unit_of_work::UnitOfWork;

/// A group takes no more calls once it has this many messages. The next one collects while this one
/// waits for the disk.
const GROUP_MESSAGES_MAX: usize = 1_024;

/// A group takes no more calls once they hold this many bytes, so a group is at most this and the
/// largest call.
const GROUP_BYTES_MAX: usize = 32 << 20;

/// How often the writer looks whether any message is still held.
const MAY_HOLD_INTERVAL: Duration = Duration::from_secs(60);

/// How often the writer closes the sessions that no gateway holds any more.
const SESSIONS_INTERVAL: Duration = Duration::from_secs(15);

/// How often the writer pings the server, which takes the lock away from a session that is silent.
const PING_INTERVAL: Duration = Duration::from_millis(500);

/// What the writer does next.
pub(crate) enum Turn {
    /// Works on calls; none: there will be no more.
    Call(Option<QueuedCall>),
    Sweep,
    /// Looks whether any message is still held.
    RefreshMayHold,
    /// Closes the sessions that no gateway holds any more.
    CloseUnrenewed,
    Ping,
    /// Begins to publish again what a broker may have lost.
    Lost(Lost),
    /// A step of publishing again what a broker may have lost. No sweep comes in between.
    PublishAgain,
}

/// The writer, beside its database.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Ids of messages to publish.
    pub(crate) publishes: mpsc::Sender<Vec<String>>,
    pub(crate) clock: chassis::Clock,
    pub(crate) metrics: Metrics,
    pub(crate) cache: RowCache,
    pub(crate) storage: Storage,
}

impl Writer {
    /// Works until `shutdown`, and on the calls that had come until then. Calls that still wait
    /// when this ends are dropped with their queue, which tells their callers.
    pub(crate) async fn run(
        mut self,
        database: &mut Database,
        (mut calls, mut losses): (mpsc::Receiver<QueuedCall>, mpsc::Receiver<Lost>),
        (sweep_interval, shutdown): (Duration, &CancellationToken),
    ) -> Result<(), DatabaseError> {
        let mut sweeps = interval(sweep_interval);
        let mut refreshes = interval(MAY_HOLD_INTERVAL);
        let mut pings = interval(PING_INTERVAL);
        let mut closings = interval(SESSIONS_INTERVAL);
        database.expire_lock().await?;
        let (mut again, mut runs) = (None::<PublishAgain>, LatelyRuns::default());
        loop {
            // Biased, so that a stream of calls does not keep the sweeper from its turn.
            let turn = tokio::select! {
                biased;
                () = shutdown.cancelled() => Turn::Call(calls.try_recv().ok()),
                _ = pings.tick() => Turn::Ping,
                _ = refreshes.tick() => Turn::RefreshMayHold,
                _ = closings.tick() => Turn::CloseUnrenewed,
                () = std::future::ready(()), if again.is_some() => Turn::PublishAgain,
                _ = sweeps.tick() => Turn::Sweep,
                Some(lost) = losses.recv() => Turn::Lost(lost),
                call = calls.recv() => Turn::Call(call),
            };
            let first = match turn {
                Turn::Call(Some(call)) => Some(call),
                Turn::Call(None) => return Ok(()),
                Turn::Lost(lost) => {
                    again = Some(PublishAgain::new(
                        lost,
                        self.clock.now_us(),
                        self.cache.watermark,
                        &mut runs,
                    ));
                    continue;
                }
                Turn::Sweep => {
                    self.look_at_storage(database).await?;
                    self.sweep(database, &mut sweeps).await?;
                    // A stream of sweeps does not keep calls from their turn either.
                    calls.try_recv().ok()
                }
                Turn::PublishAgain => {
                    self.publish_again(database, (&mut again, &mut sweeps)).await?;
                    calls.try_recv().ok()
                }
                Turn::Ping | Turn::RefreshMayHold | Turn::CloseUnrenewed => {
                    self.maintain(database, &turn).await?;
                    calls.try_recv().ok()
                }
            };
            let Some(first) = first else { continue };
            let group = collect(first, &mut calls);
            self.work(database, &group).await?;
        }
    }

    /// Works on a group. When the group cannot be written, works on each call by itself, so that
    /// only the calls with wrong or damaged data fail.
    async fn work(
        &mut self,
        database: &mut Database,
        group: &[QueuedCall],
    ) -> Result<(), DatabaseError> {
        let group: Vec<&Call> = group.iter().map(|it| &it.call).collect();
        for call in &group {
            self.metrics.called(call.kind());
        }
        match self.commit(database, &group).await {
            Err(error) if error.storage_failure().is_some() => {
                self.finish_without_space(database, &group, error).await
            }
            Err(error) if error.is_of_data() => {
                let (count, error) = (group.len(), error.describe());
                tracing::error!(count, error, "calls cannot be written together");
                self.work_each_alone(database, group).await
            }
            outcome => outcome,
        }
    }

    /// Works on the calls of a group that found no space. New messages are refused; the other calls
    /// are tried once more with the reserve, because they finish what is held.
    async fn finish_without_space(
        &mut self,
        database: &mut Database,
        group: &[&Call],
        mut error: DatabaseError,
    ) -> Result<(), DatabaseError> {
        let has_reserve = self.storage.fail(&error);
        let (new, others): (Vec<&Call>, Vec<&Call>) =
            group.iter().copied().partition(|it| matches!(it, Call::Accept(..)));
        refuse(&new, &error);
        let may_retry = has_reserve || !new.is_empty();
        if !others.is_empty() && may_retry && !error.needs_reopen() {
            error = match self.commit(database, &others).await {
                Err(error) if error.is_of_data() => {
                    return self.work_each_alone(database, others).await;
                }
                Err(error) if error.storage_failure().is_some() => error,
                outcome => return outcome,
            };
        }
        refuse(&others, &error);
        if error.needs_reopen() { Err(error) } else { Ok(()) }
    }

    async fn commit(
        &mut self,
        database: &mut Database,
        group: &[&Call],
    ) -> Result<(), DatabaseError> {
        let begun = tokio::time::Instant::now();
        let mut unit = UnitOfWork::new(database, self.clock.now_us(), &mut self.cache);
        unit.database.begin().await?;
        let mut answers: Vec<Answer<'_>> = Vec::with_capacity(group.len());
        let mut outcome = group::work(&mut unit, (group, &self.storage), &mut answers).await;
        if outcome.is_ok() {
            outcome = unit.flush().await;
        }
        let ((), due) = finish(unit, outcome).await?;
        self.publish(database, due).await?;
        self.metrics.committed(begun.elapsed());
        self.metrics.altered(std::mem::take(&mut self.cache.altered_copies));
        if group.iter().any(|it| matches!(it, Call::Accept(..))) {
            self.storage.recover();
        }
        for answer in answers {
            answer();
        }
        Ok(())
    }

    pub(crate) async fn work_alone(
        &mut self,
        database: &mut Database,
        call: &Call,
    ) -> Result<(), DatabaseError> {
        match self.commit(database, &[call]).await {
            Err(error) if error.is_of_data() => {
                let kind = call.kind();
                tracing::error!(kind, error = error.describe(), "call cannot be written");
                self.split(database, call, error.data_fault()).await
            }
            Err(error) if error.storage_failure().is_some() => {
                self.storage.fail(&error);
                refuse(&[call], &error);
                if error.needs_reopen() { Err(error) } else { Ok(()) }
            }
            outcome => outcome,
        }
    }

    /// Publishes what a committed unit of work asks for.
    pub(crate) async fn publish(
        &mut self,
        database: &mut Database,
        due: Vec<String>,
    ) -> Result<(), DatabaseError> {
        if !due.is_empty()
            && let Err(TrySendError::Full(due)) = self.publishes.try_send(due)
        {
            self.postpone(database, due).await?;
        }
        Ok(())
    }

    /// Leaves to the sweeper what the publisher's queue has no capacity for now.
    async fn postpone(
        &mut self,
        database: &mut Database,
        due: Vec<String>,
    ) -> Result<(), DatabaseError> {
        let mut unit = UnitOfWork::new(database, self.clock.now_us(), &mut self.cache);
        unit.database.begin().await?;
        let due: Vec<_> = due.into_iter().map(|it| (it, CHANNEL_FULL_WAIT)).collect();
        let outcome = match postpone(&mut unit, &due).await {
            Ok(()) => unit.flush().await,
            Err(error) => Err(error),
        };
        match finish(unit, outcome).await {
            // The sweeper finds them by the deadlines that they have already.
            Err(error) if error.storage_failure().is_some() && !error.needs_reopen() => {
                self.storage.fail(&error);
                Ok(())
            }
            finished => finished.map(drop),
        }
    }
}

/// Refuses calls that the database has no space for.
fn refuse(calls: &[&Call], error: &DatabaseError) {
    let Some(fault) = storage_fault(error) else { return };
    for call in calls {
        call.refuse(fault.clone());
    }
}

fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// The first call and those that are ready behind it, bounded by messages and bytes.
fn collect(first: QueuedCall, calls: &mut mpsc::Receiver<QueuedCall>) -> Vec<QueuedCall> {
    let (mut messages, mut bytes) = (first.messages, first.bytes);
    let mut group = vec![first];
    while messages < GROUP_MESSAGES_MAX
        && bytes < GROUP_BYTES_MAX
        && let Ok(next) = calls.try_recv()
    {
        messages += next.messages;
        bytes += next.bytes;
        group.push(next);
    }
    group
}

/// Commits or rolls back; with the ids to publish now.
pub(crate) async fn finish<T>(
    unit: UnitOfWork<'_>,
    outcome: Result<T, DatabaseError>,
) -> Result<(T, Vec<String>), DatabaseError> {
    match outcome {
        Ok(value) => match unit.database.commit().await {
            Ok(()) => Ok((value, unit.committed())),
            Err(error) => {
                // After a full disk SQLite has rolled back already, or has left the transaction open.
                if error.storage_failure().is_some() {
                    drop(unit.database.rollback().await);
                }
                Err(error)
            }
        },
        Err(error) => {
            if let Err(undo) = unit.database.rollback().await {
                tracing::warn!(error = %undo, "transaction was not rolled back");
            }
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::fault::v1::Fault;
    use proto::journal::v1::Acceptance;

    use super::*;
    use crate::call::WriterHandle;
    use crate::reply::Reply;

    #[tokio::test]
    async fn a_group_is_bounded_by_messages_and_by_bytes() {
        let measure = |messages, bytes| {
            let (reply, _answered) = Reply::channel();
            QueuedCall { call: Call::Close(String::new(), reply), messages, bytes }
        };
        for (messages, bytes, expected) in
            [(1, 0, 101), (400, 0, 3), (1, GROUP_BYTES_MAX / 2, 2), (1, 2 * GROUP_BYTES_MAX, 1)]
        {
            let (calls, mut queue) = mpsc::channel(200);
            let sent = (0..100).all(|_| calls.try_send(measure(messages, bytes)).is_ok());
            assert!(sent);
            assert_eq!(collect(measure(messages, bytes), &mut queue).len(), expected);
        }
    }

    #[tokio::test]
    async fn a_call_is_measured_with_its_bodies() {
        let (handle, mut queue) = WriterHandle::channel(1);
        let item = Acceptance { key: "k".repeat(5_000), ..Acceptance::default() };
        let calling = handle.call(|reply| Call::Accept(vec![item], reply));
        let measuring = async {
            let queued = queue.recv().await.unwrap();
            assert_eq!((queued.messages, queued.bytes), (1, 5_003));
            queued.call.refuse(Fault::default());
        };
        let (answer, ()) = futures::join!(calling, measuring);
        assert_eq!(answer, Err(Fault::default()));
    }
}
