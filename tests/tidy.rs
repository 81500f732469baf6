//! The rules of the house that a program can check. Each test is one rule and lists every place
//! that breaks it; a rule that must be broken somewhere says so, with the reason, in its table.
//!
//! Reads the tree as it lies there; needs no network and writes nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "tidy/citations.rs"]
mod citations;
#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/pages.rs"]
mod pages;
#[path = "tidy/places.rs"]
mod places;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/tree.rs"]
mod tree;
