//! All runs of a store as a table of workloads and faults, and as a list.

use std::collections::{BTreeMap, BTreeSet};

use super::index::verdict_badge;
use super::markup::{Page, count, duration, escaped, or_dash, short_commit, table};
use super::recovery::{RecoveryFigures, RecoverySample};
use super::run::{StoredRun, StoredRuns, Verdict};

/// Runs in the list of the first page; the page of a cell lists all of its own.
const LISTED_MAX: usize = 200;
/// What a cell shows first: the worst verdict in it.
const WORST_FIRST: [Verdict; 5] =
    [Verdict::Invalid, Verdict::Malformed, Verdict::Unknown, Verdict::Rejected, Verdict::Valid];

/// The first page of a store.
pub fn overview(stored: &StoredRuns) -> String {
    let mut newest: Vec<&StoredRun> = stored.runs.iter().collect();
    newest.sort_by(|a, b| b.name.cmp(&a.name));
    let cut = match newest.len() > LISTED_MAX {
        true => format!(
            "<p>The newest {LISTED_MAX} of {}; the page of a cell lists all of its own.</p>\n",
            count(newest.len() as u64)
        ),
        false => String::new(),
    };
    newest.truncate(LISTED_MAX);
    let body = format!(
        "{}{}<h2>Workload × fault</h2>\n{}<h2>Runs</h2>\n{cut}{}",
        sums(stored),
        unreadable(stored),
        matrix(&stored.runs),
        list(&newest, "")
    );
    Page { title: "Runs", trail: &[], body: &body, style: "", scripts: "" }.html()
}

/// The page of one cell.
pub fn cell_page(cell: &str, stored: &StoredRuns) -> String {
    let mut runs: Vec<&StoredRun> = stored.runs.iter().filter(|run| run.cell == cell).collect();
    runs.sort_by(|a, b| b.name.cmp(&a.name));
    let body = list(&runs, "../");
    Page { title: cell, trail: &[("../", "all runs")], body: &body, style: "", scripts: "" }.html()
}

fn sums(stored: &StoredRuns) -> String {
    let results: Vec<_> = stored.runs.iter().filter_map(|run| run.results.as_ref()).collect();
    let hours: f64 = results.iter().map(|results| results.duration_s).sum::<f64>() / 3_600.0;
    let operations: u64 = results.iter().map(|results| results.figures.operations).sum();
    let verdicts: Vec<String> = WORST_FIRST
        .into_iter()
        .map(|verdict| (verdict, results.iter().filter(|run| run.verdict == verdict).count()))
        .filter(|(_, runs)| *runs > 0)
        .map(|(verdict, runs)| format!("{} {runs}", verdict_badge(verdict)))
        .collect();
    let open = stored.runs.len() - results.len();
    let open = if open > 0 { format!(", {open} without results") } else { String::new() };
    format!(
        "<p>{}{open}. {hours:.2} hours, {} operations.</p>\n",
        verdicts.join(" "),
        count(operations)
    )
}

fn unreadable(stored: &StoredRuns) -> String {
    let rows: String =
        stored.unreadable.iter().map(|row| format!("<li>{}</li>\n", escaped(row))).collect();
    match rows.is_empty() {
        true => rows,
        false => format!("<p class=\"note\">These cannot be read:</p>\n<ul>\n{rows}</ul>\n"),
    }
}

fn matrix(runs: &[StoredRun]) -> String {
    let mut cells: BTreeMap<(&str, &str), Vec<&StoredRun>> = BTreeMap::new();
    for run in runs {
        cells.entry((&run.plan.workload, &run.plan.nemesis)).or_default().push(run);
    }
    let workloads: BTreeSet<&str> = cells.keys().map(|(workload, _)| *workload).collect();
    let nemeses: BTreeSet<&str> = cells.keys().map(|(_, nemesis)| *nemesis).collect();
    let rows: Vec<Vec<String>> = workloads
        .into_iter()
        .map(|workload| {
            let cells = nemeses.iter().map(|nemesis| match cells.get(&(workload, *nemesis)) {
                Some(runs) => cell(runs),
                None => "<span class=\"soft\">–</span>".into(),
            });
            [escaped(workload)].into_iter().chain(cells).collect()
        })
        .collect();
    let mut head = vec!["workload"];
    head.extend(nemeses.iter());
    table("Verdicts by workload and fault", &head, &rows)
}

