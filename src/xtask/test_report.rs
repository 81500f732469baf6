//! What the output of `cargo test` says: how many tests passed, which failed, which were left out.

use std::collections::BTreeMap;

/// The sum over all test programs in one output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestReport {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests marked `#[ignore]`.
    pub(crate) ignored: u64,
    /// Names of those that failed, each with the first lines of what it said when it ended.
    pub(crate) failures: Vec<String>,
}

/// Lines of a failed test's last words that are kept.
const REASON_LINES: usize = 12;

impl TestReport {
    /// Reads an output.
    pub(crate) fn read(output: &str) -> Self {
        let mut report = Self::default();
        let mut reasons = BTreeMap::new();
        let mut lines = output.lines();
        let mut test = "";
        while let Some(line) = lines.next() {
            if let Some(result) = line.strip_prefix("test result: ") {
                report.passed += number_before(result, " passed");
                report.failed += number_before(result, " failed");
                report.ignored += number_before(result, " ignored");
            } else if let Some(name) = line.strip_prefix("test ").and_then(failed_name) {
                report.failures.push(name.to_owned());
            } else if let Some(name) = line.strip_prefix("---- ").and_then(captured_name) {
                test = name;
            } else if line.starts_with("thread '") && line.contains(" panicked at ") {
                // The last panic is what ended the test; earlier ones may have been caught.
                let rest = lines.clone().take_while(|line| !ends_reason(line)).take(REASON_LINES);
                reasons.insert(test, rest.map(|line| format!("\n    {line}")).collect::<String>());
            }
        }
        for name in &mut report.failures {
            if let Some(reason) = reasons.get(name.as_str()) {
                name.push_str(reason);
            }
        }
        report
    }
}

fn captured_name(line: &str) -> Option<&str> {
    line.strip_suffix(" stdout ----")
}

fn ends_reason(line: &str) -> bool {
    line.is_empty() || line == "stack backtrace:" || line.starts_with("note: ")
}

fn failed_name(line: &str) -> Option<&str> {
    line.strip_suffix(" ... FAILED")
}

/// The number that stands before a word; 0 when the word is not there.
fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().filter(|before| before.len() < text.len());
    before
        .and_then(|before| before.rsplit(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::TestReport;

    #[test]
    fn the_results_of_several_programs_are_added() {
        let output = "\
running 2 tests
test a::works ... ok
test a::breaks ... FAILED

failures:

---- a::breaks stdout ----

thread 'a::breaks' (7) panicked at src/a.rs:1:1:
assertion failed: early
and caught

thread 'a::breaks' (7) panicked at src/a.rs:2:2:
one of two:
  the cause
stack backtrace:
   0: here

test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.0s
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 1.2s
";
        let report = TestReport::read(output);
        assert_eq!((report.passed, report.failed, report.ignored), (13, 1, 2));
        assert_eq!(report.failures, ["a::breaks\n    one of two:\n      the cause"]);
    }

    #[test]
    fn output_without_results_counts_nothing() {
        assert_eq!(TestReport::read("error: could not compile\n"), TestReport::default());
    }
}
