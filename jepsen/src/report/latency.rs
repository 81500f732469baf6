//! Latency over time: every operation as a point, and quantiles as lines.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use super::figures::quantile;
use super::operations::{
    ENDINGS, Operation, end_of, faults, most_frequent, operations, seconds, word,
};
use super::plot::{Plot, Scale, trimmed};
use crate::history::{EntryType, History};

/// Signs of kinds of operations, drawn around the point; beyond them they begin again.
const SIGNS: [&str; 8] = [
    "m-.7 0h1.4",
    "m-2 -2l4 4m0 -4l-4 4",
    "m-2.4 0h4.8",
    "m0 -2.4v4.8",
    "m-2.2 1.6l2.2 -3.2l2.2 3.2",
    "m-2.2 -1.6l2.2 3.2l2.2 -3.2",
    "m-1.6 0h3.2m-1.6 -1.6v3.2",
    "m-2.2 0l2.2 -2.2l2.2 2.2l-2.2 2.2z",
];
/// Shares of the quantile lines, and their names.
const QUANTILES: [(f64, &str); 4] = [(0.5, "0.5"), (0.95, "0.95"), (0.99, "0.99"), (1.0, "1")];
/// Windows of quantiles and rates in one plot, at most.
const WINDOWS_MAX: f64 = 120.0;

/// `latency-raw.svg`: every operation that has an end by the time of its invocation, its latency
/// (logarithmic), its kind (sign) and how it ended (colour). Operations that fall on one place of
/// the plot are drawn once.
pub fn latency_raw(history: &History) -> String {
    let (operations, faults) = (operations(history), faults(history));
    let latencies: Vec<f64> = operations.iter().filter_map(Operation::latency_ms).collect();
    let mut plot = Plot::new(
        "Latency of each operation",
        "Time from invocation to completion, by kind and outcome, over the time of the run.",
        end_of(history),
        &faults,
    );
    let panel = plot.panel("invocation to completion", 380.0, scale_of(&latencies), tick);
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, kind) in most_frequent(&operations).into_iter().enumerate() {
        kinds.insert(kind, at % SIGNS.len());
    }
    for ending in ENDINGS {
        for (kind, sign) in &kinds {
            let mut path = String::new();
            let mut drawn = HashSet::new();
            for operation in &operations {
                if operation.ending() != ending || operation.invoke.f != *kind {
                    continue;
                }
                let Some(ms) = operation.latency_ms() else { continue };
                let place = (panel.x(seconds(operation.invoke.time)), panel.y(ms));
                let place = (place.0.round() as i64, place.1.round() as i64);
                if drawn.insert(place) {
                    // Writing to a `String` cannot fail.
                    let _ = write!(path, "M{} {}{}", place.0, place.1, SIGNS[*sign]);
                }
            }
            if !path.is_empty() {
                let ending = word(ending);
                plot.write(format_args!(
                    "<path class=\"d\" stroke=\"var(--{ending})\" d=\"{path}\"><title>{} {ending}\
                     </title></path>\n",
                    super::markup::escaped(kind)
                ));
            }
        }
    }
    for ending in ENDINGS.map(word) {
        let sign = format!(
            "<rect x=\"-6\" y=\"-6\" width=\"12\" height=\"12\" fill=\"var(--{ending})\"/>"
        );
        plot.explain(sign, ending);
    }
    for (kind, sign) in &kinds {
        let sign = SIGNS[*sign];
        plot.explain(
            format!(
                "<path class=\"d\" style=\"stroke-width:1\" transform=\"scale(2.2)\" \
                 stroke=\"var(--i)\" d=\"M0 0{sign}\"/>"
            ),
            kind,
        );
    }
    plot.svg()
}

