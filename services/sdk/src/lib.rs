//! The SDK for adapters in Rust: implement [`Application`], call [`serve`].
//!
//! ```text
//! application ── collect ─▶ SubmitHandle ─▶ gateway
//! application ◀─ deliver ── Delivery     ◀─ gateway
//! ```
//!
//! An adapter opens the connection to the gateway and never listens on a port. It submits what its
//! application sends through a [`SubmitHandle`], and gets what its application receives in
//! [`Application::deliver`].
//!
//! # Guarantees
//!
//! - [`SubmitHandle::submit`] returns a receipt only after the bus has stored the item with all its
//!   files.
//! - Messages of one conversation are delivered one after the other, in order.
//! - A [`Download`] that was read to its end has the digest that the sender declared.
//! - On shutdown and after a broken connection, deliveries in progress are finished and answered,
//!   and deliveries that have not started are returned to the bus.
//!
//! # Not here
//!
//! Reconnecting: [`serve`] returns an error when the connection breaks, and its caller starts it
//! again. Configuration and formats: an adapter uses its application's own format.

mod application;
mod client;
mod connection;
mod content;
mod delivery;
mod delivery_report;
mod download;
mod error;
mod receive;
mod serve;
mod settle;
mod submit;
mod submit_handle;

pub use application::{Application, Description, Taken};
pub use connection::Connection;
pub use content::Content;
pub use delivery::Delivery;
pub use delivery_report::{DeliveryReport, ReportedOutcome};
pub use download::Download;
pub use error::{CollectError, DeliverError, FetchError, ServeError, SubmitError};
pub use serve::serve;
pub use submit_handle::{File, Item, SubmitHandle};
pub use tonic::Status;
