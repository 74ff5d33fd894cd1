// What is kept of a session beside its payload, and how it is packed into the six words of an entry.
//
// The words are laid out as in the host's own `memory` store, so either can go on with the sessions of the other.
// Numbers are exact up to 2^53: enough for milliseconds and counters, not for any 64 bits.

// Bits above the lock counter, which has the lower 32, in the word `a`.
const COUNTER = 2 ** 32;
const LOCKED = 1;
const UNINITIALIZED = 2;
const HAS_LATEST_EXPIRY = 4;

// The largest lock id, and the counter of an item that was just inserted: the first lock id issued is one more.
export const LARGEST_LOCK_ID = 2 ** 31 - 1;
const INITIAL_COUNTER = 1;

// Times are Unix milliseconds, the idle timeout is in seconds, 0 is never. `null` is no latest expiry.
export function newRecord(now, idleTimeout, latestExpiry) {
  return {
    lockCounter: INITIAL_COUNTER,
    locked: false,
    uninitialized: false,
    lockedAt: 0,
    version: 1,
    created: now,
    idleTimeout,
    latestExpiry,
  };
}

export function fromWords(words) {
  const flags = Math.floor(words.a / COUNTER);
  return {
    lockCounter: words.a % COUNTER,
    locked: (flags & LOCKED) !== 0,
    uninitialized: (flags & UNINITIALIZED) !== 0,
    lockedAt: words.b,
    version: words.c,
    created: words.d,
    idleTimeout: words.e,
    latestExpiry: (flags & HAS_LATEST_EXPIRY) !== 0 ? words.f : null,
  };
}

export function toWords(record) {
  const flags =
    (record.locked ? LOCKED : 0) |
    (record.uninitialized ? UNINITIALIZED : 0) |
    (record.latestExpiry !== null ? HAS_LATEST_EXPIRY : 0);
  return {
    a: record.lockCounter + flags * COUNTER,
    b: record.lockedAt,
    c: record.version,
    d: record.created,
    e: record.idleTimeout,
    f: record.latestExpiry ?? 0,
  };
}

// The record as somebody locks it now, who is the first to read it: it is uninitialized no longer.
export function lock(record, now) {
  const lockCounter = record.lockCounter < LARGEST_LOCK_ID ? record.lockCounter + 1 : INITIAL_COUNTER + 1;
  return { ...record, lockCounter, locked: true, lockedAt: now, uninitialized: false };
}

// The record after a store. The latest expiry may be brought forward and not put off.
export function store(record, idleTimeout, latestExpiry, keepLock) {
  return {
    ...record,
    locked: record.locked && keepLock,
    uninitialized: false,
    version: record.version + 1,
    idleTimeout,
    latestExpiry: earlier(record.latestExpiry, latestExpiry),
  };
}

// Whether a caller who shows this lock id, or `null`, may write.
export function admits(record, lockId) {
  return !record.locked || lockId === record.lockCounter;
}

// When the session expires if it is touched now; `null` is never.
export function expires(record, now) {
  const idle = record.idleTimeout === 0 ? null : now + record.idleTimeout * 1000;
  return earlier(idle, record.latestExpiry);
}

// The earlier of two times, where `null` is never.
function earlier(one, other) {
  if (one === null) return other;
  return other === null ? one : Math.min(one, other);
}

// Whether to move an expiry: not by less than a second, which saves a busy session a write for each read.
export function worthMoving(from, to) {
  if (from === null || to === null) return from !== to;
  return Math.abs(to - from) >= 1000;
}
