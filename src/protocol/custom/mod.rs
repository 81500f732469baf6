//! The protocol's custom types: structures inside messages, one file each.
//!
//! On the wire: an opening frame, one packed frame if there are fields of fixed size, the others
//! in order, a closing frame. What a newer peer adds before the closing frame is skipped.

mod address;
mod distributed_object_info;
mod error_holder;
mod member_info;
mod raft_group_id;
mod schema;
mod simple_entry_view;
mod version;

pub use address::Address;
pub use distributed_object_info::DistributedObjectInfo;
pub use error_holder::{ErrorHolder, StackTraceElement};
pub use member_info::{EndpointQualifier, MemberInfo, MemberVersion};
pub use raft_group_id::RaftGroupId;
pub use schema::{FieldDescriptor, Schema};
pub use simple_entry_view::SimpleEntryView;
pub use version::Version;

use crate::message;

/// A custom type and what the published definitions say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomDescriptor {
    /// Its protocol name.
    pub name: &'static str,
    /// The protocol version that brought it.
    pub since: &'static str,
    /// Its fields in protocol order.
    pub fields: &'static [message::FieldDescriptor],
}

/// Every custom type of the table.
pub const CUSTOM_TYPES: &[CustomDescriptor] = &[
    Address::DESCRIPTOR,
    DistributedObjectInfo::DESCRIPTOR,
    EndpointQualifier::DESCRIPTOR,
    ErrorHolder::DESCRIPTOR,
    FieldDescriptor::DESCRIPTOR,
    MemberInfo::DESCRIPTOR,
    MemberVersion::DESCRIPTOR,
    RaftGroupId::DESCRIPTOR,
    Schema::DESCRIPTOR,
    SimpleEntryView::DESCRIPTOR,
    StackTraceElement::DESCRIPTOR,
    Version::DESCRIPTOR,
];

/// A custom type: a struct that reads and writes itself as one parameter. A field with a `since`
/// of its own takes its default when an older peer does not send it.
macro_rules! custom_type {
    (
        $(#[doc = $doc:literal])*
        $(#[since($type_since:literal)])?
        $name:ident {
            $(
                $(#[doc = $field_doc:literal])*
                $(#[since($since:literal)])?
                $field:ident : $ty:ty
            ),* $(,)?
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[cfg_attr(test, derive(serde::Serialize), serde(rename_all = "camelCase"))]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $ty,)*
        }

        impl $name {
            /// What the published definitions say of this type.
            pub const DESCRIPTOR: $crate::custom::CustomDescriptor =
                $crate::custom::CustomDescriptor {
                    name: stringify!($name),
                    since: Self::SINCE,
                    fields: &[
                        $($crate::message::FieldDescriptor {
                            name: stringify!($field),
                            field_type: <$ty as $crate::field::Field>::TYPE,
                            nullable: <$ty as $crate::field::Field>::NULLABLE,
                            since: $crate::message::since!($($since)?, Self::SINCE),
                        },)*
                    ],
                };

            const SINCE: &str = $crate::message::since!($($type_since)?, "2.0");
            const PACKED_BYTES: usize = 0 $(+ <$ty as $crate::field::Field>::FIXED_BYTES)*;
        }

        impl $crate::field::FramedField for $name {}

        impl $crate::field::Field for $name {
            const FIXED_BYTES: usize = 0;
            const TYPE: $crate::field::FieldType =
                $crate::field::FieldType::Plain(stringify!($name));

            fn put_frames(&self, out: &mut $crate::frame::FrameWriter) {
                out.mark($crate::frame::FrameFlags::BEGIN_DATA_STRUCTURE);
                if Self::PACKED_BYTES > 0 {
                    out.packed($crate::frame::FrameFlags::NONE, |out| {
                        let mut fields = $crate::field::FixedWriter::new(out);
                        $(fields.required(&self.$field);)*
                    });
                }
                let mut fields = $crate::field::FramesWriter::new(out);
                $(fields.required(&self.$field);)*
                out.mark($crate::frame::FrameFlags::END_DATA_STRUCTURE);
            }

            fn get_frames(
                frames: &mut $crate::client_message::FrameReader<'_>,
            ) -> Result<Self, $crate::field::FieldError> {
                frames.begin()?;
                let fixed =
                    if Self::PACKED_BYTES > 0 { frames.next_value()?.content } else { &[] };
                let mut fields = $crate::field::FieldReader { fixed, frames };
                let value = Self {
                    $($field: $crate::custom::read_custom_field!(fields, $ty $(, $since)?)?,)*
                };
                frames.skip_to_end()?;
                Ok(value)
            }
        }
    };
}

macro_rules! read_custom_field {
    ($fields:ident, $ty:ty) => {
        $fields.required::<$ty>()
    };
    ($fields:ident, $ty:ty, $since:literal) => {
        $fields.added_inside::<$ty>()
    };
}

pub(crate) use {custom_type, read_custom_field};
