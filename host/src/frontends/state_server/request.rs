//! What a request says, and which operation that is.
//!
//! Headers are read in two steps, because the order of the real service's checks can be seen from outside: a wrong
//! `Timeout` or `ExtraFlags` is refused before the session is looked up, a wrong `LockCookie` after it.

use bytes::Bytes;
use thiserror::Error;

use crate::contract::LockId;

/// The timeout of a session that is stored without one, minutes.
const DEFAULT_TIMEOUT: u32 = 20;
/// The longest timeout, minutes: a year.
pub(super) const MAX_TIMEOUT: u32 = 525_600;
/// Bit of `ExtraFlags`: reserve the ID, do not overwrite.
const UNINITIALIZED: i32 = 1;

/// The verb of a request line. Case matters, as in HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verb {
    /// Get, acquire or release, by the header `Exclusive`.
    Get,
    /// Set or create uninitialized, by the header `ExtraFlags`.
    Put,
    /// Remove.
    Delete,
    /// Reset the timeout.
    Head,
    /// None that the protocol knows.
    #[default]
    Other,
}

impl Verb {
    /// Recognises a verb.
    #[must_use]
    pub fn from_bytes(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"HEAD" => Self::Head,
            _ => Self::Other,
        }
    }

    /// Whether `Content-Length` of such a request counts. The specification's examples show GETs that announce a body
    /// and have none, so there it must not.
    #[must_use]
    pub fn has_body(self) -> bool {
        matches!(self, Self::Put | Self::Other)
    }
}

/// The header `Exclusive`. Any other value is as good as none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exclusive {
    /// Not given.
    #[default]
    None,
    /// Take the lock.
    Acquire,
    /// Give the lock back.
    Release,
}

/// A header whose value should be a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Number {
    /// There is no such header.
    #[default]
    Absent,
    /// The number.
    Given(i32),
    /// The value is not a decimal 32-bit number.
    Invalid,
}

impl Number {
    /// Reads a header's value: white space around it is gone already, a sign is allowed.
    #[must_use]
    pub fn from_bytes(value: &[u8]) -> Self {
        std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()).map_or(Self::Invalid, Self::Given)
    }
}

/// A request but for its target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// The verb.
    pub verb: Verb,
    /// `Exclusive`
    pub exclusive: Exclusive,
    /// `LockCookie` or `Lock-Cookie`
    pub lock_cookie: Number,
    /// `Timeout`, minutes
    pub timeout: Number,
    /// `ExtraFlags`
    pub extra_flags: Number,
    /// The body; empty where the verb has none.
    pub body: Bytes,
}

/// What a client shows to prove that it holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockCookie {
    /// Nothing.
    Absent,
    /// A number that a lock id can be, or 0 (`None`), which clients send when they hold no lock.
    Given(Option<LockId>),
    /// Negative or not a number.
    Invalid,
}

impl From<Number> for LockCookie {
    fn from(number: Number) -> Self {
        match number {
            Number::Absent => Self::Absent,
            Number::Invalid => Self::Invalid,
            Number::Given(number) => {
                u32::try_from(number).map_or(Self::Invalid, |number| Self::Given(LockId::new(number)))
            }
        }
    }
}

/// One of the seven things that a client can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// Read.
    Get,
    /// Read and take the lock.
    Acquire,
    /// Give the lock back.
    Release(LockCookie),
    /// Store and give the lock back.
    Set {
        /// What is stored.
        body: Bytes,
        /// Idle timeout, seconds; 0 is never.
        idle_timeout: u32,
        /// The lock.
        lock_cookie: LockCookie,
    },
    /// Reserve the ID.
    CreateUninitialized {
        /// What is stored.
        body: Bytes,
        /// Idle timeout, seconds; 0 is never.
        idle_timeout: u32,
    },
    /// Delete.
    Remove(LockCookie),
    /// Keep alive.
    ResetTimeout,
}

/// Why a request is no operation, whatever the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum BadRequest {
    /// The verb is none of the protocol's.
    #[error("the verb is none of GET, PUT, DELETE and HEAD")]
    Verb,
    /// The timeout is out of range.
    #[error("`Timeout` is not a number of minutes from 0 to {MAX_TIMEOUT}")]
    Timeout,
    /// The flags are not a number.
    #[error("`ExtraFlags` is not a number")]
    ExtraFlags,
}

impl TryFrom<Request> for Operation {
    type Error = BadRequest;

    fn try_from(request: Request) -> Result<Self, BadRequest> {
        let lock_cookie = LockCookie::from(request.lock_cookie);
        Ok(match (request.verb, request.exclusive) {
            (Verb::Get, Exclusive::None) => Self::Get,
            (Verb::Get, Exclusive::Acquire) => Self::Acquire,
            (Verb::Get, Exclusive::Release) => Self::Release(lock_cookie),
            (Verb::Put, _) => {
                let idle_timeout = idle_timeout(request.timeout)?;
                let body = request.body;
                if is_uninitialized(request.extra_flags)? {
                    Self::CreateUninitialized { body, idle_timeout }
                } else {
                    Self::Set { body, idle_timeout, lock_cookie }
                }
            }
            (Verb::Delete, _) => Self::Remove(lock_cookie),
            (Verb::Head, _) => Self::ResetTimeout,
            (Verb::Other, _) => return Err(BadRequest::Verb),
        })
    }
}

