// What a store need not have: the sessions of a subject ("log out everywhere"), all sessions (the operator's list), a
// new ID for a session (after a login). Leave one out here and in `wit/world.wit`, make the bindings anew, and the host
// answers 501 where it is needed.

#include "entries.h"

#include <stdlib.h>
#include <string.h>

// Makes a summary of an entry. Takes over the key.
static types_session_summary_t summary(plugin_string_t *key, kv_entry_t *entry) {
    record_t record = record_from_words(&entry->info.words);
    types_session_summary_t summary = {
        .key = {.application = before(key), .id = behind(key)},
        .created = record.created,
        .expires = entry->info.expires,
        .version = record.version,
        .locked = record.locked,
        .size = payloads_method_payload_len(payloads_borrow_payload(entry->payload)),
        .subject = {.is_some = entry->tag.is_some},
    };
    if (entry->tag.is_some) summary.subject.val = behind(&entry->tag.val);
    return summary;
}

// The sessions of a page of keys, without those that went meanwhile or have another tag than `tag` (NULL: any).
static types_session_page_t summarize(kv_key_page_t *page, const plugin_string_t *tag) {
    types_session_page_t summaries = {.sessions.ptr = malloc(page->keys.len * sizeof(types_session_summary_t))};
    for (size_t i = 0; i < page->keys.len; i++) {
        kv_entry_t entry;
        if (!kv_get(bucket, &page->keys.ptr[i], &entry)) continue;
        bool belongs = tag == NULL || (entry.tag.is_some && entry.tag.val.len == tag->len &&
                                       memcmp(entry.tag.val.ptr, tag->ptr, tag->len) == 0);
        if (belongs) summaries.sessions.ptr[summaries.sessions.len++] = summary(&page->keys.ptr[i], &entry);
        drop_entry(&entry);
    }
    // An empty list owns no memory.
    if (summaries.sessions.len == 0) free(summaries.sessions.ptr);
    // The cursor goes into the answer.
    summaries.next = page->next;
    page->next.is_some = false;
    kv_key_page_free(page);
    return summaries;
}

bool exports_session_index_list(plugin_string_t *application, plugin_string_t *subject, plugin_string_t *maybe_cursor,
                                uint32_t limit, types_session_page_t *ret, types_error_t *err) {
    plugin_string_t tag = join(application, subject);
    kv_key_page_t page;
    kv_tagged(bucket, &tag, maybe_cursor, limit, &page);
    // Between the look at the tags and the look at the entry somebody may have given it to another subject.
    *ret = summarize(&page, &tag);
    plugin_string_free(&tag);
    plugin_string_free(application);
    plugin_string_free(subject);
    if (maybe_cursor != NULL) plugin_string_free(maybe_cursor);
    return true;
}

bool exports_session_scan_scan(plugin_string_t *maybe_application, plugin_string_t *maybe_cursor, uint32_t limit,
                               types_session_page_t *ret, types_error_t *err) {
    plugin_string_t nothing = {0};
    plugin_string_t prefix = maybe_application != NULL ? join(maybe_application, &nothing) : nothing;
    kv_key_page_t page;
    kv_keys(bucket, &prefix, maybe_cursor, limit, &page);
    *ret = summarize(&page, NULL);
    plugin_string_free(&prefix);
    if (maybe_application != NULL) plugin_string_free(maybe_application);
    if (maybe_cursor != NULL) plugin_string_free(maybe_cursor);
    return true;
}

static bool rename_entry(plugin_string_t *from, plugin_string_t *to, const uint32_t *lock_id,
                         types_rename_outcome_t *ret, types_error_t *err) {
    for (;;) {
        kv_entry_info_t info;
        if (!kv_stat(bucket, from, &info)) {
            ret->tag = TYPES_RENAME_OUTCOME_MISSING;
            return true;
        }
        record_t record = record_from_words(&info.words);
        // On any way out of here the session was found, so it stays alive. A touch leaves the version as it is.
        slide(from, &info, &record);
        if (!record_admits(&record, lock_id)) {
            *ret = (types_rename_outcome_t){TYPES_RENAME_OUTCOME_LOCKED, .val.locked = held_lock(&record, &info)};
            return true;
        }
        uint64_t version;
        kv_put_error_t reason;
        if (kv_rename(bucket, from, to, info.version, &version, &reason)) {
            ret->tag = TYPES_RENAME_OUTCOME_DONE;
            return true;
        }
        if (refused(reason, err) == FAILED) return false;
        kv_entry_info_t other;
        if (kv_stat(bucket, to, &other)) {
            ret->tag = TYPES_RENAME_OUTCOME_TAKEN;
            return true;
        }
        // Somebody changed the session meanwhile.
    }
}

bool exports_session_rename_rename(plugin_string_t *application, plugin_string_t *old_id, plugin_string_t *new_id,
                                   uint32_t *maybe_lock_id, types_rename_outcome_t *ret, types_error_t *err) {
    plugin_string_t from = join(application, old_id), to = join(application, new_id);
    bool done = check_lock_id(maybe_lock_id, err) && rename_entry(&from, &to, maybe_lock_id, ret, err);
    plugin_string_free(&from);
    plugin_string_free(&to);
    plugin_string_free(application);
    plugin_string_free(old_id);
    plugin_string_free(new_id);
    return done;
}
