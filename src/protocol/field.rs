//! What a parameter is on the wire.
//!
//! One rule for all: a type of fixed size is packed into the initial frame (or, in a custom type,
//! into its first frame); any other takes frames of its own. [`Field::FIXED_BYTES`] says which, at
//! compile time, so lists, entries and nullable values need one implementation each.

use std::fmt;
use std::ops::{Deref, DerefMut};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::client_message::FrameReader;
use crate::data::Data;
use crate::frame::{FrameFlags, FrameWriter};

/// What is wrong with one parameter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FieldError {
    /// The message ends before it.
    #[error("it is missing")]
    Missing,
    /// Null where the protocol has no null.
    #[error("it is null")]
    UnexpectedNull,
    /// A structure opens or closes where a value belongs, or the reverse.
    #[error("its frame is of another kind")]
    UnexpectedFrame,
    /// A packed list whose length is not a multiple of its elements'.
    #[error("its {bytes} bytes are not a multiple of {element_bytes}")]
    UnevenList {
        /// Content bytes of the frame.
        bytes: usize,
        /// Bytes of one element.
        element_bytes: usize,
    },
    /// Two parallel lists of different lengths.
    #[error("it has {keys} keys and {values} values")]
    UnevenEntries {
        /// Number of keys.
        keys: usize,
        /// Number of values.
        values: usize,
    },
    /// Text that is not UTF-8.
    #[error("it is not utf-8")]
    NotUtf8,
}

/// The protocol's name of a type, for comparing the table with the published definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A type with a name of its own.
    Plain(&'static str),
    /// A list.
    List(&'static FieldType),
    /// A list of pairs; the protocol's maps have the same bytes.
    Entries(&'static FieldType, &'static FieldType),
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(name) => f.write_str(name),
            Self::List(element) => write!(f, "List_{}", element.in_list()),
            Self::Entries(key, value) => {
                write!(f, "EntryList_{}_{}", key.in_list(), value.in_list())
            }
        }
    }
}

impl FieldType {
    /// Inside lists the definitions name boxed types.
    fn in_list(&self) -> Self {
        match self {
            Self::Plain("int") => Self::Plain("Integer"),
            Self::Plain("long") => Self::Plain("Long"),
            other => *other,
        }
    }
}

/// A parameter type.
///
/// A type implements either the two `fixed` methods or the two `frames` methods, according to
/// [`Self::FIXED_BYTES`]; the callers below never reach the others.
pub trait Field: Sized {
    /// Bytes in the packed frame; 0 for a type in frames of its own.
    const FIXED_BYTES: usize;
    /// The protocol's name of the type.
    const TYPE: FieldType;
    /// Whether null is allowed.
    const NULLABLE: bool = false;

    /// Writes a value of fixed size.
    fn put_fixed(&self, _out: &mut BytesMut) {
        unreachable!("{} is in frames of its own", Self::TYPE)
    }

    /// Reads a value of fixed size; `raw` holds exactly that many bytes.
    ///
    /// # Errors
    /// Null where there is none.
    fn get_fixed(_raw: &[u8]) -> Result<Self, FieldError> {
        unreachable!("{} is in frames of its own", Self::TYPE)
    }

    /// Writes a value in frames of its own.
    fn put_frames(&self, _out: &mut FrameWriter) {
        unreachable!("{} is of fixed size", Self::TYPE)
    }

    /// Reads a value in frames of its own.
    ///
    /// # Errors
    /// The frames are not such a value.
    fn get_frames(_frames: &mut FrameReader<'_>) -> Result<Self, FieldError> {
        unreachable!("{} is of fixed size", Self::TYPE)
    }
}

/// A field in frames of its own, which null can replace.
pub trait FramedField: Field {}

/// The parameters of a message or custom type while they are read: the packed ones and the frames.
#[derive(Debug)]
pub(crate) struct FieldReader<'a, 'b> {
    pub(crate) fixed: &'a [u8],
    pub(crate) frames: &'b mut FrameReader<'a>,
}

impl FieldReader<'_, '_> {
    /// The next parameter, which every version of the protocol has.
    pub(crate) fn required<T: Field>(&mut self) -> Result<T, FieldError> {
        if T::FIXED_BYTES == 0 {
            return T::get_frames(self.frames);
        }
        let (raw, rest) = self.fixed.split_at_checked(T::FIXED_BYTES).ok_or(FieldError::Missing)?;
        self.fixed = rest;
        T::get_fixed(raw)
    }

