//! Pages of `anomalies/`: a shrunken history that is still wrong, drawn and as a table.

use serde_json::Value;

use super::markup::{Page, escaped, table};
use super::operations::{milliseconds, operations, plain};
use super::run::Violation;
use super::timeline::{drawing, ending_of, style};
use crate::history::{EntryType, History};

/// A history from which nothing can be left out without the violation going away.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// What is wrong; its entries are indexes of the shrunken history.
    pub violation: Violation,
    /// The states that the longest prefix can lead to, in words.
    pub states: Vec<String>,
    /// What is left.
    pub history: History,
}

/// The page of an anomaly; its history lies beside it in the file `file`.
pub fn anomaly_page(anomaly: &Anomaly, file: &str) -> String {
    let violation = &anomaly.violation;
    let key = violation.key.as_ref().map(|key| format!(", key {}", plain(key))).unwrap_or_default();
    let mut body = format!(
        "<p><a class=\"invalid\" href=\"#i{}\">{}</a></p>\n\
         <p>Model {}. The lines below are the fewest that are still \
         wrong; <a href=\"{file}\">{file}</a> holds them.</p>\n",
        violation.entries.first().copied().unwrap_or_default(),
        escaped(&violation.says),
        escaped(&anomaly.history.header.model),
        file = escaped(file)
    );
    if !anomaly.states.is_empty() {
        let states: String =
            anomaly.states.iter().map(|state| format!("<li>{}</li>", escaped(state))).collect();
        body.push_str(&format!("<h2>States that can be reached</h2>\n<ul>{states}</ul>\n"));
    }
    body.push_str("<h2>Operations</h2>\n");
    body.push_str(&operation_table(&anomaly.history));
    body.push_str(&event_table(&anomaly.history));
    let drawing = drawing(&anomaly.history, std::slice::from_ref(violation), file);
    body.push_str("<h2>Drawing</h2>\n");
    body.push_str(&drawing.body);
    Page {
        title: &format!("Anomaly: {}{key}", violation.checker),
        trail: &[("../index.html", "run")],
        body: &body,
        style: style(),
        scripts: &drawing.scripts,
    }
    .html()
}

fn operation_table(history: &History) -> String {
    let rows: Vec<Vec<String>> = operations(history)
        .iter()
        .map(|operation| {
            let (invoke, completion) = (operation.invoke, operation.completion);
            let text = |value: Option<&Value>| {
                value.map(|value| escaped(&plain(value))).unwrap_or_default()
            };
            let answer = completion.and_then(|line| {
                let read = line.value.as_ref().filter(|_| invoke.value.is_none());
                line.result.as_ref().or(read)
            });
            vec![
                format!("{}", invoke.index),
                format!("{:.3} ms", milliseconds(invoke.time)),
                completion
                    .map(|line| format!("{:.3} ms", milliseconds(line.time)))
                    .unwrap_or_else(|| "open".into()),
                format!("{}", operation.process),
                escaped(&invoke.f),
                text(invoke.key.as_ref()),
                text(invoke.value.as_ref()),
                text(answer),
                ending_of(operation).to_owned(),
                completion.and_then(|line| line.error.as_deref()).map(escaped).unwrap_or_default(),
            ]
        })
        .collect();
    let head =
        ["line", "begun", "ended", "process", "f", "key", "value", "result", "outcome", "error"];
    table("Operations of the shrunken history", &head, &rows)
}

/// What listeners got; a history without events has no such table.
fn event_table(history: &History) -> String {
    let text =
        |value: Option<&Value>| value.map(|value| escaped(&plain(value))).unwrap_or_default();
    let rows: Vec<Vec<String>> = history
        .entries
        .iter()
        .filter(|line| line.kind == EntryType::Event)
        .map(|line| {
            vec![
                line.index.to_string(),
                format!("{:.3} ms", milliseconds(line.time)),
                line.listener.as_deref().map(escaped).unwrap_or_default(),
                escaped(&line.f),
                text(line.key.as_ref()),
                text(line.old.as_ref()),
                text(line.value.as_ref()),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = ["line", "time", "listener", "event", "key", "old", "value"];
    format!("<h2>Events</h2>\n{}", table("Events of the shrunken history", &head, &rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::golden;

    #[test]
    fn an_anomaly_is_told_without_a_script_too() {
        let history = golden("map-put-lost-update");
        assert!(history.entries.iter().all(|line| line.kind != EntryType::Info));
        let violation = Violation {
            checker: "linear".into(),
            key: Some(serde_json::json!("k")),
            says: "put told <nothing> of the put before".into(),
            entries: vec![3],
        };
        let states = vec!["k = 1".to_owned()];
        let page = anomaly_page(&Anomaly { violation, states, history }, "1-linear.history.jsonl");
        assert!(page.contains("<title>Anomaly: linear, key k</title>"));
        assert!(page.contains("put told &lt;nothing&gt; of the put before"));
        assert!(page.contains("<td>put</td><td>k</td><td>2</td><td>null</td><td>ok</td>"));
        assert!(page.contains("<li>k = 1</li>"));
        assert!(page.contains("href=\"#i3\""));
    }

    #[test]
    fn events_are_told_where_there_are_some() {
        let history = golden("events-twice");
        let event = history.entries.iter().find(|line| line.kind == EntryType::Event).unwrap();
        let row = format!("<tr><th scope=\"row\">{}</th>", event.index);
        let listener = format!("<td>{}</td>", event.listener.clone().unwrap());
        let violation = Violation::default();
        let page = anomaly_page(&Anomaly { violation, states: Vec::new(), history }, "f");
        let (_, events) = page.split_once("<h2>Events</h2>").unwrap();
        assert!(events.contains(&row) && events.contains(&listener), "{events}");
    }
}
