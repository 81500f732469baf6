//! MurmurHash3, x86, 32 bits: the hash that places a key in a partition.
//!
//! The seed is the protocol's, not a choice. Not for anything but partition ids.

// spec: client-protocol 7
const SEED: u32 = 0x0100_0193;
const C1: u32 = 0xcc9e_2d51;
const C2: u32 = 0x1b87_3593;

/// The hash of a serialised key's payload.
pub(crate) fn hash(payload: &[u8]) -> i32 {
    let (blocks, tail) = payload.as_chunks::<4>();
    let mut h = SEED;
    for block in blocks {
        h ^= scramble(u32::from_le_bytes(*block));
        h = h.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !tail.is_empty() {
        let last = tail.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        h ^= scramble(last);
    }
    // The algorithm takes the length modulo 2^32.
    #[allow(clippy::cast_possible_truncation)]
    let length = payload.len() as u32;
    finish(h ^ length).cast_signed()
}

fn scramble(word: u32) -> u32 {
    word.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2)
}

fn finish(mut h: u32) -> u32 {
    h = (h ^ h >> 16).wrapping_mul(0x85eb_ca6b);
    h = (h ^ h >> 13).wrapping_mul(0xc2b2_ae35);
    h ^ h >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_payload_hashes_to_the_finished_seed() {
        assert_eq!(hash(b""), finish(SEED).cast_signed());
    }

    #[test]
    fn a_tail_counts_as_if_it_were_padded_with_zeros_but_for_the_length() {
        assert_ne!(hash(b"abc"), hash(b"abc\0"));
        assert_ne!(hash(b"a"), hash(b"b"));
    }
}
