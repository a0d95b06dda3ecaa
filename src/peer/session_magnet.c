/* Metadata (BEP 9) and piece layers (BEP 52): given to those who ask, and asked for when a magnet
 * link is all we have. One peer at a time is asked for all of it, so that one who gives something
 * else is known; one who is silent is left for another. */
#include "base/assert.h"
#include "hash/sha.h"
#include "peer/session_parts.h"
#include "torrent/piece_set.h"

/* ---- giving ---- */

/* Answers wait for the peer to read those before. */
static bool is_swamped(const pbts_peer_conn *conn) {
    return pbts_outbox_len(&conn->outbox) > PBTS_ANSWER_LEN_MAX;
}

static void answer_metadata(pbts_session *session, pbts_peer_conn *conn,
                            const pbts_metadata_message *request) {
    enum { FIXED_LEN = 128 };
    int id = conn->ids[PBTS_EXTENSION_METADATA];
    if (id == 0) return;
    pbts_metadata_message answer = { .type = PBTS_METADATA_REJECT, .piece = request->piece };
    pbts_span info = { NULL, 0 };
    if (session->config.meta != NULL) info = pbts_metainfo_info_raw(session->config.meta);
    uint32_t total = (uint32_t)info.len;
    if (request->piece < pbts_metadata_pieces(total) && !is_swamped(conn)) {
        answer.type = PBTS_METADATA_DATA;
        answer.total_bytes = total;
        answer.data.data = info.data + (size_t)request->piece * PBTS_METADATA_PIECE_BYTES;
        answer.data.len = pbts_metadata_piece_bytes(total, request->piece);
    }
    pbts_writer body = pbts_writer_over(session->scratch, PBTS_METADATA_PIECE_BYTES + FIXED_LEN);
    pbts_metadata_message_encode(&body, &answer);
    pbts_session_said(session, conn,
                      pbts_peer_conn_say_extended(conn, (uint8_t)id, pbts_writer_span(&body)));
}

static pbts_status read_layers(pbts_session *session, const pbts_peer_hashes *request,
                               pbts_writer *writer) {
    const pbts_metainfo *meta = session->config.meta;
    if (!pbts_metainfo_has_v2(meta)) return PBTS_NOT_FOUND;
    if (session->layers == NULL) {
        PBTS_TRY(pbts_layer_server_new(&session->layers, session->mem, meta));
    }
    pbts_layer_range range = { .base_layer = request->base_layer,
                               .index = request->index,
                               .length = request->length,
                               .proof_layers = request->proof_layers };
    memcpy(range.root, request->pieces_root, sizeof range.root);
    return pbts_layer_server_read(session->layers, writer, &range);
}

void pbts_session_on_hash_request(pbts_session *session, pbts_peer_conn *conn,
                                  const pbts_peer_hashes *request) {
    pbts_peer_message answer = { .type = PBTS_PEER_HASHES, .hashes = *request };
    pbts_writer hashes = pbts_writer_over(session->scratch, PBTS_LAYER_BYTES_MAX);
    pbts_status status = is_swamped(conn) ? PBTS_NOT_FOUND : read_layers(session, request, &hashes);
    answer.hashes.hashes = pbts_writer_span(&hashes);
    if (status != PBTS_OK) answer.type = PBTS_PEER_HASH_REJECT;
    if (status != PBTS_OK && !pbts_peer_conn_forgive(conn, session->now_ms)) {
        pbts_session_doom(session, conn, "too many requests in vain", true);
        return;
    }
    pbts_session_said(session, conn, pbts_peer_conn_say(conn, &answer));
}

/* ---- asking: of whom ---- */

static bool can_be_source(const pbts_session *session, const pbts_peer_conn *conn) {
    if (session->now_ms < conn->magnet_retry_ms) return false;
    if (session->magnet.phase == PBTS_MAGNET_LAYERS) return conn->is_v2;
    return conn->metadata_bytes > 0 && conn->ids[PBTS_EXTENSION_METADATA] != 0;
}

/* Another than `but`, which may be NULL; who was asked in vain least often comes first. */
static pbts_peer_conn *find_source(const pbts_session *session, const pbts_peer_conn *but) {
    pbts_peer_conn *conn, *best = NULL;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (conn == but || !can_be_source(session, conn)) continue;
        if (best == NULL || conn->magnet_turns < best->magnet_turns) best = conn;
    }
    return best;
}

