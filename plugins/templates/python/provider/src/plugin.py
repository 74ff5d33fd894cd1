"""A session store on the host's built-in store `kv`: what the component exports.

Good to know of a plugin in Python:
- A function of the contract that answers `result` returns what it found or raises `Err` with an error of the contract,
  such as `Err(types.Error_Unavailable("why"))`. Any other exception ends this instance and fails the call. An error
  that the host answers is raised as `Err` too.
- A payload is a handle to bytes that stay in the host. It is given back when nothing refers to it any more.
- Variables of a module live as long as the instance, and there are many instances. Sessions belong into the bucket.
"""

from optional import SessionIndex, SessionRename, SessionScan
from provider import Provider

__all__ = ["Provider", "SessionIndex", "SessionRename", "SessionScan"]
