//! Arguments, config, run.
fn main() {}