/* It answers, but so slowly that another has a turn, if there is one. Each turn of a peer's is
 * twice as long as the one before, so that the slowest come to an end. */
static bool is_too_slow(const pbts_session *session, const pbts_peer_conn *conn) {
    uint32_t turns = conn->magnet_turns < 10 ? conn->magnet_turns : 10;
    uint64_t spent_ms = session->now_ms - session->magnet.begun_ms;
    return spent_ms >= (uint64_t)PBTS_MAGNET_TURN_MS << turns && find_source(session, conn) != NULL;
}

static void forget_info(pbts_session *session) {
    pbts_magnet *magnet = &session->magnet;
    pbts_release(session->mem, magnet->info);
    pbts_release(session->mem, magnet->pieces_here);
    magnet->info = magnet->pieces_here = NULL;
    magnet->info_len = magnet->next = magnet->here = 0;
}

void pbts_session_magnet_free(pbts_session *session) {
    forget_info(session);
    pbts_layers_free(session->magnet.layers);
    pbts_release(session->mem, session->magnet.torrent);
    session->magnet = (pbts_magnet){ .phase = PBTS_MAGNET_OFF };
}

void pbts_session_magnet_lost(pbts_session *session, pbts_peer_conn *conn) {
    pbts_magnet *magnet = &session->magnet;
    if (magnet->source != conn->number) return;
    conn->magnet_retry_ms = session->now_ms + PBTS_MAGNET_RETRY_MS;
    conn->magnet_turns++;
    magnet->source = 0;
    magnet->waiting = 0;
    if (magnet->phase == PBTS_MAGNET_INFO) forget_info(session);
    if (magnet->phase == PBTS_MAGNET_LAYERS) pbts_layers_restart(magnet->layers);
}

/* Room for what this peer says is the metadata's length. */
static pbts_status begin_info(pbts_session *session, const pbts_peer_conn *conn) {
    pbts_magnet *magnet = &session->magnet;
    size_t set_len = pbts_piece_set_len(pbts_metadata_pieces(conn->metadata_bytes));
    magnet->info = pbts_alloc(session->mem, conn->metadata_bytes);
    magnet->pieces_here = pbts_alloc(session->mem, set_len);
    if (magnet->info == NULL || magnet->pieces_here == NULL) {
        forget_info(session);
        return PBTS_NO_MEMORY;
    }
    magnet->info_len = conn->metadata_bytes;
    return PBTS_OK;
}

/* ---- asking: for what ---- */

static void ask_info(pbts_session *session, pbts_peer_conn *conn) {
    pbts_magnet *magnet = &session->magnet;
    uint32_t count = pbts_metadata_pieces(magnet->info_len);
    while (magnet->next < count && magnet->waiting < PBTS_MAGNET_AHEAD) {
        pbts_metadata_message request = { .type = PBTS_METADATA_REQUEST, .piece = magnet->next };
        uint8_t bytes[64];
        pbts_writer body = pbts_writer_over(bytes, sizeof bytes);
        pbts_metadata_message_encode(&body, &request);
        magnet->next++;
        magnet->waiting++;
        uint8_t id = (uint8_t)conn->ids[PBTS_EXTENSION_METADATA];
        pbts_session_said(session, conn,
                          pbts_peer_conn_say_extended(conn, id, pbts_writer_span(&body)));
        if (conn->phase != PBTS_CONN_OPEN) return;
    }
}

static void ask_layers(pbts_session *session, pbts_peer_conn *conn) {
    pbts_magnet *magnet = &session->magnet;
    pbts_layer_range range;
    while (magnet->waiting < PBTS_MAGNET_AHEAD && pbts_layers_next(magnet->layers, &range)) {
        pbts_peer_message request = { .type = PBTS_PEER_HASH_REQUEST };
        request.hashes = (pbts_peer_hashes){ .base_layer = range.base_layer,
                                             .index = range.index,
                                             .length = range.length,
                                             .proof_layers = range.proof_layers };
        memcpy(request.hashes.pieces_root, range.root, sizeof range.root);
        magnet->waiting++;
        pbts_session_said(session, conn, pbts_peer_conn_say(conn, &request));
        if (conn->phase != PBTS_CONN_OPEN) return;
    }
}

