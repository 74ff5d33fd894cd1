// A handler of the beginnings and ends of sessions: it logs each, without the session's ID.
//
// An end is delivered at least once. So what must not happen twice is remembered in the plugin's own bucket: here the
// line in the log, in a plugin of yours perhaps an invoice.

import clock from "cloakroom:session/clock@0.1.0";
import kv from "cloakroom:session/kv@0.1.0";
import log from "cloakroom:session/log@0.1.0";
import payloads from "cloakroom:session/payloads@0.1.0";

// How long an end is remembered, milliseconds: longer than the host goes on delivering it.
const REMEMBERED = 24 * 60 * 60 * 1000;

const HOW = { expired: "its time ran out", removed: "it was removed" };

// The plugin's own bucket, private to the store whose sessions it hears of.
let bucket;

export const sessionEvents = {
  initialize(_store, settings) {
    // A misspelt setting would be ignored in silence.
    for (const [name] of settings) {
      throw { tag: "invalid-argument", val: `there is no setting \`${name}\`; this plugin has none` };
    }
    try {
      bucket = kv.open(null);
    } catch (error) {
      throw { tag: "unavailable", val: String(error.payload) };
    }
  },

  onStart(key) {
    log.log("info", `a session of ${key.application} began`);
  },

  onEnd(key, item, reason) {
    const bytes = item.data.payload.len();
    // A handle that is not passed on is given back at once.
    item.data.payload[Symbol.dispose]();
    const now = clock.now();
    // The same ID can come again; a session is one together with its beginning.
    if (!firstTime(`${key.application}\0${key.id}\0${item.created}`, now)) return;
    const seconds = Math.max(0, Math.floor((now - item.created) / 1000));
    log.log("info", `a session of ${key.application} ended after ${seconds} s with ${bytes} bytes: ${HOW[reason]}`);
  },
};

// Whether this is new; remembers it.
function firstTime(what, now) {
  const words = { a: 0, b: 0, c: 0, d: 0, e: 0, f: 0 };
  const nothing = payloads.Payload.empty();
  try {
    kv.put(bucket, what, nothing, words, now + REMEMBERED, { tag: "keep" }, { tag: "if-absent" });
    return true;
  } catch (error) {
    // An error that the host answers has the host's value in `payload`.
    if (error.payload?.tag === "conflict") return false;
    if (error.payload?.tag === "full") throw { tag: "limit-exceeded", val: error.payload.val };
    throw error;
  } finally {
    nothing[Symbol.dispose]();
  }
}
