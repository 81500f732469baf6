//! JSON values of the history as the clients serialise them: integers are Java's `long`, strings
//! are strings, the absent value is none.

use serde_json::Value;
use statekeeper_protocol::Data;

use crate::client::Failure;

const INTEGER: i32 = -7;
const LONG: i32 = -8;
const STRING: i32 = -11;
const LENGTH_BYTES: usize = 4;

/// Writes a value. What a history cannot hold is not sent.
pub(in crate::client) fn encode(value: &Value) -> Result<Data, Failure> {
    match value {
        Value::String(text) => {
            let length = u32::try_from(text.len())
                .map_err(|_| Failure::NotSent("a string of more than 4 GB".to_owned()))?;
            let mut payload = length.to_be_bytes().to_vec();
            payload.extend_from_slice(text.as_bytes());
            Ok(Data::from_parts(STRING, &payload))
        }
        Value::Number(number) => match number.as_i64() {
            Some(number) => Ok(Data::from_parts(LONG, &number.to_be_bytes())),
            None => Err(Failure::NotSent(format!("{number} is no number of 64 bits"))),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(Failure::NotSent(format!("{value} is neither a string nor a whole number")))
        }
    }
}

/// Reads a value; one of another type was not written by us.
pub(super) fn decode(data: &Data) -> Result<Value, Failure> {
    let payload = data.payload();
    let read = match data.type_id() {
        LONG => payload.try_into().ok().map(i64::from_be_bytes).map(Value::from),
        // The Python client writes small numbers so.
        INTEGER => payload.try_into().ok().map(i32::from_be_bytes).map(Value::from),
        STRING => string(payload).map(Value::from),
        _ => None,
    };
    read.ok_or_else(|| Failure::OutsideProtocol(format!("a value that nobody wrote: {data:?}")))
}

/// Reads a value that may be absent.
pub(super) fn decode_option(data: Option<&Data>) -> Result<Value, Failure> {
    match data {
        None => Ok(Value::Null),
        Some(data) if data.is_null() => Ok(Value::Null),
        Some(data) => decode(data),
    }
}

fn string(payload: &[u8]) -> Option<&str> {
    let (length, text) = payload.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if text.len() != length {
        return None;
    }
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_back_as_they_were_sent() {
        for value in [json!(0), json!(i64::MIN), json!(i64::MAX), json!(""), json!("käse")] {
            assert_eq!(decode(&encode(&value).unwrap()), Ok(value));
        }
        assert_eq!(decode_option(None), Ok(Value::Null));
    }

    #[test]
    fn what_a_history_cannot_hold_is_not_sent() {
        for value in [json!(null), json!(1.5), json!(u64::MAX), json!([1]), json!(true)] {
            let failure = encode(&value).unwrap_err();
            assert!(matches!(failure, Failure::NotSent(_)), "{value}: {failure}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_outside_the_protocol() {
        let short = Data::from_parts(LONG, &[0; 7]);
        let torn = Data::from_parts(STRING, &[0, 0, 0, 9, b'x']);
        for data in [short, torn, Data::from_parts(-12, &[1])] {
            assert!(matches!(decode(&data), Err(Failure::OutsideProtocol(_))), "{data:?}");
        }
    }
}
