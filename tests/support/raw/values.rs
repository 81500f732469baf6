//! Values as the clients serialise them.

use statekeeper_protocol::Data;

const LONG: i32 = -8;
const STRING: i32 = -11;

/// A string, as every client writes it.
pub(crate) fn text(text: &str) -> Data {
    let mut payload = u32::try_from(text.len()).unwrap().to_be_bytes().to_vec();
    payload.extend_from_slice(text.as_bytes());
    Data::from_parts(STRING, &payload)
}

/// The string in a value.
pub(crate) fn text_of(data: &Data) -> String {
    assert_eq!(data.type_id(), STRING, "{data:?} is no string");
    String::from_utf8(data.payload()[4..].to_vec()).unwrap()
}

/// A whole number, as Java writes a `long`.
pub(crate) fn number(number: u64) -> Data {
    Data::from_parts(LONG, &number.to_be_bytes())
}

/// The whole number in a value.
pub(crate) fn number_of(data: &Data) -> u64 {
    assert_eq!(data.type_id(), LONG, "{data:?} is no number");
    u64::from_be_bytes(data.payload().try_into().unwrap())
}
