#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
//! The files as published, broken inputs, and the generated page.

use super::KEYS;
use super::values::parse;

#[test]
fn every_default_is_a_value_of_its_kind() {
    for spec in KEYS.iter().filter(|spec| !spec.default.is_empty()) {
        assert!(parse(spec.kind, spec.default).is_some(), "{}", spec.name);
    }
}
