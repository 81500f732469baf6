//! Random messages of every type: written by the rules of the definitions, read and written back
//! by the table.

use std::fmt::Debug;

use bytes::BufMut;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{received, to_hex};
use crate::custom::CUSTOM_TYPES;
use crate::field::FieldType;
use crate::message::{FieldDescriptor, MessageVisitor};
use crate::messages::fenced_lock::get_lock_ownership;
use crate::messages::map::put;
use crate::{ClientMessage, Data, DecodeError, FieldError, Message};

const CASES_EACH: u32 = 48;
const NULL_FRAME: [u8; 6] = [6, 0, 0, 0, 0, 4];
const BEGIN_FRAME: [u8; 6] = [6, 0, 0, 0, 0, 0x10];
const END_FRAME: [u8; 6] = [6, 0, 0, 0, 0, 8];

#[test]
fn every_message_is_written_back_as_it_was_read() {
    let mut count = 0;
    crate::messages::visit(&mut RoundTrip { count: &mut count });
    assert!(count >= 170, "{count}");
}

struct RoundTrip<'a> {
    count: &'a mut usize,
}

impl MessageVisitor for RoundTrip<'_> {
    fn visit<M: Message>(&mut self, name: &str, kind: &str) {
        *self.count += 1;
        let mut runner = TestRunner::new(Config {
            failure_persistence: None,
            cases: CASES_EACH,
            ..Config::default()
        });
        let seeds = prop::collection::vec(any::<u32>(), 400);
        let result = runner.run(&seeds, |seeds| {
            check_round_trip::<M>(kind, &mut Source { seeds, at: 0 });
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{name} {kind}: {error}"));
    }
}

fn check_round_trip<M: Message>(kind: &str, source: &mut Source) {
    let wire = random_wire::<M>(kind, source);
    let message = received(&wire);
    let decoded = M::decode(&message).unwrap_or_else(|e| panic!("{e:?} in {}", to_hex(&wire)));
    let encoded = decoded.encode_with(message.correlation_id(), message.partition_id());
    let encoded = encoded.into_contiguous();
    assert_eq!(to_hex(&encoded), to_hex(&wire));
    assert_eq!(M::decode(&ClientMessage::parse(encoded).unwrap()).unwrap(), decoded);

    // Parameters of a version yet to come: packed behind ours, and as frames behind ours.
    let length = u32::from_le_bytes(*wire.first_chunk().unwrap()) as usize;
    let mut longer = wire.clone();
    longer.splice(length..length, [9; 5]);
    longer[..4].copy_from_slice(&u32::try_from(length + 5).unwrap().to_le_bytes());
    clear_final(&mut longer);
    longer.extend([&BEGIN_FRAME[..], &NULL_FRAME, &END_FRAME].concat());
    longer.extend([7, 0, 0, 0, 0, 0x20, 1]);
    let known = M::FIELDS.iter().all(|field| field.since == M::FIELDS[0].since);
    if known || !drops_fields::<M>(&decoded) {
        assert_eq!(M::decode(&received(&longer)).unwrap(), decoded);
    }
}

/// Whether newer fields are absent: then whatever follows is read as them.
fn drops_fields<M: Debug>(decoded: &M) -> bool {
    format!("{decoded:?}").contains("None")
}

fn clear_final(wire: &mut [u8]) {
    let mut at = 0;
    loop {
        let length = u32::from_le_bytes(*wire[at..].first_chunk().unwrap()) as usize;
        if wire[at + 5] & 0x20 != 0 {
            wire[at + 5] &= !0x20;
            return;
        }
        at += length;
    }
}

/// Endless numbers out of proptest's, so that failures shrink.
struct Source {
    seeds: Vec<u32>,
    at: usize,
}

impl Source {
    fn next(&mut self) -> u32 {
        self.at += 1;
        self.seeds[self.at % self.seeds.len()].rotate_left(u32::try_from(self.at).unwrap() / 400)
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.next() % limit
    }

    fn bytes(&mut self, limit: u32) -> Vec<u8> {
        let length = self.below(limit);
        (0..length).map(|_| self.next().to_le_bytes()[1]).collect()
    }
}

/// A message of type `M` as the definitions describe it, fields of newer versions cut off at times.
fn random_wire<M: Message>(kind: &str, source: &mut Source) -> Vec<u8> {
    let mut initial = Vec::new();
    initial.put_u32_le(M::TYPE.0);
    initial.put_i64_le(i64::from(source.next()) - 5);
    match kind {
        "request" | "event" => initial.put_i32_le(i32::try_from(source.below(272)).unwrap() - 1),
        _ => initial.put_u8(0),
    }
    let oldest = M::FIELDS.first().map_or("", |field| field.since);
    let newer = M::FIELDS.iter().filter(|field| field.since != oldest).count();
    let keep = M::FIELDS.len() - source.below(u32::try_from(newer).unwrap() + 1) as usize;
    let mut frames = Vec::new();
    for field in &M::FIELDS[..keep] {
        put_field(field, &mut initial, &mut frames, source);
    }
    let mut flags = if kind == "event" { 0xc200u16 } else { 0xc000 };
    if M::TYPE.0 == 0x00_0f02 {
        flags |= 0x0080;
    }
    let mut wire = frame(flags, &initial);
    wire.extend(frames);
    mark_last(&mut wire);
    wire
}

fn put_field(
    field: &FieldDescriptor,
    fixed: &mut Vec<u8>,
    frames: &mut Vec<u8>,
    source: &mut Source,
) {
    let is_null = field.nullable && source.below(3) == 0;
    if fixed_bytes(field.field_type) > 0 {
        put_fixed(field.field_type, is_null, fixed, source);
    } else if is_null {
        frames.extend(NULL_FRAME);
    } else {
        put_framed(field.field_type, frames, source);
    }
}

fn fixed_bytes(field_type: FieldType) -> usize {
    match field_type {
        FieldType::Plain("boolean" | "byte") => 1,
        FieldType::Plain("int") => 4,
        FieldType::Plain("long") => 8,
        FieldType::Plain("UUID") => 17,
        _ => 0,
    }
}

fn put_fixed(field_type: FieldType, is_null: bool, out: &mut Vec<u8>, source: &mut Source) {
    let number = u64::from(source.next()) << 32 | u64::from(source.next());
    match field_type {
        FieldType::Plain("boolean") => out.push(u8::from(source.below(2) == 1)),
        FieldType::Plain("UUID") if is_null => {
            out.push(1);
            out.extend([0; 16]);
        }
        FieldType::Plain("UUID") => {
            out.push(0);
            out.put_u64_le(number);
            out.put_u64_le(!number);
        }
        other => out.extend(&number.to_le_bytes()[..fixed_bytes(other)]),
    }
}

fn put_framed(field_type: FieldType, out: &mut Vec<u8>, source: &mut Source) {
    match field_type {
        FieldType::Plain("String") => {
            let text: String =
                source.bytes(12).into_iter().map(|byte| char::from(byte.max(1))).collect();
            out.extend(frame(0, text.as_bytes()));
        }
        FieldType::Plain("Data" | "byteArray") => {
            let limit = if source.below(20) == 0 { 9000 } else { 40 };
            out.extend(frame(0, &source.bytes(limit)));
        }
        FieldType::Plain(name) => put_custom(name, out, source),
        FieldType::List(element) => put_repeated(&[*element], out, source),
        FieldType::Entries(key, value) => put_repeated(&[*key, *value], out, source),
    }
}

fn put_repeated(parts: &[FieldType], out: &mut Vec<u8>, source: &mut Source) {
    let count = source.below(4);
    let mut packed = Vec::new();
    let mut frames = Vec::new();
    for _ in 0..count {
        for part in parts {
            match fixed_bytes(*part) {
                0 => put_framed(*part, &mut frames, source),
                _ => put_fixed(*part, false, &mut packed, source),
            }
        }
    }
    if parts.iter().any(|part| fixed_bytes(*part) == 0) {
        out.extend([&BEGIN_FRAME[..], &frames, &END_FRAME].concat());
    }
    if parts.iter().any(|part| fixed_bytes(*part) > 0) {
        out.extend(frame(0, &packed));
    }
}

fn put_custom(name: &str, out: &mut Vec<u8>, source: &mut Source) {
    let custom = CUSTOM_TYPES.iter().find(|custom| custom.name == name).unwrap();
    let (mut fixed, mut frames) = (Vec::new(), Vec::new());
    for field in custom.fields {
        put_field(field, &mut fixed, &mut frames, source);
    }
    out.extend(BEGIN_FRAME);
    if !fixed.is_empty() {
        out.extend(frame(0, &fixed));
    }
    out.extend(frames);
    out.extend(END_FRAME);
}

fn frame(flags: u16, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.put_u32_le(u32::try_from(content.len() + 6).unwrap());
    out.put_u16_le(flags);
    out.extend(content);
    out
}

fn mark_last(wire: &mut [u8]) {
    let (mut at, mut last) = (0, 0);
    while at < wire.len() {
        last = at;
        at += u32::from_le_bytes(*wire[at..].first_chunk().unwrap()) as usize;
    }
    wire[last + 5] |= 0x20;
}

#[test]
fn frames_of_a_newer_peer_inside_a_custom_type_are_skipped() {
    let mut wire = frame(0xc000, &[vec![0, 4, 7, 0], vec![0; 12]].concat());
    wire.extend(BEGIN_FRAME);
    wire.extend(frame(0, &[1; 20]));
    wire.extend(frame(0, b"default"));
    wire.extend([&BEGIN_FRAME[..], &BEGIN_FRAME, &NULL_FRAME, &END_FRAME, &END_FRAME].concat());
    wire.extend(END_FRAME);
    wire.extend(frame(0, b"lock"));
    mark_last(&mut wire);
    let request = get_lock_ownership::Request::decode(&received(&wire)).unwrap();
    assert_eq!((request.group_id.name.as_str(), request.name.as_str()), ("default", "lock"));
}

#[test]
fn a_missing_or_null_parameter_is_an_error_that_names_it() {
    let mut initial = vec![0, 1, 1, 0];
    initial.extend([0; 12 + 8]);
    let cut = frame(0xe000, &initial);
    let error = put::Request::decode(&received(&cut)).unwrap_err();
    let field = |error| match error {
        DecodeError::Field { field, source, .. } => (field, source),
        other => panic!("{other}"),
    };
    assert_eq!(field(error), ("name", FieldError::Missing));

    let mut wire = frame(0xc000, &[initial, vec![0; 8]].concat());
    wire.extend(frame(0, b"m"));
    wire.extend(NULL_FRAME);
    wire.extend(NULL_FRAME);
    mark_last(&mut wire);
    let error = put::Request::decode(&received(&wire)).unwrap_err();
    assert_eq!(field(error), ("key", FieldError::UnexpectedNull));
}

// checks: R-6
#[test]
fn equality_of_data_begins_behind_the_partition_hash() {
    let plain = Data::from_parts(-11, b"a");
    let mut bytes = plain.as_bytes().to_vec();
    bytes[0] = 9;
    let hinted = Data::new(bytes.into());
    assert_eq!(plain, hinted);
    assert_ne!(plain.partition_id(271), hinted.partition_id(271));
    assert_eq!(hinted.partition_hash(), 9 << 24);
    assert!(Data::default().is_null() && Data::from_parts(0, b"x").is_null());
    assert!(!plain.is_null());
}
