#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
//! Broken seed files and locks, and the words each is answered with; nothing is changed by them.

use super::{MARKER, Seed, SeedDirectory, file, local};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use std::fs;
use std::time::Duration;

const SEEDS: &str = "seeds.txt";
const PATIENCE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn every_broken_seed_file_and_lock_is_told_and_left_alone() {
    let one = file::encode(&[seed("a:5701")]).unwrap();
    let good = String::from_utf8(one).unwrap();
    let stream = STANDARD.decode(&good).unwrap();
    let encoded = |bytes: &[u8]| STANDARD.encode(bytes);
    let mut foreign = stream.clone();
    foreign[10] ^= 1;
    let mut text = stream.clone();
    *text.last_mut().unwrap() = 0xff;
    let crowd: Vec<String> = (0..=file::SEEDS_MAX)
        .map(|n| String::from_utf8(file::encode(&[seed(&format!("a:{n}"))]).unwrap()).unwrap())
        .collect();
    let holder = "11111111-2222-3333-4444-555555555555";
    let cases: Vec<(&str, &str, String)> = vec![
        ("half an entry", SEEDS, good[..good.len() / 2].to_owned()),
        ("no base64", SEEDS, "127.0.0.1:5701".to_owned()),
        ("a second entry that is none", SEEDS, format!("{good},???")),
        ("no stream of Java's", SEEDS, encoded(b"127.0.0.1:5701 and so on and on")),
        ("another class", SEEDS, encoded(&foreign)),
        ("a stream that ends early", SEEDS, encoded(&stream[..stream.len() - 3])),
        ("a stream with something behind it", SEEDS, encoded(&[&stream[..], b"x"].concat())),
        ("a location that is no text", SEEDS, encoded(&text)),
        ("JSON, as on YARN", SEEDS, "[{\"location\": \"http://a\"}]".to_owned()),
        ("more than a cluster", SEEDS, crowd.join(",")),
        ("a very large file", SEEDS, "A".repeat((1 << 20) + 1)),
        ("a fresh lock of another", ".lockFile", "update".to_owned()),
        ("a fresh holder without a lock", ".lockInfo", holder.to_owned()),
        ("an empty holder", ".lockInfo", String::new()),
        ("a very large marker", MARKER, "A".repeat((1 << 20) + 1)),
    ];
    let mut told = String::new();
    for (what, name, text) in cases {
        let temp = tempfile::tempdir().unwrap();
        let directory = local::open(temp.path(), "c").unwrap().with_patience(PATIENCE);
        let path = directory.path().join(name);
        fs::write(&path, &text).unwrap();
        let error = match name {
            MARKER => directory.read_marker().await.map(drop).unwrap_err(),
            _ => directory.update(Box::new(|seeds| seeds)).await.map(drop).unwrap_err(),
        };
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{what} was changed");
        let error = error.to_string().replace(temp.path().to_str().unwrap(), "seeds");
        writeln!(told, "{what}\n  {error}").unwrap();
    }
    insta::assert_snapshot!(told);
}

fn seed(location: &str) -> Seed {
    Seed { location: location.to_owned(), timestamp_ms: 1 }
}
