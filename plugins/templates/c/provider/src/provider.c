// A session store on the host's built-in store `kv`.
//
// The operations share one shape: look at the entry, decide, write on the condition that nobody wrote in between. A
// conflict means that somebody else got on with the same session, so trying again always ends.
//
// Good to know of a plugin in C:
// - A function of the contract returns true and fills in `ret`, or returns false and fills in `err`. A trap ends this
//   instance and fails the call.
// - A function owns its parameters: it frees strings, drops handles, and what it puts into `ret` belongs to the caller.
//   The generated `..._free` functions free strings and lists; they do not drop handles.
// - A payload is a handle to bytes that stay in the host.
// - Variables live as long as the instance, and there are many instances. Sessions belong into `bucket`.

#include "entries.h"

#include <string.h>

#define NAME "my-plugin 0.1.0"

// How long a claimed session is kept from other sweeps, milliseconds: if this instance dies before it has reported the
// session, another one does so then.
#define LEASE 30000

bool exports_provider_initialize(plugin_string_t *name, plugin_list_tuple2_string_string_t *settings,
                                 exports_provider_provider_info_t *ret, types_error_t *err) {
    plugin_string_free(name);
    bool unknown = settings->len > 0;
    plugin_list_tuple2_string_string_free(settings);
    if (unknown) {
        // A misspelt setting would be ignored in silence.
        err->tag = TYPES_ERROR_INVALID_ARGUMENT;
        plugin_string_dup(&err->val.invalid_argument, "this plugin has no settings");
        return false;
    }
    if (!open_bucket(err)) return false;
    plugin_string_dup(&ret->name, NAME);
    ret->instancing.tag = EXPORTS_PROVIDER_INSTANCING_ANY;
    ret->reports_expiry = true;
    return true;
}

bool exports_provider_create_new_data(uint32_t idle_timeout, types_session_data_t *ret, types_error_t *err) {
    *ret = (types_session_data_t){.payload = payloads_static_payload_empty(), .idle_timeout = idle_timeout};
    return true;
}

static bool create(plugin_string_t *key, const types_session_data_t *data, kv_tag_change_t *tag, types_error_t *err) {
    for (;;) {
        kv_entry_info_t info;
        if (kv_stat(bucket, key, &info)) {
            record_t record = record_from_words(&info.words);
            slide(key, &info, &record);
            return true;
        }
        uint64_t now = clock_now();
        record_t record = record_new(now, data->idle_timeout, data->latest_expiry);
        record.uninitialized = true;
        kv_put_condition_t absent = {.tag = KV_PUT_CONDITION_IF_ABSENT};
        written_t written = put(key, &data->payload, &record, now, tag, absent, err);
        if (written != CONFLICT) return written == WRITTEN;
    }
}

bool exports_provider_create_uninitialized(types_session_key_t *key, types_session_data_t *data, types_error_t *err) {
    kv_tag_change_t tag = tag_change(key, &data->subject);
    plugin_string_t stored = storage_key(key);
    bool done = create(&stored, data, &tag, err);
    payloads_payload_drop_own(data->payload);
    types_session_data_free(data);
    kv_tag_change_free(&tag);
    plugin_string_free(&stored);
    return done;
}

static bool get(plugin_string_t *key, types_get_outcome_t *ret, types_error_t *err) {
    for (;;) {
        kv_entry_t entry;
        if (!kv_get(bucket, key, &entry)) {
            ret->tag = TYPES_GET_OUTCOME_MISSING;
            return true;
        }
        record_t record = record_from_words(&entry.info.words);
        if (record.locked) {
            drop_entry(&entry);
            slide(key, &entry.info, &record);
            *ret = (types_get_outcome_t){TYPES_GET_OUTCOME_LOCKED, .val.locked = held_lock(&record, &entry.info)};
            return true;
        }
        written_t written = WRITTEN;
        moment_t expires = record_expires(&record, entry.info.now);
        if (record.uninitialized) {
            // Of concurrent readers one writes and sees the flag; the others meet a conflict and look again.
            record_t seen = record;
            seen.uninitialized = false;
            written = write_back(key, &entry.info, &seen, err);
        } else {
            expires = slide(key, &entry.info, &record);
        }
        if (written == WRITTEN) {
            *ret = (types_get_outcome_t){TYPES_GET_OUTCOME_FOUND, .val.found = take_item(&entry, &record, expires)};
            return true;
        }
        drop_entry(&entry);
        if (written == FAILED) return false;
    }
}

