// Sessions as entries of the bucket: what all operations share.

import kv from "cloakroom:session/kv@0.1.0";
import { LARGEST_LOCK_ID, expires, toWords, worthMoving } from "./record.js";

// The number of the component's own bucket, private to the store that this instance serves.
export let bucket;

export function open() {
  try {
    bucket = kv.open(null);
  } catch (error) {
    throw { tag: "unavailable", val: String(error.payload) };
  }
}

// Writes an entry; false if somebody else wrote meanwhile.
export function put(storageKey, payload, record, now, tag, condition) {
  try {
    kv.put(bucket, storageKey, payload, toWords(record), expires(record, now), tag, condition);
    return true;
  } catch (error) {
    // What the host answered; anything else is a fault in here.
    switch (error.payload?.tag) {
      case "conflict":
        return false;
      case "invalid":
        throw { tag: "invalid-argument", val: error.payload.val };
      case "full":
        throw { tag: "limit-exceeded", val: error.payload.val };
      default:
        throw error;
    }
  }
}

// Writes a session back with its payload and subject as they are; false if somebody else wrote meanwhile.
export function writeBack(storageKey, info, record) {
  return put(storageKey, null, record, info.now, { tag: "keep" }, { tag: "if-version", val: info.version });
}

// Slides the expiry of a session that is otherwise left as it is. Returns when it expires now. An entry that changed
// meanwhile is left alone: whoever changed it has moved its expiry too.
export function slide(storageKey, info, record) {
  const to = expires(record, info.now);
  if (!worthMoving(info.expires, to)) return info.expires;
  kv.touch(bucket, storageKey, to, info.version);
  return to;
}

// A stored session as the contract hands it out.
export function item(entry, record, expiresAt) {
  return {
    data: {
      payload: entry.payload,
      idleTimeout: record.idleTimeout,
      latestExpiry: record.latestExpiry,
      subject: subjectOf(entry),
    },
    version: record.version,
    created: record.created,
    expires: expiresAt,
    uninitialized: record.uninitialized,
  };
}

// Whom a session belongs to: the entry's tag is the application, U+0000, the subject.
export function subjectOf(entry) {
  return entry.tag === null ? null : entry.tag.slice(entry.tag.indexOf("\0") + 1);
}

export function heldLock(record, info) {
  return { id: record.lockCounter, age: Math.max(0, info.now - record.lockedAt) };
}

// Refuses a lock id that no holder can have.
export function checkLockId(lockId) {
  if (lockId !== null && (lockId < 1 || lockId > LARGEST_LOCK_ID)) {
    throw { tag: "invalid-argument", val: `the lock id ${lockId} is not between 1 and ${LARGEST_LOCK_ID}` };
  }
}

// A session's key in the bucket. The contract keeps U+0000 out of both parts.
export function joined(key) {
  return `${key.application}\0${key.id}`;
}

export function split(storageKey) {
  const separator = storageKey.indexOf("\0");
  return { application: storageKey.slice(0, separator), id: storageKey.slice(separator + 1) };
}

// What a write with this subject does to the entry's tag, by which the sessions of a subject can be found: `null`
// keeps it, an empty one clears it.
export function tagChange(key, subject) {
  if (subject === null) return { tag: "keep" };
  return subject === "" ? { tag: "clear" } : { tag: "set", val: `${key.application}\0${subject}` };
}
