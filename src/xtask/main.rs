//! Programs for ourselves.
fn main() {}
