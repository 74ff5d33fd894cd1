//! When a session expires: the arithmetic that is the same in every provider. All times are Unix milliseconds.

/// When an item expires that was touched at `now`: after its idle timeout (seconds, 0 is never), at its latest expiry
/// at the latest; `None` if it has neither.
///
/// ```
/// # use cloakroom_plugin_sdk::expiry::slide;
/// assert_eq!(slide(1_000, 20, None), Some(21_000));
/// assert_eq!(slide(1_000, 20, Some(15_000)), Some(15_000));
/// assert_eq!(slide(1_000, 0, None), None);
/// ```
#[must_use]
pub fn slide(now: u64, idle_timeout: u32, latest: Option<u64>) -> Option<u64> {
    let idle = match idle_timeout {
        0 => None,
        seconds => Some(now.saturating_add(u64::from(seconds) * 1000)),
    };
    earlier(idle, latest)
}

/// The earlier of two expiries, where `None` is never: what a write makes of an item's latest expiry, which may be
/// brought forward and not put off.
#[must_use]
pub fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Whether to move an item's expiry from `old` to `new`: not by less than a second, which saves a busy session a write
/// for each read.
#[must_use]
pub fn worth_moving(old: Option<u64>, new: Option<u64>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => new.abs_diff(old) >= 1000,
        (old, new) => old != new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_idle_timeout_only_the_latest_expiry_counts() {
        assert_eq!(slide(5, 0, Some(9)), Some(9));
    }

    #[test]
    fn a_time_beyond_the_range_is_the_end_of_the_range() {
        assert_eq!(slide(u64::MAX - 1, u32::MAX, None), Some(u64::MAX));
    }

    #[test]
    fn a_latest_expiry_is_brought_forward_and_not_put_off() {
        assert_eq!(earlier(Some(10), Some(20)), Some(10));
        assert_eq!(earlier(Some(20), Some(10)), Some(10));
        assert_eq!(earlier(Some(20), None), Some(20));
        assert_eq!(earlier(None, Some(10)), Some(10));
    }

    #[test]
    fn moves_of_under_a_second_are_skipped() {
        assert!(!worth_moving(Some(5_000), Some(5_999)));
        assert!(worth_moving(Some(5_000), Some(6_000)));
        assert!(worth_moving(None, Some(6_000)) && worth_moving(Some(6_000), None));
        assert!(!worth_moving(None, None));
    }
}
