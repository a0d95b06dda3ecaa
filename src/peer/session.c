/* Life of a session. */
#include "peer/session.h"

#include "base/assert.h"
#include "peer/session_parts.h"
#include "torrent/piece_check.h"
#include "torrent/piece_set.h"

/* ---- life ---- */

static bool names_torrent(const pbts_session_config *config, const pbts_metainfo *meta) {
    const uint8_t *own = NULL;
    if (config->infohash_is_v2 && pbts_metainfo_has_v2(meta)) own = pbts_metainfo_infohash_v2(meta);
    if (!config->infohash_is_v2 && pbts_metainfo_has_v1(meta)) {
        own = pbts_metainfo_infohash_v1(meta);
    }
    return own != NULL && memcmp(own, config->infohash, PBTS_INFOHASH_LEN) == 0;
}

/* Of a hybrid torrent, the one that its swarm is not called by; else NULL. */
static const uint8_t *other_infohash(const pbts_session_config *config, const pbts_metainfo *meta) {
    if (!pbts_metainfo_has_v1(meta) || !pbts_metainfo_has_v2(meta)) return NULL;
    return config->infohash_is_v2 ? pbts_metainfo_infohash_v1(meta)
                                  : pbts_metainfo_infohash_v2(meta);
}

static pbts_status alloc_parts(pbts_session *session) {
    uint32_t max = session->config.connections_max;
    session->conns = pbts_alloc_array(session->mem, max, sizeof *session->conns);
    session->candidates = pbts_alloc_array(session->mem, max, sizeof *session->candidates);
    session->scratch = pbts_alloc(session->mem, PBTS_LINK_MESSAGE_MAX);
    if (!session->conns || !session->candidates || !session->scratch) return PBTS_NO_MEMORY;
    PBTS_TRY(
        pbts_addresses_init(&session->addresses, session->mem, pbts_prng_next(&session->prng)));
    if (session->config.meta == NULL) {
        session->magnet.phase = PBTS_MAGNET_INFO;
        return PBTS_OK;
    }
    return pbts_session_init_pieces(session, session->config.have);
}

pbts_status pbts_session_new(pbts_session **out, const pbts_session_config *config,
                             pbts_moment now) {
    assert(config->connections_max > 0 && config->connections_max <= PBTS_CONNS_MAX);
    assert(config->meta == NULL || names_torrent(config, config->meta));
    pbts_session *session = pbts_alloc(config->mem, sizeof *session);
    if (session == NULL) return PBTS_NO_MEMORY;
    session->config = *config;
    session->mem = config->mem;
    session->prng = pbts_prng_seeded(config->seed);
    session->now_ms = now.mono_ms;
    session->choker = pbts_choker_new(pbts_prng_next(&session->prng), now.mono_ms);
    session->tick_ms = now.mono_ms + PBTS_TICK_MS;
    session->link_ms = UINT64_MAX;
    if (config->meta != NULL) {
        pbts_session_set_other_infohash(session, other_infohash(config, config->meta));
    } else if (config->has_other_infohash) {
        pbts_session_set_other_infohash(session, config->other_infohash);
    }
    session->slot_events_first = session->slot_events_last = PBTS_SLOT_NONE;
    pbts_status status = alloc_parts(session);
    if (status != PBTS_OK) {
        pbts_session_free(session);
        return status;
    }
    *out = session;
    return PBTS_OK;
}

static void free_pieces(pbts_session *session) {
    pbts_picker_deinit(&session->picker);
    pbts_open_pieces_deinit(&session->open);
    pbts_release(session->mem, session->have);
    pbts_release(session->mem, session->solo);
    pbts_release(session->mem, session->have_log);
    session->have = session->solo = NULL;
    session->have_log = NULL;
    session->piece_count = 0;
}

void pbts_session_free(pbts_session *session) {
    if (session == NULL) return;
    for (uint32_t i = 0; session->conns != NULL && i < session->conn_high; i++) {
        if (session->conns[i] == NULL) continue;
        pbts_link_free(session->conns[i]->link);
        pbts_peer_conn_free(session->conns[i], session->mem);
    }
    while (session->ended != NULL) {
        pbts_ended_link *ended = session->ended;
        session->ended = ended->next;
        pbts_link_free(ended->link);
        pbts_release(session->mem, ended);
    }
    free_pieces(session);
    if (session->config.open_budget != NULL && session->config.open_budget->short_of == session) {
        session->config.open_budget->short_of = NULL;
    }
    pbts_session_magnet_free(session);
    pbts_layer_server_free(session->layers);
    pbts_addresses_deinit(&session->addresses);
    pbts_release(session->mem, session->wanted);
    pbts_release(session->mem, session->conns);
    pbts_release(session->mem, session->candidates);
    pbts_release(session->mem, session->scratch);
    pbts_release(session->mem, session);
}

/* ---- pieces ---- */

static bool pads_files(const pbts_metainfo *meta) {
    if (pbts_metainfo_has_v2(meta)) return false;
    for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
        if (pbts_metainfo_file(meta, i).padding) return true;
    }
    return false;
}

static uint32_t slots_wanted(const pbts_session *session) {
    uint64_t slots = session->config.open_bytes_max / session->piece_length;
    if (slots < PBTS_OPEN_PIECES_MIN) slots = PBTS_OPEN_PIECES_MIN;
    return slots > PBTS_OPEN_SLOTS_MAX ? PBTS_OPEN_SLOTS_MAX : (uint32_t)slots;
}

