//! Sizes as people write them: `"20MiB"`, `"512KiB"`, `"64MB"`, or plain bytes.

/// The units, largest first.
const UNITS: [(&str, usize); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// What a size looks like, for messages.
pub(super) const EXPECTED: &str =
    "bytes as a whole number, or with the unit KiB, MiB, GiB (1024), KB, MB or GB (1000), such as \"20MiB\"";

/// Reads a size in bytes; `None` if the text is not one, or does not fit this machine's memory.
pub(super) fn parse(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: usize = number.parse().ok()?;
    if unit.is_empty() {
        return Some(number);
    }
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// Writes a size in the largest unit that loses nothing.
pub(super) fn format(bytes: usize) -> String {
    let fitting = UNITS.iter().find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor));
    fitting.map_or_else(|| "0B".into(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        for (text, bytes) in [
            ("20MiB", 20_971_520),
            ("512KiB", 524_288),
            ("64MB", 64_000_000),
            ("1GiB", 1_073_741_824),
            ("1GB", 1_000_000_000),
            ("3KB", 3_000),
            ("17B", 17),
            ("17", 17),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "MiB", "20 MiB", "-1", "1.5MiB", "20mib", "20M", "20TiB", "99999999999999999999999", "٣KB"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("18446744073709551615GiB"), None, "a size that wraps");
    }

    #[test]
    fn a_size_is_written_in_the_largest_unit_that_loses_nothing() {
        for text in ["20MiB", "512KiB", "64MB", "1GiB", "17B", "0B"] {
            assert_eq!(parse(text).map(format).as_deref(), Some(text));
        }
        assert_eq!(format(2048 * 1024), "2MiB");
    }
}
