#include "entries.h"

#include <stdlib.h>
#include <string.h>

kv_bucket_t bucket;

bool open_bucket(types_error_t *error) {
    error->tag = TYPES_ERROR_UNAVAILABLE;
    return kv_open(NULL, &bucket, &error->val.unavailable);
}

written_t put(plugin_string_t *key, const payloads_own_payload_t *payload, const record_t *record, uint64_t now,
              kv_tag_change_t *tag, kv_put_condition_t condition, types_error_t *error) {
    kv_words_t words = record_to_words(record);
    moment_t expires = record_expires(record, now);
    payloads_borrow_payload_t borrowed;
    if (payload != NULL) borrowed = payloads_borrow_payload(*payload);
    uint64_t version;
    kv_put_error_t reason;
    if (kv_put(bucket, key, payload != NULL ? &borrowed : NULL, &words,
                             expires.is_some ? &expires.val : NULL, tag, &condition, &version, &reason)) {
        return WRITTEN;
    }
    return refused(reason, error);
}

written_t write_back(plugin_string_t *key, const kv_entry_info_t *info, const record_t *record, types_error_t *error) {
    kv_tag_change_t keep = {.tag = KV_TAG_CHANGE_KEEP};
    kv_put_condition_t unchanged = {.tag = KV_PUT_CONDITION_IF_VERSION, .val.if_version = info->version};
    return put(key, NULL, record, info->now, &keep, unchanged, error);
}

written_t refused(kv_put_error_t reason, types_error_t *error) {
    switch (reason.tag) {
    case KV_PUT_ERROR_CONFLICT:
        return CONFLICT;
    case KV_PUT_ERROR_INVALID:
        *error = (types_error_t){.tag = TYPES_ERROR_INVALID_ARGUMENT, .val.invalid_argument = reason.val.invalid};
        return FAILED;
    default:
        *error = (types_error_t){.tag = TYPES_ERROR_LIMIT_EXCEEDED, .val.limit_exceeded = reason.val.full};
        return FAILED;
    }
}

// An entry that changed meanwhile is left alone: whoever changed it has moved its expiry too.
moment_t slide(plugin_string_t *key, const kv_entry_info_t *info, const record_t *record) {
    moment_t to = record_expires(record, info->now);
    if (!worth_moving(info->expires, to)) return info->expires;
    kv_touch(bucket, key, to.is_some ? &to.val : NULL, info->version);
    return to;
}

types_item_t take_item(kv_entry_t *entry, const record_t *record, moment_t expires) {
    types_item_t item = {
        .data = {
            .payload = entry->payload,
            .idle_timeout = record->idle_timeout,
            .latest_expiry = record->latest_expiry,
        },
        .version = record->version,
        .created = record->created,
        .expires = expires,
        .uninitialized = record->uninitialized,
    };
    if (entry->tag.is_some) {
        // The entry's tag is the application, U+0000, the subject.
        item.data.subject.is_some = true;
        item.data.subject.val = behind(&entry->tag.val);
        plugin_string_free(&entry->tag.val);
    }
    return item;
}

void drop_entry(kv_entry_t *entry) {
    payloads_payload_drop_own(entry->payload);
    plugin_option_string_free(&entry->tag);
}

types_lock_t held_lock(const record_t *record, const kv_entry_info_t *info) {
    uint64_t age = info->now > record->locked_at ? info->now - record->locked_at : 0;
    return (types_lock_t){.id = record->lock_counter, .age = age};
}

bool check_lock_id(const uint32_t *lock_id, types_error_t *error) {
    if (lock_id == NULL || (*lock_id >= 1 && *lock_id <= LARGEST_LOCK_ID)) return true;
    error->tag = TYPES_ERROR_INVALID_ARGUMENT;
    plugin_string_dup(&error->val.invalid_argument, "the lock id is not between 1 and 2147483647");
    return false;
}

static plugin_string_t copy(const uint8_t *bytes, size_t length) {
    plugin_string_t copied;
    plugin_string_dup_n(&copied, (const char *)bytes, length);
    return copied;
}

plugin_string_t join(const plugin_string_t *one, const plugin_string_t *other) {
    plugin_string_t joined = {.len = one->len + 1 + other->len};
    joined.ptr = malloc(joined.len);
    memcpy(joined.ptr, one->ptr, one->len);
    joined.ptr[one->len] = 0;
    memcpy(joined.ptr + one->len + 1, other->ptr, other->len);
    return joined;
}

plugin_string_t storage_key(types_session_key_t *key) {
    plugin_string_t joined = join(&key->application, &key->id);
    types_session_key_free(key);
    return joined;
}

static size_t separator(const plugin_string_t *joined) {
    const uint8_t *found = memchr(joined->ptr, 0, joined->len);
    return found != NULL ? (size_t)(found - joined->ptr) : joined->len;
}

plugin_string_t before(const plugin_string_t *joined) {
    return copy(joined->ptr, separator(joined));
}

plugin_string_t behind(const plugin_string_t *joined) {
    size_t start = separator(joined) + 1;
    return start < joined->len ? copy(joined->ptr + start, joined->len - start) : copy(joined->ptr, 0);
}

kv_tag_change_t tag_change(const types_session_key_t *key, const plugin_option_string_t *subject) {
    if (!subject->is_some) return (kv_tag_change_t){.tag = KV_TAG_CHANGE_KEEP};
    if (subject->val.len == 0) return (kv_tag_change_t){.tag = KV_TAG_CHANGE_CLEAR};
    return (kv_tag_change_t){.tag = KV_TAG_CHANGE_SET, .val.set = join(&key->application, &subject->val)};
}
