//! `index.html`: everything about one run on one page.

use super::anomaly::Anomaly;
use super::edn::verdict_of;
use super::figures::{Figures, Quantiles};
use super::markup::{Page, count, duration, escaped, facts, or_dash, slug, table};
use super::operations::plain;
use super::recovery::{Recovery, RecoveryFigures};
use super::run::{RunPlan, RunResults, Verdict};
use super::timeline::violation_row;
use super::{latency_quantiles, latency_raw, rate};
use crate::history::History;

/// A run that ended, with everything that is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What was asked for.
    pub plan: &'a RunPlan,
    /// What came of it.
    pub results: &'a RunResults,
    /// What every client saw.
    pub history: &'a History,
    /// Shrunken histories of what is wrong.
    pub anomalies: &'a [Anomaly],
}

/// The name of the files of an anomaly, without extension.
pub(super) fn anomaly_name(number: usize, anomaly: &Anomaly) -> String {
    let key = anomaly.violation.key.as_ref().map(plain).unwrap_or_default();
    let name = slug(&format!("{} {key}", anomaly.violation.checker));
    format!("{}-{name}", number + 1)
}

/// The page of a run; `files` are the paths in its folder that it links to.
pub fn index(run: &Run<'_>, files: &[String]) -> String {
    let (plan, results) = (run.plan, run.results);
    let title = format!("{} × {}", plan.workload, plan.nemesis);
    let body = [
        verdict(results),
        violations(run),
        about(plan, results),
        operations(&results.figures),
        faults(results),
        recovery_table(&results.recovery),
        checkers(results),
        plots(run.history),
        links(files),
    ]
    .concat();
    Page { title: &title, trail: &[("../../", "all runs")], body: &body, style: "", scripts: "" }
        .html()
}

/// A verdict, in its colour.
pub(super) fn verdict_badge(verdict: Verdict) -> String {
    let name = verdict.name();
    format!("<span class=\"verdict {name}\">{name}</span>")
}

fn verdict(results: &RunResults) -> String {
    let reasons: String =
        results.reasons.iter().map(|reason| format!("<li>{}</li>\n", escaped(reason))).collect();
    let reasons = if reasons.is_empty() { reasons } else { format!("<ul>\n{reasons}</ul>\n") };
    format!("<p>{}</p>\n{reasons}", verdict_badge(results.verdict))
}

fn violations(run: &Run<'_>) -> String {
    let wrong: String = run
        .results
        .violations
        .iter()
        .map(|violation| violation_row(violation, "timeline.html"))
        .collect();
    let anomalies: String = run
        .anomalies
        .iter()
        .enumerate()
        .map(|(number, anomaly)| {
            let says = escaped(&anomaly.violation.says);
            let name = anomaly_name(number, anomaly);
            format!("<li><a href=\"anomalies/{name}.html\">shrunken: {says}</a></li>\n")
        })
        .collect();
    match wrong.is_empty() && anomalies.is_empty() {
        true => String::new(),
        false => format!("<h2>Violations</h2>\n<ul>\n{wrong}{anomalies}</ul>\n"),
    }
}

fn about(plan: &RunPlan, results: &RunResults) -> String {
    let mut rows = vec![
        ("Workload", escaped(&plan.workload)),
        ("Nemesis", escaped(&plan.nemesis)),
        ("Nodes", plan.nodes.to_string()),
        ("Client", escaped(&plan.client)),
        ("Seed", format!("<code>{}</code>", plan.seed)),
        ("Version", escaped(&plan.version)),
        ("Commit", format!("<code>{}</code>", escaped(&plan.commit))),
        ("Started", escaped(&results.started_at)),
        ("Length", format!("{:.0} s, faults for {} s", results.duration_s, plan.time_s)),
    ];
    let options: Vec<(String, String)> =
        plan.options.iter().map(|(name, value)| (escaped(name), escaped(&plain(value)))).collect();
    rows.extend(options.iter().map(|(name, value)| (name.as_str(), value.clone())));
    let command = escaped(&plan.command());
    format!("<h2>Run</h2>\n{}<p>The same again:</p>\n<pre>{command}</pre>\n", facts(&rows))
}