/// `latency-quantiles.svg`: quantiles of the operations that happened, by the time of their
/// invocation, writes and reads apart.
pub fn latency_quantiles(history: &History) -> String {
    let (operations, faults) = (operations(history), faults(history));
    let end = end_of(history);
    let mut plot = Plot::new(
        "Quantiles of latency",
        "Quantiles 0.5, 0.95, 0.99 and 1 of the time from invocation to completion of the \
         operations that happened.",
        end,
        &faults,
    );
    let width_s = window_s(end);
    let happened: Vec<&Operation<'_>> =
        operations.iter().filter(|operation| operation.ending() == EntryType::Ok).collect();
    let latencies: Vec<f64> =
        happened.iter().filter_map(|operation| operation.latency_ms()).collect();
    let sides = [("writes", true), ("reads", false)];
    for (name, writes) in sides {
        let side: Vec<&&Operation<'_>> =
            happened.iter().filter(|operation| operation.is_write() == writes).collect();
        if side.is_empty() {
            continue;
        }
        let name = format!("{name}, windows of {width_s} s");
        let panel = plot.panel(&name, 220.0, scale_of(&latencies), tick);
        let mut windows: Vec<Vec<f64>> = vec![Vec::new(); (seconds(end) / width_s) as usize + 1];
        for operation in side {
            let window = (seconds(operation.invoke.time) / width_s) as usize;
            windows[window].extend(operation.latency_ms());
        }
        for window in &mut windows {
            window.sort_by(f64::total_cmp);
        }
        for (colour, (share, name)) in QUANTILES.into_iter().enumerate() {
            let points: Vec<(f64, Option<f64>)> = windows
                .iter()
                .enumerate()
                .map(|(at, window)| ((at as f64 + 0.5) * width_s, quantile(window, share)))
                .collect();
            plot.line(panel, colour, name, &points);
        }
    }
    for (colour, (_, name)) in QUANTILES.into_iter().enumerate() {
        plot.explain_line(colour, name);
    }
    plot.svg()
}

/// Seconds of one window: whole, and few enough to be seen apart.
pub(super) fn window_s(end: u64) -> f64 {
    (seconds(end) / WINDOWS_MAX).ceil().max(1.0)
}

/// Milliseconds at a line of the scale, which is a power of ten.
fn tick(ms: f64) -> String {
    match ms {
        ms if ms < 0.9995 => format!("{} µs", trimmed(ms * 1e3)),
        ms if ms < 999.5 => format!("{} ms", trimmed(ms)),
        ms => format!("{} s", trimmed(ms / 1e3)),
    }
}

fn scale_of(latencies: &[f64]) -> Scale {
    let least = latencies.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = latencies.iter().copied().fold(0.0, f64::max);
    match latencies.is_empty() {
        true => Scale::logarithmic(1.0, 1_000.0),
        false => Scale::logarithmic(least, greatest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Story, run_with_a_kill};

    #[test]
    fn every_kind_and_ending_is_drawn_and_the_fault_is_a_band() {
        let svg = latency_raw(&run_with_a_kill());
        for title in ["write ok", "read ok", "write fail"] {
            assert!(svg.contains(&format!("<title>{title}</title>")), "{title}");
        }
        assert!(!svg.contains("<title>write info</title>"));
        // 10 s to 15 s of 30 s.
        assert!(svg.contains("class=\"band\" fill=\"var(--c1)\" x=\"357.4\""));
        assert!(svg.contains("fault: kill"));
    }

    #[test]
    fn operations_on_one_place_are_drawn_once() {
        let mut story = Story::new("register");
        for _ in 0..50 {
            story.at(500).operation(1, "write", EntryType::Ok, 10);
        }
        story.at(1_000).operation(1, "write", EntryType::Ok, 10);
        let svg = latency_raw(&story.told());
        assert_eq!(svg.matches(&SIGNS[0]).count(), 3, "two places and the legend");
    }

    #[test]
    fn quantiles_of_reads_and_writes_are_apart() {
        let svg = latency_quantiles(&run_with_a_kill());
        assert!(svg.contains("writes, windows of 1 s") && svg.contains("reads, windows of 1 s"));
        assert_eq!(svg.matches("<title>0.99</title>").count(), 2);
    }

    #[test]
    fn windows_stay_few_in_a_long_run() {
        assert_eq!(window_s(30_000_000_000), 1.0);
        assert_eq!(window_s(3_600_000_000_000), 30.0);
    }

    #[test]
    fn an_empty_history_has_plots_too() {
        let nothing = Story::new("register").told();
        for svg in [latency_raw(&nothing), latency_quantiles(&nothing)] {
            let numbers = svg.replace("info", "");
            assert!(svg.starts_with("<svg"));
            assert!(!numbers.contains("NaN") && !numbers.contains("inf"));
        }
    }
}
