"""What is kept of a session beside its payload, and how it is packed into the six words of an entry.

The words are laid out as in the host's own `memory` store, so either can go on with the sessions of the other.
"""

from dataclasses import dataclass, replace
from typing import Optional, Self

from wit_world.imports.kv import Words

# Bits above the lock counter, which has the lower 32, in the word `a`.
_COUNTER = 0xFFFF_FFFF
_LOCKED = 1 << 32
_UNINITIALIZED = 1 << 33
_HAS_LATEST_EXPIRY = 1 << 34

LARGEST_LOCK_ID = 2**31 - 1
# Of an item that was just inserted: the first lock id issued is one more.
_INITIAL_COUNTER = 1
_LARGEST_TIME = 2**64 - 1


@dataclass(frozen=True)
class Record:
    """A session without its payload and subject. Times are Unix milliseconds; `None` is never."""

    # The lock id that was issued last; the holder's while the session is locked.
    lock_counter: int
    locked: bool
    # Whether nobody has read the session since it was created uninitialized.
    uninitialized: bool
    locked_at: int
    # The contract's version: one more at each store. Not the entry's, which each lock changes too.
    version: int
    created: int
    # Seconds; 0 is never.
    idle_timeout: int
    latest_expiry: Optional[int]

    @classmethod
    def new(cls, now: int, idle_timeout: int, latest_expiry: Optional[int]) -> Self:
        return cls(_INITIAL_COUNTER, False, False, 0, 1, now, idle_timeout, latest_expiry)

    @classmethod
    def from_words(cls, words: Words) -> Self:
        return cls(
            lock_counter=words.a & _COUNTER,
            locked=bool(words.a & _LOCKED),
            uninitialized=bool(words.a & _UNINITIALIZED),
            locked_at=words.b,
            version=words.c,
            created=words.d,
            idle_timeout=words.e,
            latest_expiry=words.f if words.a & _HAS_LATEST_EXPIRY else None,
        )

    def to_words(self) -> Words:
        flags = _LOCKED * self.locked | _UNINITIALIZED * self.uninitialized
        if self.latest_expiry is not None:
            flags |= _HAS_LATEST_EXPIRY
        return Words(
            a=self.lock_counter | flags,
            b=self.locked_at,
            c=self.version,
            d=self.created,
            e=self.idle_timeout,
            f=self.latest_expiry or 0,
        )

    def lock(self, now: int) -> Self:
        """The session as somebody locks it now, who is the first to read it: it is uninitialized no longer."""
        last = self.lock_counter
        counter = last + 1 if last < LARGEST_LOCK_ID else _INITIAL_COUNTER + 1
        return replace(self, lock_counter=counter, locked=True, locked_at=now, uninitialized=False)

    def store(self, idle_timeout: int, latest_expiry: Optional[int], keep_lock: bool) -> Self:
        """The session after a store. The latest expiry may be brought forward and not put off."""
        return replace(
            self,
            locked=self.locked and keep_lock,
            uninitialized=False,
            version=self.version + 1,
            idle_timeout=idle_timeout,
            latest_expiry=_earlier(self.latest_expiry, latest_expiry),
        )

    def admits(self, lock_id: Optional[int]) -> bool:
        """Whether a caller who shows this lock id, or none, may write."""
        return not self.locked or lock_id == self.lock_counter

    def expires(self, now: int) -> Optional[int]:
        """When the session expires if it is touched now."""
        idle = min(now + self.idle_timeout * 1000, _LARGEST_TIME) if self.idle_timeout else None
        return _earlier(idle, self.latest_expiry)


def worth_moving(old: Optional[int], new: Optional[int]) -> bool:
    """Whether to move an expiry: not by less than a second, which saves a busy session a write for each read."""
    if old is None or new is None:
        return old != new
    return abs(new - old) >= 1000


def _earlier(one: Optional[int], other: Optional[int]) -> Optional[int]:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
