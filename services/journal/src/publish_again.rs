//! Makes due at once what a broker may no longer hold.

use std::collections::HashMap;

use proto::message::v1::State;
use tokio::sync::mpsc;

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::database::row::Value;
use crate::delivery_row::sql_list;
use crate::row_cache::RowCache;

/// Rows that one step changes. Calls are answered between two steps.
const STEP_MAX: usize = 5_000;

/// What a role published earlier than this has reached its channel, or is due by now, microseconds.
const LATELY: i64 = 40_000_000;

/// Messages that are in a channel, as far as the journal knows.
const IN_A_CHANNEL: [State; 2] = [State::Accepted, State::Queued];

/// Which messages are published again.
#[derive(Clone, Debug)]
pub(crate) enum Lost {
    /// All that any channel held: the broker was replaced, or has lost what it had.
    /// Told at the end of the run: all of it is due then, whatever becomes of this process.
    Everything(mpsc::Sender<()>),
    /// What changed since this time, microseconds: the connection was lost then, and a publish may
    /// have been lost with it.
    Since(i64),
    /// What was published lately to channels of one kind: the role that publishes to them started anew,
    /// or has another connection.
    LatelyTo(ChannelKind),
    /// These: the broker does not hold them.
    Messages(Vec<String>),
}

impl Lost {
    const fn name(&self) -> &'static str {
        match self {
            Self::Everything(_) => "another broker",
            Self::Since(_) => "another connection",
            Self::LatelyTo(_) => "another publisher",
            Self::Messages(_) => "missing at the broker",
        }
    }
}

/// Kinds of channels, by who publishes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ChannelKind {
    /// `intake`: gateways do.
    Intake,
    /// Those of applications: mapping does.
    Delivery,
}

/// When what each kind of role had published lately was last published again.
#[derive(Debug, Default)]
pub(crate) struct LatelyRuns(HashMap<ChannelKind, i64>);

/// A run over the messages that are published again, in steps.
#[derive(Debug)]
pub(crate) struct PublishAgain {
    lost: Lost,
    /// When the run began. What was published since is left alone.
    begun: i64,
    /// For what was published lately: since when.
    since: i64,
}

impl PublishAgain {
    /// A run over what was lost before `now`. The sweeper must not run until it is over.
    pub(crate) fn new(lost: Lost, now: i64, watermark: i64, runs: &mut LatelyRuns) -> Self {
        // Above the watermark, or the sweeper would pass the rows over.
        let begun = now.max(watermark + 1);
        let since = match &lost {
            // A role that fails again and again has published nothing of what the runs before took.
            Lost::LatelyTo(kind) => {
                let before = runs.0.insert(*kind, begun);
                before.unwrap_or_default().max(begun - LATELY)
            }
            Lost::Everything(_) | Lost::Since(_) | Lost::Messages(_) => 0,
        };
        Self { lost, begun, since }
    }

    /// Tells whoever waits that all of the messages are due.
    pub(crate) fn finish(&self) {
        if let Lost::Everything(done) = &self.lost {
            // Nobody waits any more when the connection was lost meanwhile.
            let _told = done.try_send(());
        }
    }

