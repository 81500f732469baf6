//! `cargo xtask docs`: the generated pages.
//!
//! `docs/configuration.md` comes from the table of keys, the seeded bugs of `docs/testing.md` from
//! `jepsen/bugs/table.json`; a test of each compares it, and writes it when told to. The coverage
//! tables of `docs/protocol.md` are made here.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, ensure};

use crate::coverage;
use crate::debian::execute;
use crate::repository::{cargo, root};

const BEGIN: &str = "<!-- written by cargo xtask docs -->\n";
const END: &str = "<!-- end of what cargo xtask docs writes -->\n";
/// Tells the tests of pages to write them.
const WRITE_VARIABLE: &str = "STATEKEEPER_TEST_WRITE_DOCS";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Compare only.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.check {
        check()?;
        return execute(&mut tested_pages());
    }
    write()
}

/// Compares the tables of `docs/protocol.md`; what tests compare is left to them.
pub(crate) fn check() -> anyhow::Result<()> {
    let page = read_protocol_page()?;
    let fresh = renew(&page, &coverage::tables()?)?;
    ensure!(page == fresh, "docs/protocol.md is not fresh; run: cargo xtask docs");
    Ok(())
}

/// Writes every generated page.
pub(crate) fn write() -> anyhow::Result<()> {
    let page = read_protocol_page()?;
    let fresh = renew(&page, &coverage::tables()?)?;
    if page != fresh {
        fs::write(protocol_page(), fresh).context("cannot write docs/protocol.md")?;
    }
    execute(tested_pages().env(WRITE_VARIABLE, "1"))
}

fn tested_pages() -> std::process::Command {
    let (configuration, bugs) =
        ("config::tests::the_page_is_fresh", "bugs::tests::the_page_is_fresh");
    cargo("test", &["--workspace", "--lib", "--quiet", "--", "--exact", configuration, bugs])
}

fn protocol_page() -> PathBuf {
    root().join("docs/protocol.md")
}

fn read_protocol_page() -> anyhow::Result<String> {
    fs::read_to_string(protocol_page()).context("cannot read docs/protocol.md")
}

/// The page with another text between its two marks.
fn renew(page: &str, text: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("docs/protocol.md has no first mark")?;
    let (_, after) = rest.split_once(END).context("docs/protocol.md has no second mark")?;
    Ok(format!("{before}{BEGIN}{text}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let page = format!("before\n{BEGIN}old\n{END}after\n");
        assert_eq!(renew(&page, "new\n").unwrap(), format!("before\n{BEGIN}new\n{END}after\n"));
        assert!(renew("no marks", "new\n").is_err());
    }
}
