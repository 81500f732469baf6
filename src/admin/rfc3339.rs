//! Times as RFC 3339 in UTC with milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use statekeeper_machine::ClusterTime;

const MS_PER_DAY: u64 = 86_400_000;

/// Cluster time, which counts milliseconds of the Unix epoch.
pub(super) fn cluster_time(time: ClusterTime) -> String {
    epoch_ms(time.0)
}

/// A time of this machine; anything before the epoch is the epoch.
pub(super) fn system_time(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    epoch_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since the epoch.
pub(super) fn epoch_ms(ms: u64) -> String {
    let (year, month, day) = civil(ms / MS_PER_DAY);
    let ms = ms % MS_PER_DAY;
    let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
    let (second, ms) = (ms / 1_000 % 60, ms % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar.
/// Counted in eras of 400 years that begin on 1 March, so that the leap day comes last.
fn civil(days_since_epoch: u64) -> (u64, u64, u64) {
    let days = days_since_epoch + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leap_days = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_others_write_them() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_000_000_000_000, "2001-09-09T01:46:40.000Z"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
        ] {
            assert_eq!(epoch_ms(ms), text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = civil(0);
        for days in 1..200_000 {
            let (year, month, day) = civil(days);
            let next_day = (year, month) == (before.0, before.1) && day == before.2 + 1;
            let next_month = day == 1 && before.2 >= 28;
            assert!(next_day || next_month, "{before:?} is followed by {:?}", (year, month, day));
            before = (year, month, day);
        }
    }

    #[test]
    fn the_largest_time_has_a_text() {
        assert!(epoch_ms(u64::MAX).ends_with('Z'));
    }
}
