//! What the judges say, in a form that can be kept beside the history.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wgl::Limits;
use crate::history::{Entry, Malformed};

/// The four verdicts; a greater one outweighs a lesser one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// One atomic object could have answered so.
    Valid,
    /// The budget ended first: the run does not count.
    Unknown,
    /// None could.
    Invalid,
    /// The history breaks the rules of its format: the harness's fault.
    Malformed,
}

impl Verdict {
    /// What a process that judged exits with: 0 valid, 1 invalid, 2 unknown, 3 malformed.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Unknown => 2,
            Self::Malformed => 3,
        }
    }
}

/// How much judging may cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Of the search of one key.
    pub search: Limits,
    /// Keys judged at one time; memory is this times what one search may keep.
    pub threads: usize,
}

impl Default for Budget {
    /// Some ten seconds and 300 MB a key, all processors but at most four.
    fn default() -> Self {
        let search = Limits { steps: 200_000_000, configurations: 4_000_000 };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        Self { search, threads }
    }
}

/// The verdict on a whole history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Name of the history.
    pub name: String,
    /// Its model.
    pub model: String,
    /// The greatest of the verdicts below.
    pub verdict: Verdict,
    /// Why the history cannot be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
    /// What each checker says.
    pub checkers: BTreeMap<String, CheckerResult>,
    /// How long judging took, milliseconds.
    pub took_ms: u64,
}

/// What one checker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckerResult {
    /// The greatest of the verdicts on its parts.
    pub verdict: Verdict,
    /// Figures: `parts` (keys, objects), `operations`, `unknown-operations`, `steps` and the
    /// checker's own.
    pub counts: BTreeMap<String, u64>,
    /// The first violations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// Keys on which the budget ended first; the first of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Value>,
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// The key or object; `null` if there is only one.
    pub key: Value,
    /// What is wrong, in words.
    pub what: String,
    /// Everything before the entry of this index can be explained, this one cannot.
    pub at: u64,
    /// The end of an order that explains what is before: indexes of invocations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<u64>,
    /// Invocations that were open there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<Entry>,
    /// States in which orders end there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<Value>,
    /// A part of the history that is a violation still, as small as could be found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shrunken: Vec<Entry>,
}

impl Judgement {
    /// The judgement on a history that cannot be judged.
    pub fn malformed(name: &str, model: &str, malformed: &Malformed) -> Self {
        Self {
            name: name.to_owned(),
            model: model.to_owned(),
            verdict: Verdict::Malformed,
            malformed: Some(malformed.to_string()),
            checkers: BTreeMap::new(),
            took_ms: 0,
        }
    }

    /// All violations with the checkers that found them.
    pub fn violations(&self) -> impl Iterator<Item = (&str, &Violation)> {
        self.checkers.iter().flat_map(|(checker, result)| {
            result.violations.iter().map(move |violation| (checker.as_str(), violation))
        })
    }
}

impl CheckerResult {
    /// A checker that has judged nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            verdict: Verdict::Valid,
            counts: BTreeMap::new(),
            violations: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Adds to a figure.
    pub(crate) fn count(&mut self, name: &str, more: u64) {
        *self.counts.entry(name.to_owned()).or_default() += more;
    }

    /// Joins what the checker says of another part.
    pub(crate) fn join(&mut self, other: Self) {
        self.verdict = self.verdict.max(other.verdict);
        for (name, count) in &other.counts {
            self.count(name, *count);
        }
        self.violations.extend(other.violations);
        self.violations.truncate(VIOLATIONS_MAX);
        self.unknown.extend(other.unknown);
        self.unknown.truncate(VIOLATIONS_MAX);
    }
}

/// How many violations, and keys without a verdict, are told of each checker.
const VIOLATIONS_MAX: usize = 8;
