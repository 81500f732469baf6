//! What the tests with real processes stand on: clusters, raw clients, drivers of real clients,
//! networks, and checks that run to the end.
//!
//! One copy for several test programs, each of which uses a part of it.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of what is here")]

pub(crate) mod checks;
pub(crate) mod cluster;
pub(crate) mod driver;
pub(crate) mod files;
pub(crate) mod gate;
pub(crate) mod http;
pub(crate) mod kind;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod peer;
pub(crate) mod provision;
pub(crate) mod raw;
pub(crate) mod site;

use std::time::{Duration, Instant};

/// How long between two looks at a condition.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Asks again and again until the condition holds; panics with its name when time is over.
pub(crate) fn wait_until(what: &str, timeout: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, timeout, || holds().then_some(()));
}

/// Asks again and again until there is an answer; panics with its name when time is over.
pub(crate) fn wait_for<T>(what: &str, timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {timeout:?}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// Looks again and again for the whole time; panics as soon as the condition does not hold.
pub(crate) fn holds_for(what: &str, time: Duration, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        assert!(holds(), "{what}: not for {time:?}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// The end of a log file, for the report of a failed test.
pub(crate) fn tail(path: &std::path::Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
