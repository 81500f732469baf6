//! What a message is: a type number, parameters in protocol order, and who may send it again.
//!
//! The `messages!` table in [`messages`](crate::messages) expands to plain structs with the
//! functions written here, and to static descriptors that tools compare with the published
//! definitions.

use std::fmt;

use crate::client_message::{ClientMessage, CorrelationId, PartitionId};
use crate::field::FieldType;
use crate::frame::DecodeError;

/// Service, method and kind of a message in one number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageType(pub u32);

const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;

/// Names and numbers of all published requests, one a line: the one list of them.
const PUBLISHED: &str = include_str!("../../tests/wire/messages.txt");

impl MessageType {
    /// The type of every error answer.
    pub const ERROR: Self = Self(0);

    pub(crate) const fn request(service: u8, method: u8) -> Self {
        Self::of_kind(service, method, REQUEST)
    }

    pub(crate) const fn response(service: u8, method: u8) -> Self {
        Self::of_kind(service, method, RESPONSE)
    }

    pub(crate) const fn of_kind(service: u8, method: u8, kind: u8) -> Self {
        Self((service as u32) << 16 | (method as u32) << 8 | kind as u32)
    }

    /// The published name of the call this message belongs to, such as `Map.put`, whether this
    /// server supports it or not. Searches the whole list: meant for refusals and logs.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Self::published().find(|(request, _)| request.0 == self.0 & !0xff).map(|(_, name)| name)
    }

    /// All published requests with their names, in the order of their numbers.
    pub fn published() -> impl Iterator<Item = (Self, &'static str)> {
        PUBLISHED.lines().filter_map(|line| {
            let (number, name) = line.split_once(' ')?;
            Some((Self(u32::from_str_radix(number, 16).ok()?), name))
        })
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)?;
        self.name().map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageType({:06x})", self.0)
    }
}

/// What a client derives the partition of a request from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionSelection {
    /// No partition: any connection.
    Anywhere,
    /// The hash of the key parameter.
    ByKey,
    /// The hash of the name parameter as a serialised string.
    ByName,
    /// The hash of any of the keys, which all share one partition.
    ByAnyKey,
    /// The caller names the partition.
    ByPartitionId,
}

/// One parameter of a message, as the published definitions describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldDescriptor {
    /// Its name in the table.
    pub name: &'static str,
    /// Its protocol type.
    pub field_type: FieldType,
    /// Whether null is allowed.
    pub nullable: bool,
    /// The protocol version that brought it.
    pub since: &'static str,
}

/// One event of a listener message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDescriptor {
    /// Its name in the table, which ends in `Event`.
    pub name: &'static str,
    /// Its number.
    pub message_type: MessageType,
    /// The protocol version that brought it.
    pub since: &'static str,
    /// Its parameters.
    pub fields: &'static [FieldDescriptor],
}

/// One entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageDescriptor {
    /// Service and method as the table writes them, `Map.PutIfAbsent`.
    pub name: &'static str,
    /// The number of the request.
    pub message_type: MessageType,
    /// Whether clients send the request again by themselves after a lost connection.
    pub retryable: bool,
    /// What selects the partition.
    pub partition: PartitionSelection,
    /// The protocol version that brought it.
    pub since: &'static str,
    /// Parameters of the request.
    pub request: &'static [FieldDescriptor],
    /// Parameters of the response.
    pub response: &'static [FieldDescriptor],
    /// The events, if it registers a listener.
    pub events: &'static [EventDescriptor],
}

/// A request, response or event of the table.
pub trait Message: Sized + PartialEq + fmt::Debug {
    /// Its number.
    const TYPE: MessageType;
    /// Its parameters in protocol order.
    const FIELDS: &'static [FieldDescriptor];

    /// Reads it. Parameters of newer versions at the end are ignored.
    ///
    /// # Errors
    /// The message is of another type, or a parameter cannot be read.
    fn decode(message: &ClientMessage) -> Result<Self, DecodeError>;

    /// Writes it. Responses carry no partition and ignore the argument.
    fn encode_with(
        &self,
        correlation_id: CorrelationId,
        partition_id: PartitionId,
    ) -> crate::EncodedMessage;

    /// Its parameters for comparing with golden vectors.
    #[cfg(test)]
    fn to_json(&self) -> serde_json::Value;
}

