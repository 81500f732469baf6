//! Operations each second, by how they ended and by kind.

use std::collections::BTreeMap;

use super::latency::window_s;
use super::operations::{ENDINGS, end_of, faults, most_frequent, operations, seconds, word};
use super::plot::{COLOURS, Plot, Scale, trimmed};
use crate::history::{EntryType, History};

/// What kinds beyond the colours are called together.
const OTHERS: &str = "others";

/// `rate.svg`: completions each second, one field for each ending and one line for each kind.
/// Operations that are open at the end have no completion and are in none.
pub fn rate(history: &History) -> String {
    let (operations, faults) = (operations(history), faults(history));
    let end = end_of(history);
    let mut plot = Plot::new(
        "Rate of completions",
        "Operations that happened, failed or are of unknown outcome, each second, by kind.",
        end,
        &faults,
    );
    let mut kinds = most_frequent(&operations);
    if kinds.len() > COLOURS {
        // The last colour is that of the others.
        kinds.truncate(COLOURS - 1);
    }
    let width_s = window_s(end);
    let windows = (seconds(end) / width_s) as usize + 1;
    for ending in ENDINGS {
        let mut rates: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for operation in operations.iter().filter(|operation| operation.ending() == ending) {
            let Some(completion) = operation.completion else { continue };
            let kind = kinds.iter().find(|kind| **kind == operation.invoke.f);
            let rates = rates.entry(kind.unwrap_or(&OTHERS)).or_insert_with(|| vec![0.0; windows]);
            rates[(seconds(completion.time) / width_s) as usize] += 1.0 / width_s;
        }
        let greatest = rates.values().flatten().copied().fold(0.0, f64::max);
        let height = if ending == EntryType::Ok { 220.0 } else { 110.0 };
        let name = format!("{} each second", word(ending));
        let panel = plot.panel(&name, height, Scale::linear(greatest.max(1.0)), trimmed);
        for (kind, rates) in &rates {
            let colour = kinds.iter().position(|known| known == kind).unwrap_or(COLOURS - 1);
            let points: Vec<(f64, Option<f64>)> = rates
                .iter()
                .enumerate()
                .map(|(at, rate)| ((at as f64 + 0.5) * width_s, Some(*rate)))
                .collect();
            plot.line(panel, colour, kind, &points);
        }
    }
    for (colour, kind) in kinds.iter().enumerate() {
        plot.explain_line(colour, kind);
    }
    if operations.iter().any(|operation| !kinds.contains(&operation.invoke.f.as_str())) {
        plot.explain_line(COLOURS - 1, OTHERS);
    }
    plot.svg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Story, run_with_a_kill};

    #[test]
    fn each_ending_has_a_field_and_each_kind_a_line() {
        let svg = rate(&run_with_a_kill());
        for ending in ["ok", "fail", "info"] {
            assert!(svg.contains(&format!("{ending} each second")));
        }
        assert_eq!(svg.matches("<title>write</title>").count(), 2, "ok and fail");
        assert_eq!(svg.matches("<title>read</title>").count(), 1, "ok");
    }

    #[test]
    fn kinds_beyond_the_colours_are_summed() {
        let mut story = Story::new("map");
        for at in 0..12_u64 {
            for _ in 0..=at {
                story.at(at * 100).operation(1, &format!("kind-{at:02}"), EntryType::Ok, 1);
            }
        }
        let history = story.told();
        let svg = rate(&history);
        assert!(svg.contains("<title>others</title>") && svg.contains("<title>kind-11</title>"));
        assert!(!svg.contains("kind-00"));
    }

    #[test]
    fn an_empty_history_has_a_plot_too() {
        let svg = rate(&Story::new("register").told());
        assert!(svg.starts_with("<svg") && !svg.contains("NaN"));
    }
}
