// The operations of a session store.
//
// They share one shape: look at the entry, decide, write on the condition that nobody wrote in between. A conflict means
// that somebody else got on with the same session, so trying again always ends.

import clock from "cloakroom:session/clock@0.1.0";
import payloads from "cloakroom:session/payloads@0.1.0";
import expiryCallback from "cloakroom:session/expiry-callback@0.1.0";
import kv from "cloakroom:session/kv@0.1.0";
import log from "cloakroom:session/log@0.1.0";
import { bucket, checkLockId, heldLock, item, joined, open, put, slide, split, tagChange, writeBack } from "./entries.js";
import { admits, expires, fromWords, lock, newRecord, store } from "./record.js";

// How long a claimed session is kept from other sweeps, milliseconds: if this instance dies before it has reported the
// session, another one does so then.
const LEASE = 30_000;

const MISSING = { tag: "missing" };

export const provider = {
  initialize(_store, settings) {
    // A misspelt setting would be ignored in silence.
    for (const [name] of settings) {
      throw { tag: "invalid-argument", val: `there is no setting \`${name}\`; this plugin has none` };
    }
    open();
    return { name: "my-plugin 0.1.0", instancing: { tag: "any" }, reportsExpiry: true };
  },

  createNewData(idleTimeout) {
    return { payload: payloads.Payload.empty(), idleTimeout, latestExpiry: null, subject: null };
  },

  createUninitialized(key, data) {
    try {
      create(joined(key), data, tagChange(key, data.subject));
    } finally {
      data.payload[Symbol.dispose]();
    }
  },

  get(key) {
    const storageKey = joined(key);
    for (;;) {
      const entry = kv.get(bucket, storageKey);
      if (entry === null) return MISSING;
      const record = fromWords(entry.info.words);
      if (record.locked) {
        entry.payload[Symbol.dispose]();
        slide(storageKey, entry.info, record);
        return { tag: "locked", val: heldLock(record, entry.info) };
      }
      if (!record.uninitialized) {
        return { tag: "found", val: item(entry, record, slide(storageKey, entry.info, record)) };
      }
      // Of concurrent readers one writes and sees the flag; the others meet a conflict and look again.
      if (writeBack(storageKey, entry.info, { ...record, uninitialized: false })) {
        return { tag: "found", val: item(entry, record, expires(record, entry.info.now)) };
      }
      entry.payload[Symbol.dispose]();
    }
  },

  peek(key) {
    const entry = kv.get(bucket, joined(key));
    if (entry === null) return MISSING;
    const record = fromWords(entry.info.words);
    if (!record.locked) return { tag: "found", val: item(entry, record, entry.info.expires) };
    entry.payload[Symbol.dispose]();
    return { tag: "locked", val: heldLock(record, entry.info) };
  },

  getExclusive(key) {
    const storageKey = joined(key);
    for (;;) {
      const entry = kv.get(bucket, storageKey);
      if (entry === null) return MISSING;
      const record = fromWords(entry.info.words);
      if (record.locked) {
        entry.payload[Symbol.dispose]();
        slide(storageKey, entry.info, record);
        return { tag: "locked", val: heldLock(record, entry.info) };
      }
      const locked = lock(record, entry.info.now);
      if (writeBack(storageKey, entry.info, locked)) {
        const found = item(entry, record, expires(record, entry.info.now));
        return { tag: "found", val: { item: found, lockId: locked.lockCounter } };
      }
      entry.payload[Symbol.dispose]();
    }
  },

  setAndRelease(key, data, lockId, condition, keepLock) {
    checkLockId(lockId);
    try {
      return set(joined(key), data, tagChange(key, data.subject), lockId, condition, keepLock);
    } finally {
      data.payload[Symbol.dispose]();
    }
  },

  releaseExclusive(key, lockId) {
    checkLockId(lockId);
    const storageKey = joined(key);
    for (;;) {
      const info = kv.stat(bucket, storageKey);
      if (info === null) return MISSING;
      const record = fromWords(info.words);
      if (!admits(record, lockId)) {
        slide(storageKey, info, record);
        return { tag: "locked", val: heldLock(record, info) };
      }
      if (!record.locked && !record.uninitialized) {
        slide(storageKey, info, record);
        return { tag: "done", val: false };
      }
      if (writeBack(storageKey, info, { ...record, locked: false, uninitialized: false })) {
        return { tag: "done", val: record.uninitialized };
      }
    }
  },

  remove(key, lockId, wantItem) {
    checkLockId(lockId);
    const storageKey = joined(key);
    for (;;) {
      // Without the payload where nobody asks for it.
      const entry = wantItem ? kv.get(bucket, storageKey) : null;
      const info = wantItem ? (entry?.info ?? null) : kv.stat(bucket, storageKey);
      if (info === null) return MISSING;
      const record = fromWords(info.words);
      if (!admits(record, lockId)) {
        entry?.payload[Symbol.dispose]();
        slide(storageKey, info, record);
        return { tag: "locked", val: heldLock(record, info) };
      }
      if (kv.delete(bucket, storageKey, info.version)) {
        return { tag: "done", val: entry === null ? null : item(entry, record, info.expires) };
      }
      entry?.payload[Symbol.dispose]();
    }
  },

  resetTimeout(key) {
    const storageKey = joined(key);
    const info = kv.stat(bucket, storageKey);
    if (info === null) return MISSING;
    slide(storageKey, info, fromWords(info.words));
    return { tag: "done" };
  },

  sweep(limit) {
    if (!expiryCallback.listening()) return kv.dropExpired(bucket, limit) >= limit;
    const claimed = kv.claimExpired(bucket, limit, LEASE);
    for (const expired of claimed) {
      // Only when it was reported is it forgotten: reported twice at worst, never not at all.
      if (report(expired)) kv.settle(bucket, expired.ticket);
    }
    return claimed.length >= limit;
  },
};

