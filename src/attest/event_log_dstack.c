/* The log that dstack's guest agent gives: JSON, with named events in RTMR3. */
#include <jansson.h>

#include "attest/event_digest.h"
#include "base/mem.h"
#include "codec/json_size.h"
#include "codec/text.h"

enum {
    APPLICATION_REGISTER = 3,
    EVENT_TYPE_DSTACK = 0x08000001,
    BRACKETS_MAX = PBTS_EVENTS_MAX + 1,
    COMMAS_MAX = 8 * PBTS_EVENTS_MAX,
};

typedef struct {
    pbts_event_log log;
    bool is_booted; /* boot-mr-done came: what follows is the application's own */
} replay;

typedef struct {
    uint8_t index;
    uint32_t type;
    pbts_span name;
    bool has_digest;
    uint8_t digest[PBTS_MEASUREMENT_LEN];
    pbts_span payload;
} dstack_event;

static pbts_status read_number(uint64_t *out, const json_t *object, const char *key, uint64_t max) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return PBTS_MALFORMED;
    *out = (uint64_t)json_integer_value(value);
    return *out <= max ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_text(pbts_span *out, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return PBTS_MALFORMED;
    *out = (pbts_span){ (const uint8_t *)json_string_value(value), json_string_length(value) };
    return PBTS_OK;
}

/* `buffer` has room for all payloads of the log. */
static pbts_status read_event(dstack_event *out, uint8_t *buffer, size_t capacity,
                              const json_t *from) {
    uint64_t index, type;
    pbts_span digest, payload;
    size_t len;
    PBTS_TRY(read_number(&index, from, "imr", PBTS_RTMR_COUNT - 1));
    PBTS_TRY(read_number(&type, from, "event_type", UINT32_MAX));
    PBTS_TRY(read_text(&digest, from, "digest"));
    PBTS_TRY(read_text(&out->name, from, "event"));
    PBTS_TRY(read_text(&payload, from, "event_payload"));
    if (out->name.len > PBTS_EVENT_NAME_MAX) return PBTS_LIMIT;
    out->index = (uint8_t)index;
    out->type = (uint32_t)type;
    out->has_digest = digest.len > 0;
    if (out->has_digest) PBTS_TRY(pbts_hex_decode_exact(out->digest, sizeof out->digest, digest));
    PBTS_TRY(pbts_hex_decode(buffer, &len, capacity, payload));
    out->payload = (pbts_span){ buffer, len };
    return PBTS_OK;
}

/* ---- the application's register ---- */

/* A name with the separator in it could be read as a shorter one with a longer payload. */
static bool is_name(pbts_span name) {
    return name.len > 0 && memchr(name.data, ':', name.len) == NULL;
}

static pbts_status recompute_named(uint8_t out[static PBTS_MEASUREMENT_LEN],
                                   const dstack_event *event, uint8_t *buffer, size_t capacity) {
    pbts_writer writer = pbts_writer_over(buffer, capacity);
    for (int i = 0; i < 4; i++) pbts_write_u8(&writer, (uint8_t)(event->type >> (8 * i)));
    pbts_write_u8(&writer, ':');
    pbts_write_bytes(&writer, event->name);
    pbts_write_u8(&writer, ':');
    pbts_write_bytes(&writer, event->payload);
    PBTS_TRY(pbts_writer_status(&writer));
    pbts_sha384(out, pbts_writer_span(&writer));
    return PBTS_OK;
}

static pbts_status note_boot_event(replay *state, const dstack_event *event) {
    pbts_event_log *log = &state->log;
    if (pbts_span_is(event->name, "boot-mr-done")) {
        if (!log->has_compose_hash) return PBTS_DENIED;
        state->is_booted = true;
    } else if (pbts_span_is(event->name, "compose-hash")) {
        if (log->has_compose_hash) return PBTS_DENIED;
        if (event->payload.len != sizeof log->compose_hash) return PBTS_MALFORMED;
        memcpy(log->compose_hash, event->payload.data, sizeof log->compose_hash);
        log->has_compose_hash = true;
    }
    return PBTS_OK;
}

/* Every event of this register must be a named one: a digest of unknown origin could be the true
 * compose-hash, hidden. */
static pbts_status replay_named(replay *state, dstack_event *event, uint8_t *buffer,
                                size_t capacity) {
    uint8_t digest[PBTS_MEASUREMENT_LEN];
    if (event->type != EVENT_TYPE_DSTACK || !is_name(event->name)) return PBTS_MALFORMED;
    PBTS_TRY(recompute_named(digest, event, buffer, capacity));
    if (event->has_digest && memcmp(digest, event->digest, sizeof digest) != 0)
        return PBTS_MALFORMED;
    if (!state->is_booted) PBTS_TRY(note_boot_event(state, event));
    state->log.recomputed++;
    return pbts_event_extend(&state->log, event->index, digest);
}

static pbts_status replay_firmware(replay *state, const dstack_event *event) {
    bool is_known;
    if (!event->has_digest) return PBTS_MALFORMED;
    PBTS_TRY(pbts_event_recompute(&is_known, event->type, event->payload, event->digest));
    state->log.recomputed += is_known;
    return pbts_event_extend(&state->log, event->index, event->digest);
}

/* ---- the log ---- */

/* `buffer`: first half for a payload, second half for what is hashed. */
static pbts_status replay_events(replay *state, const json_t *list, uint8_t *buffer, size_t half) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        dstack_event event = { 0 };
        PBTS_TRY(read_event(&event, buffer, half, json_array_get(list, i)));
        if (event.index == APPLICATION_REGISTER) {
            PBTS_TRY(replay_named(state, &event, buffer + half, half));
        } else {
            PBTS_TRY(replay_firmware(state, &event));
        }
    }
    return state->is_booted ? PBTS_OK : PBTS_DENIED;
}

pbts_status pbts_event_log_replay_dstack(pbts_event_log *out, pbts_span json) {
    replay state = { 0 };
    pbts_mem *mem = pbts_mem_system();
    json_error_t error;
    if (json.len > PBTS_EVENT_LOG_LEN_MAX) return PBTS_LIMIT;
    if (pbts_json_is_above(json, BRACKETS_MAX, COMMAS_MAX)) return PBTS_LIMIT;
    json_t *list = json_loadb((const char *)json.data, json.len, JSON_REJECT_DUPLICATES, &error);
    pbts_status status = PBTS_MALFORMED;
    uint8_t *buffer = pbts_alloc(mem, 2 * (json.len + 1));
    if (buffer == NULL) {
        status = PBTS_NO_MEMORY;
    } else if (json_is_array(list)) {
        status = replay_events(&state, list, buffer, json.len + 1);
    }
    pbts_release(mem, buffer);
    json_decref(list);
    if (status == PBTS_OK) *out = state.log;
    return status;
}
