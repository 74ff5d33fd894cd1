// A generator of session IDs: 20 random bytes as 40 hexadecimal digits.
//
// A function of the contract returns true and fills in `ret`, or returns false and fills in `err`. It owns its
// parameters, and what it puts into `ret` belongs to the caller. A trap ends this instance and fails the call.

#include "plugin.h"

#include <stdlib.h>
#include <string.h>

#define NAME "my-plugin 0.1.0"
#define RANDOM_BYTES 20

bool exports_id_manager_initialize(plugin_string_t *name, plugin_list_tuple2_string_string_t *settings,
                                   exports_id_manager_id_manager_info_t *ret, types_error_t *err) {
    plugin_string_free(name);
    bool unknown = settings->len > 0;
    plugin_list_tuple2_string_string_free(settings);
    if (unknown) {
        // A misspelt setting would be ignored in silence.
        err->tag = TYPES_ERROR_INVALID_ARGUMENT;
        plugin_string_dup(&err->val.invalid_argument, "this plugin has no settings");
        return false;
    }
    plugin_string_dup(&ret->name, NAME);
    // The host refuses a generator of less than 128.
    ret->entropy_bits = RANDOM_BYTES * 8;
    ret->form = EXPORTS_ID_MANAGER_ID_FORM_CUSTOM;
    // For generators that can tell an ID of their own from any other, by a signature in it.
    ret->verifiable = false;
    return true;
}

bool exports_id_manager_create(exports_id_manager_id_context_t *context, plugin_string_t *ret, types_error_t *err) {
    exports_id_manager_id_context_free(context);
    plugin_list_u8_t bytes;
    random_bytes(RANDOM_BYTES, &bytes);
    ret->len = 2 * bytes.len;
    ret->ptr = malloc(ret->len);
    for (size_t i = 0; i < bytes.len; i++) {
        ret->ptr[2 * i] = "0123456789abcdef"[bytes.ptr[i] >> 4];
        ret->ptr[2 * i + 1] = "0123456789abcdef"[bytes.ptr[i] & 15];
    }
    plugin_list_u8_free(&bytes);
    return true;
}

bool exports_id_manager_validate(plugin_string_t *id) {
    bool valid = id->len == 2 * RANDOM_BYTES;
    for (size_t i = 0; i < id->len; i++) {
        uint8_t c = id->ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) valid = false;
    }
    plugin_string_free(id);
    return valid;
}