function create(storageKey, data, tag) {
  for (;;) {
    const info = kv.stat(bucket, storageKey);
    if (info !== null) {
      slide(storageKey, info, fromWords(info.words));
      return;
    }
    const now = clock.now();
    const record = { ...newRecord(now, data.idleTimeout, data.latestExpiry), uninitialized: true };
    if (put(storageKey, data.payload, record, now, tag, { tag: "if-absent" })) return;
  }
}

function set(storageKey, data, tag, lockId, condition, keepLock) {
  for (;;) {
    const info = kv.stat(bucket, storageKey);
    let now, record, putCondition;
    if (info === null) {
      if (condition.tag === "if-version") return { tag: "stale", val: 0 };
      now = clock.now();
      record = newRecord(now, data.idleTimeout, data.latestExpiry);
      putCondition = { tag: "if-absent" };
    } else {
      const present = fromWords(info.words);
      // The lock comes before the condition: what is refused anyway is not refused for its condition.
      if (!admits(present, lockId)) {
        slide(storageKey, info, present);
        return { tag: "locked", val: heldLock(present, info) };
      }
      if (!holds(condition, present.version)) {
        slide(storageKey, info, present);
        return { tag: "stale", val: present.version };
      }
      now = info.now;
      record = store(present, data.idleTimeout, data.latestExpiry, keepLock);
      putCondition = { tag: "if-version", val: info.version };
    }
    if (put(storageKey, data.payload, record, now, tag, putCondition)) return { tag: "done", val: record.version };
  }
}

// Reports an expired session; whether it may be forgotten.
function report({ key, entry }) {
  const record = fromWords(entry.info.words);
  // Nobody ever had it in hand, so nobody misses it.
  if (record.uninitialized) {
    entry.payload[Symbol.dispose]();
    return true;
  }
  try {
    expiryCallback.itemExpired(split(key), item(entry, record, entry.info.expires));
    return true;
  } catch (error) {
    log.log("warn", `an expired session was not taken: ${error.payload?.val ?? error}; will offer it again`);
    return false;
  }
}

// Whether a condition holds for an item that exists and has this version.
function holds(condition, version) {
  return condition.tag === "none" || (condition.tag === "if-version" && condition.val === version);
}
