//! What a run is and what came of it, as its folder holds it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::figures::Figures;
use super::recovery::Recovery;

/// What was asked for, and everything that was drawn: `plan.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The workload.
    pub workload: String,
    /// The kind of fault, `none`, or the name of a mix.
    pub nemesis: String,
    /// How many nodes.
    pub nodes: u32,
    /// Length of the main phase, seconds.
    pub time_s: u64,
    /// Everything random comes from it.
    pub seed: u64,
    /// `native`, `http`, `java` or `python`.
    pub client: String,
    /// The commit of the server that was built.
    pub commit: String,
    /// The version that the server tells.
    pub version: String,
    /// Options of the run, and versions of whatever else took part.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// What else was drawn.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// What came of it: `results.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunResults {
    /// The verdict of the whole run.
    pub verdict: Verdict,
    /// Why it is not valid, in sentences.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// What each checker says, by its name.
    #[serde(default)]
    pub checkers: BTreeMap<String, Value>,
    /// What is wrong, each with its lines in the history.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// The faults that were done.
    #[serde(default)]
    pub faults: Vec<FaultTally>,
    /// Operations, counted and timed.
    #[serde(default)]
    pub figures: Figures,
    /// What followed each fault.
    #[serde(default)]
    pub recovery: Recovery,
    /// When it began: RFC 3339, UTC.
    #[serde(default)]
    pub started_at: String,
    /// Length of the whole run, seconds.
    #[serde(default)]
    pub duration_s: f64,
    /// Power cuts that were done to a node.
    #[serde(default)]
    pub power_cuts: u64,
}

/// What a run proves. `Malformed` is a fault of the harness and `Rejected` a run that proves
/// nothing: neither is ever told as the other, nor as a violation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// One atomic object could have answered so.
    Valid,
    /// It could not.
    Invalid,
    /// A checker ran out of its budget: the run does not count.
    #[default]
    Unknown,
    /// The harness failed.
    Malformed,
    /// Too little traffic, or a fault without proof.
    Rejected,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Valid, Self::Invalid, Self::Unknown, Self::Malformed, Self::Rejected];

    /// Its name in files and pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::Rejected => "rejected",
        }
    }

    /// Of several runs the one with the greatest tells the exit code: a violation outweighs
    /// everything.
    pub fn severity(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Rejected => 1,
            Self::Unknown => 2,
            Self::Malformed => 3,
            Self::Invalid => 4,
        }
    }

    /// What the command ends with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Unknown => 2,
            Self::Malformed => 3,
            Self::Rejected => 4,
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// The checker that found it.
    pub checker: String,
    /// The object or the key.
    #[serde(default)]
    pub key: Option<Value>,
    /// What is wrong, in a sentence.
    pub says: String,
    /// Indexes of the lines that show it; the first is where the page leads to.
    #[serde(default)]
    pub entries: Vec<u64>,
}

/// How often one kind of fault was done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultTally {
    /// The kind.
    pub kind: String,
    /// How often it was started.
    pub count: u64,
    /// What proves that it took hold, in a sentence.
    pub proof: String,
    /// How often that proof was found.
    pub took_hold: u64,
}

impl RunPlan {
    /// `<workload>-<nemesis>`: the folder of runs of this cell.
    pub fn cell(&self) -> String {
        format!("{}-{}", self.workload, self.nemesis)
    }

    /// The command that makes the same run.
    pub fn command(&self) -> String {
        format!(
            "statekeeper-jepsen run --workload {} --nemesis {} --nodes {} --time {} --seed {} \
             --client {}",
            self.workload, self.nemesis, self.nodes, self.time_s, self.seed, self.client
        )
    }

    /// Reads `plan.json` of a run's folder.
    ///
    /// # Errors
    /// It is missing or cannot be read.
    pub fn load(folder: &Path) -> anyhow::Result<Self> {
        read_json(&folder.join("plan.json"))
    }

    /// Writes `plan.json` into a run's folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        write_json(&folder.join("plan.json"), self)
    }
}

impl RunResults {
    /// Reads `results.json` of a run's folder.
    ///
    /// # Errors
    /// It is missing or cannot be read.
    pub fn load(folder: &Path) -> anyhow::Result<Self> {
        read_json(&folder.join("results.json"))
    }

