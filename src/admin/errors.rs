//! `GET /v1/errors/{code}`: the page that a problem's `type` names.

use std::sync::Arc;

use super::app::App;
use super::call::Call;
use super::problem::Problem;
use super::problem_code::ProblemCode;
use super::reply::Reply;
use super::route::{Answer, Body, Method, Route};
use super::table;

const MARKDOWN: &str = "text/markdown; charset=utf-8";

/// The routes of this file.
pub(super) const ROUTES: &[Route] = &[Route {
    method: Method::Get,
    path: "/v1/errors/{code}",
    tag: table::NODE,
    summary: "What a problem's code means, why it is so, and what to do.",
    query: &[],
    headers: &[],
    body: Body::None,
    answer: Answer::Text(MARKDOWN),
    handler: |app, call| Box::pin(show(app, call)),
}];

async fn show(_: Arc<App>, call: Call) -> Result<Reply, Problem> {
    let code = call.parameter("code");
    match ProblemCode::of(code) {
        Some(code) => Ok(Reply::text(200, MARKDOWN, code.page().to_owned())),
        None => Err(Problem::NotFound { what: "code", name: code.to_owned() }),
    }
}
