// What is kept of a session beside its payload, and how it is packed into the six words of an entry.
//
// The words are laid out as in the host's own `memory` store, so either can go on with the sessions of the other.
#ifndef RECORD_H
#define RECORD_H

#include "plugin.h"

#define LARGEST_LOCK_ID 2147483647u

// Unix milliseconds, or never.
typedef plugin_option_u64_t moment_t;

// A session without its payload and subject. Times are Unix milliseconds.
typedef struct {
    // The lock id that was issued last; the holder's while the session is locked.
    uint32_t lock_counter;
    bool locked;
    // Whether nobody has read the session since it was created uninitialized.
    bool uninitialized;
    uint64_t locked_at;
    // The contract's version: one more at each store. Not the entry's, which each lock changes too.
    uint64_t version;
    uint64_t created;
    // Seconds; 0 is never.
    uint32_t idle_timeout;
    moment_t latest_expiry;
} record_t;

// A session that is inserted now.
record_t record_new(uint64_t now, uint32_t idle_timeout, moment_t latest_expiry);
record_t record_from_words(const kv_words_t *words);
kv_words_t record_to_words(const record_t *record);
// The session as somebody locks it now.
record_t record_lock(record_t record, uint64_t now);
// The session after a store.
record_t record_store(record_t record, uint32_t idle_timeout, moment_t latest_expiry, bool keep_lock);
// Whether a caller who shows this lock id, or none (NULL), may write.
bool record_admits(const record_t *record, const uint32_t *lock_id);
// When the session expires if it is touched now.
moment_t record_expires(const record_t *record, uint64_t now);
// Whether to move an expiry.
bool worth_moving(moment_t from, moment_t to);

#endif
