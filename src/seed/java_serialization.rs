//! The Java serialisation of exactly two classes: openLooKeng's `FileBasedSeed` and the datagram
//! of Hazelcast's multicast discovery. A strict comparison with a template; nothing is ever
//! instantiated, and any other class is refused.

/// Magic, version, object and class marks, as every stream here begins.
const HEAD: &[u8] = &[0xac, 0xed, 0x00, 0x05, 0x73, 0x72];

/// A class of one number and one string, in that order.
#[derive(Debug, Clone, Copy)]
struct Class {
    name: &'static str,
    serial_version: i64,
    number_type: u8,
    number_name: &'static str,
    string_name: &'static str,
}

const FILE_BASED_SEED: Class = Class {
    name: "io.hetu.core.seedstore.filebased.FileBasedSeed",
    serial_version: 4,
    number_type: b'J',
    number_name: "timestamp",
    string_name: "location",
};

const MULTICAST_MEMBER_INFO: Class = Class {
    name: "com.hazelcast.spi.discovery.multicast.impl.MulticastMemberInfo",
    serial_version: 0x46f1_5487_40e0_8a71,
    number_type: b'I',
    number_name: "port",
    string_name: "host",
};

/// Why a stream is not one of the two classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The stream is of another class, or not a stream.
    #[error("not the expected class")]
    Class,
    /// It ends early.
    #[error("ends early")]
    Short,
    /// Something follows it.
    #[error("holds {0} bytes too many")]
    Trailing(usize),
    /// The string is not modified UTF-8.
    #[error("the string is not modified UTF-8")]
    Text,
    /// A string longer than the format can hold.
    #[error("the string is longer than 65535 bytes")]
    TooLong,
}

/// Writes a seed.
pub fn encode_seed(timestamp_ms: i64, location: &str) -> Result<Vec<u8>, StreamError> {
    encode(FILE_BASED_SEED, &timestamp_ms.to_be_bytes(), location)
}

/// Reads a seed: timestamp in milliseconds and location.
pub fn decode_seed(bytes: &[u8]) -> Result<(i64, String), StreamError> {
    let (number, text) = decode::<8>(FILE_BASED_SEED, bytes)?;
    Ok((i64::from_be_bytes(number), text))
}

/// Writes an announcement.
pub fn encode_member(host: &str, port: i32) -> Result<Vec<u8>, StreamError> {
    encode(MULTICAST_MEMBER_INFO, &port.to_be_bytes(), host)
}

/// Reads an announcement: host and port.
pub fn decode_member(bytes: &[u8]) -> Result<(String, i32), StreamError> {
    let (number, text) = decode::<4>(MULTICAST_MEMBER_INFO, bytes)?;
    Ok((text, i32::from_be_bytes(number)))
}

impl Class {
    fn prefix(self) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        put_short(&mut bytes, self.name.as_bytes());
        bytes.extend_from_slice(&self.serial_version.to_be_bytes());
        // Serialisable, two fields.
        bytes.extend_from_slice(&[0x02, 0x00, 0x02, self.number_type]);
        put_short(&mut bytes, self.number_name.as_bytes());
        bytes.push(b'L');
        put_short(&mut bytes, self.string_name.as_bytes());
        bytes.push(0x74);
        put_short(&mut bytes, b"Ljava/lang/String;");
        // End of annotations, no super class.
        bytes.extend_from_slice(&[0x78, 0x70]);
        bytes
    }
}

fn put_short(bytes: &mut Vec<u8>, text: &[u8]) {
    let length = u16::try_from(text.len()).expect("template texts are short, others are checked");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text);
}

// req: R-22
fn encode(class: Class, number: &[u8], text: &str) -> Result<Vec<u8>, StreamError> {
    let text = to_modified_utf8(text);
    if text.len() > usize::from(u16::MAX) {
        return Err(StreamError::TooLong);
    }
    let mut bytes = class.prefix();
    bytes.extend_from_slice(number);
    bytes.push(0x74);
    put_short(&mut bytes, &text);
    Ok(bytes)
}

fn decode<const N: usize>(class: Class, bytes: &[u8]) -> Result<([u8; N], String), StreamError> {
    let prefix = class.prefix();
    let Some(rest) = bytes.strip_prefix(prefix.as_slice()) else {
        let short = prefix.starts_with(bytes);
        return Err(if short { StreamError::Short } else { StreamError::Class });
    };
    let (number, rest) = rest.split_first_chunk::<N>().ok_or(StreamError::Short)?;
    let (mark, rest) = rest.split_first().ok_or(StreamError::Short)?;
    if *mark != 0x74 {
        return Err(StreamError::Class);
    }
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(StreamError::Short)?;
    let length = usize::from(u16::from_be_bytes(*length));
    if rest.len() < length {
        return Err(StreamError::Short);
    }
    if rest.len() > length {
        return Err(StreamError::Trailing(rest.len() - length));
    }
    Ok((*number, from_modified_utf8(rest).ok_or(StreamError::Text)?))
}

/// Java's UTF-8: zero in two bytes, characters beyond the first plane as two surrogates.
fn to_modified_utf8(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let [high, low] = unit.to_be_bytes();
        let (middle, last) = (((high & 0x0f) << 2) | (low >> 6), 0x80 | (low & 0x3f));
        match unit {
            1..=0x7f => bytes.push(low),
            0 | 0x80..=0x7ff => bytes.extend([0xc0 | middle, last]),
            _ => bytes.extend([0xe0 | (high >> 4), 0x80 | middle, last]),
        }
    }
    bytes
}

fn from_modified_utf8(bytes: &[u8]) -> Option<String> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let tail = |byte: u8| (byte & 0xc0 == 0x80).then_some(u16::from(byte & 0x3f));
    loop {
        let (unit, after) = match rest {
            [] => break,
            [one @ 0x01..=0x7f, after @ ..] => (u16::from(*one), after),
            [one @ 0xc0..=0xdf, two, after @ ..] => {
                ((u16::from(one & 0x1f) << 6) | tail(*two)?, after)
            }
            [one @ 0xe0..=0xef, two, three, after @ ..] => {
                ((u16::from(one & 0x0f) << 12) | (tail(*two)? << 6) | tail(*three)?, after)
            }
            _ => return None,
        };
        units.push(unit);
        rest = after;
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(timestamp: i64, location in ".{0,40}") {
            let bytes = encode_seed(timestamp, &location).unwrap();
            prop_assert_eq!(decode_seed(&bytes).unwrap(), (timestamp, location));
        }
    }

    #[test]
    fn every_cut_and_every_addition_is_refused() {
        let bytes = encode_seed(7, "10.0.0.1:5701").unwrap();
        for end in 0..bytes.len() {
            assert!(decode_seed(&bytes[..end]).is_err(), "{end}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode_seed(&longer), Err(StreamError::Trailing(1)));
        assert_eq!(decode_member(&bytes), Err(StreamError::Class));
    }
}
