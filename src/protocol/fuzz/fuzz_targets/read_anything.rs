//! No input may panic, or make the decoder reserve more than it was given.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| statekeeper_protocol::fuzzing::read_anything(bytes));
