//! The wire: bytes in, messages out.
//!
//! The Hazelcast Open Binary Client Protocol 2.x, both directions: what a server reads and
//! writes, and what our own test clients and load generator do. Messages are a table
//! ([`messages`]), one entry each; one rule for fixed and variable parameters ([`field`]) reads
//! and writes them all.
//!
//! Deliberately absent: sockets, clocks, sessions, meaning. Bytes from outside can only yield a
//! [`DecodeError`], never a panic, and never more memory than [`limits`] allows.

#![forbid(unsafe_code)]

pub mod client_message;
pub mod custom;
pub mod data;
pub mod exception;
pub mod field;
pub mod frame;
#[doc(hidden)]
pub mod fuzzing;
pub mod limits;
pub mod message;
pub mod messages;
mod murmur3;
#[cfg(test)]
mod wire_tests;

pub use client_message::{ClientMessage, CorrelationId, EncodedMessage, PartitionId};
pub use data::Data;
pub use exception::ExceptionCode;
pub use field::{Entries, Field, FieldError, ProtocolUuid};
pub use frame::{DecodeError, FrameDecoder, FrameFlags};
pub use message::{Call, Message, MessageDescriptor, MessageType, PartitionSelection};
