// What a store need not have: the sessions of a subject ("log out everywhere"), all sessions (the operator's list), a new
// ID for a session (after a login). Leave one out here, in `plugin.js` and in `wit/world.wit`, and the host answers 501
// where it is needed.

import kv from "cloakroom:session/kv@0.1.0";
import { bucket, checkLockId, heldLock, slide, split, subjectOf } from "./entries.js";
import { admits, fromWords } from "./record.js";

export const sessionIndex = {
  list(application, subject, cursor, limit) {
    const tag = `${application}\0${subject}`;
    // Between the look at the tags and the look at the entry somebody may have given it to another subject.
    return summarize(kv.tagged(bucket, tag, cursor, limit), (entry) => entry.tag === tag);
  },
};

export const sessionScan = {
  scan(application, cursor, limit) {
    const prefix = application === null ? "" : `${application}\0`;
    return summarize(kv.keys(bucket, prefix, cursor, limit), () => true);
  },
};

export const sessionRename = {
  rename(application, oldId, newId, lockId) {
    checkLockId(lockId);
    const from = `${application}\0${oldId}`;
    const to = `${application}\0${newId}`;
    for (;;) {
      const info = kv.stat(bucket, from);
      if (info === null) return { tag: "missing" };
      const record = fromWords(info.words);
      // On any way out of here the session was found, so it stays alive. A touch leaves the version as it is.
      slide(from, info, record);
      if (!admits(record, lockId)) return { tag: "locked", val: heldLock(record, info) };
      try {
        kv.rename(bucket, from, to, info.version);
        return { tag: "done" };
      } catch (error) {
        if (error.payload?.tag === "invalid") throw { tag: "invalid-argument", val: error.payload.val };
        if (error.payload?.tag !== "conflict") throw error;
        if (kv.stat(bucket, to) !== null) return { tag: "taken" };
        // Somebody changed the session meanwhile.
      }
    }
  },
};

// The sessions of a page of keys, without those that went or changed meanwhile.
function summarize(page, belongs) {
  const sessions = [];
  for (const key of page.keys) {
    const entry = kv.get(bucket, key);
    if (entry === null) continue;
    if (belongs(entry)) sessions.push(summary(key, entry));
    entry.payload[Symbol.dispose]();
  }
  return { sessions, next: page.next };
}

function summary(key, entry) {
  const record = fromWords(entry.info.words);
  return {
    key: split(key),
    created: record.created,
    expires: entry.info.expires,
    version: record.version,
    locked: record.locked,
    size: entry.payload.len(),
    subject: subjectOf(entry),
  };
}
