//! Keys and values as callers write them, made into what clients would have sent.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::Value;
use statekeeper_machine::Blob;

use super::blob_type;
use super::blob_view::RAW_KEY_PREFIX;
use super::java_stream::JavaStream;
use super::problem::Problem;

/// The words of a value's `type`.
pub(super) const TYPES: &[&str] =
    &["string", "long", "int", "double", "boolean", "json", "base64-raw"];

/// The key of a path: text is a string, `base64:` begins serialised bytes.
pub(super) fn key(text: &str, bytes_max: u64) -> Result<Blob, Problem> {
    let key = match text.strip_prefix(RAW_KEY_PREFIX) {
        Some(encoded) => raw("key", encoded)?,
        None => {
            // Before the copy: a string of a path is short, but its limit is the operator's.
            limited(text.len(), "limits.key-bytes-max", bytes_max)?;
            Blob::string(text)
        }
    };
    limited(key.len(), "limits.key-bytes-max", bytes_max)?;
    Ok(key)
}

/// A value by its JSON and the name of its type, which is guessed from the JSON when it is missing.
pub(super) fn value(
    value: &Value,
    kind: Option<&str>,
    base64_values: bool,
    bytes_max: u64,
) -> Result<Blob, Problem> {
    let kind = kind.unwrap_or(match value {
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "long",
        Value::Number(_) => "double",
        Value::String(_) => "string",
        Value::Null | Value::Array(_) | Value::Object(_) => "json",
    });
    let wrong = |expected: &str| Problem::invalid("value", format!("must be {expected}"));
    let blob = match (kind, value) {
        ("string", Value::String(text)) => return string(text, base64_values, bytes_max),
        ("string", _) => return Err(wrong("text")),
        ("long", value) => {
            let number = value.as_i64().ok_or_else(|| wrong("a whole number of 64 bits"))?;
            blob(blob_type::LONG, &number.to_be_bytes())
        }
        ("int", value) => {
            let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
            let number = number.ok_or_else(|| wrong("a whole number of 32 bits"))?;
            blob(blob_type::INTEGER, &number.to_be_bytes())
        }
        ("double", value) => {
            let number = value.as_f64().ok_or_else(|| wrong("a number"))?;
            blob(blob_type::DOUBLE, &number.to_be_bytes())
        }
        ("boolean", value) => {
            let flag = value.as_bool().ok_or_else(|| wrong("true or false"))?;
            blob(blob_type::BOOLEAN, &[u8::from(flag)])
        }
        ("json", value) => {
            let text = value.to_string();
            limited(text.len(), "limits.value-bytes-max", bytes_max)?;
            blob(blob_type::JSON, &with_length(text.as_bytes())?)
        }
        (_, Value::String(text)) => raw("value", text)?,
        (_, _) => return Err(wrong("serialised bytes in base64")),
    };
    limited(blob.len(), "limits.value-bytes-max", bytes_max)?;
    Ok(blob)
}

/// A string as a client stores it: plain, or in openLooKeng's `base64encoding`.
pub(super) fn string(text: &str, base64_values: bool, bytes_max: u64) -> Result<Blob, Problem> {
    limited(text.len(), "limits.value-bytes-max", bytes_max)?;
    let blob = if base64_values {
        let too_long = Problem::TooLarge { limit: "limits.value-bytes-max", bytes_max };
        let stream = JavaStream::of_text(text).ok_or(too_long)?;
        blob(blob_type::STRING, &with_length(STANDARD.encode(stream).as_bytes())?)
    } else {
        blob(blob_type::STRING, &with_length(text.as_bytes())?)
    };
    limited(blob.len(), "limits.value-bytes-max", bytes_max)?;
    Ok(blob)
}

fn raw(field: &str, encoded: &str) -> Result<Blob, Problem> {
    let engines = [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD];
    let bytes = engines.iter().find_map(|engine| engine.decode(encoded).ok());
    let bytes = bytes.ok_or_else(|| Problem::invalid(field, "is no base64"))?;
    let blob = Blob::new(Bytes::from(bytes));
    blob.ok_or_else(|| Problem::invalid(field, "must be hash, type and payload; it is too short"))
}

