//! Carries messages between channels, and never reads a body.
//!
//! A service [`Publish`]es a message on a [`Channel`]. A [`Receiver`] takes the messages that are ready
//! as a window and passes it to a handler ([`Handle`]), which returns [`Verdicts`]. Each transport
//! carries them out in one place, and nothing else in the workspace settles a delivery.
//!
//! ```text
//! Publish ─▶ Channel ─▶ Receiver ─ window ─▶ Handle ─ verdicts ─▶ settle
//!                                                  └─ retry, reject ─▶ FailureStore (before settle)
//! ```
//!
//! [`Bus`] is one of two transports with the same promises: [`embedded`], in the memory of one
//! process, and [`rabbitmq`], over a broker. [`claim`] stores bodies that are too large to be inline.
//!
//! # Promises
//!
//! - A publish that returned `Ok` is on its channel: with the broker's confirm, or in memory for
//!   as long as the process lives.
//! - A publish without a confirm ends as [`PublishError::Unknown`]; publish it again under the same
//!   [`MessageId`].
//! - A message is delivered at least once. Handlers receive duplicates; see [`MessageId`].
//! - A message is never dropped. What cannot go on is handed to a [`FailureStore`] (the journal), with
//!   its reason, before the delivery is settled.
//! - A verdict concerns one message: when a handler panics on one message, only that one is rejected.
//! - One partition of `intake` has one active receiver, so it keeps its order.
//! - Every wait and window is bounded, and so is every channel in memory. A broker's queues are
//!   bounded by its policies (`max-length`, `max-length-bytes`); a full one refuses what is new
//!   ([`PublishError::Refused`]) and drops nothing.
//! - A broker that is short of memory or disk ends no publisher: publishes are refused until it
//!   unblocks.
//!
//! # Not here
//!
//! The body's format, the canonical model, routing rules, retry schedules.
//!
//! # Decisions
//!
//! *The publisher addresses queues by name through the default exchange.* An exchange with an
//! alternate exchange always routes, so the broker never returns a `mandatory` message from it; the
//! default exchange returns an unroutable message to its publisher. The exchanges `lienthong.intake`
//! and `lienthong.delivery` exist for operators who move messages at the broker, with `stranded` as
//! their alternate. It costs two exchanges that carry nothing in normal operation.
//!
//! *A message is one event in the body, and headers are empty* (structured content mode of
//! `CloudEvents`). A header for each attribute would be easier to read in the broker's own pages; but
//! the broker and clients parse every header at every hop: with seventeen of them a relay of 2 KB
//! messages took half as much processor time again (0.44 ms for two hops, not 0.29). Id and
//! conversation stay visible as `message-id` and `correlation-id`; the journal shows the rest.
//!
//! *Verdicts of another length than their window are not used.* In a shorter list a neighbour's `Done`
//! could settle an unfinished message. So the whole window is retried; see [`Verdicts`]. It costs
//! duplicates after a programming error.

pub mod claim;
pub mod embedded;
pub mod rabbitmq;

mod channel;
mod current;
mod error;
mod message;
mod metrics;
mod publish;
mod receive;
mod settings;
mod transport;
mod uninterrupted;
mod verdict;

pub use channel::{Channel, InvalidChannel, partition};
pub use claim::{Claim, ClaimStore};
pub use current::CurrentBus;
pub use error::{
    BrokerError, ConnectError, FailureStoreError, ProbeError, PublishError, PublisherFailure,
    ReceiveError, TopologyDifference, TopologyError,
};
pub use message::{
    ATTRIBUTES_BYTES_MAX, Attributes, Body, INLINE_BYTES_MAX, InvalidMessage, Message, MessageId,
};
pub use publish::Publish;
pub use receive::{FailureStore, Handle, Receiver};
pub use settings::Settings;
pub use transport::{Bus, Listener, Publisher};
pub use verdict::{Disposition, Fault, Verdict, Verdicts, code};
