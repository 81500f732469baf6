//! What is printed: tables for people on a terminal, JSON for everything else.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use serde_json::Value;

/// How answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns with a headline.
    Table,
    /// What the API answers; stable within `/v1`.
    Json,
}

/// Columns of text.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Format {
    /// As asked, else as fits where it goes.
    pub(super) fn chosen(asked: Option<Self>) -> Self {
        let fitting = if io::stdout().is_terminal() { Self::Table } else { Self::Json };
        asked.unwrap_or(fitting)
    }

    /// Prints an answer: whole as JSON, or what the table shows of it.
    pub(super) fn print(
        self,
        answer: &Value,
        table: impl FnOnce(&Value) -> Table,
    ) -> io::Result<()> {
        match self {
            Self::Json => line(&format!("{answer:#}")),
            Self::Table => write!(io::stdout().lock(), "{}", table(answer).text()),
        }
    }
}

/// Prints a line; a reader that is gone is an error, not a panic.
pub(super) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

impl Table {
    /// A table with a headline.
    pub(super) fn new<const N: usize>(headline: [&str; N]) -> Self {
        Self { rows: vec![headline.map(str::to_owned).to_vec()] }
    }

    /// Names and values, without a headline.
    pub(super) fn pairs() -> Self {
        Self { rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| printable(&cell)).to_vec());
    }

    /// All rows, the columns under each other.
    pub(super) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// A value as it stands in a cell; a dash for what there is not.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Keys and values come from clients: what would move the cursor is shown, not obeyed.
fn printable(text: &str) -> String {
    let shown =
        |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_and_control_characters_are_shown() {
        let mut table = Table::new(["NAME", "RECORDS"]);
        table.row(["a\u{1b}[2J".to_owned(), "1".to_owned()]);
        table.row(["query-länger".to_owned(), "22".to_owned()]);
        let expected = "NAME          RECORDS\na\\u{1b}[2J    1\nquery-länger  22\n";
        assert_eq!(table.text(), expected);
    }
}
