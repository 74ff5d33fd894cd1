// A session store on the host's built-in store `kv`: what the component exports.
//
// Good to know of a plugin in JavaScript:
// - A function of the contract that answers `result` returns what it found or throws an error of the contract, such as
//   `{ tag: "unavailable", val: "why" }`. Anything else that is thrown ends this instance and fails the call. An error
//   that the host answers is thrown as an `Error` with the host's value in `payload`.
// - A payload is a handle to bytes that stay in the host. One that is not passed on is given back at once by
//   `[Symbol.dispose]()`, not when the garbage collector comes by: an instance may hold so many handles and no more.
// - Variables of a module live as long as the instance, and there are many instances. Sessions belong into the bucket.
// - Numbers are exact up to 2^53. That is enough for times, versions and lock ids.

export { provider } from "./provider.js";
export { sessionIndex, sessionRename, sessionScan } from "./optional.js";
