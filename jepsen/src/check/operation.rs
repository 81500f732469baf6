//! Operations: an invocation and what became of it, put together from two lines.

use std::collections::HashMap;

use serde_json::Value;

use super::models::Source;
use crate::history::{Entry, EntryType, History, Malformed, Process};

/// One operation of a history. Refused ones are left out: they did not happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation<'a> {
    /// Where the invocation stands in the entries.
    pub(crate) invoked: usize,
    /// Where the `ok` stands; none when nobody knows what became of it.
    pub(crate) returned: Option<usize>,
    /// The invocation.
    pub(crate) asked: &'a Entry,
    /// The `ok`.
    pub(crate) answered: Option<&'a Entry>,
}

/// Puts the lines of a well-formed history together, in the order of the invocations.
pub(crate) fn operations(history: &History) -> Vec<Operation<'_>> {
    let mut all: Vec<Option<Operation<'_>>> = Vec::new();
    let mut open: HashMap<u64, usize> = HashMap::new();
    for (at, entry) in history.entries.iter().enumerate() {
        let Process::Client(process) = entry.process else { continue };
        match entry.kind {
            EntryType::Invoke => {
                open.insert(process, all.len());
                all.push(Some(Operation {
                    invoked: at,
                    returned: None,
                    asked: entry,
                    answered: None,
                }));
            }
            EntryType::Ok => {
                if let Some(operation) = open.remove(&process).and_then(|of| all[of].as_mut()) {
                    operation.returned = Some(at);
                    operation.answered = Some(entry);
                }
            }
            EntryType::Fail => {
                if let Some(of) = open.remove(&process) {
                    all[of] = None;
                }
            }
            EntryType::Info => {
                open.remove(&process);
            }
            EntryType::Event => {}
        }
    }
    all.into_iter().flatten().collect()
}

impl<'a> Operation<'a> {
    /// The name of the operation.
    pub(crate) fn f(&self) -> &'a str {
        &self.asked.f
    }

    /// The key, absent as `null`.
    pub(crate) fn key(&self) -> &'a Value {
        self.asked.key.as_ref().unwrap_or(&Value::Null)
    }

    /// The argument.
    ///
    /// # Errors
    /// There is none: the harness forgot to write it.
    pub(crate) fn argument(&self) -> Result<&'a Value, Malformed> {
        match &self.asked.value {
            Some(value) => Ok(value),
            None => Err(self.malformed("lacks its value")),
        }
    }

    /// The two values of a compare-and-set.
    ///
    /// # Errors
    /// The argument is not `[old, new]`.
    pub(crate) fn pair(&self) -> Result<(&'a Value, &'a Value), Malformed> {
        match self.argument()?.as_array().map(Vec::as_slice) {
            Some([old, new]) => Ok((old, new)),
            _ => Err(self.malformed("needs [old, new] as value")),
        }
    }

    /// A whole number as argument.
    ///
    /// # Errors
    /// The argument is something else.
    pub(crate) fn number(&self) -> Result<i64, Malformed> {
        let number = self.argument()?.as_i64();
        number.ok_or_else(|| self.malformed("needs a whole number as value"))
    }

    /// What a change told; none when it told nothing or nobody knows.
    pub(crate) fn result(&self) -> Option<&'a Value> {
        self.answered.and_then(|answered| answered.result.as_ref())
    }

    /// What an operation without argument answered, wherever it stands. Only a `read` or a `get`
    /// may answer `null` as `value`; in others that is an empty field.
    pub(crate) fn answer(&self) -> Option<&'a Value> {
        let answered = self.answered?;
        let reads = matches!(self.f(), "read" | "get");
        let value = answered.value.as_ref().filter(|value| reads || !value.is_null());
        answered.result.as_ref().or(value)
    }

    /// Lock owner or session. One that is not named is its process, also for those who name it by
    /// the number of that process, as the end of its session does.
    pub(crate) fn client(&self) -> String {
        match (&self.asked.client, &self.asked.process) {
            (Some(Value::String(client)), _) => client.clone(),
            (Some(client), _) => client.to_string(),
            (None, Process::Client(process)) => process.to_string(),
            (None, Process::Named(name)) => name.clone(),
        }
    }

    /// Its lines.
    pub(crate) fn source(&self, meaning: Option<&'static str>) -> Source {
        Source { invoked: self.invoked, returned: self.returned, meaning }
    }

    /// A fault of the harness in this operation.
    pub(crate) fn malformed(&self, what: &str) -> Malformed {
        Malformed::at(self.invoked + 2, format!("{} {what}", self.f()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::parse;

    #[test]
    fn refused_operations_are_left_out_and_open_ones_stay() {
        let history = parse(
            r#"{"history":1,"name":"n","model":"register"}
{"index":0,"time":1,"process":0,"type":"invoke","f":"write","value":1}
{"index":1,"time":2,"process":1,"type":"invoke","f":"write","value":2}
{"index":2,"time":3,"process":2,"type":"invoke","f":"write","value":3}
{"index":3,"time":4,"process":1,"type":"fail","f":"write"}
{"index":4,"time":4,"process":2,"type":"ok","f":"write"}
"#,
        )
        .unwrap();
        let found = operations(&history);
        let places: Vec<_> = found.iter().map(|found| (found.invoked, found.returned)).collect();
        assert_eq!(places, [(0, None), (2, Some(4))]);
    }

    #[test]
    fn an_owner_without_a_name_is_its_process() {
        let history = parse(
            r#"{"history":1,"name":"n","model":"lock"}
{"index":0,"time":1,"process":3,"type":"invoke","f":"acquire","key":"k"}
{"index":1,"time":2,"process":4,"type":"invoke","f":"expire","key":"k","client":3}
"#,
        )
        .unwrap();
        let found = operations(&history);
        assert_eq!(found[0].client(), found[1].client());
    }
}
