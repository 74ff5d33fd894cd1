"""What a store need not have: the sessions of a subject ("log out everywhere"), all sessions (the operator's list), a
new ID for a session (after a login).

Leave one out here, in `plugin.py` and in `wit/world.wit`, and the host answers 501 where it is needed.
"""

from typing import Callable, Optional

import entries
from componentize_py_types import Err
from entries import check_lock_id, held_lock, join, slide, split, subject
from record import Record
from wit_world import exports
from wit_world.imports import kv, types


class SessionIndex(exports.SessionIndex):
    def list(self, application: str, subject: str, cursor: Optional[str], limit: int) -> types.SessionPage:
        tag = join(application, subject)
        page = kv.tagged(entries.bucket, tag, cursor, limit)
        # Between the look at the tags and the look at the entry somebody may have given it to another subject.
        return _summarize(page, lambda entry: entry.tag == tag)


class SessionScan(exports.SessionScan):
    def scan(self, application: Optional[str], cursor: Optional[str], limit: int) -> types.SessionPage:
        prefix = "" if application is None else join(application, "")
        return _summarize(kv.keys(entries.bucket, prefix, cursor, limit), lambda entry: True)


class SessionRename(exports.SessionRename):
    def rename(self, application: str, old_id: str, new_id: str, lock_id: Optional[int]) -> types.RenameOutcome:
        check_lock_id(lock_id)
        old, new = join(application, old_id), join(application, new_id)
        while True:
            info = kv.stat(entries.bucket, old)
            if info is None:
                return types.RenameOutcome_Missing()
            record = Record.from_words(info.words)
            # On any way out of here the session was found, so it stays alive. A touch leaves the version as it is.
            slide(old, info, record)
            if not record.admits(lock_id):
                return types.RenameOutcome_Locked(held_lock(record, info))
            try:
                kv.rename(entries.bucket, old, new, info.version)
                return types.RenameOutcome_Done()
            except Err as error:
                if isinstance(error.value, kv.PutError_Invalid):
                    raise Err(types.Error_InvalidArgument(error.value.value))
                if not isinstance(error.value, kv.PutError_Conflict):
                    raise
                if kv.stat(entries.bucket, new) is not None:
                    return types.RenameOutcome_Taken()
                # Somebody changed the session meanwhile.


def _summarize(page: kv.KeyPage, belongs: Callable[[kv.Entry], bool]) -> types.SessionPage:
    """The sessions of a page of keys, without those that went or changed meanwhile."""
    found = ((key, kv.get(entries.bucket, key)) for key in page.keys)
    sessions = [_summary(key, entry) for key, entry in found if entry is not None and belongs(entry)]
    return types.SessionPage(sessions, page.next)


def _summary(key: str, entry: kv.Entry) -> types.SessionSummary:
    record = Record.from_words(entry.info.words)
    return types.SessionSummary(
        key=split(key),
        created=record.created,
        expires=entry.info.expires,
        version=record.version,
        locked=record.locked,
        size=entry.payload.len(),
        subject=subject(entry),
    )