    /// The next parameter, which older peers do not send.
    pub(crate) fn added<T: Field>(&mut self) -> Result<Option<T>, FieldError> {
        let absent = match T::FIXED_BYTES {
            0 => self.frames.is_at_end(),
            bytes => self.fixed.len() < bytes,
        };
        if absent {
            return Ok(None);
        }
        if T::FIXED_BYTES == 0 && !T::NULLABLE && self.frames.take_null()? {
            return Ok(None);
        }
        self.required().map(Some)
    }

    /// As [`Self::added`], inside a custom type, where the end of the structure ends it.
    pub(crate) fn added_inside<T: Field + Default>(&mut self) -> Result<T, FieldError> {
        let at_end = self
            .frames
            .peek()
            .is_none_or(|frame| frame.flags.contains(FrameFlags::END_DATA_STRUCTURE));
        if T::FIXED_BYTES == 0 && at_end {
            return Ok(T::default());
        }
        self.added().map(Option::unwrap_or_default)
    }
}

/// The packed parameters of a message while they are written.
#[derive(Debug)]
pub(crate) struct FixedWriter<'a> {
    out: &'a mut BytesMut,
    /// Bytes of absent parameters, written only if a present one follows.
    absent: usize,
}

impl<'a> FixedWriter<'a> {
    pub(crate) fn new(out: &'a mut BytesMut) -> Self {
        Self { out, absent: 0 }
    }

    pub(crate) fn required<T: Field>(&mut self, value: &T) {
        if T::FIXED_BYTES > 0 {
            self.out.put_bytes(0, std::mem::take(&mut self.absent));
            value.put_fixed(self.out);
        }
    }

    pub(crate) fn added<T: Field>(&mut self, value: &Option<T>) {
        match value {
            Some(value) => self.required(value),
            None => self.absent += T::FIXED_BYTES,
        }
    }
}

/// The parameters in frames of their own while they are written.
#[derive(Debug)]
pub(crate) struct FramesWriter<'a> {
    out: &'a mut FrameWriter,
    /// Absent parameters, written as nulls only if a present one follows.
    absent: usize,
}

impl<'a> FramesWriter<'a> {
    pub(crate) fn new(out: &'a mut FrameWriter) -> Self {
        Self { out, absent: 0 }
    }

    pub(crate) fn required<T: Field>(&mut self, value: &T) {
        if T::FIXED_BYTES == 0 {
            for _ in 0..std::mem::take(&mut self.absent) {
                self.out.mark(FrameFlags::IS_NULL);
            }
            value.put_frames(self.out);
        }
    }

    pub(crate) fn added<T: Field>(&mut self, value: &Option<T>) {
        match value {
            Some(value) => self.required(value),
            None if T::FIXED_BYTES == 0 => self.absent += 1,
            None => {}
        }
    }
}

macro_rules! integer_field {
    ($($rust:ty => $name:literal, $put:ident, $get:ident;)*) => {$(
        impl Field for $rust {
            const FIXED_BYTES: usize = size_of::<$rust>();
            const TYPE: FieldType = FieldType::Plain($name);

            fn put_fixed(&self, out: &mut BytesMut) {
                out.$put(*self);
            }

            fn get_fixed(mut raw: &[u8]) -> Result<Self, FieldError> {
                Ok(raw.$get())
            }
        }
    )*};
}

integer_field! {
    i8 => "byte", put_i8, get_i8;
    i32 => "int", put_i32_le, get_i32_le;
    i64 => "long", put_i64_le, get_i64_le;
}

impl Field for bool {
    const FIXED_BYTES: usize = 1;
    const TYPE: FieldType = FieldType::Plain("boolean");

    fn put_fixed(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }

    fn get_fixed(mut raw: &[u8]) -> Result<Self, FieldError> {
        Ok(raw.get_u8() != 0)
    }
}

/// A UUID as its two halves. Order is that of the text form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProtocolUuid {
    /// The first half of the text form.
    pub most_significant: u64,
    /// The second half of the text form.
    pub least_significant: u64,
}

