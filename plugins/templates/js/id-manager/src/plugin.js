// A generator of session IDs: 20 random bytes as 40 hexadecimal digits.
//
// A function of the contract that answers `result` returns its answer or throws an error of the contract, such as
// `{ tag: "invalid-argument", val: "why" }`. Anything else that is thrown ends this instance and fails the call.

// Not `Math.random`: its numbers can be guessed, and in a component they are the same in every instance.
import random from "cloakroom:session/random@0.1.0";

const RANDOM_BYTES = 20;
const WELL_FORMED = /^[0-9a-f]{40}$/;

export const idManager = {
  initialize(_store, settings) {
    // A misspelt setting would be ignored in silence.
    for (const [name] of settings) {
      throw { tag: "invalid-argument", val: `there is no setting \`${name}\`; this plugin has none` };
    }
    // The host refuses a generator of less than 128 random bits. `verifiable` is for generators that can tell an ID of
    // their own from any other, by a signature in it.
    return { name: "my-plugin 0.1.0", entropyBits: RANDOM_BYTES * 8, form: "custom", verifiable: false };
  },

  create(_context) {
    return Array.from(random.bytes(RANDOM_BYTES), (byte) => byte.toString(16).padStart(2, "0")).join("");
  },

  validate(id) {
    return WELL_FORMED.test(id);
  },
};
