//! `LockDate`: since when a lock has been held, as .NET writes it.
//!
//! Stores tell a lock's age, so its date is now less that age: two readings of the clock at slightly different moments,
//! and the difference would wobble by milliseconds from answer to answer. The date of one lock must not change, so the
//! first one that was answered is remembered and given again.

use std::hash::{BuildHasher, RandomState};

use jiff::{Timestamp, tz::TimeZone};
use parking_lot::Mutex;

use crate::{
    clock::{Clock, UnixMillis},
    contract::{Lock, LockId, SessionKey},
};

/// 1970-01-01 in ticks (100 ns since 0001-01-01).
const UNIX_EPOCH_TICKS: i64 = 621_355_968_000_000_000;
const TICKS_PER_MILLISECOND: i64 = 10_000;
/// How many locks are remembered. Each has one place, by its hash, and another lock there replaces it; after that its
/// date may come out some milliseconds different.
const PLACES: usize = 4096;
/// A remembered date that is further than this from the computed one belongs to another lock, of a session that was
/// removed and made anew under the same ID.
const TOLERANCE_MILLIS: u64 = 2_000;

/// Gives locks their dates.
#[derive(Debug)]
pub(super) struct LockDates {
    clock: Clock,
    hasher: RandomState,
    remembered: Box<[Mutex<Remembered>]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Remembered {
    key: u64,
    lock: Option<LockId>,
    taken: UnixMillis,
}

impl LockDates {
    pub(super) fn new(clock: Clock) -> Self {
        let remembered = (0..PLACES).map(|_| Mutex::default()).collect();
        Self { clock, hasher: RandomState::new(), remembered }
    }

    /// The date of this session's lock in ticks of local time, the same for as long as the lock is held.
    pub(super) fn ticks(&self, key: &SessionKey, lock: Lock) -> i64 {
        local_ticks(self.taken(key, lock))
    }

    fn taken(&self, key: &SessionKey, lock: Lock) -> UnixMillis {
        let age = u64::try_from(lock.age.as_millis()).unwrap_or(u64::MAX);
        let computed = UnixMillis(self.clock.now().0.saturating_sub(age));
        let key = self.hasher.hash_one(key);
        let place = usize::try_from(key % PLACES as u64).ok().and_then(|place| self.remembered.get(place));
        let Some(place) = place else { return computed };
        let mut remembered = place.lock();
        let is_same = remembered.key == key
            && remembered.lock == Some(lock.id)
            && remembered.taken.0.abs_diff(computed.0) <= TOLERANCE_MILLIS;
        if !is_same {
            *remembered = Remembered { key, lock: Some(lock.id), taken: computed };
        }
        remembered.taken
    }
}

/// A moment as .NET ticks of the server's local time, with the offset that was in force at that moment, so that a
/// change to summer time does not move it. UTC where the system does not tell its time zone.
fn local_ticks(moment: UnixMillis) -> i64 {
    let millis = i64::try_from(moment.0).unwrap_or(i64::MAX);
    let offset = Timestamp::from_millisecond(millis)
        .map_or(0, |moment| i64::from(TimeZone::system().to_offset(moment).seconds()));
    ticks(millis, offset)
}

fn ticks(unix_millis: i64, offset_seconds: i64) -> i64 {
    unix_millis
        .saturating_add(offset_seconds * 1000)
        .saturating_mul(TICKS_PER_MILLISECOND)
        .saturating_add(UNIX_EPOCH_TICKS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(id: &str) -> SessionKey {
        SessionKey::new("/app", id).unwrap()
    }

    fn lock(id: u32, age_millis: u64) -> Lock {
        Lock { id: LockId::new(id).unwrap(), age: Duration::from_millis(age_millis) }
    }

    #[test]
    fn ticks_count_from_the_year_one() {
        // 2020-01-01T00:00:00, the example of the facts (7.4).
        assert_eq!(ticks(1_577_836_800_000, 0), 637_134_336_000_000_000);
        assert_eq!(ticks(1_577_836_800_000 - 7_200_000, 7200), 637_134_336_000_000_000);
    }

    #[test]
    fn the_offset_is_the_one_of_the_system() {
        let moment = 1_577_836_800_000;
        let offset = (local_ticks(UnixMillis(moment)) - ticks(1_577_836_800_000, 0)) / TICKS_PER_MILLISECOND / 1000;
        let system = TimeZone::system().to_offset(Timestamp::from_millisecond(1_577_836_800_000).unwrap());
        assert_eq!(offset, i64::from(system.seconds()));
    }

    #[test]
    fn the_date_stays_while_the_clock_and_the_age_go_on_out_of_step() {
        let clock = Clock::system();
        let dates = LockDates::new(clock.clone());
        let first = dates.ticks(&key("a"), lock(2, 0));
        for step in 1..50 {
            clock.advance(Duration::from_millis(40));
            // Up to 39 ms less than the clock says.
            assert_eq!(dates.ticks(&key("a"), lock(2, step * 40 - step % 40)), first);
        }
    }

    #[test]
    fn the_next_lock_has_a_date_of_its_own() {
        let clock = Clock::system();
        let dates = LockDates::new(clock.clone());
        let first = dates.ticks(&key("a"), lock(2, 0));
        clock.advance(Duration::from_millis(500));
        assert!(dates.ticks(&key("a"), lock(3, 0)) > first);
    }

    #[test]
    fn a_session_made_anew_does_not_inherit_the_date_of_its_predecessors_lock() {
        let clock = Clock::system();
        let dates = LockDates::new(clock.clone());
        let first = dates.ticks(&key("a"), lock(2, 0));
        clock.advance(Duration::from_secs(60));
        assert!(dates.ticks(&key("a"), lock(2, 0)) >= first + 60_000 * TICKS_PER_MILLISECOND);
    }
}
