//! `cargo xtask fix`: rewrites what a program can rewrite.

use crate::debian::execute;
use crate::repository::cargo;
use crate::{comments, docs};

pub(crate) fn run() -> anyhow::Result<()> {
    comments::wrap_all()?;
    execute(&mut cargo("fmt", &["--all"]))?;
    docs::write()
}
