//! Watches progress: a channel that has work and a receiver, and from which nothing leaves, stands
//! still whatever the processes say of themselves.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Channel};
use chassis::metrics::{Count, Level};
use parking_lot::Mutex;
use proto::message::v1::State;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::database::row::{Row, Unreadable};
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

/// A message that waits for this long in a channel of which the broker holds nothing may be lost.
const LOST_AFTER: Duration = Duration::from_secs(5);

/// Messages of one channel that are published again after one look.
const LOST_MAX: usize = 5_000;

/// Channels that the broker is asked about in one look.
const INSPECTED_MAX: usize = 64;

/// How long after the connection the first look is.
const FIRST_LOOK: Duration = Duration::from_secs(6);

/// Messages of intake that are looked at; with more waiting the rest shows nothing new.
const UNROUTED_MAX: usize = 20_000;

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
    messages: i64,
    last_progress: i64,
    /// Since when one of them waits in the channel, microseconds.
    since: i64,
    /// When the oldest of them was accepted, microseconds.
    oldest: i64,
}

impl Waiting {
    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.since = self.since.min(other.since);
        self.oldest = self.oldest.min(other.oldest);
    }
}

/// Adds a row to its channel, unless the channel is paused.
fn add_row(
    channels: &mut HashMap<String, Waiting>,
    row: &mut Row,
    (pauses, last, partitions): (&Pauses, &HashMap<String, i64>, u16),
) -> Result<(), Unreadable> {
    let (application, conversation) = (row.text("application")?, row.text("conversation")?);
    let channel = channel_of(&application, &conversation, partitions);
    let waiting = Waiting {
        messages: row.number("count")?,
        last_progress: last.get(&channel).copied().unwrap_or_default(),
        since: row.number("since")?,
        oldest: row.number("oldest")?,
    };
    let is_paused = match application.as_str() {
        "" => pauses.of_partition(&channel).is_some(),
        application => pauses.of_delivery(application, "").is_some(),
    };
    if !is_paused {
        channels.entry(channel).and_modify(|it| it.add(waiting)).or_insert(waiting);
    }
    Ok(())
}

/// A channel with work, as the looks before saw it.
#[derive(Debug)]
struct Watched {
    waiting: Waiting,
    /// When fewer messages waited than at the look before.
    moved: Option<Instant>,
    /// Whether the broker said at the last look that it stands still.
    stood_still: bool,
}

impl Watched {
    fn new(waiting: Waiting) -> Self {
        Self { waiting, moved: None, stood_still: false }
    }

    /// Notes what a look found: whether a message waits long and nothing has left the channel for too long.
    /// One that is published again waits on.
    fn note(&mut self, waiting: Waiting, now: i64) -> bool {
        if waiting.messages < self.waiting.messages {
            self.moved = Some(Instant::now());
        }
        self.waiting = waiting;
        let stall = micros(STALL);
        let waits_long = self.stood_still || now - waiting.since >= stall;
        waits_long
            && now - waiting.last_progress >= stall
            && self.moved.is_none_or(|it| it.elapsed() >= STALL)
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
    /// The channel that the broker was asked about last.
    pub(crate) last_inspected: String,
}

/// Forgets which channels stand still, however the watch ends.
struct ForgetStalled(StalledChannels);

impl Drop for ForgetStalled {
    fn drop(&mut self) {
        self.0.0.lock().clear();
    }
}

/// What monitoring sees of each channel that has work or had it.
struct ChannelGauges {
    oldest: Level,
    stalled: Level,
    stalls: Count,
    /// Channels whose gauges are not 0.
    shown: HashSet<String>,
}

impl Drop for ChannelGauges {
    /// Nothing is known while there is no connection: a gauge would keep its last value.
    fn drop(&mut self) {
        for channel in &self.shown {
            self.oldest.set_for(0.0, "channel", channel);
            self.stalled.set_for(0.0, "channel", channel);
        }
    }
}

impl ChannelGauges {
    fn new() -> Self {
        Self {
            oldest: Level::new(
                "lienthong.journal.channel.oldest",
                "s",
                "age of the oldest message that waits in a channel for its receiver",
            ),
            stalled: Level::new(
                "lienthong.journal.channel.stalled",
                "{channel}",
                "1 while a channel has work and a receiver and nothing leaves it",
            ),
            stalls: Count::new(
                "lienthong.journal.channel.stalls",
                "looks at a channel with work and a receiver that makes no progress",
            ),
            shown: HashSet::new(),
        }
    }

