//! Moments as HTTP writes them: HTTP dates in headers (RFC 9110, 5.6.7), RFC 3339 in JSON.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::UnixMillis;

/// 9999-12-31T23:59:59Z in seconds: the last moment that either format can write.
const LAST_SECOND: u64 = 253_402_300_799;
const SECONDS_PER_DAY: u64 = 86_400;

/// `Sun, 06 Nov 1994 08:49:37 GMT`, rounded down to the second.
pub(super) fn http_date(moment: UnixMillis) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs((moment.0 / 1000).min(LAST_SECOND)))
}

/// Reads an HTTP date in any of the three forms that RFC 9110 has recipients accept.
pub(super) fn parse_http_date(text: &str) -> Option<UnixMillis> {
    let moment: SystemTime = httpdate::parse_http_date(text).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis)
}

/// `1994-11-06T08:49:37.000Z`.
pub(super) fn rfc3339(moment: UnixMillis) -> String {
    let millis = moment.0.min(LAST_SECOND * 1000 + 999);
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, second_of_day) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Counts from 0000-03-01 instead, so that the leap day is the last of its year and 400 years are always the same
/// number of days (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_BEFORE_1970: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_read_as_they_are_written() {
        let moment = UnixMillis(784_111_777_000);
        assert_eq!(http_date(moment), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(moment));
    }

    #[test]
    fn the_two_old_forms_of_an_http_date_are_read() {
        assert_eq!(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), Some(UnixMillis(784_111_777_000)));
        assert_eq!(parse_http_date("Sun Nov  6 08:49:37 1994"), Some(UnixMillis(784_111_777_000)));
    }

    #[test]
    fn what_is_not_an_http_date_is_refused() {
        for text in ["", "1994-11-06T08:49:37Z", "tomorrow", "784111777"] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn moments_past_the_year_9999_are_written_as_its_end() {
        assert_eq!(http_date(UnixMillis(u64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(rfc3339(UnixMillis(u64::MAX)), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn leap_days_and_ends_of_years_are_right_in_rfc3339() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_012, "1994-11-06T08:49:37.012Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(UnixMillis(millis)), text);
        }
    }
}
