#include "peer/outbox.h"

#include "base/assert.h"

enum { CAPACITY_MIN = 1024, KEPT_CAPACITY_MAX = 64 * 1024 };

void pbts_outbox_init(pbts_outbox *outbox, pbts_mem *mem) {
    *outbox = (pbts_outbox){ .mem = mem };
}

void pbts_outbox_deinit(pbts_outbox *outbox) {
    pbts_release(outbox->mem, outbox->data);
    pbts_outbox_init(outbox, outbox->mem);
}

static void move_to_front(pbts_outbox *outbox) {
    if (outbox->begin == 0) return;
    memmove(outbox->data, outbox->data + outbox->begin, pbts_outbox_len(outbox));
    outbox->end -= outbox->begin;
    outbox->begin = 0;
}

static pbts_status grow(pbts_outbox *outbox, size_t needed) {
    size_t capacity = outbox->capacity > CAPACITY_MIN ? outbox->capacity : CAPACITY_MIN;
    while (capacity < needed) capacity *= 2;
    uint8_t *data = pbts_resize_array(outbox->mem, outbox->data, capacity, 1);
    if (data == NULL) return PBTS_NO_MEMORY;
    outbox->data = data;
    outbox->capacity = capacity;
    return PBTS_OK;
}

pbts_status pbts_outbox_open(pbts_outbox *outbox, pbts_writer *writer, size_t len) {
    size_t needed = pbts_outbox_len(outbox) + len;
    if (needed > PBTS_OUTBOX_LEN_MAX) return PBTS_LIMIT;
    if (outbox->end + len > outbox->capacity) {
        move_to_front(outbox);
        if (needed > outbox->capacity) PBTS_TRY(grow(outbox, needed));
    }
    *writer = pbts_writer_over(outbox->data + outbox->end, outbox->capacity - outbox->end);
    return PBTS_OK;
}

void pbts_outbox_close(pbts_outbox *outbox, const pbts_writer *writer) {
    assert(!writer->failed && writer->data == outbox->data + outbox->end);
    outbox->end += writer->len;
}

pbts_span pbts_outbox_take(pbts_outbox *outbox, size_t max) {
    size_t len = pbts_outbox_len(outbox) < max ? pbts_outbox_len(outbox) : max;
    pbts_span taken = { outbox->data + outbox->begin, len };
    outbox->begin += len;
    if (outbox->begin == outbox->end) outbox->begin = outbox->end = 0;
    return taken;
}
