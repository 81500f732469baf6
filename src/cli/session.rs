//! What every verb that talks to a node needs: whom to ask, how to print, and how careful to be.

use serde_json::{Value, json};

use super::Global;
use super::answer;
use super::api::{Api, Ask};
use super::confirm::confirm;
use super::error::CliError;
use super::output::{Format, Table};

/// Rows of one request of a list; the API's largest page.
const PAGE_ROWS: usize = 1_000;

/// One run of a verb.
#[derive(Debug)]
pub(super) struct Session {
    /// The nodes.
    pub(super) api: Api,
    /// How answers are printed.
    pub(super) format: Format,
    /// Nobody is asked.
    yes: bool,
    /// Nothing is changed.
    dry_run: bool,
}

impl Session {
    /// From the flags.
    pub(super) fn new(global: &Global) -> Result<Self, CliError> {
        Ok(Self {
            api: Api::new(&global.endpoint, global.timeout)?,
            format: Format::chosen(global.output),
            yes: global.yes,
            dry_run: global.dry_run,
        })
    }

    /// Prints an answer.
    pub(super) fn print(
        &self,
        answer: &Value,
        table: impl FnOnce(&Value) -> Table,
    ) -> Result<(), CliError> {
        Ok(self.format.print(answer, table)?)
    }

    /// Rows of a list, page after page, up to `limit`, from `cursor` on.
    pub(super) async fn list(
        &self,
        path: &[&str],
        limit: usize,
        mut cursor: Option<String>,
    ) -> Result<Value, CliError> {
        let mut items = Vec::new();
        loop {
            let rows = PAGE_ROWS.min(limit - items.len());
            let mut ask = Ask::get([]).with("limit", rows);
            ask.path = path.iter().map(|segment| (*segment).to_owned()).collect();
            if let Some(cursor) = &cursor {
                ask = ask.with("cursor", cursor);
            }
            let mut page = self.api.ask(&ask).await?;
            if let Value::Array(rows) = page["items"].take() {
                items.extend(rows);
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || items.len() >= limit {
                return Ok(json!({ "items": items, "next_cursor": cursor }));
            }
        }
    }

    /// Makes a change that the API can also plan, and prints what it did or would do.
    pub(super) async fn change(&self, ask: Ask) -> Result<(), CliError> {
        let ask = if self.dry_run { ask.with("dry_run", true) } else { ask };
        let answer = self.api.ask(&ask).await?;
        self.print(&answer, answer::pairs)
    }

    /// As `change`, after somebody has agreed who was shown what it does.
    pub(super) async fn destroy(
        &self,
        what: &str,
        name: &str,
        ask: impl Fn() -> Ask,
    ) -> Result<(), CliError> {
        if !self.dry_run && !self.yes {
            let plan = self.api.ask(&ask().with("dry_run", true)).await?;
            eprint!("{}", answer::pairs(&plan).text());
            confirm(what, name)?;
        }
        self.change(ask()).await
    }

    /// Makes a change that the API cannot plan; a dry run shows the request.
    pub(super) async fn write(&self, ask: Ask) -> Result<(), CliError> {
        if !self.dry_run {
            self.api.ask(&ask).await?;
        }
        let done = json!({ "request": ask.line(), "done": !self.dry_run });
        self.print(&done, answer::pairs)
    }
}