fn blob(type_id: i32, payload: &[u8]) -> Blob {
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&type_id.to_be_bytes());
    bytes.extend_from_slice(payload);
    Blob::new(Bytes::from(bytes)).expect("a header and a type other than null are there")
}

fn with_length(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let length = i32::try_from(bytes.len())
        .map_err(|_| Problem::invalid("value", "is longer than clients can read"))?;
    Ok([&length.to_be_bytes(), bytes].concat())
}

fn limited(bytes: usize, limit: &'static str, bytes_max: u64) -> Result<(), Problem> {
    if bytes as u64 > bytes_max {
        return Err(Problem::TooLarge { limit, bytes_max });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::admin::blob_view::{Detail, key_in_path, view};
    use serde_json::json;

    const BYTES_MAX: u64 = 1 << 20;

    #[test]
    fn what_is_written_is_shown_again() {
        for (kind, type_id, written) in [
            (Some("string"), -11, json!("text")),
            (Some("long"), -8, json!(i64::MIN)),
            (Some("int"), -7, json!(-7)),
            (Some("double"), -10, json!(0.5)),
            (Some("boolean"), -4, json!(true)),
            (Some("json"), -130, json!({ "a": [1, null] })),
            (None, -11, json!("text")),
            (None, -8, json!(7)),
            (None, -10, json!(7.5)),
            (None, -4, json!(false)),
            (None, -130, json!([1])),
        ] {
            let blob = value(&written, kind, false, BYTES_MAX).unwrap();
            let shown = view(&blob, Detail::WHOLE);
            assert_eq!((shown.type_id, shown.value), (type_id, written.clone()));
            let again = value(&json!(shown.raw), Some("base64-raw"), false, BYTES_MAX).unwrap();
            assert_eq!(again.bytes(), blob.bytes());
        }
    }

    #[test]
    fn a_string_of_a_base64_cluster_is_what_openlookeng_writes() {
        let blob = value(&json!("x"), None, true, BYTES_MAX).unwrap();
        assert_eq!(&blob.bytes()[12..], b"rO0ABXQAAXg=");
        let detail = Detail { base64_values: true, ..Detail::WHOLE };
        let shown = view(&blob, detail);
        assert_eq!((shown.value, shown.encryption), (json!("x"), Some("base64encoding".into())));
        assert_eq!(view(&blob, Detail::WHOLE).value, json!("rO0ABXQAAXg="));
    }

    #[test]
    fn values_of_another_kind_are_refused() {
        for (kind, wrong) in [
            ("string", json!(1)),
            ("long", json!(1.5)),
            ("int", json!(1_i64 << 31)),
            ("double", json!("1")),
            ("boolean", json!(0)),
            ("base64-raw", json!("AAAA")),
            ("base64-raw", json!("###")),
            ("base64-raw", json!(1)),
        ] {
            let refused = value(&wrong, Some(kind), false, BYTES_MAX);
            assert!(matches!(refused, Err(Problem::Invalid(_))), "{kind} {wrong}");
        }
        let large = value(&json!("0123456789"), None, false, 21);
        let limit = "limits.value-bytes-max";
        assert_eq!(large, Err(Problem::TooLarge { limit, bytes_max: 21 }));
    }

    #[test]
    fn every_key_has_a_path_that_means_it() {
        let odd = Blob::new(Bytes::from_static(b"\0\0\0\0\xff\xff\xff\xf8\0\0\0\0\0\0\0\x07"));
        let broken = Blob::new(Bytes::from_static(b"\0\0\0\0\xff\xff\xff\xf5\0\0\0\x09ab"));
        let strings = ["a", "a/b c", "base64:x", ".", "..", ""].map(Blob::string);
        for blob in strings.into_iter().chain(odd).chain(broken) {
            let path = key_in_path(&blob);
            assert_eq!(key(&path, BYTES_MAX).unwrap().bytes(), blob.bytes(), "{path}");
        }
        assert_eq!(key_in_path(&Blob::string("a/b")), "a/b");
        assert!(matches!(key("0123456789", 9), Err(Problem::TooLarge { .. })));
    }
}
