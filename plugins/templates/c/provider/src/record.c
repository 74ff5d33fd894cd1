#include "record.h"

// Bits above the lock counter, which has the lower 32, in the word `a`.
#define LOCKED (1ull << 32)
#define UNINITIALIZED (1ull << 33)
#define HAS_LATEST_EXPIRY (1ull << 34)

// The counter of an item that was just inserted: the first lock id issued is one more.
#define INITIAL_COUNTER 1u

record_t record_new(uint64_t now, uint32_t idle_timeout, moment_t latest_expiry) {
    return (record_t){
        .lock_counter = INITIAL_COUNTER,
        .version = 1,
        .created = now,
        .idle_timeout = idle_timeout,
        .latest_expiry = latest_expiry,
    };
}

record_t record_from_words(const kv_words_t *words) {
    return (record_t){
        .lock_counter = (uint32_t)words->a,
        .locked = (words->a & LOCKED) != 0,
        .uninitialized = (words->a & UNINITIALIZED) != 0,
        .locked_at = words->b,
        .version = words->c,
        .created = words->d,
        .idle_timeout = (uint32_t)words->e,
        .latest_expiry = {.is_some = (words->a & HAS_LATEST_EXPIRY) != 0, .val = words->f},
    };
}

kv_words_t record_to_words(const record_t *record) {
    return (kv_words_t){
        .a = record->lock_counter | (record->locked ? LOCKED : 0) | (record->uninitialized ? UNINITIALIZED : 0) |
             (record->latest_expiry.is_some ? HAS_LATEST_EXPIRY : 0),
        .b = record->locked_at,
        .c = record->version,
        .d = record->created,
        .e = record->idle_timeout,
        .f = record->latest_expiry.is_some ? record->latest_expiry.val : 0,
    };
}

static moment_t earlier(moment_t one, moment_t other) {
    if (!one.is_some) return other;
    if (!other.is_some) return one;
    return one.val < other.val ? one : other;
}

// Who locks it is the first to read it: it is uninitialized no longer.
record_t record_lock(record_t record, uint64_t now) {
    record.lock_counter = record.lock_counter < LARGEST_LOCK_ID ? record.lock_counter + 1 : INITIAL_COUNTER + 1;
    record.locked = true;
    record.locked_at = now;
    record.uninitialized = false;
    return record;
}

// The latest expiry may be brought forward and not put off.
record_t record_store(record_t record, uint32_t idle_timeout, moment_t latest_expiry, bool keep_lock) {
    record.locked = record.locked && keep_lock;
    record.uninitialized = false;
    record.version++;
    record.idle_timeout = idle_timeout;
    record.latest_expiry = earlier(record.latest_expiry, latest_expiry);
    return record;
}

bool record_admits(const record_t *record, const uint32_t *lock_id) {
    return !record->locked || (lock_id != NULL && *lock_id == record->lock_counter);
}

moment_t record_expires(const record_t *record, uint64_t now) {
    uint64_t idle = record->idle_timeout * 1000ull;
    moment_t end = {.is_some = idle != 0, .val = idle > UINT64_MAX - now ? UINT64_MAX : now + idle};
    return earlier(end, record->latest_expiry);
}

// Not by less than a second, which saves a busy session a write for each read.
bool worth_moving(moment_t from, moment_t to) {
    if (!from.is_some || !to.is_some) return from.is_some != to.is_some;
    return (from.val < to.val ? to.val - from.val : from.val - to.val) >= 1000;
}
