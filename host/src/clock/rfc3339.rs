//! Moments as JSON has them (RFC 3339).

use super::UnixMillis;

/// 9999-12-31T23:59:59.999Z: the last moment that the format can write.
const LAST: u64 = 253_402_300_799_999;
const SECONDS_PER_DAY: u64 = 86_400;

impl UnixMillis {
    /// `1994-11-06T08:49:37.000Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let millis = self.0.min(LAST);
        let (seconds, millis) = (millis / 1000, millis % 1000);
        let (days, second_of_day) = (seconds / SECONDS_PER_DAY, seconds % SECONDS_PER_DAY);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
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
    fn leap_days_and_ends_of_years_are_right() {
        assert_eq!(UnixMillis(u64::MAX).rfc3339(), "9999-12-31T23:59:59.999Z");
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_012, "1994-11-06T08:49:37.012Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(UnixMillis(millis).rfc3339(), text);
        }
    }
}