impl ProtocolUuid {
    /// From the 16 bytes in the order of the text form.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        // Both halves are cut to what they hold.
        #[allow(clippy::cast_possible_truncation)]
        Self { most_significant: (bits >> 64) as u64, least_significant: bits as u64 }
    }

    /// The 16 bytes in the order of the text form.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        (self.most_significant as u128) << 64 | self.least_significant as u128
    }
}

impl fmt::Display for ProtocolUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (most, least) = (self.most_significant, self.least_significant);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            most >> 32,
            most >> 16 & 0xffff,
            most & 0xffff,
            least >> 48,
            least & 0xffff_ffff_ffff
        )
    }
}

impl Field for ProtocolUuid {
    const FIXED_BYTES: usize = Option::<Self>::FIXED_BYTES;
    const TYPE: FieldType = FieldType::Plain("UUID");

    fn put_fixed(&self, out: &mut BytesMut) {
        Some(*self).put_fixed(out);
    }

    fn get_fixed(raw: &[u8]) -> Result<Self, FieldError> {
        Option::get_fixed(raw)?.ok_or(FieldError::UnexpectedNull)
    }
}

impl Field for Option<ProtocolUuid> {
    const FIXED_BYTES: usize = 17;
    const TYPE: FieldType = ProtocolUuid::TYPE;
    const NULLABLE: bool = true;

    fn put_fixed(&self, out: &mut BytesMut) {
        let uuid = self.unwrap_or_default();
        out.put_u8(u8::from(self.is_none()));
        out.put_u64_le(uuid.most_significant);
        out.put_u64_le(uuid.least_significant);
    }

    fn get_fixed(mut raw: &[u8]) -> Result<Self, FieldError> {
        let is_null = raw.get_u8() != 0;
        let most_significant = raw.get_u64_le();
        let least_significant = raw.get_u64_le();
        Ok((!is_null).then_some(ProtocolUuid { most_significant, least_significant }))
    }
}

impl Field for String {
    const FIXED_BYTES: usize = 0;
    const TYPE: FieldType = FieldType::Plain("String");

    fn put_frames(&self, out: &mut FrameWriter) {
        out.copied(self.as_bytes());
    }

    fn get_frames(frames: &mut FrameReader<'_>) -> Result<Self, FieldError> {
        let content = frames.next_value()?.content;
        std::str::from_utf8(content).map(str::to_owned).map_err(|_| FieldError::NotUtf8)
    }
}

impl Field for Bytes {
    const FIXED_BYTES: usize = 0;
    const TYPE: FieldType = FieldType::Plain("byteArray");

    fn put_frames(&self, out: &mut FrameWriter) {
        out.bytes(self);
    }

    fn get_frames(frames: &mut FrameReader<'_>) -> Result<Self, FieldError> {
        Ok(frames.next_value()?.to_bytes())
    }
}

impl Field for Data {
    const FIXED_BYTES: usize = 0;
    const TYPE: FieldType = FieldType::Plain("Data");

    fn put_frames(&self, out: &mut FrameWriter) {
        out.bytes(self.as_bytes());
    }

    fn get_frames(frames: &mut FrameReader<'_>) -> Result<Self, FieldError> {
        Bytes::get_frames(frames).map(Self::new)
    }
}

impl FramedField for String {}
impl FramedField for Bytes {}
impl FramedField for Data {}
impl<T: Field> FramedField for Vec<T> {}
impl<K: Field, V: Field> FramedField for Entries<K, V> {}

impl<T: FramedField> Field for Option<T> {
    const FIXED_BYTES: usize = 0;
    const TYPE: FieldType = T::TYPE;
    const NULLABLE: bool = true;

    fn put_frames(&self, out: &mut FrameWriter) {
        match self {
            Some(value) => value.put_frames(out),
            None => out.mark(FrameFlags::IS_NULL),
        }
    }

    fn get_frames(frames: &mut FrameReader<'_>) -> Result<Self, FieldError> {
        if frames.take_null()? { Ok(None) } else { T::get_frames(frames).map(Some) }
    }
}

impl<T: Field> Field for Vec<T> {
    const FIXED_BYTES: usize = 0;
    const TYPE: FieldType = FieldType::List(&T::TYPE);

