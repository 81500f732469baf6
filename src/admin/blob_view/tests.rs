//! Every type as it is shown, and bytes that are none.

use super::*;
use bytes::Bytes;
use serde_json::json;

fn blob(type_id: i32, payload: &[u8]) -> Blob {
    let bytes = [&[0; 4], &type_id.to_be_bytes()[..], payload].concat();
    Blob::new(Bytes::from(bytes)).expect("a test writes whole blobs")
}

/// Bytes as published clients of several languages store them.
const SAMPLES: &str = include_str!("../../../tests/wire/value-data-samples.json");

fn from_hex(hex: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("samples are hexadecimal");
    (0..hex.len()).step_by(2).map(pair).collect()
}

#[test]
fn values_of_real_clients_are_shown_by_type() {
    let samples: Value = serde_json::from_str(SAMPLES).expect("samples are JSON");
    let mut lines = String::new();
    for sample in samples.as_array().expect("samples are a list") {
        let hex = sample["value_data_hex"].as_str().expect("every sample has a value");
        let value = Blob::new(from_hex(hex).into()).expect("every sample is a whole value");
        let shown = view(&value, Detail::WHOLE);
        assert_eq!(i64::from(shown.type_id), sample["type_id"]);
        let what = (&sample["client"], &sample["description"]);
        lines += &format!("{} | {} | {} | {}\n", what.0, what.1, shown.r#type, shown.value);
    }
    insta::assert_snapshot!(lines);
}

#[test]
fn types_of_openlookeng_are_json_and_slices_are_bytes() {
    let json_bytes = b"\0\0\0\x07{\"a\":1}";
    for (type_id, name) in [(3, "database"), (4, "table"), (5, "catalog")] {
        let shown = view(&blob(type_id, json_bytes), Detail::WHOLE);
        assert_eq!((shown.r#type.as_str(), shown.value), (name, json!({ "a": 1 })));
    }
    let slice = view(&blob(1, b"\0\0\0\x02\x01\x02"), Detail::WHOLE);
    assert_eq!((slice.r#type.as_str(), slice.value), ("slice", json!("AQI=")));
}

#[test]
fn what_does_not_decode_has_no_value_but_its_bytes() {
    for (type_id, payload) in [
        (-11, &b"\0\0\0\x05abc"[..]),
        (-11, b"\0\0\0\x02\xff\xff"),
        (-11, b"\xff\xff\xff\xff"),
        (-11, b"\0\0\0\x01ab"),
        (-8, b"\0\0\0\x01"),
        (-20, b"\x7f\xff\xff\xff\0\0\0\x01a"),
        (-130, b"\0\0\0\x01{"),
        (3, b"\0\0\0\x01{"),
        (-25, b"\x80\0\0\0\0\0\0\0"),
        (77, b"\x01"),
    ] {
        let blob = blob(type_id, payload);
        let shown = view(&blob, Detail::WHOLE);
        assert_eq!(shown.value, Value::Null, "type {type_id} {payload:?}");
        assert_eq!(shown.raw, Some(STANDARD.encode(blob.bytes())));
    }
}

#[test]
fn what_is_no_number_is_shown_in_words() {
    assert_eq!(view(&blob(-10, &f64::NAN.to_be_bytes()), Detail::WHOLE).value, json!("NaN"));
    assert_eq!(view(&blob(-9, &f32::INFINITY.to_be_bytes()), Detail::WHOLE).value, json!("inf"));
}

#[test]
fn a_large_value_of_a_list_shows_type_and_size_only() {
    let detail = Detail { bytes_max: 20, base64_values: true };
    let large = view(&blob(-11, b"\0\0\0\x09123456789"), detail);
    assert_eq!((large.bytes, large.value, large.raw), (21, Value::Null, None));
    let object = view(&blob(-100, b"\xac\xed\0\x05sr\0\x05Tiger"), detail);
    assert_eq!((object.r#type.as_str(), object.raw), ("java:Tiger", None));
}