fn operations(figures: &Figures) -> String {
    let ms = |quantiles: Option<Quantiles>, pick: fn(&Quantiles) -> f64| {
        or_dash(quantiles, |quantiles| duration(pick(&quantiles)))
    };
    let mut rows: Vec<Vec<String>> = figures
        .by_kind
        .iter()
        .map(|(kind, figures)| {
            vec![
                escaped(kind),
                count(figures.ok),
                count(figures.fail),
                count(figures.info),
                ms(figures.latency, |quantiles| quantiles.p50_ms),
                ms(figures.latency, |quantiles| quantiles.p95_ms),
                ms(figures.latency, |quantiles| quantiles.p99_ms),
                ms(figures.latency, |quantiles| quantiles.max_ms),
            ]
        })
        .collect();
    let sums = [figures.ok, figures.fail, figures.info].map(count);
    let mut all = vec!["all".to_owned()];
    all.extend(sums);
    all.extend(["", "", "", ""].map(ToOwned::to_owned));
    rows.push(all);
    let head = ["operation", "ok", "fail", "info", "p50", "p95", "p99", "max"];
    let per_s = |rate: Option<f64>| or_dash(rate, |rate| format!("{rate:.0}/s"));
    format!(
        "<h2>Operations</h2>\n<p>{} operations, {:.0} each second; ok without faults {}, under \
         faults {}; {} events. Latencies are those of operations that happened.</p>\n{}",
        count(figures.operations),
        figures.operations_per_s,
        per_s(figures.ok_per_s_quiet),
        per_s(figures.ok_per_s_faulted),
        count(figures.events),
        table("Operations by outcome and their latencies", &head, &rows)
    )
}

fn faults(results: &RunResults) -> String {
    if results.faults.is_empty() {
        return "<h2>Faults</h2>\n<p>None.</p>\n".into();
    }
    let rows: Vec<Vec<String>> = results
        .faults
        .iter()
        .map(|tally| {
            let missed = tally.took_hold < tally.count;
            let class = if missed { " class=\"invalid\"" } else { "" };
            vec![
                escaped(&tally.kind),
                count(tally.count),
                format!("<span{class}>{} of {}</span>", tally.took_hold, tally.count),
                escaped(&tally.proof),
            ]
        })
        .collect();
    let cuts = match results.power_cuts {
        0 => String::new(),
        cuts => format!("<p>Power cuts: {}.</p>\n", count(cuts)),
    };
    let head = ["fault", "times", "took hold", "proof"];
    format!("<h2>Faults</h2>\n{}{cuts}", table("Faults and their proof", &head, &rows))
}

fn recovery_table(recovery: &Recovery) -> String {
    if recovery.is_empty() {
        return String::new();
    }
    let rows: Vec<Vec<String>> = recovery
        .iter()
        .map(|(kind, samples)| recovery_row(kind, &RecoveryFigures::of(samples)))
        .collect();
    format!(
        "<h2>Recovery</h2>\n<p>Time to the next acknowledged write among those that were begun \
         after the instant.</p>\n{}",
        table("Recovery by kind of fault", &RECOVERY_HEAD, &rows)
    )
}

/// Heads of [`recovery_row`].
pub(super) const RECOVERY_HEAD: [&str; 10] = [
    "fault",
    "times",
    "from start p50",
    "p99",
    "of the leader p50",
    "p99",
    "from heal p50",
    "p99",
    "longest gap",
    "never healed",
];

/// Recovery from one kind of fault, as cells.
pub(super) fn recovery_row(kind: &str, figures: &RecoveryFigures) -> Vec<String> {
    let p50 = |of: Option<Quantiles>| or_dash(of, |of| duration(of.p50_ms));
    let p99 = |of: Option<Quantiles>| or_dash(of, |of| duration(of.p99_ms));
    vec![
        escaped(kind),
        count(figures.count),
        p50(figures.from_start),
        p99(figures.from_start),
        p50(figures.from_start_leader),
        p99(figures.from_start_leader),
        p50(figures.from_heal),
        p99(figures.from_heal),
        or_dash(figures.longest_gap, |gap| duration(gap.max_ms)),
        count(figures.never_healed),
    ]
}