    fn set(&mut self, watched: &HashMap<String, Watched>, (stalled, now): (&[String], i64)) {
        let shown = std::mem::replace(&mut self.shown, watched.keys().cloned().collect());
        let empty = shown.iter().filter(|it| !watched.contains_key(*it));
        let ages = watched.iter().map(|(channel, of)| (channel, now - of.waiting.oldest));
        for (channel, age) in empty.map(|it| (it, 0)).chain(ages) {
            let age = Duration::from_micros(u64::try_from(age).unwrap_or_default());
            let is_stalled = stalled.contains(channel);
            self.oldest.set_for(age.as_secs_f64(), "channel", channel);
            self.stalled.set_for(if is_stalled { 1.0 } else { 0.0 }, "channel", channel);
            if is_stalled {
                self.stalls.add(1, "channel", channel_kind(channel));
            }
        }
    }
}

impl ChannelWatch {
    /// Never ends but by a failure.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        // Nothing is known while there is no connection.
        let _forgotten = ForgetStalled(self.stalled.clone());
        let mut gauges = ChannelGauges::new();
        let mut watched: HashMap<String, Watched> = HashMap::new();
        // The receivers have the same connection anew, and a while to begin.
        let mut turns = tokio::time::interval_at(Instant::now() + FIRST_LOOK, LOOK_INTERVAL);
        loop {
            turns.tick().await;
            let stalled = self.look(&mut watched).await?;
            for channel in &stalled {
                tracing::error!(channel, "channel with work makes no progress");
            }
            gauges.set(&watched, (&stalled, self.clock.now_us()));
            *self.stalled.0.lock() = stalled;
        }
    }

    /// The channels that stand still, in order.
    async fn look(
        &mut self,
        watched: &mut HashMap<String, Watched>,
    ) -> anyhow::Result<Vec<String>> {
        let waiting = self.read_waiting().await?;
        let now = self.clock.now_us();
        watched.retain(|channel, _| waiting.contains_key(channel));
        let mut questionable = Vec::new();
        for (channel, waiting) in waiting {
            let of = watched.entry(channel.clone()).or_insert_with(|| Watched::new(waiting));
            let is_quiet = of.note(waiting, now);
            if is_quiet || now - waiting.since >= micros(LOST_AFTER) {
                questionable.push((channel, is_quiet));
            } else {
                of.stood_still = false;
            }
        }
        // Where more channels are to be looked at, each has its turn.
        questionable.sort();
        let first = questionable.partition_point(|(channel, _)| *channel <= self.last_inspected);
        questionable.rotate_left(first);
        let mut stalled = Vec::new();
        for (channel, is_quiet) in questionable.into_iter().take(INSPECTED_MAX) {
            let Some(of) = watched.get_mut(&channel) else { continue };
            let stands_still = self.has_receivers(&channel).await? && is_quiet;
            // Twice, as an application may ask again at the moment of a look.
            if std::mem::replace(&mut of.stood_still, stands_still) && stands_still {
                stalled.push(channel.clone());
            }
            self.last_inspected = channel;
        }
        stalled.sort();
        Ok(stalled)
    }