    fn put_frames(&self, out: &mut FrameWriter) {
        if T::FIXED_BYTES > 0 {
            out.packed(FrameFlags::NONE, |out| self.iter().for_each(|item| item.put_fixed(out)));
        } else {
            put_list(out, self, |out, item| item.put_frames(out));
        }
    }

    fn get_frames(frames: &mut FrameReader<'_>) -> Result<Self, FieldError> {
        if T::FIXED_BYTES > 0 {
            return get_packed(frames, T::FIXED_BYTES, T::get_fixed);
        }
        get_list(frames, T::get_frames)
    }
}

/// A list of key and value pairs, in the sender's order. The protocol's maps are the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries<K, V>(pub Vec<(K, V)>);

impl<K, V> Default for Entries<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K, V> From<Vec<(K, V)>> for Entries<K, V> {
    fn from(pairs: Vec<(K, V)>) -> Self {
        Self(pairs)
    }
}

impl<K, V> Deref for Entries<K, V> {
    type Target = Vec<(K, V)>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K, V> DerefMut for Entries<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<K, V> FromIterator<(K, V)> for Entries<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<K, V> IntoIterator for Entries<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Field, V: Field> Field for Entries<K, V> {
    const FIXED_BYTES: usize = 0;
    const TYPE: FieldType = {
        // The protocol has no form for these.
        assert!(K::FIXED_BYTES > 0 || V::FIXED_BYTES == 0, "values of fixed size need such keys");
        FieldType::Entries(&K::TYPE, &V::TYPE)
    };

    fn put_frames(&self, out: &mut FrameWriter) {
        match (K::FIXED_BYTES > 0, V::FIXED_BYTES > 0) {
            (true, true) => out.packed(FrameFlags::NONE, |out| {
                for (key, value) in &self.0 {
                    key.put_fixed(out);
                    value.put_fixed(out);
                }
            }),
            // Keys of fixed size go into one frame behind the values.
            (true, false) => {
                put_list(out, &self.0, |out, (_, value)| value.put_frames(out));
                out.packed(FrameFlags::NONE, |out| {
                    self.iter().for_each(|(key, _)| key.put_fixed(out));
                });
            }
            _ => put_list(out, &self.0, |out, (key, value)| {
                key.put_frames(out);
                value.put_frames(out);
            }),
        }
    }

    fn get_frames(frames: &mut FrameReader<'_>) -> Result<Self, FieldError> {
        match (K::FIXED_BYTES > 0, V::FIXED_BYTES > 0) {
            (true, true) => get_packed(frames, K::FIXED_BYTES + V::FIXED_BYTES, |raw| {
                let (key, value) = raw.split_at(K::FIXED_BYTES);
                Ok((K::get_fixed(key)?, V::get_fixed(value)?))
            }),
            (true, false) => {
                let values = get_list(frames, V::get_frames)?;
                let keys = get_packed(frames, K::FIXED_BYTES, K::get_fixed)?;
                if keys.len() != values.len() {
                    let (keys, values) = (keys.len(), values.len());
                    return Err(FieldError::UnevenEntries { keys, values });
                }
                Ok(keys.into_iter().zip(values).collect())
            }
            _ => get_list(frames, |frames| Ok((K::get_frames(frames)?, V::get_frames(frames)?))),
        }
        .map(Self)
    }
}

fn put_list<T>(out: &mut FrameWriter, items: &[T], put: impl Fn(&mut FrameWriter, &T)) {
    out.mark(FrameFlags::BEGIN_DATA_STRUCTURE);
    items.iter().for_each(|item| put(out, item));
    out.mark(FrameFlags::END_DATA_STRUCTURE);
}

fn get_list<'a, T>(
    frames: &mut FrameReader<'a>,
    get: impl Fn(&mut FrameReader<'a>) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    frames.begin()?;
    let mut items = Vec::new();
    while !frames.take_end()? {
        items.push(get(frames)?);
    }
    Ok(items)
}

fn get_packed<T>(
    frames: &mut FrameReader<'_>,
    element_bytes: usize,
    get: impl Fn(&[u8]) -> Result<T, FieldError>,
) -> Result<Vec<T>, FieldError> {
    let content = frames.next_value()?.content;
    let elements = content.chunks_exact(element_bytes);
    if !elements.remainder().is_empty() {
        return Err(FieldError::UnevenList { bytes: content.len(), element_bytes });
    }
    elements.map(get).collect()
}