bool exports_provider_get(types_session_key_t *key, types_get_outcome_t *ret, types_error_t *err) {
    plugin_string_t stored = storage_key(key);
    bool done = get(&stored, ret, err);
    plugin_string_free(&stored);
    return done;
}

bool exports_provider_peek(types_session_key_t *key, types_get_outcome_t *ret, types_error_t *err) {
    plugin_string_t stored = storage_key(key);
    kv_entry_t entry;
    bool found = kv_get(bucket, &stored, &entry);
    plugin_string_free(&stored);
    if (!found) {
        ret->tag = TYPES_GET_OUTCOME_MISSING;
        return true;
    }
    record_t record = record_from_words(&entry.info.words);
    if (record.locked) {
        drop_entry(&entry);
        *ret = (types_get_outcome_t){TYPES_GET_OUTCOME_LOCKED, .val.locked = held_lock(&record, &entry.info)};
    } else {
        types_item_t item = take_item(&entry, &record, entry.info.expires);
        *ret = (types_get_outcome_t){TYPES_GET_OUTCOME_FOUND, .val.found = item};
    }
    return true;
}

static bool get_exclusive(plugin_string_t *key, types_get_exclusive_outcome_t *ret, types_error_t *err) {
    for (;;) {
        kv_entry_t entry;
        if (!kv_get(bucket, key, &entry)) {
            ret->tag = TYPES_GET_EXCLUSIVE_OUTCOME_MISSING;
            return true;
        }
        record_t record = record_from_words(&entry.info.words);
        if (record.locked) {
            drop_entry(&entry);
            slide(key, &entry.info, &record);
            ret->tag = TYPES_GET_EXCLUSIVE_OUTCOME_LOCKED;
            ret->val.locked = held_lock(&record, &entry.info);
            return true;
        }
        record_t locked = record_lock(record, entry.info.now);
        written_t written = write_back(key, &entry.info, &locked, err);
        if (written == WRITTEN) {
            moment_t expires = record_expires(&record, entry.info.now);
            ret->tag = TYPES_GET_EXCLUSIVE_OUTCOME_FOUND;
            ret->val.found.item = take_item(&entry, &record, expires);
            ret->val.found.lock_id = locked.lock_counter;
            return true;
        }
        drop_entry(&entry);
        if (written == FAILED) return false;
    }
}

bool exports_provider_get_exclusive(types_session_key_t *key, types_get_exclusive_outcome_t *ret, types_error_t *err) {
    plugin_string_t stored = storage_key(key);
    bool done = get_exclusive(&stored, ret, err);
    plugin_string_free(&stored);
    return done;
}

// Whether a condition holds for an item that exists and has this version.
static bool holds(const types_condition_t *condition, uint64_t version) {
    switch (condition->tag) {
    case TYPES_CONDITION_NONE:
        return true;
    case TYPES_CONDITION_IF_VERSION:
        return condition->val.if_version == version;
    default:
        return false;
    }
}

