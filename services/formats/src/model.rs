//! Messages of the canonical model in memory: schemas from the contracts, dynamic messages, and
//! their protobuf encoding.

mod message;
mod schema;
mod wire;

pub(crate) use message::{DynMessage, Value};
pub(crate) use schema::{EnumSchema, FieldSchema, FieldType, MessageSchema, message_schema};
pub(crate) use wire::{decode, encode};