void pbts_session_set_open_bytes(pbts_session *session, uint64_t bytes, pbts_moment now) {
    session->now_ms = now.mono_ms;
    session->config.open_bytes_max = bytes;
    if (session->config.meta == NULL) return; /* slots are made when it is known */
    uint64_t slots = bytes / session->piece_length;
    if (slots == 0) slots = 1;
    uint32_t before = session->open.used_max, most = session->open.slots_len;
    session->open.used_max = slots < most ? (uint32_t)slots : most;
    if (session->open.used_max > before) session->stamp++;
    pbts_session_settle(session, now);
}

static void count_have(pbts_session *session) {
    pbts_span have = { session->have, pbts_piece_set_len(session->piece_count) };
    session->have_count = pbts_piece_set_count(have);
    for (uint32_t i = 0; pbts_piece_set_next(have, &i); i++) {
        session->have_bytes += pbts_metainfo_piece_bytes(session->config.meta, i);
    }
}

static pbts_status alloc_pieces(pbts_session *session) {
    uint32_t count = session->piece_count;
    session->have = pbts_alloc(session->mem, pbts_piece_set_len(count));
    session->solo = pbts_alloc(session->mem, pbts_piece_set_len(count));
    session->have_log = pbts_alloc_array(session->mem, count, sizeof *session->have_log);
    if (!session->have || !session->solo || !session->have_log) return PBTS_NO_MEMORY;
    PBTS_TRY(
        pbts_picker_init(&session->picker, session->mem, count, pbts_prng_next(&session->prng)));
    PBTS_TRY(pbts_open_pieces_init(&session->open, session->mem, count, slots_wanted(session)));
    session->open.budget = session->config.open_budget;
    session->open.slot_bytes = session->piece_length;
    return PBTS_OK;
}

pbts_status pbts_session_init_pieces(pbts_session *session, pbts_span have) {
    const pbts_metainfo *meta = session->config.meta;
    session->piece_count = pbts_metainfo_piece_count(meta);
    session->piece_length = pbts_metainfo_piece_length(meta);
    session->has_padding = pads_files(meta);
    session->torrent = (pbts_link_torrent){ .meta = meta };
    memcpy(session->torrent.infohash, pbts_metainfo_infohash(meta), PBTS_INFOHASH_LEN);
    pbts_status status = PBTS_OK;
    if (have.len > 0) status = pbts_piece_set_check(have, session->piece_count);
    if (status == PBTS_OK) status = alloc_pieces(session);
    if (status != PBTS_OK) {
        free_pieces(session);
        return status;
    }
    if (have.len > 0) memcpy(session->have, have.data, have.len);
    count_have(session);
    pbts_session_recount(session);
    return PBTS_OK;
}

/* Every connection starts over with what it said of its pieces, and hears of ours. */
static void enter_torrent(pbts_session *session, pbts_peer_conn *conn, pbts_moment now) {
    pbts_status status = pbts_session_reread_pieces(session, conn);
    if (status == PBTS_OK) status = pbts_session_make_link(session, conn, now);
    if (status != PBTS_OK) {
        const char *text = status == PBTS_NO_MEMORY ? "out of memory" : "pieces that cannot be";
        pbts_session_doom(session, conn, text, status != PBTS_NO_MEMORY);
        return;
    }
    if (conn->phase != PBTS_CONN_OPEN) return;
    pbts_session_say_extended(session, conn);
    pbts_session_update_interest(session, conn);
    pbts_session_settle_link(session, conn, now);
    pbts_session_wake(session, conn);
}

pbts_status pbts_session_set_metainfo(pbts_session *session, const pbts_metainfo *meta,
                                      pbts_span have, pbts_moment now) {
    session->now_ms = now.mono_ms;
    if (session->config.meta != NULL || !names_torrent(&session->config, meta)) {
        return PBTS_MALFORMED;
    }
    pbts_session_set_other_infohash(session, other_infohash(&session->config, meta));
    session->config.meta = meta;
    pbts_status status = pbts_session_init_pieces(session, have);
    if (status != PBTS_OK) {
        session->config.meta = NULL;
        return status;
    }
    pbts_session_magnet_free(session);
    session->magnet.phase = PBTS_MAGNET_OFF;
    /* What is here already was not in what we told anybody. */
    pbts_span set = { session->have, pbts_piece_set_len(session->piece_count) };
    for (uint32_t i = 0; pbts_piece_set_next(set, &i); i++) {
        session->have_log[session->have_log_len++] = i;
    }
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        enter_torrent(session, conn, now);
    }
    if (session->missing == 0) session->events |= PBTS_SESSION_TELL_FINISHED;
    pbts_session_settle(session, now);
    return PBTS_OK;
}

/* ---- end ---- */

void pbts_session_stop(pbts_session *session, pbts_moment now) {
    session->now_ms = now.mono_ms;
    session->stopping = true;
    pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        pbts_session_take_back(session, conn, false);
        pbts_session_stop_payload(session, conn);
        if (!conn->choked) pbts_session_choke(session, conn);
        pbts_block_ring_clear(&conn->queue);
        if (conn->link != NULL) {
            pbts_link_sign_all(conn->link);
            pbts_link_ask_all(conn->link);
            pbts_session_settle_link(session, conn, now);
        }
        pbts_session_wake(session, conn);
    }
}

bool pbts_session_is_owed(const pbts_session *session) {
    const pbts_peer_conn *conn;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (conn->link == NULL) continue;
        if (pbts_link_is_owed(conn->link)) return true;
        if (session->stopping && conn->has_fast && conn->asked.count > 0) return true;
    }
    return false;
}

void pbts_session_settle(pbts_session *session, pbts_moment now) {
    session->now_ms = now.mono_ms;
    if (session->stamp != session->asked_at) pbts_session_ask_idle(session);
}
