//! What a Rust adapter stands on: implement [`Application`], call [`serve`].
//!
//! An adapter dials out to the gateway and never listens. It gives what its application has to
//! send through an [`Outlet`], and takes what comes in [`Application::deliver`].
//!
//! # Promises
//!
//! - [`Outlet::submit`] returns a receipt only when the bus holds the item with all its files.
//! - Messages of one conversation are delivered one after the other, in their order.
//! - A file that was read to its end has the digest its sender gave it.
//! - A stop and a broken link let what is being delivered finish and be answered; what was not
//!   begun goes back at once.
//! - When the link breaks [`serve`] returns its error; whoever started it starts it again.
//!
//! # Not here
//!
//! Reconnecting, configuration, formats: an adapter speaks its application's own format.

mod application;
mod content;
mod delivery;
mod gather;
mod outlet;
mod receive;
mod serve;
mod settle;
mod submit;

pub use application::{Application, CollectError, DeliverError, Description, Taken};
pub use content::Content;
pub use delivery::{Delivery, FetchError, Fetched};
pub use outlet::{File, Item, Outlet, SubmitError};
pub use serve::{Connection, ServeError, Token, serve};
pub use tonic::Status;

/// The gateway's client over any transport of the SDK's user.
pub(crate) type Client = proto::exchange::v1::exchange_client::ExchangeClient<Link>;

/// The transport with the application's token on every call.
pub(crate) type Link =
    tonic::service::interceptor::InterceptedService<tonic::transport::Channel, Token>;
