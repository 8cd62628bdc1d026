//! Watches progress: a channel that has work and a receiver, and from which nothing leaves, stands
//! still whatever the processes say of themselves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Channel};
use chassis::metrics::Count;
use parking_lot::Mutex;
use proto::message::v1::State;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::delivery_row::sql_list;
use crate::last_progress::{LastProgress, channel_of};
use crate::pauses::Pauses;
use crate::publish_again::Lost;
use crate::row_cache::{SELECT_WATERMARK, WATERMARK_COLUMN};

/// How often the channels are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);

/// A channel without progress for this long stands still. With two looks and the interval at which a
/// service asks the journal, each knows within 30 s.
const STALL: Duration = Duration::from_secs(12);

/// Messages that are looked at; with more waiting the rest shows nothing new.
const ROWS_MAX: usize = 20_000;

/// The channels that stand still. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct StalledChannels(Arc<Mutex<Vec<String>>>);

impl StalledChannels {
    /// Their names, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

/// What a look found about a channel with work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    messages: usize,
    last_progress: i64,
}

/// A channel that has work, and since when nothing has left it.
#[derive(Debug)]
struct Watched {
    waiting: Waiting,
    since: Instant,
    /// Whether the broker said at the last look that it stands still.
    stood_still: bool,
}

impl Watched {
    /// Notes what a look found: whether nothing has left the channel for too long.
    fn note(&mut self, waiting: Waiting, now: Instant) -> bool {
        let has_moved = waiting.last_progress != self.waiting.last_progress
            || waiting.messages < self.waiting.messages;
        self.waiting = waiting;
        if has_moved {
            self.since = now;
        }
        now - self.since >= STALL
    }
}

/// Looks at the channels as long as one connection lasts.
pub(crate) struct ChannelWatch {
    pub(crate) bus: Bus,
    pub(crate) database: Database,
    pub(crate) last_progress: LastProgress,
    pub(crate) losses: mpsc::Sender<Lost>,
    pub(crate) stalled: StalledChannels,
    pub(crate) clock: chassis::Clock,
    pub(crate) partitions: u16,
}

impl ChannelWatch {
    /// Never ends but by a failure.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let looks_that_found = Count::new(
            "lienthong.journal.channel.stalls",
            "looks at a channel with work and a receiver that makes no progress",
        );
        let mut watched: HashMap<String, Watched> = HashMap::new();
        let mut turns = tokio::time::interval(LOOK_INTERVAL);
        loop {
            turns.tick().await;
            let stalled = self.look(&mut watched).await?;
            for channel in &stalled {
                tracing::error!(channel, "channel with work makes no progress");
                looks_that_found.add(1, "channel", channel_kind(channel));
            }
            *self.stalled.0.lock() = stalled;
        }
    }

    /// The channels that stand still, in order.
    async fn look(
        &mut self,
        watched: &mut HashMap<String, Watched>,
    ) -> anyhow::Result<Vec<String>> {
        let waiting = self.read_waiting().await?;
        let now = Instant::now();
        watched.retain(|channel, _| waiting.contains_key(channel));
        let mut stalled = Vec::new();
        for (channel, waiting) in waiting {
            let new = Watched { waiting, since: now, stood_still: false };
            let of = watched.entry(channel.clone()).or_insert(new);
            let stands_still = of.note(waiting, now) && self.stands_still(&channel).await?;
            // Twice, as an application may ask again at the moment of a look.
            if std::mem::replace(&mut of.stood_still, stands_still) && stands_still {
                stalled.push(channel);
            }
        }
        stalled.sort();
        Ok(stalled)
    }

    /// The channels whose messages were published long enough ago, without those that are paused.
    async fn read_waiting(&mut self) -> Result<HashMap<String, Waiting>, DatabaseError> {
        let database = &mut self.database;
        let pauses = Pauses::read(database, self.partitions).await?;
        let watermark = database.query_number(SELECT_WATERMARK, WATERMARK_COLUMN).await?;
        let sql = format!(
            "SELECT application, conversation FROM delivery_state WHERE sweep_at > $1 \
             AND changed_at < $2 AND state IN ({}) LIMIT {ROWS_MAX}",
            sql_list(&[State::Accepted, State::Queued])
        );
        let before = self.clock.now_us() - i64::try_from(STALL.as_micros()).unwrap_or_default();
        let last: HashMap<_, _> = self.last_progress.all().into_iter().collect();
        let mut channels: HashMap<String, Waiting> = HashMap::new();
        for mut row in database.query(&sql, vec![watermark.into(), before.into()]).await? {
            let (Ok(application), Ok(conversation)) =
                (row.text("application"), row.text("conversation"))
            else {
                continue;
            };
            let channel = channel_of(&application, &conversation, self.partitions);
            let is_paused = match application.as_str() {
                "" => pauses.of_partition(&channel).is_some(),
                application => pauses.of_delivery(application, "").is_some(),
            };
            if !is_paused {
                let last_progress = last.get(&channel).copied().unwrap_or_default();
                let new = Waiting { messages: 0, last_progress };
                channels.entry(channel).or_insert(new).messages += 1;
            }
        }
        Ok(channels)
    }

    /// Asks the broker about a channel from which nothing leaves. What it does not hold is published
    /// again. True: its receivers have to start again.
    async fn stands_still(&mut self, channel: &str) -> anyhow::Result<bool> {
        let application = channel.strip_prefix("delivery.").unwrap_or_default();
        let at_broker = match application {
            "" => {
                let partition = channel.strip_prefix("intake.").and_then(|it| it.parse().ok());
                Channel::intake(partition.unwrap_or_default())
            }
            application => Channel::delivery(application)?,
        };
        let Some((ready, receivers)) = self.bus.inspect(&at_broker).await? else {
            self.publish_again(application);
            return Ok(application.is_empty());
        };
        // An application that is away is no stall: its messages wait for it in their channel.
        let stands_still = receivers > 0 || application.is_empty();
        if ready == 0 {
            self.publish_again(application);
        }
        tracing::debug!(channel, ready, receivers, "broker was asked about a channel");
        Ok(stands_still)
    }

    fn publish_again(&self, application: &str) {
        // When the writer is busy with another loss, the next look comes back to this one.
        drop(self.losses.try_send(Lost::Channel(application.to_owned())));
    }
}

fn channel_kind(channel: &str) -> &'static str {
    if channel.starts_with("delivery.") { "delivery" } else { "intake" }
}
