//! Sums of made-up stores.

use serde_json::json;

use super::*;
use crate::report::figures::{Figures, KindFigures};
use crate::report::run::FaultTally;

struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn add(&self, name: &str, change: impl FnOnce(&mut RunPlan, &mut RunResults)) {
        let mut plan = RunPlan {
            workload: "register".into(),
            nemesis: "kill".into(),
            nodes: 3,
            time_s: 120,
            client: "native".into(),
            commit: "0123456789abcdef".into(),
            ..RunPlan::default()
        };
        let kind = KindFigures { ok: 900, ..KindFigures::default() };
        let mut results = RunResults {
            verdict: Verdict::Valid,
            duration_s: 180.0,
            power_cuts: 2,
            faults: vec![FaultTally {
                kind: "kill".into(),
                count: 10,
                proof: String::new(),
                took_hold: 9,
            }],
            figures: Figures {
                operations: 1_000,
                ok: 900,
                info: 20,
                ok_per_s_quiet: Some(1_500.0),
                ok_per_s_faulted: Some(300.0),
                by_kind: BTreeMap::from([("write".to_owned(), kind)]),
                ..Figures::default()
            },
            recovery: BTreeMap::from([("kill".to_owned(), vec![leader(900.0), leader(1_400.0)])]),
            ..RunResults::default()
        };
        change(&mut plan, &mut results);
        let folder = self.folder.path().join(plan.cell()).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        plan.save(&folder).unwrap();
        results.save(&folder).unwrap();
    }

    fn summary(&self) -> Summary {
        summary(self.folder.path()).unwrap()
    }
}

fn leader(ms: f64) -> RecoverySample {
    RecoverySample {
        leader: true,
        from_start_ms: Some(ms),
        from_heal_ms: Some(20.0),
        ..RecoverySample::default()
    }
}

fn goal<'a>(summary: &'a Summary, goal: &str, what: &str) -> &'a GoalRow {
    let mut rows = summary.goals.iter().filter(|row| row.goal == goal);
    rows.find(|row| row.what.starts_with(what)).unwrap_or_else(|| panic!("{goal} {what}"))
}

#[test]
fn runs_that_count_are_added_up_and_others_are_told() {
    let store = Store::new();
    store.add("1-1", |_, _| ());
    store.add("2-1", |_, results| results.verdict = Verdict::Invalid);
    store.add("3-1", |_, results| {
        results.verdict = Verdict::Rejected;
        results.reasons = vec!["too little traffic".into()];
    });
    let summary = store.summary();
    assert_eq!((summary.all.runs, summary.all.uncounted, summary.all.invalid), (2, 1, 1));
    assert_eq!((summary.all.operations, summary.all.power_cuts), (2_000, 4));
    assert_eq!(summary.all.fault_count(), 18, "without proof a fault is none");
    assert!((summary.all.hours - 0.1).abs() < 1e-9);
    assert_eq!(summary.uncounted[0].reasons, ["too little traffic"]);
    assert_eq!(summary.violations[0].run, "register-kill/2-1");
    assert_eq!(summary.recovery["kill"].count, 4);
}

#[test]
fn goals_are_met_missed_or_not_measured() {
    let store = Store::new();
    for name in ["1-1", "2-1", "3-1"] {
        store.add(name, |_, _| ());
    }
    let summary = store.summary();
    for (name, what, state) in [
        ("G1", "cells", GoalState::Met),
        ("G2", "hours", GoalState::Missed),
        ("G2", "runs with violations", GoalState::Met),
        ("G3", "ok each second without", GoalState::Met),
        ("G4", "unknown outcomes", GoalState::Met),
        ("G4", "time of checking", GoalState::NotMeasured),
        ("G5", "write after a fault of the leader that leaves a majority, p99", GoalState::Met),
        ("G6", "ok while", GoalState::NotMeasured),
        ("G8", "seeded bugs", GoalState::NotMeasured),
        ("G12", "hours by the java client", GoalState::NotMeasured),
        ("G13", "runs with 3 nodes", GoalState::Met),
    ] {
        assert_eq!(goal(&summary, name, what).state, state, "{name} {what}");
    }
    let commits = &goal(&summary, "G2", "hours").commits;
    assert_eq!(commits, &BTreeSet::from(["0123456789".to_owned()]));
}

