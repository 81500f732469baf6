//! The table of `docs/testing.md`, written from `table.json` so that they cannot drift apart.

use std::fmt::Write;

use anyhow::Context;

use super::Bug;

const BEGIN: &str = "<!-- seeded bugs, written by cargo xtask docs -->\n";
const END: &str = "<!-- end of the seeded bugs -->\n";
const HEAD: &str = "\
| # | Bug | Promise broken | Run that finds it | Found after | Also noticed by |
| --- | --- | --- | --- | --- | --- |
";

/// The part of the page between its marks.
pub fn page_part(bugs: &[Bug]) -> String {
    let mut text = HEAD.to_owned();
    for bug in bugs {
        let after = bug.found_after_s.map_or_else(|| "–".to_owned(), |after| format!("{after} s"));
        let Bug { number, name, patch, breaks, also_found_by, .. } = bug;
        let bug_cell = format!("[{name}](../{}/{patch})", super::FOLDER);
        let run = format!("`{}`", bug.arguments()[1..].join(" "));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {number} | {bug_cell} | {breaks} | {run} | {after} | {also_found_by} |"
        );
    }
    text
}

/// The page with this part between its marks.
///
/// # Errors
/// When the page has lost a mark.
pub fn renew_page(page: &str, part: &str) -> anyhow::Result<String> {
    let (before, rest) = page.split_once(BEGIN).context("the page has no first mark")?;
    let (_, after) = rest.split_once(END).context("the page has no second mark")?;
    Ok(format!("{before}{BEGIN}{part}{END}{after}"))
}