fn checkers(results: &RunResults) -> String {
    let list: String = results
        .checkers
        .iter()
        .map(|(name, value)| {
            let verdict = verdict_of(value);
            let open = if verdict == Some(Verdict::Valid) { "" } else { " open" };
            let badge = verdict.map(verdict_badge).unwrap_or_default();
            // A value that was read from JSON can be written as JSON.
            let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
            format!(
                "<details{open}><summary>{} {badge}</summary><pre tabindex=\"0\">{}</pre>\
                 </details>\n",
                escaped(name),
                escaped(&text)
            )
        })
        .collect();
    match list.is_empty() {
        true => String::new(),
        false => format!("<h2>Checkers</h2>\n{list}"),
    }
}

fn plots(history: &History) -> String {
    let plots = [
        ("Latency of each operation", latency_raw(history)),
        ("Quantiles of latency", latency_quantiles(history)),
        ("Rate of completions", rate(history)),
    ];
    let plots: String = plots
        .iter()
        .map(|(name, svg)| {
            format!(
                "<div class=\"plot\" role=\"region\" aria-label=\"{name}\" tabindex=\"0\">{svg}\
                 </div>\n"
            )
        })
        .collect();
    format!("<h2>Plots</h2>\n{plots}")
}

fn links(files: &[String]) -> String {
    let links: String = files
        .iter()
        .map(|file| format!("<li><a href=\"{0}\">{0}</a></li>\n", escaped(file)))
        .collect();
    format!("<h2>Files</h2>\n<ul>\n{links}</ul>\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::report::run::{FaultTally, Violation};
    use crate::report::samples::run_with_a_kill;
    use crate::report::{figures, recovery};

    fn page(verdict: Verdict) -> String {
        let history = run_with_a_kill();
        let plan = RunPlan {
            workload: "register".into(),
            nemesis: "kill".into(),
            nodes: 3,
            time_s: 30,
            seed: 18_446_744_073_709_551_615,
            client: "native".into(),
            commit: "0123456789abcdef".into(),
            version: "0.1.0".into(),
            ..RunPlan::default()
        };
        let results = RunResults {
            verdict,
            reasons: vec!["a <reason>".into()],
            checkers: BTreeMap::from([("linear".to_owned(), json!({"verdict": verdict}))]),
            violations: vec![Violation { entries: vec![7], ..Violation::default() }],
            faults: vec![FaultTally {
                kind: "kill".into(),
                count: 2,
                proof: "the process was gone".into(),
                took_hold: 1,
            }],
            figures: figures(&history),
            recovery: recovery(&history),
            ..RunResults::default()
        };
        let run = Run { plan: &plan, results: &results, history: &history, anomalies: &[] };
        index(&run, &["history.jsonl".into(), "nodes/1/a&b.log".into()])
    }

    #[test]
    fn a_run_is_told_with_everything_that_makes_it_again() {
        let page = page(Verdict::Invalid);
        for part in [
            "<span class=\"verdict invalid\">invalid</span>",
            "<li>a &lt;reason&gt;</li>",
            "href=\"timeline.html#i7\"",
            "--seed 18446744073709551615 --client native</pre>",
            "<code>0123456789abcdef</code>",
            "1 of 2",
            "1.20 s",
            "nodes/1/a&amp;b.log",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert_eq!(page.matches("<svg").count(), 3);
    }

    #[test]
    fn what_is_not_valid_lies_open() {
        assert!(page(Verdict::Invalid).contains("<details open>"));
        assert!(!page(Verdict::Valid).contains("<details open>"));
    }

    #[test]
    fn pages_ask_for_nothing_from_outside() {
        let page = page(Verdict::Valid);
        let addresses = page.matches("://").count();
        assert_eq!(addresses, page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
        assert!(!page.contains("src=") && !page.contains("@import"));
    }
}