    /// Writes `results.json` into a run's folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, folder: &Path) -> anyhow::Result<()> {
        write_json(&folder.join("results.json"), self)
    }
}

/// A run in a store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredRun {
    /// `<workload>-<nemesis>`.
    pub cell: String,
    /// `<time>-<seed>`.
    pub name: String,
    /// What was asked for.
    pub plan: RunPlan,
    /// What came of it; a run that did not end has none.
    pub results: Option<RunResults>,
}

/// The runs of a store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredRuns {
    /// By cell and name.
    pub runs: Vec<StoredRun>,
    /// Folders whose plan or results cannot be read, and why: never left out silently.
    pub unreadable: Vec<String>,
}

/// All runs of a store. Folders without a plan are not runs.
///
/// # Errors
/// The store cannot be listed.
pub fn stored_runs(store: &Path) -> anyhow::Result<StoredRuns> {
    let mut found = StoredRuns::default();
    for cell in folders_in(store)? {
        for folder in folders_in(&cell)? {
            if !folder.join("plan.json").is_file() {
                continue;
            }
            match stored_run(&cell, &folder) {
                Ok(run) => found.runs.push(run),
                Err(error) => {
                    let run = format!("{}/{}", name_of(&cell), name_of(&folder));
                    found.unreadable.push(format!("{run}: {:#}", error.root_cause()));
                }
            }
        }
    }
    Ok(found)
}

fn stored_run(cell: &Path, folder: &Path) -> anyhow::Result<StoredRun> {
    let ended = folder.join("results.json").is_file();
    Ok(StoredRun {
        cell: name_of(cell),
        name: name_of(folder),
        plan: RunPlan::load(folder)?,
        results: if ended { Some(RunResults::load(folder)?) } else { None },
    })
}

fn folders_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut found = Vec::new();
    for entry in listing {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_verdict_has_its_own_name_and_exit_code() {
        let codes: Vec<u8> = Verdict::ALL.iter().map(|verdict| verdict.exit_code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4]);
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), json!(verdict.name()));
        }
    }

    #[test]
    fn a_plan_keeps_what_else_was_drawn() {
        let text = json!({
            "workload": "register", "nemesis": "kill", "nodes": 3, "time_s": 120, "seed": 7,
            "client": "native", "commit": "abc", "version": "0.1.0",
            "schedule": [{"at_ms": 5000}],
        });
        let plan: RunPlan = serde_json::from_value(text).unwrap();
        assert_eq!(plan.more["schedule"][0]["at_ms"], 5000);
        let folder = tempfile::tempdir().unwrap();
        plan.save(folder.path()).unwrap();
        assert_eq!(RunPlan::load(folder.path()).unwrap(), plan);
    }

    #[test]
    fn a_store_lists_runs_that_ended_and_runs_that_did_not() {
        let store = tempfile::tempdir().unwrap();
        let plan = RunPlan { workload: "set-full".into(), ..RunPlan::default() };
        for name in ["a", "b"] {
            let folder = store.path().join("set-full-kill").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            plan.save(&folder).unwrap();
        }
        RunResults::default().save(&store.path().join("set-full-kill/a")).unwrap();
        std::fs::create_dir_all(store.path().join("set-full-kill/no-run")).unwrap();
        let runs = stored_runs(store.path()).unwrap().runs;
        let ended: Vec<bool> = runs.iter().map(|run| run.results.is_some()).collect();
        assert_eq!(ended, [true, false]);
    }

    #[test]
    fn a_run_that_cannot_be_read_is_named() {
        let store = tempfile::tempdir().unwrap();
        let folder = store.path().join("register-kill").join("a");
        std::fs::create_dir_all(&folder).unwrap();
        RunPlan::default().save(&folder).unwrap();
        std::fs::write(folder.join("results.json"), "{").unwrap();
        let found = stored_runs(store.path()).unwrap();
        assert!(found.runs.is_empty());
        assert!(found.unreadable[0].starts_with("register-kill/a: "), "{:?}", found.unreadable);
    }
}