    /// The channels with messages, without those that are paused.
    async fn read_waiting(&mut self) -> Result<HashMap<String, Waiting>, DatabaseError> {
        let database = &mut self.database;
        let pauses = Pauses::read(database, self.partitions).await?;
        let watermark = database.query_number(SELECT_WATERMARK, WATERMARK_COLUMN).await?;
        let by_application = format!(
            "SELECT application, '' AS conversation, COUNT(*) AS count, MIN(changed_at) AS since, \
             MIN(accepted_at) AS oldest FROM delivery_state \
             WHERE sweep_at > $1 AND application <> '' AND state IN ({}) GROUP BY application",
            sql_list(&[State::Queued])
        );
        let unrouted = format!(
            "SELECT application, conversation, CAST(1 AS BIGINT) AS count, changed_at AS since, \
             accepted_at AS oldest FROM delivery_state \
             WHERE sweep_at > $1 AND application = '' AND state IN ({}) \
             ORDER BY sweep_at LIMIT {UNROUTED_MAX}",
            sql_list(&[State::Accepted, State::Queued])
        );
        let last: HashMap<_, _> = self.last_progress.all().into_iter().collect();
        let mut channels: HashMap<String, Waiting> = HashMap::new();
        for sql in [by_application, unrouted] {
            for mut row in database.query(&sql, vec![watermark.into()]).await? {
                // The sweeper makes a row that cannot be read a dead letter.
                let _unreadable =
                    add_row(&mut channels, &mut row, (&pauses, &last, self.partitions));
            }
        }
        Ok(channels)
    }

    /// Asks the broker about a channel in which a message waits for long. What it does not hold is
    /// published again. The answer: whether the channel has receivers, or should have.
    async fn has_receivers(&mut self, channel: &str) -> anyhow::Result<bool> {
        let application = channel.strip_prefix("delivery.").unwrap_or_default();
        let partition = channel.strip_prefix("intake.").and_then(|it| it.parse().ok());
        let at_broker = match application {
            "" => Channel::intake(partition.unwrap_or_default()),
            application => Channel::delivery(application)?,
        };
        let found = self.bus.inspect(&at_broker).await?;
        tracing::debug!(channel, ?found, "broker was asked about a channel");
        let (ready, receivers) = found.unwrap_or_default();
        if ready == 0 {
            let ids = self.find_lost(channel).await?;
            if !ids.is_empty() {
                // When the writer is busy with another loss, the next look comes back to this one.
                drop(self.losses.try_send(Lost::Messages(ids)));
            }
        }
        // An application that is away is no stall: its messages wait for it in their channel.
        Ok(receivers > 0 || application.is_empty())
    }

    /// Ids of messages that wait in a channel for long, which the broker does not hold: they are
    /// lost, or a receiver has had them for long. Another copy does no harm.
    async fn find_lost(&mut self, channel: &str) -> Result<Vec<String>, DatabaseError> {
        let application = channel.strip_prefix("delivery.").unwrap_or_default();
        let sql = format!(
            "SELECT id, conversation FROM delivery_state WHERE sweep_at > $1 \
             AND application = $2 AND changed_at < $3 AND state IN ({}) \
             ORDER BY sweep_at LIMIT {UNROUTED_MAX}",
            sql_list(&[State::Accepted, State::Queued])
        );
        let before = self.clock.now_us() - micros(LOST_AFTER);
        let watermark = self.database.query_number(SELECT_WATERMARK, WATERMARK_COLUMN).await?;
        let values = vec![watermark.into(), application.into(), before.into()];
        let mut ids = Vec::new();
        for mut row in self.database.query(&sql, values).await? {
            let is_there = row.text("conversation").is_ok_and(|conversation| {
                channel_of(application, &conversation, self.partitions) == channel
            });
            ids.extend(row.text("id").ok().filter(|_| is_there));
        }
        ids.truncate(LOST_MAX);
        Ok(ids)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn channel_kind(channel: &str) -> &'static str {
    if channel.starts_with("delivery.") { "delivery" } else { "intake" }
}
