//! `timeline.html`: one column for each process, the order of lines downwards.
//!
//! Operations lie in the page as data, and a script draws one page of them at a time: tens of
//! thousands of boxes at once would make every browser slow.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::markup::{Page, count, escaped, script_json};
use super::operations::{Fault, Operation, faults, milliseconds, operations, plain, seconds, word};
use super::run::Violation;
use crate::history::{EntryType, History};

/// Operations in one file. Above it, only those around violations and faults, and the first and
/// the last, are in it: 20,000 make about 3 MB.
const OPERATIONS_MAX: usize = 20_000;
/// Operations on a page.
const PAGE: usize = 300;
/// How many operations before and after a place are tried to be kept, the most first.
const WINDOWS: [usize; 8] = [4_000, 2_000, 1_000, 500, 250, 120, 60, 30];
/// Characters of a value; the whole one is in the history.
const TEXT_MAX: usize = 200;
const STYLE: &str = include_str!("timeline.css");
const SCRIPT: &str = include_str!("timeline.js");

/// The page of a run.
pub fn timeline(history: &History, violations: &[Violation]) -> String {
    let title = format!("Timeline of {}", history.header.name);
    let drawing = drawing(history, violations, "history.jsonl");
    Page {
        title: &title,
        trail: &[("index.html", "run")],
        body: &format!("{}{}", violation_list(violations), drawing.body),
        style: STYLE,
        scripts: &drawing.scripts,
    }
    .html()
}

/// The styles that a drawing needs.
pub(super) const fn style() -> &'static str {
    STYLE
}

/// The parts of a page that draw a history.
pub(super) struct Drawing {
    /// HTML of the page.
    pub(super) body: String,
    /// Data and script, behind everything else.
    pub(super) scripts: String,
}

/// Draws a history whose lines lie in the file `file`.
pub(super) fn drawing(history: &History, violations: &[Violation], file: &str) -> Drawing {
    let (operations, faults) = (operations(history), faults(history));
    let kept = kept(&operations, &faults, violations, OPERATIONS_MAX);
    let rows: Vec<Value> = kept.iter().map(|at| row_of(*at, &operations[*at])).collect();
    let data = json!({
        "page": PAGE,
        "operations": rows,
        "faults": faults.iter().map(fault_row).collect::<Vec<_>>(),
        "violations": violations,
    });
    let body = format!(
        "{note}<ul class=\"key\"><li><b class=\"ok\">ok</b> it happened</li>\
         <li><b class=\"fail\">✗ fail</b> it did not</li>\
         <li><b class=\"info\">? info</b> nobody knows</li></ul>\n\
         <div class=\"pages\"><button id=\"first\" type=\"button\">First</button>\
         <button id=\"previous\" type=\"button\">Previous</button>\
         <button id=\"next\" type=\"button\">Next</button>\
         <button id=\"last\" type=\"button\">Last</button>\
         <label>Go to <select id=\"jump\"><option value=\"\">…</option>{jumps}</select></label>\
         <span id=\"where\" role=\"status\"></span></div>\n\
         <p class=\"soft\">One column for each process; one row for each line of the history, so \
         that heights tell order, not length. Arrow keys go from operation to operation.</p>\n\
         <noscript><p class=\"note\">This page draws by script; the same lines are in \
         <a href=\"{file}\">{file}</a>.</p></noscript>\n\
         <div class=\"board\" id=\"board\" role=\"region\" tabindex=\"0\" \
         aria-label=\"Operations by process\"></div>\n\
         <div class=\"tip\" id=\"tip\" role=\"status\" hidden></div>\n",
        file = escaped(file),
        note = note(kept.len(), operations.len()),
        jumps = jumps(&faults, violations),
    );
    let scripts = format!(
        "<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n",
        script_json(&data)
    );
    Drawing { body, scripts }
}

fn note(kept: usize, all: usize) -> String {
    if kept == all {
        return format!("<p>{} operations.</p>\n", count(all as u64));
    }
    format!(
        "<p class=\"note\">{} of {} operations are shown: those around violations and around the \
         starts and stops of faults, the first and the last. All of them are in \
         <a href=\"history.jsonl\">history.jsonl</a>.</p>\n",
        count(kept as u64),
        count(all as u64)
    )
}

/// Violations, each with a link to its first line.
fn violation_list(violations: &[Violation]) -> String {
    if violations.is_empty() {
        return String::new();
    }
    let rows: String = violations.iter().map(|violation| violation_row(violation, "")).collect();
    format!("<h2>Violations</h2>\n<ul>{rows}</ul>\n")
}

