#include "peer/conn.h"

#include "torrent/piece_set.h"

pbts_status pbts_peer_conn_new(pbts_peer_conn **out, pbts_mem *mem, const pbts_addr *addr,
                               uint64_t now_ms) {
    pbts_peer_conn *conn = pbts_alloc(mem, sizeof *conn);
    if (conn == NULL) return PBTS_NO_MEMORY;
    conn->addr = *addr;
    conn->address = PBTS_ADDRESS_NONE;
    conn->opened_ms = conn->heard_ms = conn->said_ms = now_ms;
    conn->idle_ms = conn->choke_changed_ms = conn->progress_ms = now_ms;
    conn->choked = conn->choking = true;
    conn->requests_max = PBTS_REQUESTS_UNTOLD;
    conn->request_bytes_max = PBTS_PEER_BLOCK_BYTES;
    conn->owned_first = conn->owned_last = UINT16_MAX;
    conn->idle_stamp = UINT64_MAX;
    pbts_window_init(&conn->window);
    pbts_block_ring_init(&conn->asked, mem);
    pbts_block_ring_init(&conn->queue, mem);
    pbts_outbox_init(&conn->outbox, mem);
    *out = conn;
    return PBTS_OK;
}

void pbts_peer_conn_free(pbts_peer_conn *conn, pbts_mem *mem) {
    pbts_block_ring_deinit(&conn->asked);
    pbts_block_ring_deinit(&conn->queue);
    pbts_outbox_deinit(&conn->outbox);
    pbts_release(mem, conn->has.bits);
    pbts_release(mem, conn->hello);
    pbts_release(mem, conn->ended);
    pbts_release(mem, conn->exchanged);
    pbts_release(mem, conn);
}

/* ---- messages ---- */

/* What a message takes beside its span. */
enum { FIXED_LEN_MAX = 64 };

static size_t span_len(const pbts_peer_message *message) {
    switch (message->type) {
    case PBTS_PEER_BITFIELD: return message->bitfield.len;
    case PBTS_PEER_EXTENDED: return message->extended.body.len;
    case PBTS_PEER_HASHES: return message->hashes.hashes.len;
    default: return 0;
    }
}

pbts_status pbts_peer_conn_say(pbts_peer_conn *conn, const pbts_peer_message *message) {
    pbts_writer writer;
    PBTS_TRY(pbts_outbox_open(&conn->outbox, &writer, FIXED_LEN_MAX + span_len(message)));
    pbts_peer_message_encode(&writer, message);
    pbts_outbox_close(&conn->outbox, &writer);
    return PBTS_OK;
}

pbts_status pbts_peer_conn_say_type(pbts_peer_conn *conn, pbts_peer_type type) {
    pbts_peer_message message = { .type = type };
    return pbts_peer_conn_say(conn, &message);
}

pbts_status pbts_peer_conn_say_piece(pbts_peer_conn *conn, pbts_peer_type type, uint32_t piece) {
    pbts_peer_message message = { .type = type, .piece_index = piece };
    return pbts_peer_conn_say(conn, &message);
}

pbts_status pbts_peer_conn_say_block(pbts_peer_conn *conn, pbts_peer_type type,
                                     const pbts_ring_block *block) {
    pbts_peer_message message = {
        .type = type,
        .block = { block->piece, block->offset_bytes, block->length_bytes },
    };
    return pbts_peer_conn_say(conn, &message);
}

pbts_status pbts_peer_conn_say_extended(pbts_peer_conn *conn, uint8_t id, pbts_span body) {
    pbts_peer_message message = { .type = PBTS_PEER_EXTENDED, .extended = { id, body } };
    return pbts_peer_conn_say(conn, &message);
}

/* ---- what it has and may ---- */

bool pbts_peer_conn_has(const pbts_peer_conn *conn, uint32_t piece) {
    if (conn->has.all) return true;
    return conn->has.bits != NULL && pbts_piece_set_has(conn->has.bits, piece);
}

const uint8_t *pbts_peer_conn_set(const pbts_peer_conn *conn) {
    return conn->has.all ? NULL : conn->has.bits;
}

static bool is_in(const uint32_t *pieces, uint32_t count, uint32_t piece) {
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i] == piece) return true;
    }
    return false;
}

bool pbts_peer_conn_is_allowed(const pbts_peer_conn *conn, uint32_t piece) {
    return is_in(conn->allowed, conn->allowed_len, piece);
}

bool pbts_peer_conn_is_fast(const pbts_peer_conn *conn, uint32_t piece) {
    return is_in(conn->fast, conn->fast_len, piece);
}

bool pbts_peer_conn_forgive(pbts_peer_conn *conn, uint64_t now_ms) {
    uint64_t leaked = (now_ms - conn->idle_ms) * PBTS_IDLE_MESSAGES_PER_S / 1000;
    if (leaked > 0) {
        conn->idle_messages -= leaked < conn->idle_messages ? leaked : conn->idle_messages;
        conn->idle_ms = now_ms;
    }
    return ++conn->idle_messages <= PBTS_IDLE_MESSAGES_MAX;
}
