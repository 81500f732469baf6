//! The table of messages, one file per protocol service.
//!
//! Each file holds one entry per message; [`Request`] is the sum of all of them. Errors, which
//! belong to no service, are in [`error`].

pub mod client;
pub mod cp_group;
pub mod cp_session;
pub mod error;
pub mod fenced_lock;
pub mod flake_id_generator;
pub mod map;
pub mod set;

use crate::client_message::ClientMessage;
use crate::frame::DecodeError;
use crate::message::{MessageDescriptor, MessageVisitor};

// req: R-4
macro_rules! services {
    ($($name:ident $module:ident,)*) => {
        /// Any supported request. Match it without `_`: a new message then asks for its handler.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "variants are named as the protocol names the services")]
        #[allow(clippy::large_enum_variant, reason = "lives from decoding to its one match")]
        pub enum Request {
            $($name($module::Request),)*
        }

        impl Request {
            /// Reads a request by its own type; `None` when the table does not have it.
            ///
            /// # Errors
            /// A parameter cannot be read.
            pub fn decode(message: &ClientMessage) -> Result<Option<Self>, DecodeError> {
                $(if let Some(request) = $module::Request::decode(message)? {
                    return Ok(Some(Self::$name(request)));
                })*
                Ok(None)
            }

            /// The table entry of this request.
            #[must_use]
            pub fn descriptor(&self) -> &'static MessageDescriptor {
                match self {
                    $(Self::$name(request) => request.descriptor(),)*
                }
            }
        }

        /// Every entry of the table, in the order of their numbers.
        pub fn table() -> impl Iterator<Item = &'static MessageDescriptor> {
            std::iter::empty()$(.chain($module::TABLE))*
        }

        /// Shows `visitor` every message of the table.
        pub fn visit(visitor: &mut impl MessageVisitor) {
            $($module::visit(visitor);)*
            visitor.visit::<error::ErrorResponse>("Error", "error");
        }
    };
}

services! {
    Client client,
    Map map,
    Set set,
    FencedLock fenced_lock,
    FlakeIdGenerator flake_id_generator,
    CPGroup cp_group,
    CPSession cp_session,
}
