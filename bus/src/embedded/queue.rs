//! One channel in memory. Its bound counts the messages that are ready and those in flight.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::message::{Message, WINDOW_BYTES};

/// The state is changed in short closures, which wake the tasks that wait for a change.
pub(super) struct Queue {
    state: watch::Sender<State>,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Message>,
    /// Messages that are not settled: ready ones and those in flight.
    messages: usize,
    /// Bytes of the bodies of those messages.
    bytes: usize,
    is_locked: bool,
}

impl State {
    /// Takes the next messages, up to `count_max` and to the bytes of a window.
    fn take_window(&mut self, count_max: usize) -> Vec<Message> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while messages.len() < count_max
            && bytes < WINDOW_BYTES
            && let Some(message) = self.ready.pop_front()
        {
            bytes += message.bytes();
            messages.push(message);
        }
        messages
    }
}

/// A window that a receiver has taken. Dropping it unsettled returns it to the front of the queue, so
/// that order is kept when a receiver fails.
pub(super) struct InFlight {
    queue: Arc<Queue>,
    messages: Vec<Message>,
}

/// The lock of the single active receiver of a channel.
pub(super) struct ExclusiveLock(Arc<Queue>);

impl Queue {
    pub(super) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self { state: watch::Sender::new(State::default()), messages_max, bytes_max }
    }

    /// Appends messages in order, waiting up to `limit` while the queue is full; returns the indices
    /// of those that were not appended.
    pub(super) async fn put(&self, messages: Vec<(usize, Message)>, limit: Duration) -> Vec<usize> {
        let until = Instant::now() + limit;
        let mut changes = self.state.subscribe();
        let mut remaining: VecDeque<_> = messages.into();
        loop {
            self.state.send_if_modified(|state| self.append(state, &mut remaining));
            if remaining.is_empty()
                || !matches!(timeout_at(until, changes.changed()).await, Ok(Ok(())))
            {
                return remaining.into_iter().map(|(index, _)| index).collect();
            }
        }
    }

    /// Appends messages until the queue is full; true when it appended any.
    fn append(&self, state: &mut State, remaining: &mut VecDeque<(usize, Message)>) -> bool {
        let before = remaining.len();
        while let Some((index, message)) = remaining.pop_front() {
            let bytes = message.body.inline_bytes();
            // An empty channel takes a message of any size, because a larger one than `bytes_max`
            // could otherwise never pass.
            let fits = state.messages == 0
                || (state.messages < self.messages_max && state.bytes + bytes <= self.bytes_max);
            if !fits {
                remaining.push_front((index, message));
                break;
            }
            state.messages += 1;
            state.bytes += bytes;
            state.ready.push_back(message);
        }
        remaining.len() < before
    }

    /// Waits until a message is ready.
    pub(super) async fn wait_until_filled(&self) {
        // The wait fails only when the sender is dropped, and `self` owns it.
        let mut changes = self.state.subscribe();
        drop(changes.wait_for(|state| !state.ready.is_empty()).await);
    }

    /// Takes the ready messages, up to `count_max` and to the bytes of a window.
    pub(super) fn take(self: &Arc<Self>, count_max: usize) -> Option<InFlight> {
        let mut messages = Vec::new();
        self.state.send_if_modified(|state| {
            messages = state.take_window(count_max);
            // Taking wakes no task: publishers wait until messages are settled.
            false
        });
        (!messages.is_empty()).then(|| InFlight { queue: Arc::clone(self), messages })
    }

    /// Waits until no other receiver is active, and locks the channel.
    pub(super) async fn lock_exclusive(self: Arc<Self>) -> ExclusiveLock {
        let mut changes = self.state.subscribe();
        loop {
            let mut is_acquired = false;
            self.state.send_if_modified(|state| {
                is_acquired = !mem::replace(&mut state.is_locked, true);
                false
            });
            if is_acquired {
                return ExclusiveLock(self);
            }
            drop(changes.wait_for(|state| !state.is_locked).await);
        }
    }
}

impl InFlight {
    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Removes the window's messages for good.
    pub(super) fn settle(mut self) {
        let settled = mem::take(&mut self.messages);
        let bytes: usize = settled.iter().map(|message| message.body.inline_bytes()).sum();
        self.queue.state.send_modify(|state| {
            state.messages -= settled.len();
            state.bytes -= bytes;
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let unsettled = mem::take(&mut self.messages);
        if unsettled.is_empty() {
            return;
        }
        self.queue.state.send_modify(|state| {
            for message in unsettled.into_iter().rev() {
                state.ready.push_front(message);
            }
        });
    }
}

impl Drop for ExclusiveLock {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.is_locked = false);
    }
}
