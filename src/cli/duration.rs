//! Durations as the configuration writes them: `250ms`, `10s`, `5m`, `1h`, `1d`.

use std::time::Duration;

/// Reads a duration above zero.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "write a duration such as 250ms, 10s, 5m, 1h".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit_ms = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let ms = number.checked_mul(unit_ms).filter(|ms| *ms > 0).ok_or_else(wrong)?;
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_the_configuration() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3_600)));
        for wrong in ["", "10", "s", "0s", "1.5s", "-1s", "1 s", "99999999999999999999d", "9é"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
