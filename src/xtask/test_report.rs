//! What the output of `cargo test` says: how many tests passed, which failed, which were left out.

/// The sum over all test programs in one output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestReport {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests marked `#[ignore]`.
    pub(crate) ignored: u64,
    /// Names of those that failed.
    pub(crate) failures: Vec<String>,
}

impl TestReport {
    /// Reads an output.
    pub(crate) fn read(output: &str) -> Self {
        let mut report = Self::default();
        for line in output.lines() {
            if let Some(result) = line.strip_prefix("test result: ") {
                report.passed += number_before(result, " passed");
                report.failed += number_before(result, " failed");
                report.ignored += number_before(result, " ignored");
            } else if let Some(name) = line.strip_prefix("test ").and_then(failed_name) {
                report.failures.push(name.to_owned());
            }
        }
        report
    }
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

test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.0s
test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 1.2s
";
        let report = TestReport::read(output);
        assert_eq!((report.passed, report.failed, report.ignored), (13, 1, 2));
        assert_eq!(report.failures, ["a::breaks"]);
    }

    #[test]
    fn output_without_results_counts_nothing() {
        assert_eq!(TestReport::read("error: could not compile\n"), TestReport::default());
    }
}
