/* Who has what, who wants what. */
#include "base/assert.h"
#include "peer/session_parts.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"

static size_t set_len(const pbts_session *session) {
    return pbts_piece_set_len(session->piece_count);
}

bool pbts_session_is_missing(const pbts_session *session, uint32_t piece) {
    if (pbts_piece_set_has(session->have, piece)) return false;
    return session->wanted == NULL || pbts_piece_set_has(session->wanted, piece);
}

static uint8_t missing_byte(const pbts_session *session, size_t at) {
    uint8_t wanted = session->wanted == NULL ? 0xFF : session->wanted[at];
    return (uint8_t)(wanted & ~session->have[at]);
}

bool pbts_session_is_seed(const pbts_session *session, const pbts_peer_conn *conn) {
    return conn->has.all || (session->piece_count > 0 && conn->has.count == session->piece_count);
}

/* ---- interest ---- */

void pbts_session_update_interest(pbts_session *session, pbts_peer_conn *conn) {
    if (session->config.meta == NULL || conn->phase != PBTS_CONN_OPEN) return;
    bool is = conn->has.interesting > 0 && !session->config.seed_only && !session->stopping;
    if (is == conn->interesting) return;
    conn->interesting = is;
    pbts_peer_type type = is ? PBTS_PEER_INTERESTED : PBTS_PEER_NOT_INTERESTED;
    pbts_session_said(session, conn, pbts_peer_conn_say_type(conn, type));
}

static uint32_t count_interesting(const pbts_session *session, const pbts_peer_conn *conn) {
    if (conn->has.all) return session->missing;
    uint32_t count = 0;
    for (size_t i = 0; conn->has.bits != NULL && i < set_len(session); i++) {
        count += (uint32_t)__builtin_popcount(missing_byte(session, i) & conn->has.bits[i]);
    }
    return count;
}

/* The padding bits of a set beyond the last piece must not count as missing. */
static uint32_t count_missing(const pbts_session *session) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < session->piece_count; i++) {
        count += pbts_session_is_missing(session, i);
    }
    return count;
}

static void reset_picker(pbts_session *session) {
    uint8_t *pickable = session->picker.pickable;
    memset(pickable, 0, set_len(session));
    for (uint32_t i = 0; i < session->piece_count; i++) {
        bool is_free = pbts_open_pieces_find(&session->open, i) == NULL;
        if (is_free && pbts_session_is_missing(session, i)) pbts_piece_set_add(pickable, i);
    }
    pbts_picker_reset(&session->picker, (pbts_span){ pickable, set_len(session) });
}

void pbts_session_recount(pbts_session *session) {
    session->missing = count_missing(session);
    reset_picker(session);
    session->stamp++;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        conn->has.interesting = count_interesting(session, conn);
        pbts_session_update_interest(session, conn);
        pbts_session_wake(session, conn);
    }
}

pbts_status pbts_session_set_wanted(pbts_session *session, pbts_span bitmap, pbts_moment now) {
    session->now_ms = now.mono_ms;
    if (session->config.meta == NULL) return PBTS_NOT_FOUND;
    uint8_t *wanted = NULL;
    if (bitmap.len > 0) {
        PBTS_TRY(pbts_piece_set_check(bitmap, session->piece_count));
        wanted = pbts_alloc(session->mem, bitmap.len);
        if (wanted == NULL) return PBTS_NO_MEMORY;
        memcpy(wanted, bitmap.data, bitmap.len);
    }
    bool was_finished = session->missing == 0;
    pbts_release(session->mem, session->wanted);
    session->wanted = wanted;
    pbts_session_recount(session);
    pbts_session_drop_unwanted(session);
    if (session->missing == 0 && !was_finished) session->events |= PBTS_SESSION_TELL_FINISHED;
    pbts_addresses_recheck(&session->addresses);
    pbts_session_settle(session, now);
    return PBTS_OK;
}

/* ---- what others have ---- */

static void tell_link_left(pbts_session *session, pbts_peer_conn *conn) {
    if (conn->link == NULL) return;
    uint64_t left = pbts_metainfo_total_bytes(session->config.meta) - conn->has.bytes;
    pbts_link_set_other_left(conn->link, left);
}