/// A request, for clients: the table knows what comes back.
pub trait Call: Message {
    /// Its response.
    type Answer: Message;
}

/// Is shown every message of the table: tests and tools that must not forget one.
pub trait MessageVisitor {
    /// One request, response or event. `name` is that of the call, `kind` that of the struct.
    fn visit<M: Message>(&mut self, name: &str, kind: &str);
}

/// One request, response or event as a struct that reads and writes itself.
macro_rules! message_struct {
    (
        $(#[doc = $doc:expr])*
        $name:ident($type:expr, since $version:expr) {
            $($(#[since($since:literal)])? $field:ident : $ty:ty),*
        }
        initial frame $flags:expr, $tail:expr, $header_bytes:expr
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
        #[allow(missing_docs, reason = "parameters are named as the protocol names them")]
        pub struct $name {
            $(pub $field: $crate::message::struct_field!($ty $(, $since)?),)*
        }

        impl $crate::message::Message for $name {
            const TYPE: $crate::message::MessageType = $type;
            const FIELDS: &'static [$crate::message::FieldDescriptor] = &[
                $($crate::message::FieldDescriptor {
                    name: stringify!($field),
                    field_type: <$ty as $crate::field::Field>::TYPE,
                    nullable: <$ty as $crate::field::Field>::NULLABLE,
                    since: $crate::message::since!($($since)?, $version),
                },)*
            ];

            fn decode(
                message: &$crate::client_message::ClientMessage,
            ) -> Result<Self, $crate::frame::DecodeError> {
                let fixed = message.parameters_of(Self::TYPE, $header_bytes)?;
                let mut frames = message.reader();
                #[allow(unused_mut, unused_variables, reason = "some have no parameters")]
                let mut fields = $crate::field::FieldReader { fixed, frames: &mut frames };
                Ok(Self {
                    $($field: $crate::message::read_field!(fields, $ty $(, $since)?)
                        .map_err(|source| $crate::frame::DecodeError::Field {
                            message: Self::TYPE,
                            field: stringify!($field),
                            source,
                        })?,)*
                })
            }

            #[allow(unused_variables, reason = "responses have no partition")]
            fn encode_with(
                &self,
                correlation_id: $crate::client_message::CorrelationId,
                partition_id: $crate::client_message::PartitionId,
            ) -> $crate::client_message::EncodedMessage {
                let mut writer = $crate::frame::FrameWriter::new();
                let tail = $tail(partition_id);
                writer.initial($flags, Self::TYPE, correlation_id, tail, |out| {
                    #[allow(unused_mut, unused_variables, reason = "some have no parameters")]
                    let mut fields = $crate::field::FixedWriter::new(out);
                    $($crate::message::write_field!(fields, self.$field $(, $since)?);)*
                });
                #[allow(unused_mut, unused_variables, reason = "some have no parameters")]
                let mut fields = $crate::field::FramesWriter::new(&mut writer);
                $($crate::message::write_field!(fields, self.$field $(, $since)?);)*
                writer.finish()
            }

            #[cfg(test)]
            fn to_json(&self) -> serde_json::Value {
                serde_json::to_value(self).expect("structs of plain values can be serialised")
            }
        }
    };
}

/// A parameter that older peers do not send is `None` when it was absent.
macro_rules! struct_field {
    ($ty:ty) => { $ty };
    ($ty:ty, $since:literal) => { Option<$ty> };
}

macro_rules! read_field {
    ($fields:ident, $ty:ty) => {
        $fields.required::<$ty>()
    };
    ($fields:ident, $ty:ty, $since:literal) => {
        $fields.added::<$ty>()
    };
}

macro_rules! write_field {
    ($fields:ident, $value:expr) => {
        $fields.required(&$value)
    };
    ($fields:ident, $value:expr, $since:literal) => {
        $fields.added(&$value)
    };
}

/// The first of the given versions; 2.0 is that of everything that does not say otherwise.
macro_rules! since {
    ($since:literal, $version:expr) => {
        $since
    };
    (, $version:expr) => {
        $version
    };
}

macro_rules! retryable {
    (retryable) => {
        true
    };
    (once) => {
        false
    };
}

macro_rules! partition {
    (anywhere) => {
        $crate::message::PartitionSelection::Anywhere
    };
    (by_key) => {
        $crate::message::PartitionSelection::ByKey
    };
    (by_name) => {
        $crate::message::PartitionSelection::ByName
    };
    (by_any_key) => {
        $crate::message::PartitionSelection::ByAnyKey
    };
    (by_partition_id) => {
        $crate::message::PartitionSelection::ByPartitionId
    };
}

macro_rules! event_flags {
    (event) => {
        $crate::frame::FrameFlags::EVENT
    };
    (backup_event) => {
        $crate::frame::FrameFlags::EVENT.union($crate::frame::FrameFlags::BACKUP_EVENT)
    };
}

/// The table of one service. An entry reads:
///
/// ```text
/// NUMBER Name module_name retryable|once PARTITION
///     { request parameters } => { response parameters }
///     event NUMBER NameEvent { event parameters };
/// ```
///
/// `retryable` is what the definitions say of the client; `#[since("2.7")]` marks what came after
/// protocol 2.0, or after the message itself.
macro_rules! messages {
    (
        service $service:ident = $service_id:literal;
        $(
            $(#[since($message_since:literal)])?
            $id:literal $name:ident $module:ident $retry:ident $partition:ident
            { $($request:tt)* } => { $($response:tt)* }
            $(
                $(#[since($event_since:literal)])?
                $event_kind:ident $event_id:literal $event:ident { $($event_field:tt)* }
            )*;
        )*
    ) => {
        $(
            #[doc = concat!("`", stringify!($service), ".", stringify!($name), "`")]
            pub mod $module {
                #[allow(unused_imports, reason = "not every message needs every type")]
                use super::*;

                const SINCE: &str = $crate::message::since!($($message_since)?, "2.0");

                $crate::message::message_struct! {
                    #[doc = concat!("The request of `", stringify!($service), ".",
                        stringify!($name), "`.")]
                    Request(
                        $crate::message::MessageType::request($service_id, $id), since SINCE
                    ) { $($request)* }
                    initial frame $crate::frame::FrameFlags::UNFRAGMENTED,
                    $crate::client_message::InitialTail::Partition,
                    $crate::client_message::REQUEST_HEADER_BYTES
                }

                impl Request {
                    /// Reads the request.
                    ///
                    /// # Errors
                    /// It is another message, or a parameter cannot be read.
                    pub fn decode(
                        message: &$crate::ClientMessage,
                    ) -> Result<Self, $crate::DecodeError> {
                        $crate::Message::decode(message)
                    }

                    /// Writes the request, as a client.
                    #[must_use]
                    pub fn encode(
                        &self,
                        correlation_id: $crate::CorrelationId,
                        partition_id: $crate::PartitionId,
                    ) -> $crate::EncodedMessage {
                        $crate::Message::encode_with(self, correlation_id, partition_id)
                    }
                }

                $crate::message::message_struct! {
                    #[doc = concat!("The response of `", stringify!($service), ".",
                        stringify!($name), "`.")]
                    Response(
                        $crate::message::MessageType::response($service_id, $id), since SINCE
                    ) { $($response)* }
                    initial frame $crate::frame::FrameFlags::UNFRAGMENTED,
                    $crate::client_message::InitialTail::of_response,
                    $crate::client_message::RESPONSE_HEADER_BYTES
                }

                impl $crate::Call for Request {
                    type Answer = Response;
                }

                impl Response {
                    /// Reads the response, as a client.
                    ///
                    /// # Errors
                    /// It is another message, or a parameter cannot be read.
                    pub fn decode(
                        message: &$crate::ClientMessage,
                    ) -> Result<Self, $crate::DecodeError> {
                        $crate::Message::decode(message)
                    }

                    /// Writes the response to the request with this id.
                    #[must_use]
                    pub fn encode(
                        &self,
                        correlation_id: $crate::CorrelationId,
                    ) -> $crate::EncodedMessage {
                        let no_partition = $crate::PartitionId::NONE;
                        $crate::Message::encode_with(self, correlation_id, no_partition)
                    }
                }

                $(
                    $crate::message::message_struct! {
                        #[doc = concat!("An event of `", stringify!($service), ".",
                            stringify!($name), "`.")]
                        $event(
                            $crate::message::MessageType::of_kind($service_id, $id, $event_id),
                            since $crate::message::since!($($event_since)?, SINCE)
                        ) { $($event_field)* }
                        initial frame $crate::message::event_flags!($event_kind),
                        $crate::client_message::InitialTail::Partition,
                        $crate::client_message::REQUEST_HEADER_BYTES
                    }

                    impl $event {
                        /// Reads the event, as a client.
                        ///
                        /// # Errors
                        /// It is another message, or a parameter cannot be read.
                        pub fn decode(
                            message: &$crate::ClientMessage,
                        ) -> Result<Self, $crate::DecodeError> {
                            $crate::Message::decode(message)
                        }

                        /// Writes the event for the listener that was added under this id.
                        #[must_use]
                        pub fn encode(
                            &self,
                            correlation_id: $crate::CorrelationId,
                            partition_id: $crate::PartitionId,
                        ) -> $crate::EncodedMessage {
                            $crate::Message::encode_with(self, correlation_id, partition_id)
                        }
                    }
                )*

                /// The table entry.
                pub const DESCRIPTOR: $crate::MessageDescriptor = $crate::MessageDescriptor {
                    name: concat!(stringify!($service), ".", stringify!($name)),
                    message_type: <Request as $crate::Message>::TYPE,
                    retryable: $crate::message::retryable!($retry),
                    partition: $crate::message::partition!($partition),
                    since: SINCE,
                    request: <Request as $crate::Message>::FIELDS,
                    response: <Response as $crate::Message>::FIELDS,
                    events: &[
                        $($crate::message::EventDescriptor {
                            name: stringify!($event),
                            message_type: <$event as $crate::Message>::TYPE,
                            since: $crate::message::since!($($event_since)?, SINCE),
                            fields: <$event as $crate::Message>::FIELDS,
                        },)*
                    ],
                };
            }
        )*

        #[doc = concat!("Any supported request of the service ", stringify!($service), ".")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "variants are named as the protocol names the calls")]
        #[allow(clippy::large_enum_variant, reason = "lives from decoding to its one match")]
        pub enum Request {
            $($name($module::Request),)*
        }

        impl Request {
            /// Reads the request by its own type; `None` when it is not in the table.
            ///
            /// # Errors
            /// A parameter cannot be read.
            pub fn decode(
                message: &$crate::ClientMessage,
            ) -> Result<Option<Self>, $crate::DecodeError> {
                match message.message_type() {
                    $(<$module::Request as $crate::Message>::TYPE => {
                        $module::Request::decode(message).map(Self::$name).map(Some)
                    })*
                    _ => Ok(None),
                }
            }

            /// The table entry of this request.
            #[must_use]
            pub fn descriptor(&self) -> &'static $crate::MessageDescriptor {
                match self {
                    $(Self::$name(_) => &$module::DESCRIPTOR,)*
                }
            }
        }

        /// The service's entries, in the order of their numbers.
        pub const TABLE: &[$crate::MessageDescriptor] = &[$($module::DESCRIPTOR,)*];

        /// Shows `visitor` every message of the service.
        pub fn visit(visitor: &mut impl $crate::message::MessageVisitor) {
            $(
                let name = $module::DESCRIPTOR.name;
                visitor.visit::<$module::Request>(name, "request");
                visitor.visit::<$module::Response>(name, "response");
                $(visitor.visit::<$module::$event>(name, "event");)*
            )*
        }
    };
}

pub(crate) use {
    event_flags, message_struct, messages, partition, read_field, retryable, since, struct_field,
    write_field,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;

    #[test]
    fn every_published_call_has_a_name_and_no_other_number_has_one() {
        assert_eq!(MessageType::published().count(), 474);
        assert!(MessageType::published().is_sorted_by(|(one, _), (next, _)| one < next));
        assert_eq!(MessageType(0x01_2e00).name(), Some("Map.executeOnKey"));
        assert_eq!(MessageType(0x01_1902).name(), Some("Map.addEntryListener"));
        assert_eq!(MessageType(0x01_fe00).name(), None);
        assert_eq!(MessageType(u32::MAX).name(), None);
        assert_eq!(MessageType(0x01_2e00).to_string(), "012e00 (Map.executeOnKey)");
    }

    #[test]
    fn every_entry_of_the_table_is_published_under_its_name() {
        for entry in messages::table() {
            let published = entry.message_type.name().map(str::to_lowercase);
            assert_eq!(published, Some(entry.name.to_lowercase()));
        }
    }
}
