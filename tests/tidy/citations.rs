//! Every requirement is cited where it is obeyed (`// req: R-7`) and where it is tested
//! (`// checks: R-7`), or stands in `docs/requirements.md` as an exception with a reason.

use std::collections::BTreeSet;

use crate::tree::{Text, expect_none, rust, texts};

const EXCEPTIONS: &str = "\n## Not cited yet\n";

#[test]
fn requirements_are_cited_in_code_and_in_tests() {
    let page = requirements();
    let (listed, excepted) = page.split_once(EXCEPTIONS).unwrap();
    let (listed, excepted) = (rows(listed), rows(excepted));
    let (obeyed, checked) = (cited("// req:"), cited("// checks:"));
    let mut faults = Vec::new();
    for number in &listed {
        let excepted = excepted.contains(number);
        let cited = obeyed.contains(number) && checked.contains(number);
        if !cited && !excepted {
            faults.push(format!("{number} lacks a \"// req:\" or a \"// checks:\""));
        }
        if cited && excepted {
            faults.push(format!("{number} is cited: it is no exception any more"));
        }
    }
    for number in obeyed.union(&checked).chain(&excepted) {
        if !listed.contains(number) {
            faults.push(format!("{number} is not in docs/requirements.md"));
        }
    }
    expect_none("requirements", &faults);
}

#[test]
fn requirements_have_numbers_in_sequence_and_exceptions_a_reason() {
    let page = requirements();
    let (listed, excepted) = page.split_once(EXCEPTIONS).unwrap();
    let numbers = rows_in_order(listed);
    let expected: Vec<String> = (1..=numbers.len()).map(|number| format!("R-{number}")).collect();
    assert_eq!(numbers, expected);
    for line in excepted.lines().filter(|line| line.starts_with("| R-")) {
        let reason = line.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        assert!(reason.len() > 20, "no reason: {line}");
    }
}

fn requirements() -> String {
    let page = texts().into_iter().find(|text| text.path == "docs/requirements.md");
    page.expect("docs/requirements.md is missing").content
}

fn rows(page: &str) -> BTreeSet<String> {
    rows_in_order(page).into_iter().collect()
}

fn rows_in_order(page: &str) -> Vec<String> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    rows.filter(|first| first.starts_with("R-")).map(ToOwned::to_owned).collect()
}

/// Numbers behind a mark, anywhere in Rust code.
fn cited(mark: &str) -> BTreeSet<String> {
    let ours = |text: &Text| text.path != "tests/tidy/citations.rs";
    let mut numbers = BTreeSet::new();
    for text in rust().into_iter().filter(ours) {
        for (_, rest) in text.content.lines().filter_map(|line| line.split_once(mark)) {
            let words = rest.split([' ', ',']).filter(|word| word.starts_with("R-"));
            numbers.extend(words.map(ToOwned::to_owned));
        }
    }
    numbers
}
