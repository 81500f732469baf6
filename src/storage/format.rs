//! Keys and values of the log in sled, and the pieces that large entries are cut into.
//!
//! Every value begins with a CRC32C over its key and its content, so that a record under the wrong
//! key is damage like any other. See docs/formats.md for the byte tables.

use super::error::Damage;
use super::log_store::EncodedEntry;
use super::sealed::Fields;

/// The version of keys and values written by this release.
pub(super) const LOG_FORMAT_VERSION: u32 = 1;
/// Opens the format record.
pub(super) const LOG_MAGIC: [u8; 8] = *b"SKLOG\r\n\0";

/// A packed record takes at most this much. sled keeps at least one leaf, that is sixteen records,
/// in each of its 256 cache shards, whatever its cache limit says: 64 MiB at this size.
pub(super) const PACK_BYTES: usize = 16 * 1024;
/// What is larger is cut in pieces of this size, for the same reason. Besides, sled moves what
/// exceeds a quarter of a segment, sixteen values together, into side files that it never syncs.
pub(super) const PIECE_BYTES: usize = PACK_BYTES;

const KIND_META: u8 = 0;
const KIND_PACKED: u8 = 1;
const KIND_PIECE: u8 = 2;

/// First byte of the keys of all entry records.
pub(super) const ENTRY_PREFIX: u8 = b'e';
/// The key after all entry records.
pub(super) const ENTRY_END: [u8; 1] = [ENTRY_PREFIX + 1];

/// The key of the record that begins with this entry, or of one piece of it.
pub(super) fn entry_key(first: u64, piece: u16) -> [u8; 11] {
    let mut key = [ENTRY_PREFIX; 11];
    key[1..9].copy_from_slice(&first.to_be_bytes());
    key[9..].copy_from_slice(&piece.to_be_bytes());
    key
}

/// First index and piece of an entry record's key.
pub(super) fn parse_entry_key(key: &[u8]) -> Option<(u64, u16)> {
    let (prefix, rest) = key.split_first()?;
    let (first, piece) = rest.split_first_chunk::<8>()?;
    let piece = u16::from_be_bytes(piece.try_into().ok()?);
    (*prefix == ENTRY_PREFIX).then(|| (u64::from_be_bytes(*first), piece))
}

/// One sled value, decoded.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Meta(&'a [u8]),
    /// Consecutive entries.
    Packed(Vec<&'a [u8]>),
    /// One piece of a large entry of `pieces` pieces and `total` bytes.
    Piece {
        pieces: u16,
        total: u32,
        bytes: &'a [u8],
    },
}

/// Encodes a value that stands alone.
pub(super) fn meta_value(key: &[u8], content: &[u8]) -> Vec<u8> {
    let mut value = begin(KIND_META, content.len());
    value.extend_from_slice(content);
    finish(key, value)
}

/// Encodes consecutive entries.
pub(super) fn packed_value<'a>(
    key: &[u8],
    entries: impl ExactSizeIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut value = begin(KIND_PACKED, PACK_BYTES);
    // A pack closes at 16 KiB, and an entry takes four bytes at least.
    value.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    for entry in entries {
        value.extend_from_slice(&(entry.len() as u32).to_le_bytes());
        value.extend_from_slice(entry);
    }
    finish(key, value)
}

/// Encodes one piece of an entry of `total` bytes.
pub(super) fn piece_value(key: &[u8], pieces: u16, total: u32, bytes: &[u8]) -> Vec<u8> {
    let mut value = begin(KIND_PIECE, 6 + bytes.len());
    value.extend_from_slice(&pieces.to_le_bytes());
    value.extend_from_slice(&total.to_le_bytes());
    value.extend_from_slice(bytes);
    finish(key, value)
}

/// Checks and decodes a value.
pub(super) fn parse_value<'a>(key: &[u8], value: &'a [u8]) -> Result<Value<'a>, Damage> {
    let mut fields = Fields::new(value);
    let stored = fields.u32().ok_or(Damage::Truncated)?;
    // req: R-9
    let calculated = crc32c::crc32c_append(crc32c::crc32c(key), &value[4..]);
    if stored != calculated {
        return Err(Damage::Checksum { stored, calculated });
    }
    let kind = fields.u8().ok_or(Damage::Truncated)?;
    parse_content(kind, fields, value.len() - 5).ok_or(Damage::Undecodable)
}

fn parse_content(kind: u8, mut fields: Fields<'_>, length: usize) -> Option<Value<'_>> {
    match kind {
        KIND_META => Some(Value::Meta(fields.bytes(length)?)),
        KIND_PACKED => {
            let count = fields.u32()?;
            let mut entries = Vec::new();
            for _ in 0..count {
                entries.push(fields.string()?);
            }
            (fields.is_empty() && count > 0).then_some(Value::Packed(entries))
        }
        KIND_PIECE => {
            let (pieces, total) = (fields.u16()?, fields.u32()?);
            Some(Value::Piece { pieces, total, bytes: fields.bytes(length - 6)? })
        }
        _ => None,
    }
}

fn begin(kind: u8, capacity: usize) -> Vec<u8> {
    let mut value = Vec::with_capacity(9 + capacity);
    value.extend_from_slice(&[0; 4]);
    value.push(kind);
    value
}

fn finish(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &value[4..]);
    value[..4].copy_from_slice(&crc.to_le_bytes());
    value
}

/// Cuts entries into runs: each run is one packed record, or one entry that needs pieces.
pub(super) fn packs(entries: &[EncodedEntry]) -> impl Iterator<Item = &[EncodedEntry]> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest
            .iter()
            .take_while(|entry| {
                bytes += entry.bytes.len() + 4;
                bytes <= PACK_BYTES
            })
            .count();
        let (pack, after) = rest.split_at_checked(fits.max(1))?;
        rest = after;
        Some(pack)
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn entries(sizes: &[usize]) -> Vec<EncodedEntry> {
        let sizes = sizes.iter().enumerate();
        sizes
            .map(|(index, size)| EncodedEntry {
                index: index as u64,
                bytes: Bytes::from(vec![7; *size]),
            })
            .collect()
    }

    #[test]
    fn packs_close_at_their_size_and_a_larger_entry_stands_alone() {
        let entries = entries(&[12_000, 4_000, 2_000, 100_000, 10, 10]);
        let lengths: Vec<_> = packs(&entries).map(<[_]>::len).collect();
        assert_eq!(lengths, [2, 1, 1, 2]);
    }

    #[test]
    fn a_value_under_another_key_is_damage() {
        let value = meta_value(b"m/vote", b"x");
        assert!(matches!(parse_value(b"m/vote", &value), Ok(Value::Meta(b"x"))));
        assert!(matches!(parse_value(b"m/purged", &value), Err(Damage::Checksum { .. })));
    }

    #[test]
    fn every_flipped_bit_of_a_value_is_seen() {
        let key = entry_key(5, 0);
        let value = packed_value(&key, [b"one".as_slice(), b"two"].into_iter());
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(parse_value(&key, &flipped).is_err(), "bit {bit}");
        }
    }
}
