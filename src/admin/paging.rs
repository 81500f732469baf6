//! Pages of lists. A cursor holds the list it belongs to and the identity of the last row shown, so
//! that rows which come and go in between never shift the others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::call::Call;
use super::problem::Problem;
use super::schema::Page;

/// Version of the cursor's layout.
const LAYOUT: u8 = 1;

/// Where a list goes on: the identity of the last row of the page before.
pub(super) fn after(call: &Call, list: &str) -> Result<Option<Vec<u8>>, Problem> {
    let Some(cursor) = call.query.text("cursor") else { return Ok(None) };
    let wrong = || Problem::invalid("cursor", "is not a cursor of this list; begin without one");
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    let rest = bytes.strip_prefix(&[LAYOUT]).ok_or_else(wrong)?;
    let rest = rest.strip_prefix(list.as_bytes()).ok_or_else(wrong)?;
    let last = rest.strip_prefix(&[0]).ok_or_else(wrong)?;
    Ok(Some(last.to_vec()))
}

/// The cursor behind a row.
pub(super) fn cursor(list: &str, last: &[u8]) -> String {
    let parts = [&[LAYOUT], list.as_bytes(), &[0], last];
    URL_SAFE_NO_PAD.encode(parts.concat())
}

/// The page of a whole list that the call asks for; rows are in the order of their identities.
pub(super) fn page<R, T>(
    call: &Call,
    list: &str,
    rows: Vec<R>,
    identity: impl Fn(&R) -> Vec<u8>,
    show: impl Fn(R) -> T,
) -> Result<Page<T>, Problem> {
    let after = after(call, list)?;
    let mut rows: Vec<(Vec<u8>, R)> = rows
        .into_iter()
        .map(|row| (identity(&row), row))
        .filter(|(identity, _)| after.as_ref().is_none_or(|after| identity > after))
        .collect();
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let more = rows.len() > call.limit();
    rows.truncate(call.limit());
    let next_cursor = match rows.last() {
        Some((last, _)) if more => Some(cursor(list, last)),
        Some(_) | None => None,
    };
    Ok(Page { items: rows.into_iter().map(|(_, row)| show(row)).collect(), next_cursor })
}