static bool set(plugin_string_t *key, const types_session_data_t *data, kv_tag_change_t *tag, const uint32_t *lock_id,
                const types_condition_t *condition, bool keep_lock, types_set_outcome_t *ret, types_error_t *err) {
    for (;;) {
        kv_entry_info_t info;
        uint64_t now;
        record_t record;
        kv_put_condition_t put_condition;
        if (!kv_stat(bucket, key, &info)) {
            if (condition->tag == TYPES_CONDITION_IF_VERSION) {
                *ret = (types_set_outcome_t){TYPES_SET_OUTCOME_STALE, .val.stale = 0};
                return true;
            }
            now = clock_now();
            record = record_new(now, data->idle_timeout, data->latest_expiry);
            put_condition = (kv_put_condition_t){.tag = KV_PUT_CONDITION_IF_ABSENT};
        } else {
            record = record_from_words(&info.words);
            // The lock comes before the condition: what is refused anyway is not refused for its condition.
            if (!record_admits(&record, lock_id)) {
                slide(key, &info, &record);
                *ret = (types_set_outcome_t){TYPES_SET_OUTCOME_LOCKED, .val.locked = held_lock(&record, &info)};
                return true;
            }
            if (!holds(condition, record.version)) {
                slide(key, &info, &record);
                *ret = (types_set_outcome_t){TYPES_SET_OUTCOME_STALE, .val.stale = record.version};
                return true;
            }
            now = info.now;
            record = record_store(record, data->idle_timeout, data->latest_expiry, keep_lock);
            put_condition = (kv_put_condition_t){KV_PUT_CONDITION_IF_VERSION, .val.if_version = info.version};
        }
        written_t written = put(key, &data->payload, &record, now, tag, put_condition, err);
        if (written == WRITTEN) *ret = (types_set_outcome_t){TYPES_SET_OUTCOME_DONE, .val.done = record.version};
        if (written != CONFLICT) return written == WRITTEN;
    }
}

bool exports_provider_set_and_release(types_session_key_t *key, types_session_data_t *data, uint32_t *maybe_lock_id,
                                      types_condition_t *condition, bool keep_lock, types_set_outcome_t *ret,
                                      types_error_t *err) {
    kv_tag_change_t tag = tag_change(key, &data->subject);
    plugin_string_t stored = storage_key(key);
    bool done = check_lock_id(maybe_lock_id, err) &&
                set(&stored, data, &tag, maybe_lock_id, condition, keep_lock, ret, err);
    payloads_payload_drop_own(data->payload);
    types_session_data_free(data);
    kv_tag_change_free(&tag);
    plugin_string_free(&stored);
    return done;
}

static bool release(plugin_string_t *key, uint32_t lock_id, types_release_outcome_t *ret, types_error_t *err) {
    for (;;) {
        kv_entry_info_t info;
        if (!kv_stat(bucket, key, &info)) {
            ret->tag = TYPES_RELEASE_OUTCOME_MISSING;
            return true;
        }
        record_t record = record_from_words(&info.words);
        if (!record_admits(&record, &lock_id)) {
            slide(key, &info, &record);
            *ret = (types_release_outcome_t){TYPES_RELEASE_OUTCOME_LOCKED, .val.locked = held_lock(&record, &info)};
            return true;
        }
        if (!record.locked && !record.uninitialized) {
            slide(key, &info, &record);
            *ret = (types_release_outcome_t){TYPES_RELEASE_OUTCOME_DONE, .val.done = false};
            return true;
        }
        record_t released = record;
        released.locked = false;
        released.uninitialized = false;
        written_t written = write_back(key, &info, &released, err);
        if (written == WRITTEN) {
            *ret = (types_release_outcome_t){TYPES_RELEASE_OUTCOME_DONE, .val.done = record.uninitialized};
        }
        if (written != CONFLICT) return written == WRITTEN;
    }
}

bool exports_provider_release_exclusive(types_session_key_t *key, uint32_t lock_id, types_release_outcome_t *ret,
                                        types_error_t *err) {
    plugin_string_t stored = storage_key(key);
    bool done = check_lock_id(&lock_id, err) && release(&stored, lock_id, ret, err);
    plugin_string_free(&stored);
    return done;
}