/* Who was called by the v1 infohash may not say that it knows v2, and give layers all the same when
 * it is called by the other one. One at a time: for who knows v1 only it was in vain. */
static void call_by_v2(pbts_session *session) {
    pbts_peer_conn *conn;
    if (session->now_ms < session->magnet.call_ms) return;
    for (uint32_t n = 1; (conn = pbts_session_next_conn(session, &n)); n++) {
        if (conn->metadata_bytes == 0 || !pbts_session_come_back(session, conn)) continue;
        session->magnet.call_ms = session->now_ms + PBTS_MAGNET_RETRY_MS;
        return;
    }
}

void pbts_session_ask_magnet(pbts_session *session) {
    pbts_magnet *magnet = &session->magnet;
    if (magnet->phase != PBTS_MAGNET_INFO && magnet->phase != PBTS_MAGNET_LAYERS) return;
    if (session->stopping) return;
    pbts_peer_conn *conn = pbts_session_conn(session, magnet->source);
    bool is_silent = session->now_ms - magnet->progress_ms >= PBTS_MAGNET_PATIENCE_MS;
    if (conn != NULL && (is_silent || is_too_slow(session, conn))) {
        pbts_session_magnet_lost(session, conn);
        conn = NULL;
    }
    if (conn == NULL) {
        conn = find_source(session, NULL);
        if (conn == NULL && magnet->phase == PBTS_MAGNET_LAYERS) call_by_v2(session);
        if (conn == NULL) return;
        if (magnet->phase == PBTS_MAGNET_INFO && begin_info(session, conn) != PBTS_OK) return;
        magnet->source = conn->number;
        magnet->progress_ms = magnet->begun_ms = session->now_ms;
    }
    if (magnet->phase == PBTS_MAGNET_INFO) {
        ask_info(session, conn);
    } else {
        ask_layers(session, conn);
    }
    pbts_session_wake(session, conn);
}

/* ---- what came ---- */

static void begin_anew(pbts_session *session) {
    pbts_session_magnet_free(session);
    session->magnet.phase = PBTS_MAGNET_INFO;
}

/* "d4:info" info "12:piece layers" layers "e" */
static void tell(pbts_session *session) {
    pbts_magnet *magnet = &session->magnet;
    enum { FIXED_LEN = 32 };
    size_t len = magnet->info_len + FIXED_LEN;
    if (magnet->layers != NULL) len += pbts_layers_len(magnet->layers);
    magnet->torrent = pbts_alloc(session->mem, len);
    if (magnet->torrent == NULL) {
        begin_anew(session);
        return;
    }
    pbts_writer writer = pbts_writer_over(magnet->torrent, len);
    pbts_write_text(&writer, "d4:info");
    pbts_write_bytes(&writer, (pbts_span){ magnet->info, magnet->info_len });
    if (magnet->layers != NULL) {
        pbts_write_text(&writer, "12:piece layers");
        pbts_layers_write(magnet->layers, &writer);
    }
    pbts_write_text(&writer, "e");
    magnet->torrent_len = pbts_writer_span(&writer).len;
    magnet->phase = PBTS_MAGNET_TOLD;
    session->events |= PBTS_SESSION_TELL_METADATA;
}

static bool has_right_hash(const pbts_session *session) {
    uint8_t found[PBTS_SHA256_LEN];
    pbts_span info = { session->magnet.info, session->magnet.info_len };
    if (session->config.infohash_is_v2) {
        pbts_sha256(found, info);
    } else {
        pbts_sha1(found, info);
    }
    return memcmp(found, session->config.infohash, PBTS_INFOHASH_LEN) == 0;
}

/* It has layers, so a v1 swarm's torrent is a hybrid one; some give layers only to those who call
 * it by its v2 infohash. */
static void learn_v2_infohash(pbts_session *session) {
    uint8_t found[PBTS_SHA256_LEN];
    if (session->config.infohash_is_v2) return;
    pbts_sha256(found, (pbts_span){ session->magnet.info, session->magnet.info_len });
    pbts_session_set_other_infohash(session, found);
}

