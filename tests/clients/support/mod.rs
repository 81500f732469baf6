//! What the client tests stand on: drivers, clusters, and checks that run to the end.

pub(crate) mod checks;
pub(crate) mod cluster;
pub(crate) mod driver;
mod http;
pub(crate) mod kind;
mod peer;
mod provision;

use std::time::{Duration, Instant};

/// Asks again and again until the condition holds; panics with its name when time is over.
pub(crate) fn wait_until(what: &str, timeout: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {timeout:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The end of a log file, for the report of a failed test.
pub(crate) fn tail(path: &std::path::Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
