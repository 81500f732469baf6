//! Pages that point at each other, decisions in their order, and a page for every error code.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use crate::tree::{Text, expect_none, rust, texts};

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for text in texts().iter().filter(|text| text.is(&["md"])) {
        let folder = Path::new(&text.path).parent().unwrap();
        for (number, target) in links_in(text) {
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let path = match file {
                "" => PathBuf::from(&text.path),
                _ => flattened(&folder.join(file)),
            };
            if !root.join(&path).exists() {
                faults.push(format!("{}:{number}: {target}", text.path));
            } else if !anchor.is_empty() {
                let page = std::fs::read_to_string(root.join(&path)).unwrap();
                if !page.lines().any(|line| line.starts_with('#') && slug(line) == anchor) {
                    faults.push(format!("{}:{number}: {target} has no such heading", text.path));
                }
            }
        }
    }
    expect_none("links that lead nowhere", &faults);
}

#[test]
fn decisions_are_numbered_in_sequence_and_hold_their_four_parts() {
    let decisions: Vec<Text> =
        texts().into_iter().filter(|text| text.path.starts_with("docs/decisions/")).collect();
    assert!(!decisions.is_empty());
    let mut faults = Vec::new();
    for (index, text) in decisions.iter().enumerate() {
        let number = index + 1;
        if !text.path.starts_with(&format!("docs/decisions/{number:04}-")) {
            faults.push(format!("{} should have number {number:04}", text.path));
        }
        if !text.content.starts_with(&format!("# {number}. ")) {
            faults.push(format!("{} does not begin with \"# {number}. \"", text.path));
        }
        for part in ["**Context.**", "**Options.**", "**Choice.**", "**Price.**"] {
            if !text.content.contains(part) {
                faults.push(format!("{} has no {part}", text.path));
            }
        }
    }
    expect_none("decisions", &faults);
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    let pages: BTreeSet<String> = texts()
        .iter()
        .filter_map(|text| text.path.strip_prefix("docs/errors/")?.strip_suffix(".md"))
        .map(ToOwned::to_owned)
        .collect();
    let codes: BTreeSet<String> = rust()
        .iter()
        .filter(|text| text.path.starts_with("src/") && !text.is_test())
        .flat_map(|text| codes_in(text.without_tests()))
        .collect();
    let without_page = codes.difference(&pages).map(|code| format!("{code} has no page"));
    let without_code = pages.difference(&codes).map(|page| format!("{page} is in no code"));
    let faults: Vec<String> = without_page.chain(without_code).collect();
    expect_none("error codes and pages", &faults);
}

#[test]
fn every_error_page_says_what_why_and_what_to_do() {
    let mut faults = Vec::new();
    for text in texts().iter().filter(|text| text.path.starts_with("docs/errors/SK")) {
        for part in ["**What.**", "**Why.**", "**What to do.**"] {
            if !text.content.contains(part) {
                faults.push(format!("{} has no {part}", text.path));
            }
        }
    }
    expect_none("error pages", &faults);
}

/// Targets of `[text](target)` within the repository, outside of code.
fn links_in(text: &Text) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (number, line) in text.numbered() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        links.extend(
            targets
                .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
                .map(|target| (number, target.to_owned())),
        );
    }
    links
}

/// Resolves `..`.
fn flattened(path: &Path) -> PathBuf {
    let mut flat = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                flat.pop();
            }
            part => flat.push(part),
        }
    }
    flat
}

/// The anchor that readers of Markdown make of a heading.
fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    title
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// `SK` and four digits.
fn codes_in(text: &str) -> Vec<String> {
    let codes = text.match_indices("SK").filter_map(|(at, _)| text.get(at..at + 6));
    codes.filter(|code| code[2..].chars().all(|c| c.is_ascii_digit())).map(Into::into).collect()
}