/// Seconds from the header's minutes. `-1` is how the real service marks a missing header, so it means the same.
fn idle_timeout(timeout: Number) -> Result<u32, BadRequest> {
    let minutes = match timeout {
        Number::Absent | Number::Given(-1) => DEFAULT_TIMEOUT,
        Number::Given(minutes) => {
            u32::try_from(minutes).ok().filter(|minutes| *minutes <= MAX_TIMEOUT).ok_or(BadRequest::Timeout)?
        }
        Number::Invalid => return Err(BadRequest::Timeout),
    };
    Ok(minutes * 60)
}

fn is_uninitialized(extra_flags: Number) -> Result<bool, BadRequest> {
    match extra_flags {
        Number::Absent | Number::Given(-1) => Ok(false),
        Number::Given(flags) => Ok(flags & UNINITIALIZED != 0),
        Number::Invalid => Err(BadRequest::ExtraFlags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(timeout: Number, extra_flags: Number, lock_cookie: Number) -> Result<Operation, BadRequest> {
        Request { verb: Verb::Put, timeout, extra_flags, lock_cookie, ..Request::default() }.try_into()
    }

    fn seconds(timeout: Number) -> Result<u32, BadRequest> {
        idle_timeout(timeout)
    }

    #[test]
    fn a_timeout_is_minutes_and_twenty_if_absent_or_minus_one() {
        assert_eq!(seconds(Number::Given(1)), Ok(60));
        assert_eq!(seconds(Number::Absent), Ok(1200));
        assert_eq!(seconds(Number::Given(-1)), Ok(1200));
        assert_eq!(seconds(Number::Given(525_600)), Ok(31_536_000));
    }

    #[test]
    fn a_timeout_of_zero_is_never() {
        assert_eq!(seconds(Number::Given(0)), Ok(0));
    }

    #[test]
    fn a_timeout_out_of_range_or_not_a_number_is_refused() {
        for wrong in [Number::Given(525_601), Number::Given(-2), Number::Given(i32::MIN), Number::Invalid] {
            assert_eq!(seconds(wrong), Err(BadRequest::Timeout), "{wrong:?}");
        }
    }

    #[test]
    fn bit_zero_of_the_flags_reserves_the_id() {
        let kind = |flags| match put(Number::Absent, flags, Number::Absent) {
            Ok(Operation::CreateUninitialized { .. }) => Ok(true),
            Ok(Operation::Set { .. }) => Ok(false),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error),
        };
        assert_eq!(kind(Number::Given(1)), Ok(true));
        assert_eq!(kind(Number::Given(3)), Ok(true));
        for none in [Number::Absent, Number::Given(0), Number::Given(2), Number::Given(-1)] {
            assert_eq!(kind(none), Ok(false), "{none:?}");
        }
        assert_eq!(kind(Number::Invalid), Err(BadRequest::ExtraFlags));
    }

    #[test]
    fn a_lock_cookie_of_zero_is_given_but_names_no_lock() {
        assert_eq!(LockCookie::from(Number::Given(0)), LockCookie::Given(None));
        assert_eq!(LockCookie::from(Number::Given(2)), LockCookie::Given(LockId::new(2)));
        assert_eq!(LockCookie::from(Number::Given(i32::MAX)), LockCookie::Given(LockId::new(2_147_483_647)));
    }

    #[test]
    fn a_negative_lock_cookie_is_invalid_and_not_absent() {
        assert_eq!(LockCookie::from(Number::Given(-1)), LockCookie::Invalid);
        assert_eq!(LockCookie::from(Number::Invalid), LockCookie::Invalid);
        assert_eq!(LockCookie::from(Number::Absent), LockCookie::Absent);
    }

    #[test]
    fn numbers_are_decimal_and_fit_thirty_two_bits() {
        assert_eq!(Number::from_bytes(b"20"), Number::Given(20));
        assert_eq!(Number::from_bytes(b"-1"), Number::Given(-1));
        for wrong in [&b""[..], b"abc", b"2.0", b"0x10", b"2147483648", b"1 2", b"\xff"] {
            assert_eq!(Number::from_bytes(wrong), Number::Invalid, "{wrong:?}");
        }
    }

    #[test]
    fn exclusive_means_something_on_get_only() {
        let of = |verb| Operation::try_from(Request { verb, exclusive: Exclusive::Acquire, ..Request::default() });
        assert_eq!(of(Verb::Get), Ok(Operation::Acquire));
        assert_eq!(of(Verb::Head), Ok(Operation::ResetTimeout));
        assert_eq!(of(Verb::Delete), Ok(Operation::Remove(LockCookie::Absent)));
        assert_eq!(of(Verb::Other), Err(BadRequest::Verb));
    }
}
