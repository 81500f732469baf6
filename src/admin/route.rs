//! What a row of the route table says: enough to match a request, to check it, and to describe it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::app::App;
use super::call::Call;
use super::limits;
use super::problem::Problem;
use super::reply::Reply;
use super::schema::Components;

/// The future of a handler.
pub(super) type HandlerFuture = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// One route: the router, the check of its input and its description all come from here.
#[derive(Debug)]
pub(super) struct Route {
    /// How it is asked.
    pub(super) method: Method,
    /// The path as OpenAPI writes it; `:action` may follow a parameter at the end.
    pub(super) path: &'static str,
    /// The resource, for grouping.
    pub(super) tag: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// Query parameters; others are refused.
    pub(super) query: &'static [Field],
    /// Request headers with a meaning.
    pub(super) headers: &'static [Field],
    /// What is sent.
    pub(super) body: Body,
    /// What is answered when it goes well.
    pub(super) answer: Answer,
    /// What does it.
    pub(super) handler: fn(Arc<App>, Call) -> HandlerFuture,
}

/// The methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Method {
    /// Reads; also answers HEAD.
    Get,
    /// Writes one thing whole.
    Put,
    /// Does something.
    Post,
    /// Changes some fields.
    Patch,
    /// Removes.
    Delete,
}

/// A named value of a query or of a body.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: &'static str,
    /// What it may be.
    pub(super) kind: Kind,
    /// Whether it must be there.
    pub(super) required: bool,
    /// One sentence.
    pub(super) doc: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// A whole number in a range, both ends included.
    Integer(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// True or false; in a query the bare name is true.
    Flag,
    /// Any JSON value.
    Any,
}

/// What a request carries.
#[derive(Debug)]
pub(super) enum Body {
    /// Nothing; what is sent is ignored.
    None,
    /// A JSON object with these fields.
    Object(&'static [Field]),
    /// A value for a map: a JSON object with these fields, or plain text.
    MapValue(&'static [Field]),
}

/// What a route answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// JSON of this schema.
    Json(fn(&mut Components) -> Value),
    /// Text of this media type.
    Text(&'static str),
    /// Nothing but the status 204.
    NoContent,
}

/// How a read may be answered.
pub(super) const CONSISTENCY: Field = Field {
    name: "consistency",
    kind: Kind::Choice(&["linearizable", "local"]),
    required: false,
    doc: "`linearizable` (default): the newest acknowledged state. `local`: this node's state as \
          it is; the header X-Statekeeper-Staleness-Ms tells since when no leader was heard of.",
};
/// How many rows.
pub(super) const LIMIT: Field = Field {
    name: "limit",
    kind: Kind::Integer(1, limits::LIST_LIMIT_MAX),
    required: false,
    doc: "Rows of one answer, 100 by default.",
};
/// Where to go on.
pub(super) const CURSOR: Field = Field {
    name: "cursor",
    kind: Kind::Text,
    required: false,
    doc: "The `next_cursor` of the page before. Each page is read at its own time.",
};
/// Only to try.
pub(super) const DRY_RUN: Field = Field {
    name: "dry_run",
    kind: Kind::Flag,
    required: false,
    doc: "Answers the plan, or the rule that forbids it, and changes nothing.",
};
/// The parameters of every list.
pub(super) const LIST: &[Field] = &[LIMIT, CURSOR, CONSISTENCY];
/// The parameters of every other read.
pub(super) const READ: &[Field] = &[CONSISTENCY];

impl Method {
    /// The method's name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request changes something, so that its outcome can be unknown.
    pub(super) fn writes(self) -> bool {
        match self {
            Self::Get => false,
            Self::Put | Self::Post | Self::Patch | Self::Delete => true,
        }
    }
}

impl Route {
    /// The path as the router knows it, without the action behind a parameter: the router matches
    /// whole segments only.
    pub(super) fn matched_path(&self) -> &'static str {
        match self.action() {
            Some(action) => &self.path[..self.path.len() - action.len()],
            None => self.path,
        }
    }

    /// The action behind the last parameter, colon included.
    pub(super) fn action(&self) -> Option<&'static str> {
        let end = self.path.rfind("}:")?;
        Some(&self.path[end + 1..])
    }
}
