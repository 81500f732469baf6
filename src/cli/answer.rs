//! Answers as tables.

use serde_json::Value;

use super::output::{Table, cell};

/// Names and values of one object.
pub(super) fn pairs(answer: &Value) -> Table {
    let mut table = Table::pairs();
    for (name, value) in answer.as_object().into_iter().flatten() {
        table.row([name.clone(), cell(value)]);
    }
    table
}

/// The rows of a list by the names of their fields, and how to go on.
pub(super) fn rows<const N: usize>(answer: &Value, columns: [(&str, &str); N]) -> Table {
    let mut table = Table::new(columns.map(|(headline, _)| headline));
    for row in answer["items"].as_array().into_iter().flatten() {
        table.row(columns.map(|(_, field)| cell(&row[field])));
    }
    table
}
