//! Text to typed values, by the kind that the table of keys gives.

use super::keys::Kind;
use std::time::Duration;

/// A typed value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(u64),
    Duration(Duration),
    Off,
    Size(u64),
    Bool(bool),
    Text(String),
    List(Vec<String>),
    Ratio,
    Keep(usize, u64),
}

/// Whether a trailing `#...` is certainly a comment: never in paths, passwords, names or text.
pub(super) fn cuts_comments(kind: Kind) -> bool {
    match kind {
        Kind::Int(..)
        | Kind::Duration(..)
        | Kind::DurationOrOff
        | Kind::Size(_)
        | Kind::Bool
        | Kind::Choice(_)
        | Kind::Ratio
        | Kind::Keep => true,
        Kind::Text | Kind::Name | Kind::Secret | Kind::Path | Kind::List => false,
    }
}

/// Cuts everything from the first blank that a `#` follows.
pub(super) fn cut_comment(value: &str) -> Option<&str> {
    let at = value
        .char_indices()
        .zip(value.chars().skip(1))
        .find_map(|((at, this), next)| (this.is_whitespace() && next == '#').then_some(at))?;
    Some(value[..at].trim())
}

/// What a value of this kind looks like, for messages and the documentation.
pub(super) fn describe(kind: Kind) -> String {
    match kind {
        Kind::Int(min, u64::MAX) => format!("a whole number from {min}"),
        Kind::Int(min, max) => format!("a whole number from {min} to {max}"),
        Kind::Duration(min, 0) => format!("a duration such as 250ms, 10s, 5m, at least {min}ms"),
        Kind::Duration(min, unit) => {
            let unit = if unit == 1000 { "seconds" } else { "milliseconds" };
            format!("a duration, a bare number is {unit}, at least {min}ms")
        }
        Kind::DurationOrOff => "a duration or off".to_owned(),
        Kind::Size(min) => format!("a size such as 512kB, 32MB, 4GB, at least {min}B"),
        Kind::Bool => "true or false".to_owned(),
        Kind::Choice(words) => format!("one of {}", words.join(", ")),
        Kind::Text => "text".to_owned(),
        Kind::Name => "letters, digits, _ and -".to_owned(),
        Kind::Secret => "secret text".to_owned(),
        Kind::Path => "a path".to_owned(),
        Kind::List => "items between commas".to_owned(),
        Kind::Ratio => "a number from 0 to 1".to_owned(),
        Kind::Keep => "<files> x <size>, such as 10 x 100MB".to_owned(),
    }
}

/// Parses a value; `None` when it is not of the kind.
pub(super) fn parse(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Int(min, max) => {
            text.parse().ok().filter(|n| (min..=max).contains(n)).map(Value::Int)
        }
        Kind::Duration(min_ms, bare_ms) => duration(text, bare_ms)
            .filter(|d| d.as_millis() >= u128::from(min_ms))
            .map(Value::Duration),
        Kind::DurationOrOff if text.eq_ignore_ascii_case("off") => Some(Value::Off),
        Kind::DurationOrOff => {
            duration(text, 0).map(|d| if d.is_zero() { Value::Off } else { Value::Duration(d) })
        }
        Kind::Size(min) => size(text).filter(|n| *n >= min).map(Value::Size),
        Kind::Bool if text.eq_ignore_ascii_case("true") => Some(Value::Bool(true)),
        Kind::Bool if text.eq_ignore_ascii_case("false") => Some(Value::Bool(false)),
        Kind::Bool => None,
        Kind::Choice(words) => words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(text))
            .map(|word| Value::Text((*word).to_owned())),
        Kind::Name => {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
            (!text.is_empty() && text.chars().all(fits)).then(|| Value::Text(text.to_owned()))
        }
        Kind::Text | Kind::Secret | Kind::Path => Some(Value::Text(text.to_owned())),
        Kind::List => Some(Value::List(
            text.split(',').map(str::trim).filter(|i| !i.is_empty()).map(str::to_owned).collect(),
        )),
        Kind::Ratio => {
            text.parse::<f64>().ok().filter(|r| (0.0..=1.0).contains(r)).map(|_| Value::Ratio)
        }
        Kind::Keep => {
            let (files, bytes) = text.split_once('x')?;
            let files = files.trim().parse().ok().filter(|n| (1..=1000).contains(n))?;
            Some(Value::Keep(files, size(bytes.trim()).filter(|n| *n > 0)?))
        }
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

fn duration(text: &str, bare_ms: u64) -> Option<Duration> {
    // Longer than a century is a slip, and would overflow clocks.
    const MILLIS_MAX: u64 = 100 * 365 * 86_400_000;
    let (number, unit) = number_and_unit(text)?;
    let unit_ms = match unit {
        "" if number == 0 => 1,
        "" if bare_ms > 0 => bare_ms,
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit_ms).filter(|ms| *ms <= MILLIS_MAX).map(Duration::from_millis)
}

fn size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit {
        "B" => 0,
        "kB" | "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}