static void finish_info(pbts_session *session, pbts_peer_conn *conn) {
    pbts_magnet *magnet = &session->magnet;
    if (!has_right_hash(session)) {
        pbts_session_ban(session, conn, "gave false metadata");
        return;
    }
    magnet->source = magnet->waiting = 0;
    /* Without layers, or broken in spite of its hash: the owner will see. */
    pbts_span info = { magnet->info, magnet->info_len };
    pbts_status status = pbts_layers_new(&magnet->layers, session->mem, info);
    if (status == PBTS_OK && !pbts_layers_done(magnet->layers)) {
        magnet->phase = PBTS_MAGNET_LAYERS;
        learn_v2_infohash(session);
        return;
    }
    if (status == PBTS_NO_MEMORY) {
        begin_anew(session);
    } else {
        tell(session);
    }
}

static pbts_status take_metadata(pbts_session *session, pbts_peer_conn *conn,
                                 const pbts_metadata_message *message) {
    pbts_magnet *magnet = &session->magnet;
    bool is_ours = magnet->phase == PBTS_MAGNET_INFO && magnet->source == conn->number &&
                   message->total_bytes == magnet->info_len && message->piece < magnet->next &&
                   !pbts_piece_set_has(magnet->pieces_here, message->piece);
    if (!is_ours) return pbts_peer_conn_forgive(conn, session->now_ms) ? PBTS_OK : PBTS_LIMIT;
    memcpy(magnet->info + (size_t)message->piece * PBTS_METADATA_PIECE_BYTES, message->data.data,
           message->data.len);
    pbts_piece_set_add(magnet->pieces_here, message->piece);
    magnet->waiting--;
    magnet->progress_ms = session->now_ms;
    if (++magnet->here == pbts_metadata_pieces(magnet->info_len)) finish_info(session, conn);
    pbts_session_ask_magnet(session);
    return PBTS_OK;
}

pbts_status pbts_session_on_metadata(pbts_session *session, pbts_peer_conn *conn, pbts_span body) {
    pbts_metadata_message message;
    PBTS_TRY(pbts_metadata_message_decode(&message, body));
    switch (message.type) {
    case PBTS_METADATA_REQUEST:
        if (!pbts_peer_conn_forgive(conn, session->now_ms)) return PBTS_LIMIT;
        answer_metadata(session, conn, &message);
        return PBTS_OK;
    case PBTS_METADATA_DATA: return take_metadata(session, conn, &message);
    default:
        if (!pbts_peer_conn_forgive(conn, session->now_ms)) return PBTS_LIMIT;
        pbts_session_magnet_lost(session, conn);
        pbts_session_ask_magnet(session);
        return PBTS_OK;
    }
}

pbts_status pbts_session_on_hashes(pbts_session *session, pbts_peer_conn *conn,
                                   const pbts_peer_hashes *hashes) {
    pbts_magnet *magnet = &session->magnet;
    if (magnet->phase != PBTS_MAGNET_LAYERS || magnet->source != conn->number) {
        return pbts_peer_conn_forgive(conn, session->now_ms) ? PBTS_OK : PBTS_LIMIT;
    }
    pbts_layer_range range = { .base_layer = hashes->base_layer,
                               .index = hashes->index,
                               .length = hashes->length,
                               .proof_layers = hashes->proof_layers };
    memcpy(range.root, hashes->pieces_root, sizeof range.root);
    pbts_status status = pbts_layers_take(magnet->layers, &range, hashes->hashes);
    if (status == PBTS_MALFORMED) {
        pbts_session_ban(session, conn, "gave false hashes");
        pbts_session_ask_magnet(session);
        return PBTS_OK;
    }
    if (status != PBTS_OK) return pbts_peer_conn_forgive(conn, session->now_ms) ? PBTS_OK : status;
    magnet->waiting--;
    magnet->progress_ms = session->now_ms;
    if (pbts_layers_done(magnet->layers)) tell(session);
    pbts_session_ask_magnet(session);
    return PBTS_OK;
}

void pbts_session_on_hash_reject(pbts_session *session, pbts_peer_conn *conn) {
    if (!pbts_peer_conn_forgive(conn, session->now_ms)) {
        pbts_session_doom(session, conn, "too many messages that change nothing", true);
        return;
    }
    if (session->magnet.phase != PBTS_MAGNET_LAYERS) return;
    pbts_session_magnet_lost(session, conn);
    pbts_session_ask_magnet(session);
}
