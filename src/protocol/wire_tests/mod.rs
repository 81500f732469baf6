//! Tests of the whole crate: captured messages, random ones, hostile ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "golden vectors are files")]

mod decoder;
mod golden;
mod hostile;
mod properties;

use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use serde::{Serialize, Serializer};

use crate::{ClientMessage, Data, FrameDecoder, ProtocolUuid};

/// Uuids compare as text, like the captures.
impl Serialize for ProtocolUuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_bytes().serialize(serializer)
    }
}

impl<K: Serialize, V: Serialize> Serialize for crate::Entries<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

fn wire_data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire").join(name)
}

fn from_hex(hex: &str) -> Bytes {
    let digits = hex.as_bytes();
    assert!(digits.len().is_multiple_of(2), "half a byte in {hex}");
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A decoder as after authentication, with the default limit.
fn open_decoder() -> FrameDecoder {
    let mut decoder = FrameDecoder::new();
    decoder.set_authenticated(crate::limits::MESSAGE_BYTES_MAX);
    decoder
}

/// The one message in `bytes`, the way a connection reads it.
fn received(bytes: &[u8]) -> ClientMessage {
    let mut buffer = BytesMut::from(bytes);
    let message = open_decoder().feed(&mut buffer).unwrap().unwrap();
    assert!(buffer.is_empty(), "bytes are left behind the message");
    message
}
