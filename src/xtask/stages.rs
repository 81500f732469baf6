//! Runs one stage after the other, each with a time limit, and says at the end what came of them.
//!
//! One line for each stage with its seconds; the whole output lies in `target/xtask/`, and the end
//! of it is shown when the stage fails. A stage that fails does not stop the next one: one run
//! shows everything that is wrong.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::process_tree;
use crate::repository::root;
use crate::test_report::TestReport;

/// Lines of a failed stage's output that are shown.
const SHOWN_LINES: usize = 200;
/// How often a running stage is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The stages of one run and what came of them.
pub(crate) struct Stages {
    deadline: Instant,
    logs: PathBuf,
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Stages {
    /// Begins a run that must be over within `limit`.
    pub(crate) fn begin(limit: Duration) -> anyhow::Result<Self> {
        let logs = root().join("target/xtask");
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        Ok(Self {
            deadline: Instant::now() + limit,
            logs,
            passed: 0,
            failed: 0,
            failures: Vec::new(),
        })
    }

    /// Runs a command as a stage.
    pub(crate) fn command(&mut self, name: &str, limit: Duration, command: Command) {
        let begin = start(name);
        let limit = limit.min(self.deadline.saturating_duration_since(begin));
        let [out, err] = ["out", "err"].map(|kind| self.logs.join(format!("{name}.{kind}")));
        let ended = run(command, limit, &out, &err);
        let report = TestReport::read(&fs::read_to_string(&out).unwrap_or_default());
        let ended = ended.and_then(|status| judge(status, &report));
        self.passed += report.passed;
        self.failed += report.failed;
        if ended.is_err() && report.failed == 0 {
            // A stage that fails without a failed test still counts: a lint, a crash, a time-out.
            self.failed += 1;
        }
        let tests = match report.passed + report.failed {
            0 => String::new(),
            _ => format!("  {} passed, {} failed", report.passed, report.failed),
        };
        finish(begin, ended.is_ok(), &tests);
        if let Err(error) = ended {
            show(&err);
            show(&out);
            println!("{name}: {error:#}");
            self.failures.push(format!("{name}: {error:#}"));
            self.failures.extend(report.failures.iter().map(|test| format!("{name}: {test}")));
        }
    }

    /// Runs a function as a stage.
    pub(crate) fn step(&mut self, name: &str, step: impl FnOnce() -> anyhow::Result<()>) {
        let begin = start(name);
        let ended = step();
        finish(begin, ended.is_ok(), "");
        if let Err(error) = ended {
            println!("{name}: {error:#}");
            self.failures.push(format!("{name}: {error:#}"));
            self.failed += 1;
        }
    }

    /// Says what failed and, as the last line, how many tests passed and failed.
    pub(crate) fn end(self) -> ExitCode {
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 && self.failures.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn start(name: &str) -> Instant {
    print!("{name:<24}");
    // A line that cannot be shown early is shown later.
    let _ = std::io::stdout().flush();
    Instant::now()
}

fn finish(begin: Instant, ok: bool, tests: &str) {
    let word = if ok { "ok" } else { "FAILED" };
    println!("{word:<6} {:>7.1} s{tests}", begin.elapsed().as_secs_f64());
}

fn run(
    mut command: Command,
    limit: Duration,
    out: &Path,
    err: &Path,
) -> anyhow::Result<ExitStatus> {
    let child = command
        .stdin(Stdio::null())
        .stdout(File::create(out).with_context(|| format!("cannot write {}", out.display()))?)
        .stderr(File::create(err).with_context(|| format!("cannot write {}", err.display()))?)
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    wait(child, limit)
}

fn wait(mut child: Child, limit: Duration) -> anyhow::Result<ExitStatus> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if begin.elapsed() >= limit {
            process_tree::kill(child.id());
            child.wait()?;
            bail!("not over within {} s, killed", limit.as_secs());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

fn judge(status: ExitStatus, report: &TestReport) -> anyhow::Result<()> {
    if !status.success() {
        bail!("ended with {status}");
    }
    if report.failed > 0 {
        bail!("{} tests failed", report.failed);
    }
    if report.ignored > 0 {
        bail!("{} tests are marked #[ignore]: a test is run or removed", report.ignored);
    }
    Ok(())
}

fn show(log: &Path) {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(SHOWN_LINES);
    if skipped > 0 {
        println!("... {skipped} lines before these are in {}", log.display());
    }
    for line in &lines[skipped..] {
        println!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_shell(script: &str, limit: Duration) -> (Stages, Instant) {
        let folder = root().join("target/xtask/tests");
        fs::create_dir_all(&folder).expect("the target folder can be written");
        let mut stages = Stages::begin(Duration::from_secs(60)).expect("a run can begin");
        stages.logs = folder;
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let begin = Instant::now();
        stages.command(&format!("shell-{}", script.len()), limit, command);
        (stages, begin)
    }

    #[test]
    fn a_stage_that_fails_without_a_test_counts_as_one_failure() {
        let (stages, _) = run_shell("exit 3", Duration::from_secs(30));
        assert_eq!((stages.passed, stages.failed), (0, 1));
        let code = format!("{:?}", stages.end());
        assert_eq!(code, format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn results_are_counted_and_ignored_tests_are_a_failure() {
        let line = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        let (stages, _) = run_shell(&format!("echo '{line}'"), Duration::from_secs(30));
        assert_eq!((stages.passed, stages.failed), (3, 0));
        let line = line.replace("0 ignored", "1 ignored");
        let (stages, _) = run_shell(&format!("echo  '{line}'"), Duration::from_secs(30));
        assert_eq!((stages.passed, stages.failed), (3, 1));
    }

    #[test]
    fn a_stage_that_hangs_is_killed_with_its_children() {
        let (stages, begin) =
            run_shell("sleep 1000 & echo $! > /dev/null; wait", Duration::from_millis(300));
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert_eq!(stages.failed, 1);
        assert!(stages.failures[0].contains("killed"), "{:?}", stages.failures);
    }
}
