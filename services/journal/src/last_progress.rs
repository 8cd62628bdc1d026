//! When messages last left their channels.

use std::collections::HashMap;
use std::sync::Arc;

use bus::partition;
use parking_lot::Mutex;
use proto::message::v1::State;

use crate::delivery_row::DeliveryRow;

/// When a message last left each channel, since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastProgress(Arc<Mutex<HashMap<String, i64>>>);

impl LastProgress {
    /// The channels and the times.
    pub(crate) fn all(&self) -> Vec<(String, i64)> {
        self.0.lock().iter().map(|(channel, at)| (channel.clone(), *at)).collect()
    }

    /// Notes the messages among committed rows that left their channel at `now`.
    pub(crate) fn note<'a>(
        &self,
        rows: impl Iterator<Item = &'a DeliveryRow>,
        (now, partitions): (i64, u16),
    ) {
        let has_left = |it: &&DeliveryRow| {
            it.changed_at == now
                && matches!(it.state, State::Routed | State::Taken | State::Refused)
        };
        let mut left = rows.filter(has_left).peekable();
        if left.peek().is_none() {
            return;
        }
        let mut all = self.0.lock();
        for row in left {
            all.insert(channel_of(&row.application, &row.conversation, partitions), now);
        }
    }
}

/// The channel of a message: that of its application, or its partition of intake.
pub(crate) fn channel_of(application: &str, conversation: &str, partitions: u16) -> String {
    if application.is_empty() {
        format!("intake.{}", partition(conversation, partitions))
    } else {
        format!("delivery.{application}")
    }
}
