// A handler of the beginnings and ends of sessions: it logs each, without the session's ID.
//
// An end is delivered at least once. So what must not happen twice is remembered in the plugin's own bucket: here the
// line in the log, in a plugin of yours perhaps an invoice.
//
// A function of the contract returns true, or returns false and fills in `err`. It owns its parameters: it frees strings
// and drops handles. A trap ends this instance and fails the call.

#include "plugin.h"

#include <stdlib.h>
#include <string.h>

// How long an end is remembered, milliseconds: longer than the host goes on delivering it.
#define REMEMBERED (24 * 60 * 60 * 1000ull)

// The plugin's own bucket, private to the store whose sessions it hears of.
static kv_bucket_t bucket;

bool exports_session_events_initialize(plugin_string_t *name, plugin_list_tuple2_string_string_t *settings,
                                       types_error_t *err) {
    plugin_string_free(name);
    bool unknown = settings->len > 0;
    plugin_list_tuple2_string_string_free(settings);
    if (unknown) {
        // A misspelt setting would be ignored in silence.
        err->tag = TYPES_ERROR_INVALID_ARGUMENT;
        plugin_string_dup(&err->val.invalid_argument, "this plugin has no settings");
        return false;
    }
    err->tag = TYPES_ERROR_UNAVAILABLE;
    return kv_open(NULL, &bucket, &err->val.unavailable);
}

// A line that grows.
typedef struct {
    uint8_t bytes[2048];
    size_t length;
} line_t;

static void add(line_t *line, const uint8_t *bytes, size_t length) {
    size_t room = sizeof line->bytes - line->length;
    if (length > room) length = room;
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

static void add_text(line_t *line, const char *text) {
    add(line, (const uint8_t *)text, strlen(text));
}

static void add_number(line_t *line, uint64_t number) {
    uint8_t digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = '0' + number % 10;
        number /= 10;
    } while (number > 0);
    add(line, digits + first, sizeof digits - first);
}

static plugin_string_t text(line_t *line) {
    return (plugin_string_t){.ptr = line->bytes, .len = line->length};
}

bool exports_session_events_on_start(types_session_key_t *key, types_error_t *err) {
    line_t line = {.length = 0};
    add_text(&line, "a session of ");
    add(&line, key->application.ptr, key->application.len);
    add_text(&line, " began");
    plugin_string_t message = text(&line);
    log_log(LOG_LEVEL_INFO, &message);
    types_session_key_free(key);
    return true;
}

// Whether this is new; remembers it.
static bool first_time(plugin_string_t *what, uint64_t now, bool *first, types_error_t *err) {
    kv_words_t words = {0};
    uint64_t until = now + REMEMBERED, version;
    kv_tag_change_t keep = {.tag = KV_TAG_CHANGE_KEEP};
    kv_put_condition_t absent = {.tag = KV_PUT_CONDITION_IF_ABSENT};
    kv_put_error_t reason;
    payloads_own_payload_t nothing = payloads_static_payload_empty();
    payloads_borrow_payload_t borrowed = payloads_borrow_payload(nothing);
    *first = kv_put(bucket, what, &borrowed, &words, &until, &keep, &absent, &version, &reason);
    payloads_payload_drop_own(nothing);
    if (*first || reason.tag == KV_PUT_ERROR_CONFLICT) return true;
    // Both other reasons are a text in the same place.
    *err = (types_error_t){.tag = TYPES_ERROR_LIMIT_EXCEEDED, .val.limit_exceeded = reason.val.full};
    return false;
}

bool exports_session_events_on_end(types_session_key_t *key, types_item_t *item,
                                   exports_session_events_end_reason_t reason, types_error_t *err) {
    uint64_t now = clock_now();
    // The same ID can come again; a session is one together with its beginning.
    line_t session = {.length = 0};
    add(&session, key->application.ptr, key->application.len);
    add(&session, (const uint8_t *)"", 1);
    add(&session, key->id.ptr, key->id.len);
    add(&session, (const uint8_t *)"", 1);
    add_number(&session, item->created);
    plugin_string_t what = text(&session);
    bool first;
    bool done = first_time(&what, now, &first, err);
    if (done && first) {
        line_t line = {.length = 0};
        add_text(&line, "a session of ");
        add(&line, key->application.ptr, key->application.len);
        add_text(&line, " ended after ");
        add_number(&line, now > item->created ? (now - item->created) / 1000 : 0);
        add_text(&line, " s with ");
        add_number(&line, payloads_method_payload_len(payloads_borrow_payload(item->data.payload)));
        add_text(&line, " bytes: ");
        add_text(&line, reason == EXPORTS_SESSION_EVENTS_END_REASON_EXPIRED ? "its time ran out" : "it was removed");
        plugin_string_t message = text(&line);
        log_log(LOG_LEVEL_INFO, &message);
    }
    // The generated functions free strings and leave handles open.
    payloads_payload_drop_own(item->data.payload);
    types_item_free(item);
    types_session_key_free(key);
    return done;
}