/// One violation as a list item, with a link into the timeline at `page`.
pub(super) fn violation_row(violation: &Violation, page: &str) -> String {
    let key = violation.key.as_ref().map(|key| format!(", key {}", plain(key))).unwrap_or_default();
    let says = escaped(&format!("{}{key}: {}", violation.checker, violation.says));
    match violation.entries.first() {
        Some(index) => format!("<li><a href=\"{page}#i{index}\">{says}</a></li>\n"),
        None => format!("<li>{says}</li>\n"),
    }
}

fn jumps(faults: &[Fault], violations: &[Violation]) -> String {
    let wrong = violations.iter().filter_map(|violation| {
        let index = violation.entries.first()?;
        Some((*index, format!("violation: {}", violation.says)))
    });
    let faults = faults.iter().map(|fault| {
        (fault.start_index, format!("{:.2} s: {}", seconds(fault.start), told(fault)))
    });
    wrong
        .chain(faults)
        .map(|(index, says)| {
            let says = escaped(&cut(&says, 80));
            format!("<option value=\"#i{index}\">{says}</option>")
        })
        .collect()
}

fn told(fault: &Fault) -> String {
    let leader = if fault.hits_leader { " (leader)" } else { "" };
    format!("{} {}{leader}", fault.kind, fault.nodes.join(", ")).trim().to_owned()
}

fn fault_row(fault: &Fault) -> Value {
    json!({
        "start": fault.start_index,
        "stop": fault.stop_index.map_or(-1, u64::cast_signed),
        "from": milliseconds(fault.start),
        "to": fault.stop.map(milliseconds),
        "instant": fault.instant,
        "says": cut(format!("{} {}", told(fault), fault.detail).trim(), 120),
    })
}

