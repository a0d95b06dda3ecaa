/* peer/outbox.h - control bytes that wait to be sent on one connection. */
#ifndef PBTS_PEER_OUTBOX_H
#define PBTS_PEER_OUTBOX_H

#include "base/mem.h"
#include "base/writer.h"

/* What a peer may leave unread before it is given up: several of the longest messages (a receipt of
 * a million pieces, a bitfield), or some 60,000 short ones. */
enum { PBTS_OUTBOX_LEN_MAX = 1024 * 1024 };

/* Bytes [begin, end) of `data` wait. */
typedef struct {
    pbts_mem *mem;
    uint8_t *data;
    size_t begin, end, capacity;
} pbts_outbox;

void pbts_outbox_init(pbts_outbox *outbox, pbts_mem *mem);
void pbts_outbox_deinit(pbts_outbox *outbox);
static inline size_t pbts_outbox_len(const pbts_outbox *outbox) {
    return outbox->end - outbox->begin;
}
/* A writer over at least `len` free bytes behind what waits; then say with `close` that what it
 * wrote waits too. PBTS_LIMIT (PBTS_OUTBOX_LEN_MAX), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_outbox_open(pbts_outbox *outbox, pbts_writer *writer, size_t len);
void pbts_outbox_close(pbts_outbox *outbox, const pbts_writer *writer);
/* Take at most `max` bytes from the front; borrowed until the next call. */
pbts_span pbts_outbox_take(pbts_outbox *outbox, size_t max);

#endif
