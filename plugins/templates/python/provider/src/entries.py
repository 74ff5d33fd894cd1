"""Sessions as entries of the bucket: what all operations share."""

from typing import Optional

from componentize_py_types import Err
from record import LARGEST_LOCK_ID, Record, worth_moving
from wit_world.imports import kv, payloads, types

# The component's own bucket, private to the store that this instance serves. Opened by `initialize`.
bucket: int


def open_bucket() -> None:
    global bucket
    try:
        bucket = kv.open(None)
    except Err as error:
        raise Err(types.Error_Unavailable(error.value))


def put(
    storage_key: str,
    payload: Optional[payloads.Payload],
    record: Record,
    now: int,
    tag: kv.TagChange,
    condition: kv.PutCondition,
) -> bool:
    """Writes an entry; false if somebody else wrote meanwhile."""
    try:
        kv.put(bucket, storage_key, payload, record.to_words(), record.expires(now), tag, condition)
        return True
    except Err as error:
        match error.value:
            case kv.PutError_Conflict():
                return False
            case kv.PutError_Invalid(reason):
                raise Err(types.Error_InvalidArgument(reason))
            case kv.PutError_Full(reason):
                raise Err(types.Error_LimitExceeded(reason))
            case _:
                raise


def write_back(storage_key: str, info: kv.EntryInfo, record: Record) -> bool:
    """Writes a session back with its payload and subject as they are; false if somebody else wrote meanwhile."""
    return put(storage_key, None, record, info.now, kv.TagChange_Keep(), kv.PutCondition_IfVersion(info.version))


def slide(storage_key: str, info: kv.EntryInfo, record: Record) -> Optional[int]:
    """Slides the expiry of a session that is otherwise left as it is; returns when it expires now.

    An entry that changed meanwhile is left alone: whoever changed it has moved its expiry too.
    """
    expires = record.expires(info.now)
    if not worth_moving(info.expires, expires):
        return info.expires
    kv.touch(bucket, storage_key, expires, info.version)
    return expires


def item(entry: kv.Entry, record: Record, expires: Optional[int]) -> types.Item:
    """A stored session as the contract hands it out."""
    data = types.SessionData(entry.payload, record.idle_timeout, record.latest_expiry, subject(entry))
    return types.Item(data, record.version, record.created, expires, record.uninitialized)


def held_lock(record: Record, info: kv.EntryInfo) -> types.Lock:
    return types.Lock(record.lock_counter, max(0, info.now - record.locked_at))


def check_lock_id(lock_id: Optional[int]) -> None:
    """Refuses a lock id that no holder can have."""
    if lock_id is not None and not 1 <= lock_id <= LARGEST_LOCK_ID:
        reason = f"the lock id {lock_id} is not between 1 and {LARGEST_LOCK_ID}"
        raise Err(types.Error_InvalidArgument(reason))


def join(application: str, rest: str) -> str:
    """A session's key in the bucket, or a subject's tag. The contract keeps U+0000 out of applications and IDs."""
    return f"{application}\0{rest}"


def split(storage_key: str) -> types.SessionKey:
    application, _, session_id = storage_key.partition("\0")
    return types.SessionKey(application, session_id)


def subject(entry: kv.Entry) -> Optional[str]:
    """Whom a session belongs to: the entry's tag is the application, U+0000, the subject."""
    return None if entry.tag is None else entry.tag.partition("\0")[2]


def tag_change(key: types.SessionKey, subject: Optional[str]) -> kv.TagChange:
    """What a write with this subject does to the entry's tag: `None` keeps it, an empty one clears it."""
    if subject is None:
        return kv.TagChange_Keep()
    return kv.TagChange_Set(join(key.application, subject)) if subject else kv.TagChange_Clear()
