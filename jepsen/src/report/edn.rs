//! `results.edn`: the results in the form that Jepsen's tools read.

use serde_json::{Map, Value, json};

use super::run::{RunResults, Verdict};

/// `:valid?` of the run and of each checker under its own name, then everything else. A run that
/// does not count is `:unknown`; `:verdict` says why.
///
/// # Errors
/// The results do not serialise: a figure is not a number.
pub fn results_edn(results: &RunResults) -> anyhow::Result<String> {
    let mut more = serde_json::to_value(results)?;
    let checkers = more["checkers"].take();
    let mut out = format!("{{:valid? {}", validity(results.verdict));
    if let Value::Object(checkers) = checkers {
        for (name, value) in checkers {
            out.push_str(&format!("\n {} {}", key(&name), edn(&checker(value))));
        }
    }
    if let Value::Object(more) = more {
        for (name, value) in more.into_iter().filter(|(name, _)| name != "checkers") {
            out.push_str(&format!("\n {} {}", key(&name), edn(&value)));
        }
    }
    out.push_str("}\n");
    Ok(out)
}

/// The verdict that a checker's value holds, if it holds one: itself, or under `verdict` or
/// `valid`, as a word or as true and false.
pub(super) fn verdict_of(value: &Value) -> Option<Verdict> {
    let said = match value {
        Value::Object(fields) => fields.get("verdict").or_else(|| fields.get("valid"))?,
        other => other,
    };
    match said {
        Value::Bool(true) => Some(Verdict::Valid),
        Value::Bool(false) => Some(Verdict::Invalid),
        Value::String(word) => Verdict::ALL.into_iter().find(|verdict| verdict.name() == word),
        _ => None,
    }
}

/// A checker's value as a map that tells `valid?`, where it has a verdict.
fn checker(value: Value) -> Value {
    let verdict = verdict_of(&value);
    let mut fields = match value {
        Value::Object(fields) => fields,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    if let Some(verdict) = verdict {
        fields.remove("valid");
        fields.insert("valid?".into(), json!(verdict));
    }
    Value::Object(fields)
}

fn validity(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "true",
        Verdict::Invalid => "false",
        Verdict::Unknown | Verdict::Malformed | Verdict::Rejected => ":unknown",
    }
}

fn edn(value: &Value) -> String {
    match value {
        Value::Null => "nil".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(list) => {
            format!("[{}]", list.iter().map(edn).collect::<Vec<_>>().join(" "))
        }
        Value::Object(fields) => {
            let pairs: Vec<String> = fields.iter().map(pair).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

fn pair((name, value): (&String, &Value)) -> String {
    let said = value.as_str().and_then(|word| Verdict::ALL.into_iter().find(|v| v.name() == word));
    match (name.as_str(), said) {
        ("valid?", Some(verdict)) => format!(":valid? {}", validity(verdict)),
        _ => format!("{} {}", key(name), edn(value)),
    }
}

/// A keyword where the name can be one, else a string.
fn key(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '?' | '!');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    match begins && name.chars().all(fits) {
        true => format!(":{name}"),
        false => quoted(name),
    }
}

/// EDN knows the escapes `\t \r \n \\ \"` and `\uNNNN`.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn results(verdict: Verdict) -> RunResults {
        let checkers = BTreeMap::from([
            ("linear".to_owned(), json!({"verdict": "invalid", "keys": {"k 1": [1, null]}})),
            ("nodes".to_owned(), json!({"valid": true})),
            ("available".to_owned(), json!("unknown")),
            ("coverage".to_owned(), json!({"share": 0.5})),
        ]);
        RunResults { verdict, checkers, ..RunResults::default() }
    }

    #[test]
    fn each_checker_has_its_verdict_under_its_own_name() {
        let text = results_edn(&results(Verdict::Invalid)).unwrap();
        assert!(text.starts_with("{:valid? false\n"), "{text}");
        let linear = ":linear {:keys {\"k 1\" [1 nil]}, :valid? false, :verdict \"invalid\"}";
        assert!(text.contains(linear), "{text}");
        assert!(text.contains(":nodes {:valid? true}"), "{text}");
        assert!(text.contains(":available {:valid? :unknown, :value \"unknown\"}"), "{text}");
        assert!(text.contains(":coverage {:share 0.5}"), "{text}");
    }

    #[test]
    fn a_run_that_does_not_count_is_unknown_and_says_why() {
        for verdict in [Verdict::Unknown, Verdict::Malformed, Verdict::Rejected] {
            let text = results_edn(&results(verdict)).unwrap();
            assert!(text.starts_with("{:valid? :unknown\n"), "{text}");
            assert!(text.contains(&format!(":verdict \"{}\"", verdict.name())), "{text}");
        }
        assert!(results_edn(&results(Verdict::Valid)).unwrap().starts_with("{:valid? true\n"));
    }

    #[test]
    fn text_keeps_within_its_quotes() {
        assert_eq!(quoted("a\"b\\c\n\u{1}"), "\"a\\\"b\\\\c\\n\\u0001\"");
        assert_eq!(key("1st"), "\"1st\"");
        assert_eq!(key("took_hold"), ":took_hold");
    }
}
