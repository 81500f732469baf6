//! What a run amounts to: the judgement on its history, and whether it counts at all.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::Ended;
use crate::check::{self, Budget, Needs, available, coverage, faulted, judge};
use crate::history::{self, EntryType, History};
use crate::nemesis::{NONE, ROWS, Tally};
use crate::report::{self, Anomaly, RunPlan, RunResults, Verdict, Violation, figures, recovery};
use crate::run::{leaderless, with_renewed_listeners};
use crate::workload;

/// After each fault so much time is left out of what is told of availability.
const GRACE: Duration = Duration::from_secs(3);
/// What a run of two minutes must show; a shorter one its share of it.
const FULL_TIME_S: f64 = 120.0;
const OK_EACH: f64 = 100.0;
const OK_EACH_MIN: f64 = 3.0;
const UNKNOWN_SHARE_MAX: f64 = 0.05;
const OPERATIONS_PER_SECOND_MIN: f64 = 20.0;
/// Kinds of faults that count as power cuts.
const POWER: &str = "power";

/// Judges a run and writes everything into its folder.
pub(super) fn of(
    plan: &RunPlan,
    folder: &Path,
    ended: anyhow::Result<Ended>,
    took: Duration,
    started_at: String,
) -> anyhow::Result<RunResults> {
    let mut results =
        RunResults { started_at, duration_s: took.as_secs_f64(), ..RunResults::default() };
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) => {
            results.verdict = Verdict::Malformed;
            results.reasons.push(format!("{error:#}"));
            results.save(folder)?;
            return Ok(results);
        }
    };
    let history = with_renewed_listeners(&with_slack(ended.history));
    history::write(&folder.join("history.jsonl"), &history)?;
    std::fs::write(folder.join("history.edn"), history::edn(&history))?;
    let judgement = judge(&history, &Budget::default());
    let mut anomalies = Vec::new();
    for (checker, violation) in judgement.violations() {
        let (violation, anomaly) = told(checker, violation, &history);
        results.violations.push(violation);
        anomalies.push(anomaly);
    }
    for (name, checker) in &judgement.checkers {
        let (verdict, counts) = (checker.verdict, &checker.counts);
        let told = json!({"verdict": verdict, "counts": counts, "unknown": checker.unknown});
        results.checkers.insert(name.clone(), told);
    }
    let seconds = judgement.took_ms as f64 / 1_000.0;
    results.checkers.insert("judgement".to_owned(), json!({"seconds": seconds}));
    for wrong in &ended.wrong {
        let (checker, says) = ("nodes".to_owned(), wrong.clone());
        results.violations.push(Violation { checker, says, ..Violation::default() });
    }
    results.verdict = match judgement.verdict {
        check::Verdict::Valid => Verdict::Valid,
        check::Verdict::Unknown => Verdict::Unknown,
        check::Verdict::Invalid => Verdict::Invalid,
        check::Verdict::Malformed => Verdict::Malformed,
    };
    results.reasons.extend(judgement.malformed.clone());
    if !results.violations.is_empty() {
        results.verdict = Verdict::Invalid;
    }
    results.reasons.extend(results.violations.iter().map(|violation| violation.says.clone()));
    results.faults = ended.tally.kinds.values().cloned().collect();
    let cuts = results.faults.iter().filter(|tally| tally.kind.starts_with(POWER));
    results.power_cuts = cuts.map(|tally| tally.took_hold).sum();
    results.figures = figures(&history);
    results.recovery = recovery(&history);
    add_availability(&mut results, plan, &history);
    let lacking = lacking(plan, &history, &ended.tally);
    results.checkers.insert("coverage".to_owned(), json!({"lacking": lacking}));
    if results.verdict == Verdict::Valid && !lacking.is_empty() {
        results.verdict = Verdict::Rejected;
        results.reasons.extend(lacking);
    }
    let run = report::Run { plan, results: &results, history: &history, anomalies: &anomalies };
    report::write(folder, &run)?;
    Ok(results)
}

fn add_availability(results: &mut RunResults, plan: &RunPlan, history: &History) {
    let found = available(history, plan.nodes as usize, GRACE, faulted);
    let (windows, share) = (found.windows.len(), found.ok_share);
    results.checkers.insert("available".to_owned(), json!({"windows": windows, "share": share}));
}

/// Why a run proves nothing, in sentences.
fn lacking(plan: &RunPlan, history: &History, tally: &Tally) -> Vec<String> {
    let share = plan.time_s as f64 / FULL_TIME_S;
    let needs = Needs {
        ok_each: (OK_EACH * share).clamp(OK_EACH_MIN, OK_EACH) as u64,
        unknown_share_max: UNKNOWN_SHARE_MAX,
        operations_per_second_min: OPERATIONS_PER_SECOND_MIN,
    };
    let mut lacking = coverage(history, needs).lacking;
    let listens = workload::by_name(&plan.workload).is_ok_and(|own| !own.listeners().is_empty());
    if listens && !history.entries.iter().any(|entry| entry.kind == EntryType::Event) {
        lacking.push("no listener was told of anything".to_owned());
    }
    lacking.extend(tally.unproved.iter().map(|why| format!("a fault without proof: {why}")));
    if plan.nemesis != NONE && tally.kinds.is_empty() {
        lacking.push("no fault was done".to_owned());
    }
    // Whoever names a fault wants it done; of a mix, those that there was time for.
    let named = plan.nemesis.split(',').filter(|name| ROWS.iter().any(|row| row.name == *name));
    for name in named.filter(|name| !tally.kinds.contains_key(*name)) {
        lacking.push(format!("{name} was not done: give it more time, or another seed"));
    }
    lacking
}

/// A record may be there longer by the time in which nobody led, or whoever led reached no
/// majority: its end is an entry of the log.
fn with_slack(mut history: History) -> History {
    const KEY: &str = "late-slack-ms";
    let without_end = leaderless(&history) + silence(&history);
    let more = u64::try_from(without_end.as_millis()).unwrap_or(u64::MAX);
    let params = &mut history.header.params;
    let raise = |slack: &mut Value| {
        if let Some(ms) = slack.as_u64() {
            *slack = json!(ms.saturating_add(more));
        }
    };
    if let Some(slack) = params.get_mut(KEY) {
        raise(slack);
    }
    if let Some(slack) = params.get_mut("ttl").and_then(|ttl| ttl.get_mut(KEY)) {
        raise(slack);
    }
    history
}

/// The longest time in which nothing was acknowledged to anybody.
fn silence(history: &History) -> Duration {
    let ok = history.entries.iter().filter(|entry| entry.kind == EntryType::Ok);
    let times: Vec<u64> = ok.map(|entry| entry.time).collect();
    let longest = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max();
    Duration::from_nanos(longest.unwrap_or(0))
}

fn told(checker: &str, found: &check::Violation, history: &History) -> (Violation, Anomaly) {
    let key = (!found.key.is_null()).then(|| found.key.clone());
    let says = match &key {
        Some(key) => format!("{checker}, {key}: {}", found.what),
        None => format!("{checker}: {}", found.what),
    };
    let violation = Violation { checker: checker.to_owned(), key, says, entries: vec![found.at] };
    let mut shrunken = History { header: history.header.clone(), entries: found.shrunken.clone() };
    shrunken.number();
    let last = shrunken.entries.len().saturating_sub(1) as u64;
    let drawn = Violation { entries: vec![last], ..violation.clone() };
    let states = found.states.iter().map(Value::to_string).collect();
    (violation, Anomaly { violation: drawn, states, history: shrunken })
}