    /// Makes some of the messages due. False: there are no more.
    pub(crate) async fn step(
        &self,
        database: &mut Database,
        cache: &mut RowCache,
    ) -> Result<bool, DatabaseError> {
        let (condition, selections): (_, Vec<Value>) = match &self.lost {
            Lost::Everything(_) => ("$3 <> ''", vec!["all".into()]),
            Lost::Since(at) => ("changed_at >= $3", vec![(*at).into()]),
            Lost::LatelyTo(kind) => {
                let condition = match kind {
                    ChannelKind::Intake => "changed_at >= $3 AND application = ''",
                    ChannelKind::Delivery => "changed_at >= $3 AND application <> ''",
                };
                (condition, vec![self.since.into()])
            }
            Lost::Messages(ids) => ("id = $3", ids.iter().map(|it| it.as_str().into()).collect()),
        };
        let sql = format!(
            "UPDATE delivery_state SET due_at = $1, publishes = 0, \
             sweep_at = CASE WHEN sweep_at > $1 THEN $1 ELSE sweep_at END WHERE row_id IN \
             (SELECT row_id FROM delivery_state WHERE sweep_at > $2 AND due_at > $1 \
             AND changed_at <= $1 AND state IN ({}) AND {condition} \
             ORDER BY sweep_at LIMIT {STEP_MAX}) RETURNING row_id",
            sql_list(&IN_A_CHANNEL)
        );
        let set = |selected| vec![self.begun.into(), cache.watermark.into(), selected];
        let sets = selections.into_iter().map(set).collect();
        let changed = database.query_many(&sql, sets).await?;
        let count: usize = changed.iter().map(Vec::len).sum();
        cache.forget_rows();
        if count > 0 {
            tracing::info!(
                messages = count,
                reason = self.lost.name(),
                "messages are published again"
            );
        }
        Ok(count == STEP_MAX && !matches!(self.lost, Lost::Messages(_)))
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::error::TryRecvError;

    use super::*;
    use crate::delivery_row::{DeliveryRow, INSERT};

    const NOW: i64 = 41_000_000;

    /// The ids that are due after a run, in their order.
    async fn due_after(lost: Lost) -> Vec<String> {
        let (mut database, _directory) = Database::empty().await;
        let far = 700_000_000;
        let rows = [
            ("old", State::Queued, 900_000, "a"),
            ("new", State::Queued, 1_000_000, "b"),
            ("accepted", State::Accepted, 1_500_000, ""),
            ("held", State::Held, 20, "a"),
            ("in-hand", State::InHand, 20, "a"),
            ("taken", State::Taken, 20, "a"),
            ("later", State::Queued, NOW + 5, "a"),
        ];
        let sets = (1..).zip(rows).map(|(row_id, (id, state, changed_at, application))| {
            let (id, application) = (id.to_owned(), application.to_owned());
            let mut row = DeliveryRow {
                row_id,
                id,
                state,
                changed_at,
                application,
                due_at: far,
                publishes: 7,
                ..DeliveryRow::default()
            };
            row.schedule(0);
            row.insertion()
        });
        database.query_many(INSERT, sets.collect()).await.unwrap();
        let mut cache = RowCache::open(&mut database).await.unwrap();
        let run = PublishAgain::new(lost, NOW, cache.watermark, &mut LatelyRuns::default());
        while run.step(&mut database, &mut cache).await.unwrap() {}
        let sql = "SELECT id FROM delivery_state WHERE due_at = $1 AND publishes = 0 \
                   AND sweep_at <= $1 ORDER BY row_id";
        let found = database.query(sql, vec![NOW.into()]).await.unwrap();
        found.into_iter().map(|mut row| row.text("id").unwrap()).collect()
    }

    #[tokio::test]
    async fn what_a_channel_held_is_due_at_once_and_nothing_else() {
        assert_eq!(
            due_after(Lost::Everything(mpsc::channel(1).0)).await,
            ["old", "new", "accepted"]
        );
        assert_eq!(due_after(Lost::Since(1_000_000)).await, ["new", "accepted"]);
        let lately = |kind| due_after(Lost::LatelyTo(kind));
        assert_eq!(lately(ChannelKind::Intake).await, ["accepted"]);
        assert_eq!(lately(ChannelKind::Delivery).await, ["new"]);
        let ids = ["old", "accepted", "taken", "later"].map(str::to_owned);
        assert_eq!(due_after(Lost::Messages(ids.to_vec())).await, ["old", "accepted"]);
    }

    #[test]
    fn the_end_of_a_run_is_told_and_a_run_that_was_given_up_is_not_taken_for_it() {
        for is_finished in [true, false] {
            let (done, mut is_done) = mpsc::channel(1);
            let mut runs = LatelyRuns::default();
            let run = PublishAgain::new(Lost::Everything(done), NOW, 0, &mut runs);
            assert_eq!(is_done.try_recv(), Err(TryRecvError::Empty));
            if is_finished {
                run.finish();
            }
            drop(run);
            assert_eq!(is_done.blocking_recv().is_some(), is_finished);
        }
    }

    #[test]
    fn a_role_that_starts_again_and_again_has_each_message_published_again_once() {
        let mut runs = LatelyRuns::default();
        let mut since =
            |kind, now| PublishAgain::new(Lost::LatelyTo(kind), now, 0, &mut runs).since;
        assert_eq!(since(ChannelKind::Delivery, 100 * LATELY), 99 * LATELY);
        assert_eq!(since(ChannelKind::Delivery, 100 * LATELY + 7), 100 * LATELY);
        assert_eq!(since(ChannelKind::Intake, 100 * LATELY + 8), 99 * LATELY + 8);
        assert_eq!(since(ChannelKind::Delivery, 103 * LATELY), 102 * LATELY);
    }
}