#[test]
fn the_worst_run_decides() {
    let store = Store::new();
    store.add("1-1", |_, _| ());
    store.add("2-1", |plan, results| {
        plan.commit = "fedcba9876543210".into();
        results.verdict = Verdict::Invalid;
        results.figures.ok_per_s_faulted = Some(150.0);
        results.figures.info = 60;
        results.checkers.insert("available".into(), json!({"share": 0.98}));
        results.recovery.insert("pause".into(), vec![leader(3_100.0)]);
        // No write can be expected while nobody has a majority.
        results.recovery.insert("kill-all".into(), vec![leader(9_000.0)]);
    });
    let summary = store.summary();
    for (name, what, reached) in [
        ("G1", "cells", "0 of 1"),
        ("G3", "ok each second under", "150"),
        ("G4", "unknown outcomes", "6.00 %"),
        ("G5", "write after a fault", "3.10 s of 5 faults"),
        ("G6", "ok while", "98.00 %"),
        ("G7", "runs with power cuts", "1 of 2 runs, 4 cuts"),
    ] {
        let row = goal(&summary, name, what);
        assert_eq!((row.reached.as_str(), row.state), (reached, GoalState::Missed), "{name}");
    }
    assert_eq!(goal(&summary, "G2", "hours").commits.len(), 2);
}

#[test]
fn an_empty_store_has_measured_nothing() {
    let summary = Store::new().summary();
    let met = summary.goals.iter().filter(|row| row.state == GoalState::Met).count();
    let missed = summary.goals.iter().filter(|row| row.state == GoalState::Missed).count();
    assert_eq!((met, missed), (0, 0));
    let goals: BTreeSet<&str> = summary.goals.iter().map(|row| row.goal.as_str()).collect();
    assert_eq!(goals.len(), 13, "{goals:?}");
}

#[test]
fn what_is_measured_elsewhere_takes_the_place_of_its_row() {
    let store = Store::new();
    let measured = |reached: &str, met| Measured {
        goal: "G8".into(),
        what: "seeded bugs found".into(),
        wanted: "≥ 20".into(),
        reached: reached.into(),
        met,
        commit: "0123456789abcdef".into(),
    };
    note_measured(store.folder.path(), measured("19 of 20", false)).unwrap();
    note_measured(store.folder.path(), measured("20 of 20", true)).unwrap();
    let summary = store.summary();
    let rows: Vec<&GoalRow> = summary.goals.iter().filter(|row| row.goal == "G8").collect();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].reached.as_str(), rows[0].state), ("20 of 20", GoalState::Met));
}

#[test]
fn the_sheet_is_one_in_both_forms() {
    let store = Store::new();
    store.add("1-1", |_, results| {
        results.verdict = Verdict::Malformed;
        results.reasons = vec!["a | b <c>".into()];
    });
    let summary = store.summary();
    let text = summary.markdown("Runs");
    assert!(text.starts_with("# Runs\n\n0 runs count: 0.00 hours,"), "{text}");
    assert!(text.contains("| register-kill/1-1 | malformed | a \\| b \\<c> | 0123456789 |"));
    assert!(text.contains("| G7 | runs with power cuts and violations | 0 | – | not"));
    assert!(text.lines().all(|line| line.trim_end() == line));
    let page = summary.html("Runs");
    assert!(page.contains("<td>a | b &lt;c&gt;</td>"));
    assert_eq!(page.matches("<table>").count(), text.matches("\n| --- |").count());
}