static void note_seed(pbts_session *session, pbts_peer_conn *conn) {
    if (conn->address == PBTS_ADDRESS_NONE || !pbts_session_is_seed(session, conn)) return;
    session->addresses.entries[conn->address].is_seed = true;
}

static pbts_status reserve_bits(pbts_session *session, pbts_peer_conn *conn, size_t len) {
    if (conn->has.bits_len >= len) return PBTS_OK;
    uint8_t *bits = pbts_resize_array(session->mem, conn->has.bits, len, 1);
    if (bits == NULL) return PBTS_NO_MEMORY;
    memset(bits + conn->has.bits_len, 0, len - conn->has.bits_len);
    conn->has.bits = bits;
    conn->has.bits_len = len;
    return PBTS_OK;
}

/* One more piece of a peer whose set is allocated. */
static void note_piece(pbts_session *session, pbts_peer_conn *conn, uint32_t piece) {
    pbts_piece_set_add(conn->has.bits, piece);
    conn->has.count++;
    conn->has.bytes += pbts_metainfo_piece_bytes(session->config.meta, piece);
    conn->has.interesting += pbts_session_is_missing(session, piece);
    pbts_picker_gained(&session->picker, piece);
}

/* Before the metadata is known any number may be a piece's; it is looked at again then. */
static pbts_status remember_have(pbts_session *session, pbts_peer_conn *conn, uint32_t piece) {
    if (piece >= PBTS_PIECES_MAX) return PBTS_LIMIT;
    if (conn->has.all) return PBTS_OK;
    PBTS_TRY(reserve_bits(session, conn, piece / 8 + 1));
    pbts_piece_set_add(conn->has.bits, piece);
    return PBTS_OK;
}

pbts_status pbts_session_on_have(pbts_session *session, pbts_peer_conn *conn, uint32_t piece,
                                 pbts_moment now) {
    if (session->config.meta == NULL) return remember_have(session, conn, piece);
    if (pbts_peer_conn_has(conn, piece)) {
        if (!pbts_peer_conn_forgive(conn, session->now_ms)) return PBTS_LIMIT;
        return PBTS_OK;
    }
    PBTS_TRY(reserve_bits(session, conn, set_len(session)));
    note_piece(session, conn, piece);
    tell_link_left(session, conn);
    note_seed(session, conn);
    pbts_session_update_interest(session, conn);
    if (pbts_session_is_missing(session, piece)) {
        conn->idle_stamp = UINT64_MAX;
        pbts_session_ask(session, conn);
    }
    if (conn->link != NULL) {
        pbts_link_other_has(conn->link, piece);
        pbts_session_settle_link(session, conn, now);
    }
    return PBTS_OK;
}

static void after_set(pbts_session *session, pbts_peer_conn *conn) {
    tell_link_left(session, conn);
    note_seed(session, conn);
    pbts_session_update_interest(session, conn);
}

pbts_status pbts_session_on_all(pbts_session *session, pbts_peer_conn *conn) {
    pbts_release(session->mem, conn->has.bits);
    conn->has = (pbts_conn_pieces){ .all = true };
    if (session->config.meta == NULL) return PBTS_OK;
    conn->has.count = session->piece_count;
    conn->has.bytes = pbts_metainfo_total_bytes(session->config.meta);
    conn->has.interesting = session->missing;
    after_set(session, conn);
    return PBTS_OK;
}

pbts_status pbts_session_on_bitfield(pbts_session *session, pbts_peer_conn *conn, pbts_span bits) {
    if (session->config.meta == NULL) {
        PBTS_TRY(reserve_bits(session, conn, bits.len));
        memcpy(conn->has.bits, bits.data, bits.len);
        return PBTS_OK;
    }
    if (pbts_piece_set_count(bits) == session->piece_count) {
        return pbts_session_on_all(session, conn);
    }
    PBTS_TRY(reserve_bits(session, conn, set_len(session)));
    for (uint32_t i = 0; pbts_piece_set_next(bits, &i); i++) note_piece(session, conn, i);
    after_set(session, conn);
    return PBTS_OK;
}

