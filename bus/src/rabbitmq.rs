//! The channels over a RabbitMQ broker. Nothing outside this module knows AMQP.
//!
//! A failure here is an error that ends the service; the chassis starts it again. So nothing in
//! this module reconnects, and every start is the same start.

pub(crate) mod connection;
mod event;
pub(crate) mod probe;
pub(crate) mod publisher;
pub(crate) mod receiver;
pub(crate) mod topology;
mod wire;

pub use self::connection::RabbitMq;
