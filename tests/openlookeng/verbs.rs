//! The verbs that read a node's files, as an operator calls them.

use crate::support::cluster::Cluster;
use serde_json::Value;
use std::process::{Command, Stdio};

/// What a verb printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Runs a command of the program to its end.
    pub(crate) fn of(mut command: Command) -> Ran {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Ran {
            code: output.status.code().expect("an end of its own"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The answer for programs.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The lines of a table, blanks between columns made one.
    pub(crate) fn lines(&self) -> Vec<String> {
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        self.out.lines().map(words).collect()
    }

    /// The lines that begin with a word.
    pub(crate) fn beginning(&self, start: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with(start)).collect()
    }

    /// The one line that begins so, and what is to be done, which follows it.
    pub(crate) fn complaint(&self, start: &str) -> (String, String) {
        let lines = self.lines();
        let at: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with(start)).collect();
        assert_eq!(at.len(), 1, "{start}: {self:?}");
        (lines[at[0]].clone(), lines[at[0] + 1].clone())
    }
}

/// The program with the files of a node, in the node's network.
pub(crate) fn command(cluster: &Cluster, i: usize, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statekeeper"));
    command.args(arguments).arg("--etc").arg(cluster.site(i).home.join("etc"));
    match &cluster.site(i).namespace {
        None => command,
        Some(namespace) => namespace.wrap(&command),
    }
}

/// Runs a verb with the files of a node; for people.
pub(crate) fn table(cluster: &Cluster, i: usize, arguments: &[&str]) -> Ran {
    Ran::of(command(cluster, i, &[arguments, &["--output", "table"]].concat()))
}

/// The same for programs.
pub(crate) fn json(cluster: &Cluster, i: usize, arguments: &[&str]) -> Ran {
    Ran::of(command(cluster, i, &[arguments, &["--output", "json"]].concat()))
}
