//! Lock ids: which are allowed, and which comes next.

use crate::{Error, LockId};

/// The largest lock id: what fits the State Server's signed 32-bit `LockCookie`.
pub const MAX: LockId = i32::MAX.unsigned_abs();

/// The lock counter of an item that was just inserted. It was never issued, so the first lock id is 2, as in ASP.NET.
pub const INITIAL: LockId = 1;

/// Refuses a lock id that no holder can have.
pub fn check(lock_id: LockId) -> Result<LockId, Error> {
    match lock_id {
        1..=MAX => Ok(lock_id),
        _ => Err(Error::InvalidArgument(format!("the lock id {lock_id} is not between 1 and {MAX}"))),
    }
}

/// The lock id to issue after this one. After the largest it begins again with the first ever issued: not increasing
/// any more after two thousand million locks on one item, but never the one that was issued last.
#[must_use]
pub fn next(last: LockId) -> LockId {
    if last < MAX { last + 1 } else { INITIAL + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_numbers_beyond_31_bits_are_refused() {
        assert!(check(0).is_err() && check(MAX + 1).is_err());
        assert_eq!(check(1).unwrap(), 1);
        assert_eq!(check(MAX).unwrap(), 2_147_483_647);
    }

    #[test]
    fn the_first_lock_id_issued_is_two() {
        assert_eq!(next(INITIAL), 2);
    }

    #[test]
    fn after_the_largest_comes_a_valid_one_that_is_another() {
        assert_eq!(next(MAX - 1), MAX);
        assert_eq!(next(MAX), 2);
    }
}
