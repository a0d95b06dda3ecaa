/* The log of firmware and boot loader: TCG's crypto-agile format, with CC register numbers. */
#include "attest/event_digest.h"
#include "attest/little.h"

enum {
    EV_NO_ACTION = 3,
    ALGORITHM_SHA384 = 0x000c,
    ALGORITHMS_MAX = 8,
    FIRST_DIGEST_LEN = 20, /* of the head event, which has the old format */
    MR_FIRST = 1,          /* of RTMR0; 0 is MRTD, which is not extended at run time */
    MR_UNUSED = -1,
};
static const char SIGNATURE[16] = "Spec ID Event03"; /* with its NUL */

typedef struct {
    uint16_t ids[ALGORITHMS_MAX], lens[ALGORITHMS_MAX];
    size_t count;
} digest_kinds;

static pbts_status read_u16(pbts_cursor *cursor, uint16_t *out) {
    uint8_t bytes[2];
    if (pbts_read_bytes(cursor, bytes, sizeof bytes) != PBTS_OK) return PBTS_MALFORMED;
    *out = pbts_little_u16(bytes);
    return PBTS_OK;
}

static pbts_status read_u32(pbts_cursor *cursor, uint32_t *out) {
    uint8_t bytes[4];
    if (pbts_read_bytes(cursor, bytes, sizeof bytes) != PBTS_OK) return PBTS_MALFORMED;
    *out = pbts_little_u32(bytes);
    return PBTS_OK;
}

static pbts_status read_span(pbts_cursor *cursor, pbts_span *out, size_t len) {
    return pbts_read_span(cursor, out, len) == PBTS_OK ? PBTS_OK : PBTS_MALFORMED;
}

/* ---- the head: which digests each event has ---- */

static pbts_status read_kinds(digest_kinds *kinds, pbts_cursor *head) {
    pbts_span skipped;
    uint32_t count;
    bool has_sha384 = false;
    PBTS_TRY(read_span(head, &skipped, 8)); /* platform class, versions, size of UINTN */
    PBTS_TRY(read_u32(head, &count));
    if (count == 0 || count > ALGORITHMS_MAX) return PBTS_LIMIT;
    for (size_t i = 0; i < count; i++) {
        PBTS_TRY(read_u16(head, &kinds->ids[i]));
        PBTS_TRY(read_u16(head, &kinds->lens[i]));
        if (kinds->ids[i] != ALGORITHM_SHA384) continue;
        if (has_sha384 || kinds->lens[i] != PBTS_MEASUREMENT_LEN) return PBTS_MALFORMED;
        has_sha384 = true;
    }
    kinds->count = count;
    return has_sha384 ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_head(digest_kinds *kinds, pbts_cursor *cursor) {
    uint32_t index, type, len;
    uint8_t vendor_len;
    pbts_span digest, data, signature;
    PBTS_TRY(read_u32(cursor, &index));
    PBTS_TRY(read_u32(cursor, &type));
    PBTS_TRY(read_span(cursor, &digest, FIRST_DIGEST_LEN));
    PBTS_TRY(read_u32(cursor, &len));
    PBTS_TRY(read_span(cursor, &data, len));
    pbts_cursor head = pbts_cursor_over(data);
    PBTS_TRY(read_span(&head, &signature, sizeof SIGNATURE));
    if (type != EV_NO_ACTION || memcmp(signature.data, SIGNATURE, sizeof SIGNATURE) != 0)
        return PBTS_MALFORMED;
    PBTS_TRY(read_kinds(kinds, &head));
    if (pbts_read_u8(&head, &vendor_len) != PBTS_OK) return PBTS_MALFORMED;
    return pbts_cursor_left(&head) == vendor_len ? PBTS_OK : PBTS_MALFORMED;
}

/* ---- events ---- */

/* One digest of each kind, in any order; the one that registers are made of. */
static pbts_status read_digests(pbts_cursor *cursor, const digest_kinds *kinds, pbts_span *sha384) {
    uint32_t count;
    unsigned seen = 0;
    PBTS_TRY(read_u32(cursor, &count));
    if (count != kinds->count) return PBTS_MALFORMED;
    for (size_t i = 0; i < count; i++) {
        uint16_t id;
        pbts_span digest;
        size_t kind = 0;
        PBTS_TRY(read_u16(cursor, &id));
        while (kind < kinds->count && (kinds->ids[kind] != id || (seen & 1U << kind) != 0)) kind++;
        if (kind == kinds->count) return PBTS_MALFORMED;
        seen |= 1U << kind;
        PBTS_TRY(read_span(cursor, &digest, kinds->lens[kind]));
        if (id == ALGORITHM_SHA384) *sha384 = digest;
    }
    return PBTS_OK;
}

static pbts_status replay_event(pbts_event_log *log, pbts_cursor *cursor, const digest_kinds *kinds,
                                uint32_t index) {
    uint32_t type, len;
    pbts_span digest = { 0 }, data;
    bool is_known;
    PBTS_TRY(read_u32(cursor, &type));
    PBTS_TRY(read_digests(cursor, kinds, &digest));
    PBTS_TRY(read_u32(cursor, &len));
    PBTS_TRY(read_span(cursor, &data, len));
    if (type == EV_NO_ACTION) return PBTS_OK;
    if (index < MR_FIRST || index >= MR_FIRST + PBTS_RTMR_COUNT) return PBTS_MALFORMED;
    PBTS_TRY(pbts_event_recompute(&is_known, type, data, digest.data));
    log->recomputed += is_known;
    return pbts_event_extend(log, index - MR_FIRST, digest.data);
}

/* What is behind the last event was never written. */
static bool is_unused(pbts_span rest) {
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.data[i] != 0xff) return false;
    }
    return true;
}

pbts_status pbts_event_log_replay_ccel(pbts_event_log *out, pbts_span bytes) {
    pbts_event_log log = { 0 };
    pbts_cursor cursor = pbts_cursor_over(bytes);
    digest_kinds kinds = { 0 };
    if (bytes.len > PBTS_EVENT_LOG_LEN_MAX) return PBTS_LIMIT;
    PBTS_TRY(read_head(&kinds, &cursor));
    while (pbts_cursor_left(&cursor) > 0) {
        pbts_span rest = pbts_cursor_rest(&cursor);
        uint32_t index;
        PBTS_TRY(read_u32(&cursor, &index));
        if (index == (uint32_t)MR_UNUSED) {
            if (!is_unused(rest)) return PBTS_MALFORMED;
            break;
        }
        PBTS_TRY(replay_event(&log, &cursor, &kinds, index));
    }
    *out = log;
    return PBTS_OK;
}
