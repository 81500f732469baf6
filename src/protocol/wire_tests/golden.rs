//! Every captured message: decoded, compared with an independent reading, and encoded again.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::{from_hex, received, to_hex, wire_data};
use crate::message::MessageVisitor;
use crate::messages::error::ErrorResponse;
use crate::{ClientMessage, Data, ExceptionCode, FrameFlags, Message, PartitionId};

const BACKUP_ACKS_AT: usize = 18;
const FLAGS_HIGH_BYTE_AT: usize = 5;

// checks: R-4
#[test]
fn every_captured_message_is_read_and_written_as_the_real_peers_do() {
    let mut checked = BTreeMap::<String, usize>::new();
    let mut files: Vec<_> =
        fs::read_dir(wire_data("captures")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        let captured: Vec<Value> =
            serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for vector in captured {
            let mut check = Check { vector: &vector, found: false };
            crate::messages::visit(&mut check);
            assert!(check.found, "{}: not in the table: {}", file.display(), vector["message"]);
            let name = format!("{} {}", text(&vector, "message"), text(&vector, "kind"));
            *checked.entry(name).or_default() += 1;
        }
    }
    // A wrong folder or filter must not look like success.
    assert!(files.len() >= 11 && checked.len() >= 140, "{} files, {checked:?}", files.len());
}

#[test]
fn every_captured_request_is_dispatched_by_its_own_type() {
    for entry in fs::read_dir(wire_data("captures")).unwrap() {
        let captured: Vec<Value> =
            serde_json::from_str(&fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        for vector in captured.iter().filter(|vector| text(vector, "kind") == "request") {
            let message = received(&from_hex(text(vector, "hex")));
            let request = crate::messages::Request::decode(&message).unwrap().unwrap();
            assert_eq!(request.descriptor().message_type, message.message_type());
            assert_eq!(message.message_type().name(), Some(text(vector, "message")));
        }
    }
}

#[test]
fn captured_errors_have_the_class_names_of_our_list() {
    let file = fs::read_to_string(wire_data("captures/java-5.3.8-on-5.3.8.json")).unwrap();
    let captured: Vec<Value> = serde_json::from_str(&file).unwrap();
    let errors: Vec<_> = captured.iter().filter(|one| text(one, "kind") == "error").collect();
    assert!(!errors.is_empty());
    for vector in errors {
        let message = received(&from_hex(text(vector, "hex")));
        for error in ErrorResponse::decode(&message).unwrap().errors {
            let code = ExceptionCode::from_number(error.error_code).unwrap();
            assert_eq!(code.class_name(), error.class_name);
        }
    }
}

#[test]
fn keys_fall_into_the_partitions_that_real_clients_chose() {
    let keys: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(wire_data("partition-ids.json")).unwrap())
            .unwrap();
    assert!(keys.len() >= 54);
    for key in keys {
        let data = Data::new(from_hex(text(&key, "key_data_hex")));
        let count = i32::try_from(number(&key, "partition_count")).unwrap();
        let partition = i32::try_from(number(&key, "partition_id")).unwrap();
        assert_eq!(data.partition_id(count), PartitionId(partition), "{key}");
        assert_eq!(data.partition_id(1), PartitionId(0));
    }
}

struct Check<'a> {
    vector: &'a Value,
    found: bool,
}

impl MessageVisitor for Check<'_> {
    fn visit<M: Message>(&mut self, _: &str, kind: &str) {
        let hex = text(self.vector, "message_type").trim_start_matches("0x");
        if M::TYPE.0 != u32::from_str_radix(hex, 16).unwrap() {
            return;
        }
        self.found = true;
        assert_eq!(kind, text(self.vector, "kind"), "{}", self.vector);

        let wire = from_hex(text(self.vector, "hex"));
        let message = received(&wire);
        assert_eq!(message, ClientMessage::parse(wire.clone()).unwrap());
        check_header(self.vector, &message);
        let decoded = M::decode(&message).unwrap_or_else(|e| panic!("{e:?}: {}", self.vector));
        check_fields(self.vector, &decoded.to_json());

        let encoded = decoded.encode_with(message.correlation_id(), message.partition_id());
        let mut encoded = encoded.into_contiguous().to_vec();
        // What we deliberately never set ourselves: being backup aware, and backup acks.
        let [backup_aware, _] = FrameFlags::BACKUP_AWARE.0.to_be_bytes();
        encoded[FLAGS_HIGH_BYTE_AT] |= wire[FLAGS_HIGH_BYTE_AT] & backup_aware;
        if let Some(acks) = self.vector.get("backup_acks").and_then(Value::as_u64) {
            encoded[BACKUP_ACKS_AT] = u8::try_from(acks).unwrap();
        }
        assert_eq!(to_hex(&encoded), to_hex(&wire), "{}", self.vector);
    }
}

fn check_header(vector: &Value, message: &ClientMessage) {
    assert_eq!(message.correlation_id().0, number(vector, "correlation_id"), "{vector}");
    if vector.get("partition_id").is_some_and(|id| !id.is_null()) {
        assert_eq!(i64::from(message.partition_id().0), number(vector, "partition_id"), "{vector}");
    }
    let flags = text(vector, "initial_flags").trim_start_matches("0x");
    assert_eq!(message.flags().0, u16::from_str_radix(flags, 16).unwrap(), "{vector}");
    assert_eq!(message.is_event(), text(vector, "kind") == "event");
}

/// Ours must hold exactly the captured fields; what was absent on the wire must be `None`.
fn check_fields(vector: &Value, ours: &Value) {
    let absent: Vec<&str> = match vector.get("fields_absent_on_wire") {
        Some(names) => {
            names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
        }
        None => Vec::new(),
    };
    let theirs = vector["decoded"].as_object().unwrap();
    let ours = ours.as_object().unwrap();
    for (name, value) in theirs {
        let our_value = ours.get(name).unwrap_or_else(|| panic!("no field {name}: {vector}"));
        assert_eq!(our_value, &plain(value), "{name}: {vector}");
    }
    for (name, value) in ours {
        let is_absent = absent.contains(&name.as_str());
        assert!(theirs.contains_key(name) || is_absent, "{name} is not in {vector}");
        assert!(!is_absent || value.is_null(), "{name} was absent in {vector}");
    }
}

/// The captures write bytes as `{"hex": …}`; ours are lists of numbers.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get("hex") {
            Some(hex) if fields.len() == 1 => {
                from_hex(hex.as_str().unwrap()).iter().copied().collect()
            }
            _ => fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        },
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("no {field}: {vector}"))
}

fn number(vector: &Value, field: &str) -> i64 {
    vector[field].as_i64().unwrap_or_else(|| panic!("no {field}: {vector}"))
}
