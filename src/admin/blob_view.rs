//! Keys and values as people read them: type, size, and the value where its type is a simple one.
//!
//! spec: client-protocol 7. What does not decode is shown raw, never as something it is not.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use statekeeper_machine::Blob;

use super::blob_type::{self, HEADER_BYTES, type_name};
use super::java_stream::JavaStream;
use super::rfc3339;
use super::schema::api_object;

/// What begins a key that is written as its serialised bytes.
pub(super) const RAW_KEY_PREFIX: &str = "base64:";

api_object! {
    /// A key or value with its type.
    pub(super) struct BlobView {
        /// Its type, for instance `string`; `java:` and a class for a Java object.
        r#type: String,
        /// The type's number in the client protocol.
        type_id: i32,
        /// Serialised bytes, with 8 of hash and type.
        bytes: u64,
        /// The value, when its type is one that can be shown; else null.
        value: Value,
        /// The serialised bytes in base64; null in lists when there are too many.
        raw: Option<String>,
        /// `base64encoding` when the value was taken out of it; else null.
        encryption: Option<String>,
    }
}

/// How much is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Detail {
    /// Longer ones are shown by type and size only.
    pub(super) bytes_max: usize,
    /// Strings may be values in openLooKeng's `base64encoding`.
    pub(super) base64_values: bool,
}

#[cfg(test)]
impl Detail {
    /// Everything there is.
    pub(super) const WHOLE: Self = Self { bytes_max: usize::MAX, base64_values: false };
}

/// Shows a key or value.
pub(super) fn view(blob: &Blob, detail: Detail) -> BlobView {
    let type_id = blob.type_id();
    let mut shown = BlobView {
        r#type: type_name(type_id).to_owned(),
        type_id,
        bytes: blob.len() as u64,
        value: Value::Null,
        raw: None,
        encryption: None,
    };
    let payload = &blob.bytes()[HEADER_BYTES..];
    if type_id == blob_type::JAVA_SERIALIZABLE {
        show_java(&mut shown, payload, blob.len() <= detail.bytes_max);
    }
    if blob.len() > detail.bytes_max {
        return shown;
    }
    shown.raw = Some(STANDARD.encode(blob.bytes()));
    if type_id != blob_type::JAVA_SERIALIZABLE {
        shown.value = decode(type_id, payload).unwrap_or(Value::Null);
    }
    if detail.base64_values
        && let Value::String(text) = &shown.value
        && let Some(inner) = STANDARD.decode(text).ok().filter(|b| JavaStream::read(b).is_some())
    {
        shown.encryption = Some("base64encoding".to_owned());
        shown.value = Value::Null;
        show_java(&mut shown, &inner, true);
    }
    shown
}

/// A key as it stands in a path: text when that means this very key, else its bytes.
pub(super) fn key_in_path(key: &Blob) -> String {
    match decode(key.type_id(), &key.bytes()[HEADER_BYTES..]) {
        // "." and ".." are taken out of paths by most clients.
        Some(Value::String(text))
            if key.type_id() == blob_type::STRING
                && !text.starts_with(RAW_KEY_PREFIX)
                && !["", ".", ".."].contains(&text.as_str()) =>
        {
            text
        }
        Some(_) | None => format!("{RAW_KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(key.bytes())),
    }
}

fn show_java(shown: &mut BlobView, stream: &[u8], whole: bool) {
    match JavaStream::read(stream) {
        Some(JavaStream::Text(text)) => {
            shown.r#type = "java:java.lang.String".to_owned();
            shown.value = if whole { Value::String(text) } else { Value::Null };
        }
        Some(JavaStream::Class(class)) => shown.r#type = format!("java:{class}"),
        Some(JavaStream::Other) | None => {}
    }
}

/// The value of a simple type; `None` for others and for payloads that are not what they should be.
fn decode(type_id: i32, payload: &[u8]) -> Option<Value> {
    let mut reader = Reader(payload);
    let value = match type_id {
        blob_type::BYTE => Value::from(i8::from_be_bytes(reader.take()?)),
        blob_type::BOOLEAN => Value::from(reader.take::<1>()? != [0]),
        blob_type::CHAR => {
            let unit = u16::from_be_bytes(reader.take()?);
            Value::from(String::from_utf16(&[unit]).ok()?)
        }
        blob_type::SHORT => Value::from(i16::from_be_bytes(reader.take()?)),
        blob_type::INTEGER => Value::from(i32::from_be_bytes(reader.take()?)),
        blob_type::LONG => Value::from(i64::from_be_bytes(reader.take()?)),
        blob_type::FLOAT => float(f64::from(f32::from_be_bytes(reader.take()?))),
        blob_type::DOUBLE => float(f64::from_be_bytes(reader.take()?)),
        blob_type::STRING => Value::from(reader.text()?),
        blob_type::BYTES | blob_type::SLICE => Value::from(STANDARD.encode(reader.bytes()?)),
        blob_type::STRINGS => {
            let count = u32::from_be_bytes(reader.take()?);
            let texts: Option<Vec<String>> = (0..count).map(|_| reader.text()).collect();
            Value::from(texts?)
        }
        blob_type::UUID => {
            Value::from(uuid::Uuid::from_u128(u128::from_be_bytes(reader.take()?)).to_string())
        }
        blob_type::DATE => {
            let ms = u64::try_from(i64::from_be_bytes(reader.take()?)).ok()?;
            Value::from(rfc3339::epoch_ms(ms))
        }
        blob_type::JSON => serde_json::from_str(&reader.text()?).ok()?,
        blob_type::DATABASE_ENTITY | blob_type::TABLE_ENTITY | blob_type::CATALOG_ENTITY => {
            serde_json::from_slice(reader.bytes()?).ok()?
        }
        _ => return None,
    };
    reader.0.is_empty().then_some(value)
}

/// JSON has no words for what is no number.
fn float(number: f64) -> Value {
    serde_json::Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        // A length of -1 means null, which is no value here.
        let length = usize::try_from(i32::from_be_bytes(self.take()?)).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests;
