//! What is wrong with a configuration: every finding with file, line, key, value, fix and code.

use std::fmt;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// In no file: the default.
    #[default]
    BuiltIn,
    /// In a file, at a line.
    File {
        /// The path as it was opened.
        path: String,
        /// Counted from 1; 0 when the file as a whole is meant.
        line: usize,
    },
    /// In an environment variable.
    Environment(String),
    /// On the command line.
    CommandLine,
    /// Worked out from other values or from openLooKeng's files beside this node.
    Derived(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => write!(f, "built-in"),
            Self::File { path, line: 0 } => write!(f, "{path}"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine => write!(f, "command line"),
            Self::Derived(from) => write!(f, "derived from {from}"),
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A file is there and cannot be read.
    #[error("cannot read the file: {0:?}")]
    Unreadable(std::io::ErrorKind),
    /// A file is larger than any properties file should be.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// A file is not UTF-8 or breaks the grammar.
    #[error("not a properties file in UTF-8")]
    Grammar,
    /// A file of Hadoop's breaks its grammar.
    #[error("not a Hadoop configuration: {0}")]
    Xml(String),
    /// One key twice in one file.
    #[error("the key was already given in line {0}")]
    Duplicate(usize),
    /// A key nobody knows.
    #[error("unknown key")]
    Unknown,
    /// One of our keys in a file of openLooKeng.
    #[error("the key does not belong in this file")]
    WrongFile,
    /// A value of another type or out of range.
    #[error("the value must be {0}")]
    Value(String),
    /// Two values that do not go together, or a value that makes no sense here.
    #[error("{0}")]
    Rule(&'static str),
    /// A required key is absent.
    #[error("the key is required")]
    Missing,
    /// A feature this build does not have.
    #[error("this build cannot do what the key asks for")]
    Unsupported,
    /// A `${...}` that leads nowhere.
    #[error("the reference to a secret cannot be resolved")]
    Reference,
    /// A comment behind a value was cut off.
    #[error("the text behind the value was taken for a comment")]
    TrailingComment,
    /// openLooKeng's page writes the key with a stray dot.
    #[error("the key ends with a stray dot")]
    StrayDot,
    /// Other parts of openLooKeng contradict this server.
    #[error("{0}")]
    Neighbour(&'static str),
}

impl Problem {
    /// The stable code, with a page of its own in `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::TooLarge(_) => "SK0001",
            Self::Grammar | Self::Xml(_) => "SK0002",
            Self::Duplicate(_) => "SK0003",
            Self::Unknown | Self::WrongFile => "SK0004",
            Self::Value(_) => "SK0005",
            Self::Rule(_) => "SK0006",
            Self::Missing => "SK0007",
            Self::Unsupported => "SK0008",
            Self::Reference => "SK0009",
            Self::TrailingComment | Self::StrayDot => "SK0010",
            Self::Neighbour(_) => "SK0011",
        }
    }
}

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Odd, the start goes on.
    Warning,
    /// The start stops.
    Error,
}

/// One thing that is wrong or odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How serious.
    pub severity: Severity,
    /// Where.
    pub place: Place,
    /// The key; empty when the file as a whole is meant.
    pub key: String,
    /// The value as written, never a secret.
    pub value: Option<String>,
    /// What.
    pub problem: Problem,
    /// What to do about it.
    pub fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{severity} {} {}: ", self.problem.code(), self.place)?;
        match (&self.value, self.key.is_empty()) {
            (_, true) => write!(f, "{}", self.problem)?,
            (None, false) => write!(f, "{}: {}", self.key, self.problem)?,
            (Some(value), false) => write!(f, "{}={value}: {}", self.key, self.problem)?,
        }
        write!(f, "; {}", self.fix)
    }
}

/// A configuration that cannot be started with: every finding, warnings too.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.lines())]
pub struct ConfigError {
    /// All of them, in the order they were found.
    pub findings: Vec<Finding>,
}

impl ConfigError {
    fn lines(&self) -> String {
        self.findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("\n")
    }
}