static void remove_entry(plugin_string_t *key, const uint32_t *lock_id, bool want_item, types_remove_outcome_t *ret) {
    for (;;) {
        // Without the payload where nobody asks for it.
        kv_entry_t entry;
        bool found = want_item ? kv_get(bucket, key, &entry)
                               : kv_stat(bucket, key, &entry.info);
        if (!found) {
            ret->tag = TYPES_REMOVE_OUTCOME_MISSING;
            return;
        }
        record_t record = record_from_words(&entry.info.words);
        if (!record_admits(&record, lock_id)) {
            if (want_item) drop_entry(&entry);
            slide(key, &entry.info, &record);
            *ret = (types_remove_outcome_t){TYPES_REMOVE_OUTCOME_LOCKED, .val.locked = held_lock(&record, &entry.info)};
            return;
        }
        if (kv_delete(bucket, key, entry.info.version)) {
            *ret = (types_remove_outcome_t){TYPES_REMOVE_OUTCOME_DONE, .val.done.is_some = want_item};
            if (want_item) ret->val.done.val = take_item(&entry, &record, entry.info.expires);
            return;
        }
        if (want_item) drop_entry(&entry);
    }
}

bool exports_provider_remove(types_session_key_t *key, uint32_t *maybe_lock_id, bool want_item,
                             types_remove_outcome_t *ret, types_error_t *err) {
    plugin_string_t stored = storage_key(key);
    bool right = check_lock_id(maybe_lock_id, err);
    if (right) remove_entry(&stored, maybe_lock_id, want_item, ret);
    plugin_string_free(&stored);
    return right;
}

bool exports_provider_reset_timeout(types_session_key_t *key, types_reset_outcome_t *ret, types_error_t *err) {
    plugin_string_t stored = storage_key(key);
    kv_entry_info_t info;
    ret->tag = TYPES_RESET_OUTCOME_MISSING;
    if (kv_stat(bucket, &stored, &info)) {
        record_t record = record_from_words(&info.words);
        slide(&stored, &info, &record);
        ret->tag = TYPES_RESET_OUTCOME_DONE;
    }
    plugin_string_free(&stored);
    return true;
}

// Reports an expired session; whether it may be forgotten. Takes over what the entry owns.
static bool report(plugin_string_t *key, kv_entry_t *entry) {
    record_t record = record_from_words(&entry->info.words);
    if (record.uninitialized) {
        // Nobody ever had it in hand, so nobody misses it.
        drop_entry(entry);
        return true;
    }
    types_session_key_t session = {.application = before(key), .id = behind(key)};
    types_item_t item = take_item(entry, &record, entry->info.expires);
    types_error_t error;
    // The payload's handle goes to the host; strings are only lent.
    bool taken = expiry_callback_item_expired(&session, &item, &error);
    types_session_key_free(&session);
    types_item_free(&item);
    if (!taken) {
        types_error_free(&error);
        plugin_string_t line;
        plugin_string_set(&line, "an expired session was not taken; will offer it again");
        log_log(LOG_LEVEL_WARN, &line);
    }
    return taken;
}

bool exports_provider_sweep(uint32_t limit, bool *ret, types_error_t *err) {
    if (!expiry_callback_listening()) {
        *ret = kv_drop_expired(bucket, limit) >= limit;
        return true;
    }
    kv_list_expired_entry_t claimed;
    kv_claim_expired(bucket, limit, LEASE, &claimed);
    for (size_t i = 0; i < claimed.len; i++) {
        kv_expired_entry_t *expired = &claimed.ptr[i];
        // Only when it was reported is it forgotten: reported twice at worst, never not at all.
        if (report(&expired->key, &expired->entry)) kv_settle(bucket, expired->ticket);
        // What `report` took over is not freed again with the list.
        expired->entry.tag.is_some = false;
    }
    *ret = claimed.len >= limit;
    kv_list_expired_entry_free(&claimed);
    return true;
}
