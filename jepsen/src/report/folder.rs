//! `write`: the files that a run leaves in its folder.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

use super::anomaly::anomaly_page;
use super::edn::results_edn;
use super::index::{Run, anomaly_name, index};
use super::timeline::timeline;
use super::{latency_quantiles, latency_raw, rate};
use crate::history::History;

/// Writes results, plots and pages into the folder of a run, over those of an earlier judgement.
/// The plan, the history and whatever the nodes left are there before.
///
/// # Errors
/// A file cannot be written; it is named.
pub fn write(folder: &Path, run: &Run<'_>) -> anyhow::Result<()> {
    run.plan.save(folder)?;
    run.results.save(folder)?;
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| path.display().to_string())
    };
    put("results.edn", results_edn(run.results)?)?;
    put("latency-raw.svg", latency_raw(run.history))?;
    put("latency-quantiles.svg", latency_quantiles(run.history))?;
    put("rate.svg", rate(run.history))?;
    put("timeline.html", timeline(run.history, &run.results.violations))?;
    let anomalies = folder.join("anomalies");
    if anomalies.is_dir() {
        std::fs::remove_dir_all(&anomalies).with_context(|| anomalies.display().to_string())?;
    }
    if !run.anomalies.is_empty() {
        std::fs::create_dir(&anomalies).with_context(|| anomalies.display().to_string())?;
    }
    for (number, anomaly) in run.anomalies.iter().enumerate() {
        let name = anomaly_name(number, anomaly);
        let file = format!("{name}.history.jsonl");
        write_history(&anomalies.join(&file), &anomaly.history)?;
        put(&format!("anomalies/{name}.html"), anomaly_page(anomaly, &file))?;
    }
    put("index.html", index(run, &files_in(folder)?))
}

fn write_history(path: &Path, history: &History) -> anyhow::Result<()> {
    let named = || path.display().to_string();
    let mut file = BufWriter::new(std::fs::File::create(path).with_context(named)?);
    writeln!(file, "{}", serde_json::to_string(&history.header)?).with_context(named)?;
    for line in &history.entries {
        writeln!(file, "{}", serde_json::to_string(line)?).with_context(named)?;
    }
    file.flush().with_context(named)
}

/// Files of a run, and its folders with a slash, in order; a page that lists itself says nothing.
fn files_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry.with_context(|| folder.display().to_string())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.path().is_dir() {
            true => found.push(format!("{name}/")),
            false if name != "index.html" => found.push(name),
            false => {}
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::anomaly::Anomaly;
    use crate::report::run::{RunPlan, RunResults, Violation};
    use crate::report::samples::{golden, run_with_a_kill};
    use crate::report::{figures, recovery};

    #[test]
    fn a_run_leaves_what_is_promised_and_a_second_judgement_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let (plan, results, history) =
            (RunPlan::default(), RunResults::default(), run_with_a_kill());
        let violation = Violation { checker: "linear".into(), ..Violation::default() };
        let anomaly = Anomaly { violation, states: Vec::new(), history: history.clone() };
        let anomalies = [anomaly];
        let mut run =
            Run { plan: &plan, results: &results, history: &history, anomalies: &anomalies };
        std::fs::create_dir(folder.path().join("nodes")).unwrap();
        write(folder.path(), &run).unwrap();
        for name in [
            "anomalies/1-linear.history.jsonl",
            "anomalies/1-linear.html",
            "index.html",
            "latency-quantiles.svg",
            "latency-raw.svg",
            "plan.json",
            "rate.svg",
            "results.edn",
            "results.json",
            "timeline.html",
        ] {
            assert!(folder.path().join(name).is_file(), "{name}");
        }
        let page = std::fs::read_to_string(folder.path().join("index.html")).unwrap();
        assert!(page.contains("href=\"anomalies/1-linear.html\""));
        assert!(page.contains("href=\"nodes/\"") && page.contains("href=\"results.edn\""));
        run.anomalies = &[];
        write(folder.path(), &run).unwrap();
        assert!(!folder.path().join("anomalies").exists());
    }

    /// Also what is ill formed must be seen, since somebody has to find out why.
    #[test]
    fn every_golden_history_can_be_told_and_one_whose_time_goes_back() {
        let golden_folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let mut histories: Vec<History> = std::fs::read_dir(golden_folder)
            .unwrap()
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.strip_suffix(".history.jsonl").map(golden)
            })
            .collect();
        assert!(histories.len() > 80);
        let mut backwards = run_with_a_kill();
        backwards.entries.reverse();
        histories.push(backwards);
        let mut torn = run_with_a_kill();
        for (at, line) in torn.entries.iter_mut().enumerate() {
            line.time = (at as u64 * 7_919 % 5_003) * 1_000_000;
        }
        // And a fault that stops before it starts.
        let stop = torn.entries.iter().rposition(|line| line.f == "kill").unwrap();
        torn.entries[stop].time = 0;
        histories.push(torn);
        let folder = tempfile::tempdir().unwrap();
        for history in &histories {
            let results = RunResults {
                figures: figures(history),
                recovery: recovery(history),
                ..RunResults::default()
            };
            let plan = RunPlan::default();
            let run = Run { plan: &plan, results: &results, history, anomalies: &[] };
            write(folder.path(), &run).unwrap();
            let plot = std::fs::read_to_string(folder.path().join("rate.svg")).unwrap();
            assert!(!plot.contains("NaN"), "{}", history.header.name);
        }
    }
}
