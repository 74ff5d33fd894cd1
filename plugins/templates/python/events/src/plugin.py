"""A handler of the beginnings and ends of sessions: it logs each, without the session's ID.

An end is delivered at least once. So what must not happen twice is remembered in the plugin's own bucket: here the line
in the log, in a plugin of yours perhaps an invoice.
"""

from typing import List, Tuple

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.session_events import EndReason
from wit_world.imports import clock, kv, log, payloads, types

# How long an end is remembered, milliseconds: longer than the host goes on delivering it.
REMEMBERED = 24 * 60 * 60 * 1000

HOW = {EndReason.EXPIRED: "its time ran out", EndReason.REMOVED: "it was removed"}

# The plugin's own bucket, private to the store whose sessions it hears of. Opened by `initialize`.
bucket: int


class SessionEvents(exports.SessionEvents):
    def initialize(self, name: str, settings: List[Tuple[str, str]]) -> None:
        global bucket
        # A misspelt setting would be ignored in silence.
        for unknown, _ in settings:
            reason = f"there is no setting `{unknown}`; this plugin has none"
            raise Err(types.Error_InvalidArgument(reason))
        try:
            bucket = kv.open(None)
        except Err as error:
            raise Err(types.Error_Unavailable(error.value))

    def on_start(self, key: types.SessionKey) -> None:
        log.log(log.Level.INFO, f"a session of {key.application} began")

    def on_end(self, key: types.SessionKey, item: types.Item, reason: EndReason) -> None:
        now = clock.now()
        # The same ID can come again; a session is one together with its beginning.
        if not _first_time(f"{key.application}\0{key.id}\0{item.created}", now):
            return
        seconds = max(0, now - item.created) // 1000
        size = item.data.payload.len()
        how = HOW[reason]
        log.log(log.Level.INFO, f"a session of {key.application} ended after {seconds} s with {size} bytes: {how}")


def _first_time(what: str, now: int) -> bool:
    """Whether this is new; remembers it."""
    words = kv.Words(0, 0, 0, 0, 0, 0)
    nothing = payloads.Payload.empty()
    try:
        kv.put(bucket, what, nothing, words, now + REMEMBERED, kv.TagChange_Keep(), kv.PutCondition_IfAbsent())
        return True
    except Err as error:
        if isinstance(error.value, kv.PutError_Conflict):
            return False
        raise Err(types.Error_LimitExceeded(error.value.value))
