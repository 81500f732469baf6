//! `cargo xtask fix`: rewrites what a program can rewrite.

use crate::debian::execute;
use crate::docs;
use crate::repository::cargo;

pub(crate) fn run() -> anyhow::Result<()> {
    execute(&mut cargo("fmt", &["--all"]))?;
    docs::write()
}
