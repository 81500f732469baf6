//! Writes `docs/configuration.md` from the table of keys.

use super::keys::{KEYS, KeySpec, MAP_KEYS, Source, Support};
use super::values::describe;
use std::fmt::Write;

/// The whole page.
pub fn configuration_page() -> String {
    let mut page = String::from(
        "# Configuration\n\nWritten by `cargo xtask docs` from `src/config/keys.rs`; do not \
         edit.\n\n\
         Later wins: built-in default, `etc/state-store.properties`, `etc/seed-store.properties`, \
         `etc/filesystem/<profile>.properties`, `etc/statekeeper.properties`, environment \
         (`STATEKEEPER_RAFT_PORT` for `raft.port`), command line (`--set raft.port=5751`). R: a \
         running node takes a new value.\n",
    );
    for source in [Source::StateStore, Source::SeedStore, Source::Filesystem, Source::Ours] {
        section(&mut page, source.file(), "", KEYS.iter().filter(|key| key.source == source));
    }
    section(&mut page, "Settings of one map", "map.<name>.", MAP_KEYS.iter());
    page.push_str(
        "\nBuilt in: `merged-dynamic-filters` lives 3000 s, 30 s untouched, holds 10000, LFU.\n",
    );
    page
}

fn section<'a>(
    page: &mut String,
    title: &str,
    prefix: &str,
    keys: impl Iterator<Item = &'a KeySpec>,
) {
    let _ = write!(
        page,
        "\n## {title}\n\n| Key | Value | Default | R | What |\n| --- | --- | --- | --- | --- |\n"
    );
    for key in keys {
        let default = if key.default.is_empty() { "–" } else { key.default };
        let mark = if key.reloadable { "R" } else { "" };
        let support = match key.support {
            Support::Full => String::new(),
            Support::Only(words) => format!(" This build: only {}.", words.join(", ")),
            Support::WarnUnless(words) => format!(" Not built, only {}.", words.join(", ")),
            Support::Absent => " Not in this build: stops the start.".to_owned(),
            Support::Dormant => " Belongs to a feature that is not in this build.".to_owned(),
        };
        let _ = writeln!(
            page,
            "| `{prefix}{}` | {} | {default} | {mark} | {}{support} |",
            key.name,
            describe(key.kind),
            key.doc
        );
    }
}
