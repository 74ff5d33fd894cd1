//! Durations as people write them: `"400ms"`, `"20s"`, `"20m"`, `"12h"`, `"7d"`.

use std::time::Duration;

/// The units, largest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What a duration looks like, for messages.
pub(super) const EXPECTED: &str = "a whole number with the unit ms, s, m, h or d, such as \"400ms\", \"20m\" or \"7d\"";

/// Reads a duration; `None` if the text is not one, or is longer than 2^64 ms.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, length) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*length).map(Duration::from_millis)
}

/// Writes a duration in the largest unit that loses nothing. Parts of a millisecond are cut off.
pub(super) fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".into();
    }
    let fitting = UNITS.iter().find(|(_, length)| millis.is_multiple_of(u128::from(*length)));
    fitting.map_or_else(String::new, |(unit, length)| format!("{}{unit}", millis / u128::from(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, millis) in [
            ("400ms", 400),
            ("20s", 20_000),
            ("20m", 1_200_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
            ("0s", 0),
            ("007s", 7_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in
            ["", "20", "m", "20 m", "-5s", "+5s", "1.5s", "20M", "20min", "1h30m", "99999999999999999999s", "٣s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_length_beyond_64_bits_is_refused_and_does_not_wrap() {
        assert_eq!(parse("18446744073709551615ms"), Some(Duration::from_millis(u64::MAX)));
        assert_eq!(parse("18446744073709551615d"), None);
    }

    #[test]
    fn a_duration_is_written_in_the_largest_unit_that_loses_nothing() {
        for text in ["400ms", "90s", "20m", "12h", "7d", "0s", "1500ms"] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
        assert_eq!(parse("120s").map(format).as_deref(), Some("2m"));
    }
}
