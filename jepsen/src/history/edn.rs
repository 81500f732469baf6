//! The history in the form that the Jepsen tools read.
//!
//! Three habits of Knossos are met here. It takes a read of `nil` as "not known" and accepts it
//! always: the absent value is -1. It believes the value of a completion: completions repeat what
//! was asked. It knows no observed mismatch of a compare-and-set: that becomes `:fail`.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::Value;

use super::entry::{Entry, EntryType, History, Process};

/// One map a line, in order; values of keyed operations are `[key value]`.
pub fn edn(history: &History) -> String {
    let mut text = String::new();
    let mut open: HashMap<&Process, &Entry> = HashMap::new();
    for entry in &history.entries {
        let asked = match entry.kind {
            EntryType::Invoke => {
                open.insert(&entry.process, entry);
                None
            }
            EntryType::Ok | EntryType::Fail | EntryType::Info => open.remove(&entry.process),
            EntryType::Event => None,
        };
        line(&mut text, entry, asked);
    }
    text
}

fn line(text: &mut String, entry: &Entry, asked: Option<&Entry>) {
    let _ = write!(text, "{{:index {} :time {} :process ", entry.index, entry.time);
    match &entry.process {
        Process::Client(process) => {
            let _ = write!(text, "{process}");
        }
        // Whoever is not a client is a bystander to these tools, and they know one such.
        Process::Named(_) => text.push_str(":nemesis"),
    }
    let mismatch = entry.f == "cas" && entry.result == Some(Value::Bool(false));
    text.push_str(match entry.kind {
        EntryType::Invoke => " :type :invoke",
        EntryType::Ok if mismatch => " :type :fail",
        EntryType::Ok => " :type :ok",
        EntryType::Fail => " :type :fail",
        EntryType::Info | EntryType::Event => " :type :info",
    });
    text.push_str(" :f ");
    keyword(text, &entry.f);
    text.push_str(" :value ");
    let key = entry.key.as_ref().or_else(|| asked.and_then(|asked| asked.key.as_ref()));
    if let Some(key) = key {
        text.push('[');
        value(text, key);
        text.push(' ');
    }
    match told(entry, asked) {
        Some(told) => value(text, told),
        None => text.push_str("nil"),
    }
    if key.is_some() {
        text.push(']');
    }
    for (name, field) in [("result", &entry.result), ("client", &entry.client), ("old", &entry.old)]
    {
        if let Some(field) = field {
            let _ = write!(text, " :{name} ");
            value(text, field);
        }
    }
    if let Some(ttl) = entry.ttl {
        let _ = write!(text, " :ttl {ttl}");
    }
    for (name, field) in
        [("listener", &entry.listener), ("error", &entry.error), ("node", &entry.node)]
    {
        if let Some(field) = field {
            let _ = write!(text, " :{name} ");
            string(text, field);
        }
    }
    text.push_str("}\n");
}

/// The `:value` of a line: of a read what it answered, of anything else what was asked.
fn told<'a>(entry: &'a Entry, asked: Option<&'a Entry>) -> Option<&'a Value> {
    let reads = matches!(entry.f.as_str(), "read" | "get");
    if reads && matches!(entry.process, Process::Client(_)) {
        return match entry.kind {
            EntryType::Ok => entry.result.as_ref().or(entry.value.as_ref()),
            EntryType::Invoke | EntryType::Fail | EntryType::Info | EntryType::Event => None,
        };
    }
    asked.and_then(|asked| asked.value.as_ref()).or(entry.value.as_ref())
}

fn value(text: &mut String, value_: &Value) {
    match value_ {
        Value::Null => text.push_str("-1"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => {
            let _ = write!(text, "{number}");
        }
        Value::String(content) => string(text, content),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    text.push(' ');
                }
                value(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (at, (name, field)) in fields.iter().enumerate() {
                if at > 0 {
                    text.push_str(", ");
                }
                string(text, name);
                text.push(' ');
                value(text, field);
            }
            text.push('}');
        }
    }
}

fn keyword(text: &mut String, name: &str) {
    text.push(':');
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.?!*+".contains(letter);
    text.extend(name.chars().map(|letter| if plain(letter) { letter } else { '-' }));
}

fn string(text: &mut String, content: &str) {
    text.push('"');
    for letter in content.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::json::parse;
    use super::*;

    #[test]
    fn knossos_reads_what_was_meant() {
        let history = parse(
            r#"{"history":1,"name":"n","model":"register"}
{"index":0,"time":1,"process":0,"type":"invoke","f":"write","key":"k","value":7}
{"index":1,"time":2,"process":1,"type":"invoke","f":"read","key":"k","value":null}
{"index":2,"time":3,"process":1,"type":"ok","f":"read","key":"k","value":null}
{"index":3,"time":4,"process":0,"type":"ok","f":"write"}
{"index":4,"time":4,"process":"nemesis","type":"info","f":"pause c1"}
{"index":5,"time":5,"process":0,"type":"invoke","f":"cas","key":"k","value":[7,8]}
{"index":6,"time":6,"process":0,"type":"ok","f":"cas","key":"k","result":false}
{"index":7,"time":7,"process":1,"type":"invoke","f":"read","key":"k","value":null}
{"index":8,"time":8,"process":1,"type":"info","f":"read","key":"k","error":"say \"x\""}
"#,
        )
        .unwrap();
        let expected = r#"{:index 0 :time 1 :process 0 :type :invoke :f :write :value ["k" 7]}
{:index 1 :time 2 :process 1 :type :invoke :f :read :value ["k" nil]}
{:index 2 :time 3 :process 1 :type :ok :f :read :value ["k" -1]}
{:index 3 :time 4 :process 0 :type :ok :f :write :value ["k" 7]}
{:index 4 :time 4 :process :nemesis :type :info :f :pause-c1 :value nil}
{:index 5 :time 5 :process 0 :type :invoke :f :cas :value ["k" [7 8]]}
{:index 6 :time 6 :process 0 :type :fail :f :cas :value ["k" [7 8]] :result false}
{:index 7 :time 7 :process 1 :type :invoke :f :read :value ["k" nil]}
{:index 8 :time 8 :process 1 :type :info :f :read :value ["k" nil] :error "say \"x\""}
"#;
        assert_eq!(edn(&history), expected);
    }
}