fn cell(runs: &[&StoredRun]) -> String {
    let results: Vec<_> = runs.iter().filter_map(|run| run.results.as_ref()).collect();
    let verdicts: Vec<String> = WORST_FIRST
        .into_iter()
        .map(|verdict| (verdict, results.iter().filter(|run| run.verdict == verdict).count()))
        .filter(|(_, runs)| *runs > 0)
        .map(|(verdict, runs)| format!("<b class=\"{0}\">{runs} {0}</b>", verdict.name()))
        .collect();
    let verdicts = match verdicts.is_empty() {
        true => "<span class=\"open\">no results</span>".into(),
        false => verdicts.join("<br>"),
    };
    let seconds: f64 = results.iter().map(|results| results.duration_s).sum();
    let ok: u64 = results.iter().map(|results| results.figures.ok).sum();
    let rate = match seconds > 0.0 {
        true => format!("{:.0} ok/s", ok as f64 / seconds),
        false => String::new(),
    };
    let name = runs.first().map(|run| escaped(&run.cell)).unwrap_or_default();
    format!("<a href=\"{name}/\">{verdicts}</a><br><span class=\"soft\">{rate}</span>")
}

fn list(runs: &[&StoredRun], up: &str) -> String {
    let rows: Vec<Vec<String>> = runs.iter().map(|run| row(run, up)).collect();
    let head = [
        "run",
        "cell",
        "verdict",
        "operations",
        "ok/s",
        "ok",
        "unknown",
        "faults",
        "recovery p99",
        "client",
        "nodes",
        "commit",
    ];
    table("Runs, the newest first", &head, &rows)
}

fn row(run: &StoredRun, up: &str) -> Vec<String> {
    let mut row = vec![
        format!("<a href=\"{up}{0}/{1}/\">{1}</a>", escaped(&run.cell), escaped(&run.name)),
        escaped(&run.cell),
    ];
    match &run.results {
        None => {
            row.push("<span class=\"open\">no results</span>".into());
            row.extend(std::iter::repeat_n(String::new(), 6));
        }
        Some(results) => {
            let figures = &results.figures;
            let share = |part: u64| match figures.operations {
                0 => "–".into(),
                all => format!("{:.1} %", 100.0 * part as f64 / all as f64),
            };
            let samples = results.recovery.values().flatten().collect::<Vec<&RecoverySample>>();
            let recovery = RecoveryFigures::of(samples).from_start;
            let ok_per_s =
                (figures.duration_s > 0.0).then(|| figures.ok as f64 / figures.duration_s);
            row.extend([
                verdict_badge(results.verdict),
                count(figures.operations),
                or_dash(ok_per_s, |rate| format!("{rate:.0}")),
                share(figures.ok),
                share(figures.info),
                count(results.faults.iter().map(|tally| tally.count).sum()),
                or_dash(recovery, |recovery| duration(recovery.p99_ms)),
            ]);
        }
    }
    let commit = format!("<code>{}</code>", escaped(short_commit(&run.plan.commit)));
    row.extend([escaped(&run.plan.client), run.plan.nodes.to_string(), commit]);
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::{RunPlan, RunResults};

    fn run(workload: &str, nemesis: &str, name: &str, verdict: Option<Verdict>) -> StoredRun {
        let plan =
            RunPlan { workload: workload.into(), nemesis: nemesis.into(), ..RunPlan::default() };
        let results = verdict.map(|verdict| RunResults { verdict, ..RunResults::default() });
        StoredRun { cell: plan.cell(), name: name.into(), plan, results }
    }

    #[test]
    fn a_cell_shows_its_worst_verdict_first_and_empty_cells_are_told() {
        let runs = vec![
            run("register", "kill", "1-1", Some(Verdict::Valid)),
            run("register", "kill", "2-1", Some(Verdict::Invalid)),
            run("register", "kill", "3-1", None),
            run("lock", "pause", "4-1", None),
        ];
        let page = overview(&StoredRuns { runs, unreadable: vec!["a<b".into()] });
        let worst = "<a href=\"register-kill/\"><b class=\"invalid\">1 invalid</b><br>\
                     <b class=\"valid\">1 valid</b></a>";
        assert!(page.contains(worst), "{page}");
        let empty = "<th scope=\"row\">lock</th><td><span class=\"soft\">–</span></td>";
        assert!(page.contains(empty), "{page}");
        assert!(page.contains(", 2 without results") && page.contains("<li>a&lt;b</li>"));
    }

    #[test]
    fn rows_have_a_cell_for_every_head() {
        for verdict in [None, Some(Verdict::Valid)] {
            assert_eq!(row(&run("lock", "kill", "1-1", verdict), "").len(), 12);
        }
    }

    #[test]
    fn the_newest_runs_are_listed_and_the_cut_is_told() {
        let name = |at: usize| format!("2026-01-01T{at:06}-1");
        let runs = (0..=LISTED_MAX)
            .map(|at| run("lock", "kill", &name(at), Some(Verdict::Valid)))
            .collect();
        let stored = StoredRuns { runs, unreadable: Vec::new() };
        let page = overview(&stored);
        assert!(page.contains("The newest 200 of 201"));
        assert!(page.contains(&name(LISTED_MAX)) && !page.contains(&name(0)));
        assert!(cell_page("lock-kill", &stored).contains(&name(0)));
    }
}
