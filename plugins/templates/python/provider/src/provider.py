"""The operations of a session store.

They share one shape: look at the entry, decide, write on the condition that nobody wrote in between. A conflict means
that somebody else got on with the same session, so trying again always ends.
"""

from dataclasses import replace
from typing import List, Optional, Tuple

import entries
from componentize_py_types import Err
from entries import check_lock_id, held_lock, item, join, put, slide, split, tag_change, write_back
from record import Record
from wit_world import exports
from wit_world.exports.provider import Instancing_Any, ProviderInfo
from wit_world.imports import clock, expiry_callback, kv, log, payloads, types

# How long a claimed session is kept from other sweeps, milliseconds: if this instance dies before it has reported the
# session, another one does so then.
LEASE = 30_000


class Provider(exports.Provider):
    def initialize(self, name: str, settings: List[Tuple[str, str]]) -> ProviderInfo:
        # A misspelt setting would be ignored in silence.
        for unknown, _ in settings:
            reason = f"there is no setting `{unknown}`; this plugin has none"
            raise Err(types.Error_InvalidArgument(reason))
        entries.open_bucket()
        return ProviderInfo("my-plugin 0.1.0", Instancing_Any(), reports_expiry=True)

    def create_new_data(self, idle_timeout: int) -> types.SessionData:
        return types.SessionData(payloads.Payload.empty(), idle_timeout, None, None)

    def create_uninitialized(self, key: types.SessionKey, data: types.SessionData) -> None:
        storage_key = join(key.application, key.id)
        tag = tag_change(key, data.subject)
        while True:
            info = kv.stat(entries.bucket, storage_key)
            if info is not None:
                slide(storage_key, info, Record.from_words(info.words))
                return
            now = clock.now()
            record = replace(Record.new(now, data.idle_timeout, data.latest_expiry), uninitialized=True)
            if put(storage_key, data.payload, record, now, tag, kv.PutCondition_IfAbsent()):
                return

    def get(self, key: types.SessionKey) -> types.GetOutcome:
        storage_key = join(key.application, key.id)
        while True:
            entry = kv.get(entries.bucket, storage_key)
            if entry is None:
                return types.GetOutcome_Missing()
            record = Record.from_words(entry.info.words)
            if record.locked:
                slide(storage_key, entry.info, record)
                return types.GetOutcome_Locked(held_lock(record, entry.info))
            if not record.uninitialized:
                return types.GetOutcome_Found(item(entry, record, slide(storage_key, entry.info, record)))
            # Of concurrent readers one writes and sees the flag; the others meet a conflict and look again.
            if write_back(storage_key, entry.info, replace(record, uninitialized=False)):
                return types.GetOutcome_Found(item(entry, record, record.expires(entry.info.now)))

    def peek(self, key: types.SessionKey) -> types.GetOutcome:
        entry = kv.get(entries.bucket, join(key.application, key.id))
        if entry is None:
            return types.GetOutcome_Missing()
        record = Record.from_words(entry.info.words)
        if record.locked:
            return types.GetOutcome_Locked(held_lock(record, entry.info))
        return types.GetOutcome_Found(item(entry, record, entry.info.expires))

    def get_exclusive(self, key: types.SessionKey) -> types.GetExclusiveOutcome:
        storage_key = join(key.application, key.id)
        while True:
            entry = kv.get(entries.bucket, storage_key)
            if entry is None:
                return types.GetExclusiveOutcome_Missing()
            record = Record.from_words(entry.info.words)
            if record.locked:
                slide(storage_key, entry.info, record)
                return types.GetExclusiveOutcome_Locked(held_lock(record, entry.info))
            locked = record.lock(entry.info.now)
            if write_back(storage_key, entry.info, locked):
                found = item(entry, record, record.expires(entry.info.now))
                return types.GetExclusiveOutcome_Found(types.LockedItem(found, locked.lock_counter))

    def set_and_release(
        self,
        key: types.SessionKey,
        data: types.SessionData,
        lock_id: Optional[int],
        condition: types.Condition,
        keep_lock: bool,
    ) -> types.SetOutcome:
        check_lock_id(lock_id)
        storage_key = join(key.application, key.id)
        tag = tag_change(key, data.subject)
        while True:
            info = kv.stat(entries.bucket, storage_key)
            put_condition: kv.PutCondition
            if info is None:
                if isinstance(condition, types.Condition_IfVersion):
                    return types.SetOutcome_Stale(0)
                now = clock.now()
                record = Record.new(now, data.idle_timeout, data.latest_expiry)
                put_condition = kv.PutCondition_IfAbsent()
            else:
                present = Record.from_words(info.words)
                # The lock comes before the condition: what is refused anyway is not refused for its condition.
                if not present.admits(lock_id):
                    slide(storage_key, info, present)
                    return types.SetOutcome_Locked(held_lock(present, info))
                if not _holds(condition, present.version):
                    slide(storage_key, info, present)
                    return types.SetOutcome_Stale(present.version)
                now = info.now
                record = present.store(data.idle_timeout, data.latest_expiry, keep_lock)
                put_condition = kv.PutCondition_IfVersion(info.version)
            if put(storage_key, data.payload, record, now, tag, put_condition):
                return types.SetOutcome_Done(record.version)

    def release_exclusive(self, key: types.SessionKey, lock_id: int) -> types.ReleaseOutcome:
        check_lock_id(lock_id)
        storage_key = join(key.application, key.id)
        while True:
            info = kv.stat(entries.bucket, storage_key)
            if info is None:
                return types.ReleaseOutcome_Missing()
            record = Record.from_words(info.words)
            if not record.admits(lock_id):
                slide(storage_key, info, record)
                return types.ReleaseOutcome_Locked(held_lock(record, info))
            if not record.locked and not record.uninitialized:
                slide(storage_key, info, record)
                return types.ReleaseOutcome_Done(False)
            if write_back(storage_key, info, replace(record, locked=False, uninitialized=False)):
                return types.ReleaseOutcome_Done(record.uninitialized)

    def remove(self, key: types.SessionKey, lock_id: Optional[int], want_item: bool) -> types.RemoveOutcome:
        check_lock_id(lock_id)
        storage_key = join(key.application, key.id)
        while True:
            # Without the payload where nobody asks for it.
            entry = kv.get(entries.bucket, storage_key) if want_item else None
            info = (entry and entry.info) if want_item else kv.stat(entries.bucket, storage_key)
            if info is None:
                return types.RemoveOutcome_Missing()
            record = Record.from_words(info.words)
            if not record.admits(lock_id):
                slide(storage_key, info, record)
                return types.RemoveOutcome_Locked(held_lock(record, info))
            if kv.delete(entries.bucket, storage_key, info.version):
                return types.RemoveOutcome_Done(entry and item(entry, record, info.expires))

    def reset_timeout(self, key: types.SessionKey) -> types.ResetOutcome:
        storage_key = join(key.application, key.id)
        info = kv.stat(entries.bucket, storage_key)
        if info is None:
            return types.ResetOutcome_Missing()
        slide(storage_key, info, Record.from_words(info.words))
        return types.ResetOutcome_Done()

    def sweep(self, limit: int) -> bool:
        if not expiry_callback.listening():
            return kv.drop_expired(entries.bucket, limit) >= limit
        claimed = kv.claim_expired(entries.bucket, limit, LEASE)
        for expired in claimed:
            # Only when it was reported is it forgotten: reported twice at worst, never not at all.
            if _report(expired):
                kv.settle(entries.bucket, expired.ticket)
        return len(claimed) >= limit


def _report(expired: kv.ExpiredEntry) -> bool:
    """Reports an expired session; whether it may be forgotten."""
    record = Record.from_words(expired.entry.info.words)
    # Nobody ever had it in hand, so nobody misses it.
    if record.uninitialized:
        return True
    try:
        expiry_callback.item_expired(split(expired.key), item(expired.entry, record, expired.entry.info.expires))
        return True
    except Err as error:
        log.log(log.Level.WARN, f"an expired session was not taken: {error.value.value}; will offer it again")
        return False


def _holds(condition: types.Condition, version: int) -> bool:
    """Whether a condition holds for an item that exists and has this version."""
    match condition:
        case types.Condition_None_():
            return True
        case types.Condition_IfVersion(wanted):
            return wanted == version
        case _:
            return False
