//! A request whose parts have been checked against its route: names, kinds and ranges hold.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;
use statekeeper_machine::{Name, NodeId};

use super::limits;
use super::problem::{Problem, WrongField};
use super::route::{Field, Kind};
use crate::consensus::Consistency;

/// A checked request.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// Parameters of the path, decoded.
    pub(super) path: BTreeMap<String, String>,
    /// Parameters of the query.
    pub(super) query: Values,
    /// Fields of a JSON body.
    pub(super) body: Values,
    /// A body that is plain text.
    pub(super) text: Option<Bytes>,
    /// `If-Match`.
    pub(super) if_match: Option<String>,
    /// `If-None-Match`.
    pub(super) if_none_match: Option<String>,
}

/// Named values of the kinds that their fields give.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<&'static str, Value>);

impl Call {
    /// A name in the path; the router has made sure that there is one.
    pub(super) fn name(&self, parameter: &str, bytes_max: u64) -> Result<Name, Problem> {
        let name = self.parameter(parameter);
        if name.len() as u64 > bytes_max {
            return Err(Problem::TooLarge { limit: "limits.name-bytes-max", bytes_max });
        }
        Ok(Name::from(name))
    }

    /// A parameter of the path.
    pub(super) fn parameter(&self, parameter: &str) -> &str {
        self.path.get(parameter).map_or("", String::as_str)
    }

    /// A node in the path.
    pub(super) fn node(&self) -> Result<NodeId, Problem> {
        node_id("id", self.parameter("id"))
    }

    /// How a read shall be answered.
    pub(super) fn consistency(&self) -> Consistency {
        match self.query.text("consistency") {
            Some("local") => Consistency::Local,
            Some(_) | None => Consistency::Linearizable,
        }
    }

    /// How many rows are asked for.
    pub(super) fn limit(&self) -> usize {
        let limit = self.query.integer("limit").unwrap_or(limits::LIST_LIMIT_DEFAULT);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// Whether nothing shall change.
    pub(super) fn dry_run(&self) -> bool {
        self.query.flag("dry_run").unwrap_or(false)
    }
}

impl Values {
    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// Whatever was sent.
    pub(super) fn any(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Checks the pairs of a query string; names each wrong one.
    pub(super) fn of_query(
        fields: &'static [Field],
        pairs: Vec<(String, String)>,
    ) -> Result<Self, Vec<WrongField>> {
        let pairs = pairs.into_iter().map(|(name, text)| {
            let kind = fields.iter().find(|field| field.name == name).map(|field| field.kind);
            let value = match kind {
                Some(Kind::Integer(..)) => text.parse::<u64>().map_or(Value::Null, Value::from),
                Some(Kind::Flag) => match text.as_str() {
                    "" | "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    _ => Value::Null,
                },
                Some(Kind::Text | Kind::Choice(_) | Kind::Any) | None => Value::String(text),
            };
            (name, value)
        });
        Self::checked(fields, pairs)
    }

    /// Checks the members of a JSON object; names each wrong one.
    pub(super) fn of_object(
        fields: &'static [Field],
        object: serde_json::Map<String, Value>,
    ) -> Result<Self, Vec<WrongField>> {
        Self::checked(fields, object.into_iter())
    }

    fn checked(
        fields: &'static [Field],
        pairs: impl Iterator<Item = (String, Value)>,
    ) -> Result<Self, Vec<WrongField>> {
        let mut values = BTreeMap::new();
        let mut wrong = Vec::new();
        let mut refuse = |field: &str, problem: String| {
            wrong.push(WrongField { field: field.to_owned(), problem });
        };
        for (name, value) in pairs {
            match fields.iter().find(|field| field.name == name) {
                None => {
                    let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    refuse(&name, format!("is not known; known are: {known}"));
                }
                Some(field) if !field.kind.holds(&value) => {
                    refuse(&name, format!("must be {}", field.kind.describe()));
                }
                Some(field) => {
                    if values.insert(field.name, value).is_some() {
                        refuse(&name, "is given twice".to_owned());
                    }
                }
            }
        }
        for field in fields.iter().filter(|field| field.required) {
            if !values.contains_key(field.name) && !wrong.iter().any(|w| w.field == field.name) {
                let problem = format!("is required: {}", field.kind.describe());
                wrong.push(WrongField { field: field.name.to_owned(), problem });
            }
        }
        if wrong.is_empty() { Ok(Self(values)) } else { Err(wrong) }
    }
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer(min, max) => value.as_u64().is_some_and(|n| (min..=max).contains(&n)),
            Self::Choice(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Self::Flag => value.is_boolean(),
            Self::Any => true,
        }
    }

    fn describe(self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Integer(min, u64::MAX) => format!("a whole number from {min}"),
            Self::Integer(min, max) => format!("a whole number from {min} to {max}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Flag => "true or false".to_owned(),
            Self::Any => "a value".to_owned(),
        }
    }
}

/// Reads a node id.
pub(super) fn node_id(field: &str, text: &str) -> Result<NodeId, Problem> {
    let id = text.parse::<u64>().ok().filter(|id| *id > 0);
    id.map(NodeId).ok_or_else(|| Problem::invalid(field, "must be a node id: a positive number"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const FIELDS: &[Field] = &[
        Field { name: "limit", kind: Kind::Integer(1, 10), required: false, doc: "" },
        Field { name: "dry_run", kind: Kind::Flag, required: false, doc: "" },
        Field { name: "mode", kind: Kind::Choice(&["a", "b"]), required: true, doc: "" },
    ];

    fn query(pairs: &[(&str, &str)]) -> Result<Values, Vec<WrongField>> {
        let owned = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Values::of_query(FIELDS, owned.collect())
    }

    #[test]
    fn a_query_is_read_by_kind_and_a_bare_flag_is_true() {
        let values = query(&[("limit", "10"), ("dry_run", ""), ("mode", "b")]).unwrap();
        assert_eq!(values.integer("limit"), Some(10));
        assert_eq!(values.flag("dry_run"), Some(true));
        assert_eq!(values.text("mode"), Some("b"));
    }

    #[test]
    fn every_wrong_field_is_named_once() {
        let wrong = query(&[("limit", "11"), ("dry_run", "perhaps"), ("odd", "1")]).unwrap_err();
        let named: Vec<&str> = wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(named, ["limit", "dry_run", "odd", "mode"]);
        assert!(query(&[("mode", "a"), ("mode", "b")]).is_err(), "given twice");
        assert_eq!(query(&[("mode", "c")]).unwrap_err().len(), 1);
    }
}
