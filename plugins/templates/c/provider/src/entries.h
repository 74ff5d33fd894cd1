// Sessions as entries of the bucket: what all operations share.
#ifndef ENTRIES_H
#define ENTRIES_H

#include "record.h"

// How an attempt to write ended.
typedef enum {
    WRITTEN,
    // Somebody else wrote meanwhile: look again and decide anew.
    CONFLICT,
    // It cannot be written, and the contract's error says why.
    FAILED,
} written_t;

// The component's own bucket, private to the store that this instance serves.
extern kv_bucket_t bucket;
bool open_bucket(types_error_t *error);

// Writes an entry; without a payload (NULL) it keeps the one that it has.
written_t put(plugin_string_t *key, const payloads_own_payload_t *payload, const record_t *record, uint64_t now,
              kv_tag_change_t *tag, kv_put_condition_t condition, types_error_t *error);
// Writes a session back with its payload and subject as they are.
written_t write_back(plugin_string_t *key, const kv_entry_info_t *info, const record_t *record, types_error_t *error);
// Makes the contract's error of why a put or rename did not happen.
written_t refused(kv_put_error_t reason, types_error_t *error);
// Slides the expiry of a session that is otherwise left as it is; when it expires now.
moment_t slide(plugin_string_t *key, const kv_entry_info_t *info, const record_t *record);

// A stored session as the contract hands it out. Takes over what the entry owns.
types_item_t take_item(kv_entry_t *entry, const record_t *record, moment_t expires);
// Gives back what the entry owns. (The generated kv_entry_free leaves the payload's handle open.)
void drop_entry(kv_entry_t *entry);
types_lock_t held_lock(const record_t *record, const kv_entry_info_t *info);
// Refuses a lock id that no holder can have; NULL is none.
bool check_lock_id(const uint32_t *lock_id, types_error_t *error);

// `one`, U+0000, `other`, in memory of its own. The contract keeps U+0000 out of applications and IDs.
plugin_string_t join(const plugin_string_t *one, const plugin_string_t *other);
// The same for a session's key, which it frees.
plugin_string_t storage_key(types_session_key_t *key);
// What is in front of the first U+0000 of a string, and what is behind it, in memory of their own.
plugin_string_t before(const plugin_string_t *joined);
plugin_string_t behind(const plugin_string_t *joined);
// What a write with this subject does to the entry's tag: none keeps it, an empty one clears it. Freed by the caller.
kv_tag_change_t tag_change(const types_session_key_t *key, const plugin_option_string_t *subject);

#endif
