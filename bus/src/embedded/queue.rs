//! One channel in memory: what is ready, what is in hand, and the room that both take.

use std::{collections::VecDeque, mem, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{message::Message, receive::WINDOW_BYTES};

/// Every change is one short closure on the state, which wakes whoever waits for it.
pub(super) struct Queue {
    state: watch::Sender<State>,
    messages_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Message>,
    /// Of messages that are ready or in hand: what is not settled takes room.
    messages: usize,
    bytes: usize,
    has_turn: bool,
}

impl State {
    /// Takes the next messages out, up to `most` and to a window's bytes.
    fn window(&mut self, most: usize) -> Vec<Message> {
        let (mut messages, mut bytes) = (Vec::new(), 0);
        while messages.len() < most
            && bytes < WINDOW_BYTES
            && let Some(message) = self.ready.pop_front()
        {
            bytes += message.bytes();
            messages.push(message);
        }
        messages
    }
}

/// A window that was taken. Unless it is settled, it goes back to where it was.
pub(super) struct InHand {
    queue: Arc<Queue>,
    messages: Vec<Message>,
}

/// The right to be the one receiver of a channel.
pub(super) struct Turn(Arc<Queue>);

impl Queue {
    pub(super) fn new(messages_max: usize, bytes_max: usize) -> Self {
        Self { state: watch::Sender::new(State::default()), messages_max, bytes_max }
    }

    /// Puts messages in order, waiting for room up to `limit`; gives back the places of those that
    /// found none.
    pub(super) async fn put(&self, messages: Vec<(usize, Message)>, limit: Duration) -> Vec<usize> {
        let until = Instant::now() + limit;
        let mut changes = self.state.subscribe();
        let mut left: VecDeque<_> = messages.into();
        loop {
            self.state.send_if_modified(|state| self.fill(state, &mut left));
            if left.is_empty() || !matches!(timeout_at(until, changes.changed()).await, Ok(Ok(())))
            {
                return left.into_iter().map(|(place, _)| place).collect();
            }
        }
    }

    /// Moves what has room, and says whether that was anything.
    fn fill(&self, state: &mut State, left: &mut VecDeque<(usize, Message)>) -> bool {
        let before = left.len();
        while let Some((place, message)) = left.pop_front() {
            let bytes = message.body.inline_bytes();
            // An empty channel takes any one message, or a large one could never pass.
            let has_room = state.messages == 0
                || (state.messages < self.messages_max && state.bytes + bytes <= self.bytes_max);
            if !has_room {
                left.push_front((place, message));
                break;
            }
            state.messages += 1;
            state.bytes += bytes;
            state.ready.push_back(message);
        }
        left.len() < before
    }

    /// Waits until something is ready.
    pub(super) async fn filled(&self) {
        // The sender lives as long as `self`, so the wait cannot end by its going away.
        let mut changes = self.state.subscribe();
        drop(changes.wait_for(|state| !state.ready.is_empty()).await);
    }

    /// Takes what is ready, up to `most` and to a window's bytes.
    pub(super) fn take(self: &Arc<Self>, most: usize) -> Option<InHand> {
        let mut messages = Vec::new();
        self.state.send_if_modified(|state| {
            messages = state.window(most);
            // Nobody waits for less to be ready; room is made by settling.
            false
        });
        (!messages.is_empty()).then(|| InHand { queue: Arc::clone(self), messages })
    }

    /// Waits for the right to be the one receiver.
    pub(super) async fn turn(self: Arc<Self>) -> Turn {
        let mut changes = self.state.subscribe();
        loop {
            let mut is_mine = false;
            self.state.send_if_modified(|state| {
                is_mine = !mem::replace(&mut state.has_turn, true);
                false
            });
            if is_mine {
                return Turn(self);
            }
            drop(changes.wait_for(|state| !state.has_turn).await);
        }
    }
}

impl InHand {
    pub(super) fn held(&self) -> &[Message] {
        &self.messages
    }

    /// Lets the window go for good.
    pub(super) fn settle(mut self) {
        let settled = mem::take(&mut self.messages);
        let bytes: usize = settled.iter().map(|message| message.body.inline_bytes()).sum();
        self.queue.state.send_modify(|state| {
            state.messages -= settled.len();
            state.bytes -= bytes;
        });
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let back = mem::take(&mut self.messages);
        if back.is_empty() {
            return;
        }
        self.queue.state.send_modify(|state| {
            for message in back.into_iter().rev() {
                state.ready.push_front(message);
            }
        });
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.has_turn = false);
    }
}