/// In the order that the script knows.
fn row_of(ordinal: usize, operation: &Operation<'_>) -> Value {
    let (invoke, completion) = (operation.invoke, operation.completion);
    let text = |value: &Value| cut(&plain(value), TEXT_MAX);
    // The answer of a read is the value of its completion.
    let answer = completion.filter(|line| line.kind == EntryType::Ok).and_then(|line| {
        let read = line.value.as_ref().filter(|_| invoke.value.is_none());
        line.result.as_ref().or(read)
    });
    let ending = match operation.ending() {
        EntryType::Ok => 0,
        EntryType::Fail => 1,
        _ => 2,
    };
    let error = completion.and_then(|line| line.error.as_ref());
    let node = completion.and_then(|line| line.node.as_ref()).or(invoke.node.as_ref());
    json!([
        ordinal,
        operation.process,
        invoke.f,
        invoke.key.as_ref().map(text),
        invoke.value.as_ref().map(text),
        ending,
        invoke.index,
        completion.map_or(-1, |line| line.index.cast_signed()),
        milliseconds(invoke.time),
        completion.map(|line| milliseconds(line.time)),
        answer.map(text),
        error.map(|error| cut(error, TEXT_MAX)),
        node,
        invoke.client.as_ref().map(text),
    ])
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Which operations are shown: all, or as many as fit around violations and faults.
fn kept(
    operations: &[Operation<'_>],
    faults: &[Fault],
    violations: &[Violation],
    most: usize,
) -> Vec<usize> {
    if operations.len() <= most {
        return (0..operations.len()).collect();
    }
    let place = |index: u64| operations.partition_point(|operation| operation.invoke.index < index);
    // Lines of a violation may be completions: their own operation began before.
    let wrong: BTreeSet<u64> =
        violations.iter().flat_map(|violation| violation.entries.iter().copied()).collect();
    let itself: Vec<usize> = operations
        .iter()
        .enumerate()
        .filter(|(_, operation)| {
            let completion = operation.completion.map(|line| line.index);
            wrong.contains(&operation.invoke.index)
                || completion.is_some_and(|index| wrong.contains(&index))
        })
        .map(|(at, _)| at)
        .collect();
    let edges: Vec<usize> = faults
        .iter()
        .flat_map(|fault| [Some(fault.start_index), fault.stop_index])
        .flatten()
        .map(place)
        .chain([0, operations.len()])
        .collect();
    for window in WINDOWS {
        let around = |at: &usize| at.saturating_sub(window)..(at + window).min(operations.len());
        let mut kept: BTreeSet<usize> = itself.iter().flat_map(around).collect();
        let around =
            |at: &usize| at.saturating_sub(window / 4)..(at + window).min(operations.len());
        kept.extend(edges.iter().flat_map(around));
        if kept.len() <= most {
            return kept.into_iter().collect();
        }
    }
    // Too many places for the smallest window: what is wrong comes first.
    let mut kept: BTreeSet<usize> = itself.iter().copied().take(most).collect();
    kept.extend(edges.iter().copied().take(most - kept.len()).filter(|at| *at < operations.len()));
    kept.into_iter().collect()
}

/// The word for how an operation ended, for tables.
pub(super) fn ending_of(operation: &Operation<'_>) -> &'static str {
    word(operation.ending())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Entry, Process};
    use crate::report::samples::{Story, run_with_a_kill};

    fn violation(entries: &[u64]) -> Violation {
        Violation {
            checker: "linear".into(),
            key: Some(json!("k<1>")),
            says: "a read of </script>".into(),
            entries: entries.to_vec(),
        }
    }

    fn data_of(page: &str) -> Value {
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    }

    #[test]
    fn a_box_has_what_the_lines_say() {
        let mut story = Story::new("register");
        let mut cas = Entry::new(Process::Client(4), EntryType::Invoke, "cas");
        cas.key = Some(json!("k"));
        cas.value = Some(json!([1, 2]));
        story.at(10).line(cas.clone());
        let mut read = Entry::new(Process::Client(5), EntryType::Invoke, "read");
        story.at(11).line(read.clone());
        (read.kind, read.value) = (EntryType::Ok, Some(Value::Null));
        story.at(12).line(read);
        (cas.kind, cas.error, cas.node) =
            (EntryType::Info, Some("timeout".into()), Some("n2".into()));
        story.at(2_010).line(cas);
        let data = data_of(&timeline(&story.told(), &[]));
        let cas =
            json!([0, 4, "cas", "k", "[1,2]", 2, 0, 3, 10.0, 2010.0, null, "timeout", "n2", null]);
        assert_eq!(data["operations"][0], cas);
        assert_eq!(data["operations"][1][10], "null", "an absent value is an answer");
    }

    #[test]
    fn a_violation_links_to_its_line_and_cannot_end_the_script() {
        let page = timeline(&run_with_a_kill(), &[violation(&[42, 50])]);
        assert!(
            page.contains("<a href=\"#i42\">linear, key k&lt;1&gt;: a read of &lt;/script&gt;")
        );
        assert!(page.contains("<option value=\"#i42\">violation"));
        assert_eq!(page.matches("</script>").count(), 2, "data and script");
        assert_eq!(data_of(&page)["violations"][0]["entries"][0], 42);
    }

    #[test]
    fn faults_are_bands_between_their_lines() {
        let data = data_of(&timeline(&run_with_a_kill(), &[]));
        let fault = &data["faults"][0];
        assert_eq!(fault["says"], "kill n1 (leader)");
        assert_eq!((&fault["from"], &fault["to"]), (&json!(10_000.0), &json!(15_000.0)));
        assert!(fault["start"].as_i64() < fault["stop"].as_i64());
    }

    #[test]
    fn a_long_history_keeps_what_lies_around_violations_and_faults_and_says_so() {
        let mut story = Story::new("register");
        for at in 0..60_000_u64 {
            if at == 30_000 {
                story.at(at).fault("kill", "start", &["n1"], true);
            }
            story.at(at).operation(at % 5, "write", EntryType::Ok, 0);
        }
        let history = story.told();
        let wrong = history.entries[90_000].index;
        let page = timeline(&history, &[violation(&[wrong])]);
        assert!(page.contains("of 60,000 operations are shown"));
        let data = data_of(&page);
        let ordinals: Vec<u64> = data["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row[0].as_u64().unwrap())
            .collect();
        assert!(ordinals.len() <= OPERATIONS_MAX && ordinals.len() > OPERATIONS_MAX / 2);
        for at in [0, 59_999, 29_990, 30_100, 44_999, 45_001, 46_000] {
            assert!(ordinals.contains(&at), "{at}");
        }
        assert!(!ordinals.contains(&20_000));
    }

    #[test]
    fn very_many_faults_never_push_out_the_violation() {
        let mut story = Story::new("register");
        for at in 0..3_000_u64 {
            story.at(at).fault("kill", "start", &["n1"], true);
            story.at(at).operation(1, "write", EntryType::Ok, 0);
        }
        let history = story.told();
        let wrong = history.entries.last().unwrap().index;
        let (operations, faults) = (operations(&history), faults(&history));
        let kept = kept(&operations, &faults, &[violation(&[wrong])], 100);
        assert!(kept.len() <= 100 && kept.contains(&2_999), "{kept:?}");
    }

    #[test]
    fn long_values_are_cut_at_a_letter() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
