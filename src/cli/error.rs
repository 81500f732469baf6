//! Why a verb ended without what was asked: what, why, what to do, and the code.

use serde_json::{Value, json};

use super::exit::Exit;
use super::output::Format;
use crate::doctor::Finding;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The arguments do not make sense together.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
    },
    /// No endpoint answered, and nothing can have happened.
    #[error("no node answers")]
    Unreachable {
        /// What became of each endpoint.
        tried: Vec<String>,
    },
    /// The connection was lost after a change had been sent.
    #[error("the connection to {endpoint} was lost after the change had been sent")]
    OutcomeUnknown {
        /// To whom.
        endpoint: String,
        /// How it was lost.
        why: String,
    },
    /// The node refused, or could not.
    #[error("{}", problem["detail"].as_str().unwrap_or("the node refused"))]
    Problem {
        /// The HTTP status.
        status: u16,
        /// What the node said.
        problem: Value,
        /// Why, from the page of the code.
        why: Option<String>,
        /// What to do, from the page of the code.
        fix: Option<String>,
    },
    /// Whoever answers there is no node.
    #[error("{endpoint} does not answer as a node does")]
    NotOurs {
        /// Who.
        endpoint: String,
        /// What was odd.
        why: String,
    },
    /// Nobody confirmed.
    #[error("{what} was not confirmed, and not done")]
    NotConfirmed {
        /// What.
        what: String,
    },
    /// Something on this machine stands in the way.
    #[error("{}", .0.text)]
    Local(Finding),
    /// Standard output is gone.
    #[error("the answer cannot be printed")]
    Output(#[from] std::io::Error),
}

impl CliError {
    /// A usage error.
    pub(super) fn usage(what: impl Into<String>) -> Self {
        Self::Usage { what: what.into() }
    }

    /// How the program ends.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::OutcomeUnknown { .. } => Exit::Unknown,
            Self::Problem { status, .. } => match status {
                400 | 413 | 415 => Exit::Usage,
                409 | 412 => Exit::Refused,
                504 => Exit::Unknown,
                _ => Exit::Failed,
            },
            Self::NotOurs { .. } | Self::Local(_) | Self::Output(_) => Exit::Failed,
            Self::NotConfirmed { .. } => Exit::Refused,
        }
    }

    /// Tells it on standard error: for people, or as one line of JSON.
    pub(super) fn print(&self, format: Format) {
        let code = match self {
            Self::Problem { problem, .. } => problem["code"].as_str(),
            Self::Local(finding) => finding.code.as_deref(),
            Self::Usage { .. }
            | Self::Unreachable { .. }
            | Self::OutcomeUnknown { .. }
            | Self::NotOurs { .. }
            | Self::NotConfirmed { .. }
            | Self::Output(_) => None,
        };
        let (why, fix) = (self.why(), self.fix());
        match format {
            Format::Json => {
                let what = self.to_string();
                eprintln!("{}", json!({ "error": what, "why": why, "fix": fix, "code": code }));
            }
            Format::Table => {
                eprintln!("error: {self}{}", code.map_or(String::new(), |c| format!(" ({c})")));
                if let Some(why) = why {
                    eprintln!("why:   {why}");
                }
                if let Some(fix) = fix {
                    eprintln!("do:    {fix}");
                }
            }
        }
    }

    fn why(&self) -> Option<String> {
        match self {
            Self::Usage { .. } | Self::Local(_) => None,
            Self::Unreachable { tried } => Some(tried.join("; ")),
            Self::OutcomeUnknown { why, .. } | Self::NotOurs { why, .. } => Some(why.clone()),
            Self::Problem { why, .. } => why.clone(),
            Self::NotConfirmed { .. } => Some("it cannot be taken back".to_owned()),
            Self::Output(error) => Some(error.to_string()),
        }
    }

    fn fix(&self) -> Option<String> {
        let fix = match self {
            Self::Usage { .. } => "see --help",
            Self::Unreachable { .. } => "start a node, or name its admin address with --endpoint",
            Self::OutcomeUnknown { .. } => "look whether it happened before you repeat it",
            Self::Problem { fix, .. } => return fix.clone(),
            Self::Local(finding) => return finding.fix.clone(),
            Self::NotOurs { .. } => "name the admin address of a node with --endpoint",
            Self::NotConfirmed { .. } => "answer with the name that is asked for, or give --yes",
            Self::Output(_) => return None,
        };
        Some(fix.to_owned())
    }
}
