//! The coverage tables of `docs/protocol.md`: every published message, what this server does with
//! it, and the test that shows it.
//!
//! A test says which messages it shows by a line `// covers: Map.put Map.get` above its function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use statekeeper_protocol::{MessageType, messages};

use crate::repository::{files_below, root};

/// Where tests that show messages are.
const TESTED_IN: [&str; 2] = ["tests", "src/endpoint"];
const MARK: &str = "// covers:";
/// What a test covers that shows the refusal of every message outside the table.
const REFUSAL: &str = "Refused";

/// Names of messages, and the tests that show them.
type Tests = BTreeMap<String, BTreeSet<String>>;

/// The text between the marks of the page.
pub(crate) fn tables() -> anyhow::Result<String> {
    let mut tests = Tests::new();
    for folder in TESTED_IN {
        for file in files_below(&root().join(folder), "rs")? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            collect(&file, &text, &mut tests)?;
        }
    }
    render(&tests)
}

/// Adds what one file's tests say they cover.
fn collect(file: &Path, text: &str, tests: &mut Tests) -> anyhow::Result<()> {
    let mut covered: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(names) = line.strip_prefix(MARK) {
            covered.extend(names.split_whitespace());
        } else if let Some(function) = function_name(line)
            && !covered.is_empty()
        {
            let test = format!("{}::{function}", module_of(file));
            for name in covered.drain(..) {
                tests.entry(name.to_owned()).or_default().insert(test.clone());
            }
        }
    }
    ensure!(covered.is_empty(), "{}: no function follows \"{MARK}\"", file.display());
    Ok(())
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

fn module_of(file: &Path) -> String {
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match stem(file).as_str() {
        "mod" | "tests" | "main" => file.parent().map(stem).unwrap_or_default(),
        name => name.to_owned(),
    }
}

fn render(tests: &Tests) -> anyhow::Result<String> {
    let ours: BTreeSet<MessageType> = messages::table().map(|entry| entry.message_type).collect();
    let mut services: BTreeMap<u32, Vec<(MessageType, &str)>> = BTreeMap::new();
    let mut known: BTreeSet<&str> = BTreeSet::from([REFUSAL]);
    for (message, name) in MessageType::published() {
        services.entry(message.0 >> 16).or_default().push((message, name));
        known.insert(name);
    }
    if let Some(unknown) = tests.keys().find(|name| !known.contains(name.as_str())) {
        bail!("a test covers {unknown}, which is not published under this name");
    }
    let (mut page, mut rest) = (String::new(), String::new());
    for messages in services.values() {
        if messages.iter().any(|(message, _)| ours.contains(message)) {
            service(&mut page, messages, &ours, tests);
        } else {
            whole_service(&mut rest, messages);
        }
    }
    write!(
        page,
        "\n### Services that are refused as a whole\n\n| service | ids | messages |\n\
         | --- | --- | --- |\n{rest}"
    )?;
    Ok(page)
}

fn service(
    page: &mut String,
    messages: &[(MessageType, &str)],
    ours: &BTreeSet<MessageType>,
    tests: &Tests,
) {
    let written = write!(
        page,
        "\n### {}\n\n| message | id | status | test |\n| --- | --- | --- | --- |\n",
        service_of(messages[0].1)
    );
    written.expect("writing to a string cannot fail");
    for (message, name) in messages {
        let (status, shown) = match (ours.contains(message), tests.get(*name)) {
            (true, Some(tests)) => ("works", listed(tests)),
            (true, None) => ("no test yet", String::new()),
            (false, shown) => {
                ("refused", shown.or(tests.get(REFUSAL)).map(listed).unwrap_or_default())
            }
        };
        writeln!(page, "| {name} | {:06x} | {status} | {shown} |", message.0)
            .expect("writing to a string cannot fail");
    }
}

fn whole_service(page: &mut String, messages: &[(MessageType, &str)]) {
    let name = service_of(messages[0].1);
    writeln!(page, "| {name} | {:02x}xxxx | {} |", messages[0].0.0 >> 16, messages.len())
        .expect("writing to a string cannot fail");
}

fn service_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(service, _)| service)
}

fn listed(tests: &BTreeSet<String>) -> String {
    let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
    tests.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered_by(text: &str) -> anyhow::Result<Tests> {
        let mut tests = Tests::new();
        collect(Path::new("tests/clients/map_checks.rs"), text, &mut tests)?;
        Ok(tests)
    }

    #[test]
    fn a_test_is_named_for_the_messages_above_it() {
        let tests = covered_by(
            "// covers: Map.put Map.get\n// covers: Map.set\npub(crate) fn records(d: &D) {\n\
             fn other() {}\n",
        );
        let page = render(&tests.unwrap()).unwrap();
        assert!(page.contains("| Map.put | 010100 | works | `map_checks::records` |\n"), "{page}");
        assert!(page.contains("| Map.set | 010f00 | works | `map_checks::records` |\n"));
        assert!(page.contains("| Map.replace | 010400 | no test yet |  |\n"));
        assert!(page.contains("| Map.executeOnKey | 012e00 | refused |  |\n"));
        assert!(page.contains("| Sql | 21xxxx |"));
    }

    #[test]
    fn a_refusal_is_shown_by_its_own_test_or_by_the_one_for_all() {
        let tests = covered_by(
            "// covers: Map.executeOnKey\nfn one() {}\n// covers: Refused\nfn all() {}\n",
        );
        let page = render(&tests.unwrap()).unwrap();
        let row = |name: &str| page.lines().find(|line| line.contains(name)).unwrap();
        assert!(row("Map.executeOnKey ").ends_with("| refused | `map_checks::one` |"));
        assert!(row("Map.addIndex ").ends_with("| refused | `map_checks::all` |"));
    }

    #[test]
    fn a_name_that_is_not_published_is_told() {
        let unknown = covered_by("// covers: Map.putt\nfn a() {}\n").unwrap();
        assert!(render(&unknown).unwrap_err().to_string().contains("Map.putt"));
        assert!(covered_by("// covers: Map.put\n").is_err());
    }
}
