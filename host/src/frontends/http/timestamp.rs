//! Moments as HTTP headers have them (RFC 9110, 5.6.7).

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::http::HeaderValue;

use crate::clock::UnixMillis;

/// 9999-12-31T23:59:59Z in seconds: the last moment that the format can write.
const LAST_SECOND: u64 = 253_402_300_799;

thread_local! {
    /// The second that this thread wrote last, and how. Sessions that are used in the same second mostly expire in the same
    /// one.
    static WRITTEN: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, rounded down to the second.
pub(super) fn http_date(moment: UnixMillis) -> Option<HeaderValue> {
    let second = (moment.0 / 1000).min(LAST_SECOND);
    WRITTEN.with_borrow_mut(|written| match written {
        Some((known, date)) if *known == second => Some(date.clone()),
        _ => {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            let date = HeaderValue::try_from(date).ok()?;
            Some(written.insert((second, date)).1.clone())
        }
    })
}

/// Reads an HTTP date in any of the three forms that RFC 9110 has recipients accept.
pub(super) fn parse_http_date(text: &str) -> Option<UnixMillis> {
    let moment: SystemTime = httpdate::parse_http_date(text).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_read_as_they_are_written() {
        let moment = UnixMillis(784_111_777_000);
        assert_eq!(http_date(moment).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(moment));
    }

    #[test]
    fn each_moment_is_written_as_the_second_that_it_is_in() {
        let written = |millis| http_date(UnixMillis(millis)).unwrap();
        assert_eq!(written(784_111_777_999), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(written(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(written(784_111_778_000), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(written(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
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
        assert_eq!(http_date(UnixMillis(u64::MAX)).unwrap(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