pbts_status pbts_session_reread_pieces(pbts_session *session, pbts_peer_conn *conn) {
    pbts_conn_pieces said = conn->has;
    if (said.all) return pbts_session_on_all(session, conn);
    if (said.bits == NULL) return PBTS_OK;
    conn->has = (pbts_conn_pieces){ .all = false };
    size_t len = set_len(session);
    pbts_status status = reserve_bits(session, conn, said.bits_len > len ? said.bits_len : len);
    if (status == PBTS_OK) {
        assert(conn->has.bits != NULL);
        /* Spare bits, and a bitfield of another length, are found here. */
        memcpy(conn->has.bits, said.bits, said.bits_len);
        status = pbts_piece_set_check((pbts_span){ conn->has.bits, conn->has.bits_len },
                                      session->piece_count);
        memset(conn->has.bits, 0, conn->has.bits_len);
    }
    if (status == PBTS_OK) {
        status = pbts_session_on_bitfield(session, conn, (pbts_span){ said.bits, said.bits_len });
    }
    pbts_release(session->mem, said.bits);
    return status;
}

void pbts_session_forget_pieces(pbts_session *session, pbts_peer_conn *conn) {
    pbts_span bits = { conn->has.bits, conn->has.bits == NULL ? 0 : set_len(session) };
    if (session->config.meta != NULL && !conn->has.all) {
        for (uint32_t i = 0; pbts_piece_set_next(bits, &i); i++) {
            pbts_picker_lost(&session->picker, i);
        }
    }
    pbts_release(session->mem, conn->has.bits);
    conn->has = (pbts_conn_pieces){ .all = false };
    conn->interesting = false;
}

/* ---- what we have ---- */

void pbts_session_say_pieces(pbts_session *session, pbts_peer_conn *conn) {
    if (conn->phase != PBTS_CONN_OPEN) return;
    pbts_peer_message message = { .type = PBTS_PEER_BITFIELD };
    conn->said_pieces = true;
    conn->haves_said = session->have_log_len;
    if (conn->has_fast && session->have_count == 0) {
        message.type = PBTS_PEER_HAVE_NONE;
    } else if (conn->has_fast && session->have_count == session->piece_count) {
        message.type = PBTS_PEER_HAVE_ALL;
    } else if (session->have_count == 0) {
        return;
    } else {
        message.bitfield = (pbts_span){ session->have, set_len(session) };
    }
    pbts_session_said(session, conn, pbts_peer_conn_say(conn, &message));
}

void pbts_session_gain(pbts_session *session, uint32_t piece) {
    bool was_missing = pbts_session_is_missing(session, piece);
    pbts_piece_set_add(session->have, piece);
    session->have_count++;
    session->have_bytes += pbts_metainfo_piece_bytes(session->config.meta, piece);
    session->have_log[session->have_log_len++] = piece;
    session->missing -= was_missing;
    uint64_t left = pbts_metainfo_total_bytes(session->config.meta) - session->have_bytes;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (was_missing && pbts_peer_conn_has(conn, piece)) {
            conn->has.interesting--;
            pbts_session_update_interest(session, conn);
        }
        if (conn->link != NULL) pbts_link_set_own_left(conn->link, left);
        pbts_session_wake(session, conn);
    }
    if (session->missing == 0 && was_missing) session->events |= PBTS_SESSION_TELL_FINISHED;
}

uint32_t pbts_session_real_bytes(const pbts_session *session, uint32_t piece, uint32_t offset_bytes,
                                 uint32_t length_bytes) {
    const pbts_metainfo *meta = session->config.meta;
    uint32_t stream_bytes = pbts_piece_stream_bytes(meta, piece);
    if (offset_bytes >= stream_bytes) return 0;
    uint32_t bytes =
        stream_bytes - offset_bytes < length_bytes ? stream_bytes - offset_bytes : length_bytes;
    if (!session->has_padding) return bytes;
    uint64_t at = pbts_piece_offset(meta, piece) + offset_bytes, end = at + bytes;
    uint32_t real = 0;
    for (uint32_t i = pbts_metainfo_file_at(meta, at); i < pbts_metainfo_file_count(meta); i++) {
        pbts_torrent_file file = pbts_metainfo_file(meta, i);
        uint64_t begin = file.offset_bytes > at ? file.offset_bytes : at;
        uint64_t stop = file.offset_bytes + file.length_bytes;
        if (begin >= end) break;
        if (stop > end) stop = end;
        if (!file.padding && stop > begin) real += (uint32_t)(stop - begin);
    }
    return real;
}
