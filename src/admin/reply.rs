//! What a handler answers when it goes well.

use serde::Serialize;

use super::problem::Problem;

/// An answer before it becomes HTTP.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// What is in it.
    pub(super) body: ReplyBody,
    /// Version of the record that is shown.
    pub(super) etag: Option<u64>,
}

/// The body of an answer.
#[derive(Debug)]
pub(super) enum ReplyBody {
    /// None.
    Empty,
    /// JSON, already written.
    Json(Vec<u8>),
    /// Text of a media type.
    Text(&'static str, String),
}

impl Reply {
    /// 200 with JSON.
    pub(super) fn json<T: Serialize>(value: &T) -> Result<Self, Problem> {
        let written = serde_json::to_vec(value);
        let body = written.map_err(|error| Problem::SourceFailed {
            what: "the answer could not be written",
            why: error.to_string(),
        })?;
        Ok(Self { status: 200, body: ReplyBody::Json(body), etag: None })
    }

    /// Text with a status.
    pub(super) fn text(status: u16, media_type: &'static str, text: String) -> Self {
        Self { status, body: ReplyBody::Text(media_type, text), etag: None }
    }

    /// 204.
    pub(super) fn no_content() -> Self {
        Self { status: 204, body: ReplyBody::Empty, etag: None }
    }
}
