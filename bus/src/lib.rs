//! Carries sealed messages between channels, and never opens one.
//!
//! A message goes one way: somebody [`Publish`]es it on a [`Channel`], a [`Receiver`] hands it to
//! a [`Handle`]r in a window with its neighbours, the handler gives [`Verdicts`], and they are
//! carried out in one place per transport. Nothing else in the workspace settles a delivery.
//!
//! ```text
//! Publish ─▶ Channel ─▶ Receiver ─ window ─▶ Handle ─ verdicts ─▶ settle
//!                                                  └─ retry, reject ─▶ FailureStore (before settle)
//! ```
//!
//! [`Bus`] is one of two transports with the same promises: [`embedded`], in the memory of one
//! process, and [`rabbitmq`], over a broker. [`claim`] stores what is too large to ride along.
//!
//! # Promises
//!
//! - A publish that returned `Ok` is on its channel: with the broker's confirm, or in memory for
//!   as long as the process lives.
//! - A publish whose confirm never came says [`PublishError::Unknown`]; publish it again under the
//!   same [`MessageId`].
//! - A message is handed over at least once. Handlers meet duplicates; see [`MessageId`].
//! - A message is never dropped. What cannot go on is handed to a [`FailureStore`] (the journal), with
//!   its reason, before the delivery is settled.
//! - A message's verdict is its own: a handler that panics on one message loses that one only.
//! - One partition of `intake` has one active receiver, so it keeps its order.
//! - Every wait and window is bounded, and so is every channel in memory. A broker's queues are
//!   bounded by its policies (`max-length`, `max-length-bytes`); a full one refuses what is new
//!   ([`PublishError::Refused`]) and drops nothing.
//! - A broker that is short of memory or disk ends nobody: until it goes on, publishes are refused.
//!
//! # Not here
//!
//! The body's format, the canonical model, routing rules, waiting for a next try, reconnecting.
//! The bus would be the same bus if it carried photographs.
//!
//! # Decisions
//!
//! *Our publisher addresses queues by name; the named exchanges are the side door.* A broker that
//! finds an alternate exchange calls the message routed, and then `mandatory` never tells. So the
//! publisher goes through the default exchange, where an unroutable message comes back by its
//! name to whoever can act on it. The exchanges `lienthong.intake` and `lienthong.delivery` are
//! there for whoever enters without us (an operator moving messages), and fall to `stranded`. It
//! costs two exchanges that carry nothing on a normal day.
//!
//! *A message is one event in the body, and headers are empty.* `CloudEvents` calls it the structured
//! content mode. A header for each attribute would be easier to read in the broker's own pages; but
//! the broker takes every table of headers apart at every hop, and so do clients: with seventeen of
//! them a relay of 2 KB messages cost half as much again (0.44 ms of processor time for two hops,
//! not 0.29). Name and conversation stay visible as `message-id` and `correlation-id`; the rest is
//! the journal's to show.
//!
//! *Verdicts that do not fit their window judge nobody.* A list shorter than its window could
//! silently shift: a neighbour's `Done` would settle an unfinished message. So everything is
//! retried instead; see [`Verdicts`]. It costs a round of duplicates after a programming error.

pub mod claim;
pub mod embedded;
pub mod rabbitmq;

mod channel;
mod message;
mod metrics;
mod publish;
mod receive;
mod settings;
mod transport;
mod verdict;

pub use channel::{Channel, InvalidChannel, partition};
pub use claim::{Claim, ClaimStore};
pub use message::{
    ATTRIBUTES_BYTES_MAX, Attributes, Body, INLINE_BYTES_MAX, InvalidMessage, Message, MessageId,
};
pub use publish::{Publish, PublishError, PublisherFailure};
pub use receive::{FailureStore, FailureStoreError, Handle, ReceiveError, Receiver};
pub use settings::Settings;
pub use transport::{Bus, ConnectError, Listener, ProbeError, Publisher};
pub use verdict::{Disposition, Fault, Verdict, Verdicts, code};
