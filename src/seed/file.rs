//! The text of `seeds.txt`: entries between commas, each the base64 of one serialised seed.

use super::java_serialization::{StreamError, decode_seed, encode_seed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// One node's entry; its identity is its location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    /// `host:port` as clients reach the node.
    pub location: String,
    /// When the node last refreshed it, by the node's own clock.
    pub timestamp_ms: i64,
}

/// Why one entry cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {entry} {cause}")]
pub struct EntryError {
    /// Counted from 1.
    pub entry: usize,
    /// What is wrong with it.
    pub cause: EntryCause,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryCause {
    /// Not base64.
    #[error("is not base64")]
    Base64,
    /// Not a seed.
    #[error("is not a serialised seed: {0}")]
    Stream(StreamError),
    /// More entries than any cluster has.
    #[error("is one more than the most that are read")]
    TooMany,
}

/// More seeds than this are no cluster.
pub const SEEDS_MAX: usize = 1024;

/// Reads the text; line ends are dropped and empty items skipped.
pub fn decode(text: &[u8]) -> Result<Vec<Seed>, EntryError> {
    let mut seeds: Vec<Seed> = Vec::new();
    let text: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    for (index, item) in text.split(|byte| *byte == b',').enumerate() {
        if item.trim_ascii().is_empty() {
            continue;
        }
        let fail = |cause| EntryError { entry: index + 1, cause };
        if seeds.len() == SEEDS_MAX {
            return Err(fail(EntryCause::TooMany));
        }
        let bytes = STANDARD.decode(item.trim_ascii()).map_err(|_| fail(EntryCause::Base64))?;
        let (timestamp_ms, location) =
            decode_seed(&bytes).map_err(|error| fail(EntryCause::Stream(error)))?;
        seeds.retain(|earlier| earlier.location != location);
        seeds.push(Seed { location, timestamp_ms });
    }
    Ok(seeds)
}

// req: R-21
/// Writes the text, in the order given.
pub fn encode(seeds: &[Seed]) -> Result<Vec<u8>, EntryError> {
    let mut items = Vec::with_capacity(seeds.len());
    for (index, seed) in seeds.iter().enumerate() {
        let fail = |cause| EntryError { entry: index + 1, cause };
        if index == SEEDS_MAX {
            return Err(fail(EntryCause::TooMany));
        }
        let bytes = encode_seed(seed.timestamp_ms, &seed.location)
            .map_err(|error| fail(EntryCause::Stream(error)))?;
        items.push(STANDARD.encode(bytes));
    }
    Ok(items.join(",").into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn sample(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openlookeng/seeds/");
        std::fs::read(format!("{folder}{name}.seeds.txt")).unwrap()
    }

    // checks: R-21
    #[test]
    fn every_published_file_is_read_and_written_back_byte_for_byte() {
        let names = [
            ("empty", 0),
            ("one", 1),
            ("two", 2),
            ("refreshed", 2),
            ("three", 3),
            ("ipv6", 1),
            ("negative-timestamp", 1),
            ("non-ascii", 1),
        ];
        for (name, count) in names {
            let seeds = decode(&sample(name)).unwrap();
            assert_eq!(seeds.len(), count, "{name}");
            assert_eq!(encode(&seeds).unwrap(), sample(name), "{name}");
        }
        let mut three = decode(&sample("three")).unwrap();
        three.sort();
        let found: Vec<_> = three.iter().map(|s| (s.location.as_str(), s.timestamp_ms)).collect();
        let third = ("coordinator-3.example.org:5703", 1_700_000_002_000);
        let first_two =
            [("10.0.0.1:5701", 1_700_000_000_000), ("10.0.0.2:5702", 1_700_000_001_000)];
        assert_eq!(found, [first_two[0], first_two[1], third]);
        assert_eq!(decode(&sample("negative-timestamp")).unwrap()[0].timestamp_ms, -1);
        assert_eq!(decode(&sample("non-ascii")).unwrap()[0].location, "köln.example:5701");
    }

    #[test]
    fn garbage_is_refused_with_the_number_of_the_entry() {
        let mut text = sample("one");
        text.extend_from_slice(b",???");
        assert_eq!(decode(&text), Err(EntryError { entry: 2, cause: EntryCause::Base64 }));
        let cause = EntryCause::Stream(StreamError::Short);
        assert_eq!(decode(&sample("one")[..40]), Err(EntryError { entry: 1, cause }));
    }
}
