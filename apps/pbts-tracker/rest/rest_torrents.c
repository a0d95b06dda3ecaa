/* Torrents: register a metainfo, list, fetch one with what is the asker's own in it. */
#include <stdlib.h>

#include "codec/bencode.h"
#include "codec/text.h"
#include "ethereum/ethereum.h"
#include "rest_parts.h"
#include "torrent/fallback.h"

enum { LIST_MAX = 100, LIST_DEFAULT = 50, INFOHASH_HEX_LEN = 2 * PBTS_INFOHASH_LEN };

/* ---- POST /torrents ---- */

struct torrent_state {
    pbts_metainfo *meta;
    struct commit_op op;
};

static void free_torrent(void *opaque) {
    struct torrent_state *state = opaque;
    pbts_metainfo_free(state->meta);
    free(state);
}

static json_t *infohash_of(const pbts_metainfo *meta) {
    return rest_json_hex((pbts_span){ pbts_metainfo_infohash(meta), PBTS_INFOHASH_LEN });
}

static json_t *infohash_v2_of(const pbts_metainfo *meta) {
    if (!pbts_metainfo_has_v2(meta)) return json_null();
    return rest_json_hex((pbts_span){ pbts_metainfo_infohash_v2_full(meta), 32 });
}

static void added(struct rest_request *request, struct commit_op *op) {
    const struct torrent_state *state = request->state;
    const pbts_metainfo *meta = state->meta;
    if (op->refusal == PBTS_REFUSAL_TORRENT_EXISTS) {
        json_t *error = rest_json_error(pbts_refusal_name(op->refusal),
                                        pbts_refusal_failure(op->refusal).reason);
        json_object_set_new(error, "infohash", infohash_of(meta));
        rest_reply_json(request, 409, error);
        return;
    }
    if (op->refusal != PBTS_REFUSAL_NONE) {
        rest_reply_refusal(request, op->refusal);
        return;
    }
    LOG(&request->app->log, LOG_INFO, "torrent_added", LOG_UINT("torrent_no", op->number),
        LOG_UINT("user_no", op->user_no), LOG_UINT("bytes", pbts_metainfo_total_bytes(meta)));
    rest_reply_json(request, 200,
                    json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "success", 1, "infohash",
                              infohash_of(meta), "infohash_v2", infohash_v2_of(meta), "name",
                              rest_json_text(pbts_metainfo_name(meta)), "total_bytes",
                              rest_json_uint(pbts_metainfo_total_bytes(meta)), "piece_length",
                              rest_json_uint(pbts_metainfo_piece_length(meta)), "pieces",
                              rest_json_uint(pbts_metainfo_piece_count(meta)), "torrent_no",
                              rest_json_uint(op->number)));
}

static void refuse_metainfo(struct rest_request *request, pbts_status status, const char *problem) {
    if (pbts_status_class(status) == PBTS_RESOURCE)
        rest_reply_refusal(request, pbts_refusal_of_status(status));
    else
        rest_reply_error(request, 400, pbts_refusal_name(PBTS_REFUSAL_TORRENT_INVALID),
                         problem ? problem : pbts_status_text(status));
}

void rest_torrent_add(struct rest_request *request, const struct rest_caller *caller) {
    const char *problem = NULL;
    struct torrent_state *state = calloc(1, sizeof *state);
    if (state == NULL) {
        rest_reply_refusal(request, PBTS_REFUSAL_OVERLOADED);
        return;
    }
    request->state = state;
    request->state_free = free_torrent;
    pbts_status status =
        pbts_metainfo_parse(&state->meta, &problem, pbts_mem_system(), request->body);
    if (status != PBTS_OK) {
        refuse_metainfo(request, status, problem);
        return;
    }
    if (!pbts_metainfo_is_private(state->meta)) {
        rest_reply_refusal(request, PBTS_REFUSAL_TORRENT_PUBLIC);
        return;
    }
    state->op = (struct commit_op){ .kind = COMMIT_TORRENT,
                                    .meta = state->meta,
                                    .user_no = caller->user_no };
    rest_commit(request, &state->op, added);
}

/* ---- GET /torrents ---- */

static json_t *describe(const pbts_torrent *torrent) {
    pbts_span v1 = { torrent->infohash_v1, 20 }, v2 = { torrent->infohash_v2, 32 };
    pbts_span v2_short = { torrent->infohash_v2, 20 };
    pbts_span name = { torrent->name, torrent->name_len };
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "torrent_no",
        rest_json_uint(torrent->torrent_no), "infohash",
        rest_json_hex(torrent->has_v1 ? v1 : v2_short), "infohash_v2",
        torrent->has_v2 ? rest_json_hex(v2) : json_null(), "name", rest_json_text(name),
        "total_bytes", rest_json_uint(torrent->total_bytes), "piece_length",
        rest_json_uint(torrent->piece_length), "pieces", rest_json_uint(torrent->piece_count),
        "added_at", rest_json_uint(torrent->added_unix_s), "complete",
        rest_json_uint(torrent->complete), "incomplete", rest_json_uint(torrent->incomplete),
        "downloaded", rest_json_uint(torrent->downloaded));
}

/* A decimal query value within its bounds; absent: `fallback`. */
static bool query_number(uint32_t *out, const struct rest_request *request, const char *key,
                         uint32_t fallback, uint32_t min, uint32_t max) {
    const char *text = rest_query(request, key);
    char *end;
    *out = fallback;
    if (text == NULL) return true;
    if (*text < '0' || *text > '9') return false;
    unsigned long long value = strtoull(text, &end, 10);
    *out = (uint32_t)value;
    return *end == '\0' && value >= min && value <= max;
}

void rest_torrent_list(struct rest_request *request, const struct rest_caller *caller) {
    uint32_t after, limit;
    size_t count = 0;
    if (!query_number(&after, request, "after", 0, 0, UINT32_MAX) ||
        !query_number(&limit, request, "limit", LIST_DEFAULT, 1, LIST_MAX)) {
        rest_reply_error(request, 400, "MALFORMED",
                         "after is a torrent_no, and limit 1 to 100: ?after=0&limit=100");
        return;
    }
    pbts_torrent *found = calloc(limit, sizeof *found);
    pbts_status status =
        found ? pbts_tracker_torrents(request->app->tracker, found, &count, limit, after)
              : PBTS_NO_MEMORY;
    if (status != PBTS_OK) {
        free(found);
        rest_reply_refusal(request, pbts_refusal_of_status(status));
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, describe(&found[i]));
    /* Where the next page begins; null: this one was not full. */
    json_t *next = count == limit ? rest_json_uint(found[count - 1].torrent_no) : json_null();
    free(found);
    rest_reply_json(request, 200,
                    json_pack("{s:b, s:o, s:o}", "success", 1, "torrents", list, "next", next));
}

/* ---- GET /torrents/<infohash>.torrent ---- */

static int compare_key(pbts_span key, const char *text) {
    size_t len = strlen(text), common = key.len < len ? key.len : len;
    int order = common > 0 ? memcmp(key.data, text, common) : 0;
    if (order != 0) return order;
    return (key.len > len) - (key.len < len);
}

/* What the asker needs when this tracker is away. */
struct fallback_room {
    uint8_t membership[PBTS_MEMBERSHIP_LEN], beacon[PBTS_DHT_BEACON_LEN];
    uint8_t nodes4[6 * PBTS_FALLBACK_NODES_MAX], nodes6[18 * PBTS_FALLBACK_NODES_MAX];
    uint8_t contract[PBTS_FALLBACK_CONTRACT_LEN];
};

static void add_nodes(pbts_torrent_fallback *out, struct fallback_room *room,
                      const struct config *config, pbts_span registered) {
    pbts_torrent_fallback uploaded;
    pbts_writer nodes4 = pbts_writer_over(room->nodes4, sizeof room->nodes4);
    pbts_writer nodes6 = pbts_writer_over(room->nodes6, sizeof room->nodes6);
    for (size_t i = 0; i < config->dht_nodes_count; i++) {
        (void)pbts_torrent_fallback_add(&nodes4, &nodes6, &config->dht_nodes[i]);
    }
    if (pbts_torrent_fallback_find(&uploaded, registered) == PBTS_OK) {
        pbts_addr addr;
        for (size_t at = 0; pbts_torrent_fallback_next(&addr, &at, &uploaded);) {
            (void)pbts_torrent_fallback_add(&nodes4, &nodes6, &addr);
        }
    }
    out->nodes4 = pbts_writer_span(&nodes4);
    out->nodes6 = pbts_writer_span(&nodes6);
}

static void add_contract(pbts_torrent_fallback *out, struct fallback_room *room, struct app *app) {
    struct ethereum_status status;
    if (app->ethereum == NULL) return;
    ethereum_look(app->ethereum, &status);
    memcpy(room->contract, status.contract.bytes, sizeof room->contract);
    out->contract = PBTS_SPAN_OF(room->contract);
    out->chain_id = status.chain_id;
}

/* Without a membership for who has none: an administrator, a user without a key. */
static void add_signed(pbts_torrent_fallback *out, struct fallback_room *room,
                       pbts_tracker *tracker, uint32_t user_no) {
    pbts_membership membership;
    pbts_epoch_beacon beacon;
    pbts_now now = app_now();
    pbts_tracker_beacon(tracker, &beacon, now);
    pbts_writer writer = pbts_writer_over(room->beacon, sizeof room->beacon);
    pbts_dht_beacon_encode(&writer, &beacon);
    out->beacon = pbts_writer_span(&writer);
    if (pbts_tracker_membership(tracker, &membership, user_no, now) != PBTS_OK) return;
    writer = pbts_writer_over(room->membership, sizeof room->membership);
    pbts_membership_encode(&writer, &membership);
    out->membership = pbts_writer_span(&writer);
}

static void write_fallback(pbts_writer *out, const pbts_torrent_fallback *fallback) {
    pbts_bencode_text(out, "pbts");
    pbts_torrent_fallback_encode(out, fallback);
}

/* What of an uploader's file goes on to others: the content, and words about it. Nothing else, for
 * much of it sends clients somewhere: web seeds (BEP 17, 19) and nodes (BEP 5) would learn who
 * downloads, or get a whole swarm's requests, and some clients take resume data and folders from a
 * file. */
static bool is_passed_on(pbts_span key) {
    static const char *const KEYS[] = { "comment",  "comment.utf-8", "created by",  "creation date",
                                        "encoding", "info",          "piece layers" };
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++)
        if (pbts_span_is(key, KEYS[i])) return true;
    return false;
}

/* The file with another announce URL, and `fallback` in place of what the uploader said. What is
 * passed on keeps its bytes, so the infohash stays. */
static void write_metainfo(pbts_writer *out, const pbts_bvalue *root, const char *announce_url,
                           const pbts_torrent_fallback *fallback) {
    pbts_biter pairs = pbts_bvalue_items(root);
    pbts_span key;
    pbts_bvalue value;
    bool announced = false, told = false;
    pbts_write_u8(out, 'd');
    while (pbts_biter_next_pair(&pairs, &key, &value)) {
        if (!is_passed_on(key)) continue;
        if (!announced && compare_key(key, "announce") > 0) {
            pbts_bencode_text(out, "announce");
            pbts_bencode_text(out, announce_url);
            announced = true;
        }
        if (!told && compare_key(key, "pbts") > 0) {
            write_fallback(out, fallback);
            told = true;
        }
        pbts_bencode_string(out, key);
        pbts_write_bytes(out, value.raw);
    }
    /* "info" comes after "announce", so that was written. */
    if (!told) write_fallback(out, fallback);
    pbts_write_u8(out, 'e');
}

static void reply_metainfo(struct rest_request *request, uint32_t user_no, pbts_span registered) {
    char url[REST_ANNOUNCE_URL_MAX];
    pbts_bvalue root;
    struct fallback_room room;
    struct app *app = request->app;
    pbts_torrent_fallback fallback = {
        .iid = { pbts_tracker_iid(app->tracker), PBTS_IID_LEN },
        .tracker_key = PBTS_SPAN_OF(pbts_tracker_owner(app->tracker)->bytes),
    };
    size_t capacity = registered.len + sizeof url + 32 + PBTS_FALLBACK_LEN_MAX;
    uint8_t *bytes = malloc(capacity);
    pbts_status status = bytes ? pbts_bencode_parse(&root, registered) : PBTS_NO_MEMORY;
    if (status != PBTS_OK) {
        free(bytes);
        rest_reply_refusal(request, status == PBTS_NO_MEMORY ? PBTS_REFUSAL_OVERLOADED
                                                             : PBTS_REFUSAL_INTERNAL);
        return;
    }
    add_nodes(&fallback, &room, &app->config, registered);
    add_contract(&fallback, &room, app);
    add_signed(&fallback, &room, app->tracker, user_no);
    rest_announce_url(app, url, user_no);
    pbts_writer writer = pbts_writer_over(bytes, capacity);
    write_metainfo(&writer, &root, url, &fallback);
    rest_reply_header(request, "Cache-Control", "no-store");
    rest_reply_header(request, "Content-Disposition", "attachment");
    if (writer.failed)
        rest_reply_refusal(request, PBTS_REFUSAL_INTERNAL);
    else
        rest_reply_bytes(request, 200, "application/x-bittorrent", pbts_writer_span(&writer));
    free(bytes);
}

/* "<40 hex digits>.torrent" */
static bool parse_name(uint8_t infohash[static PBTS_INFOHASH_LEN], const char *name) {
    pbts_span hex = { (const uint8_t *)name, INFOHASH_HEX_LEN };
    return strlen(name) > INFOHASH_HEX_LEN && strcmp(name + INFOHASH_HEX_LEN, ".torrent") == 0 &&
           pbts_hex_decode_exact(infohash, PBTS_INFOHASH_LEN, hex) == PBTS_OK;
}

void rest_torrent_fetch(struct rest_request *request, const struct rest_caller *caller) {
    uint8_t infohash[PBTS_INFOHASH_LEN], *bytes = NULL;
    pbts_torrent torrent;
    size_t len;
    pbts_tracker *tracker = request->app->tracker;
    if (!parse_name(infohash, caller->tail)) {
        rest_reply_error(request, 404, "NOT_FOUND",
                         "torrents are at /torrents/<40 hexadecimal digits>.torrent");
        return;
    }
    pbts_status status = pbts_tracker_torrent(tracker, &torrent, infohash);
    if (status == PBTS_OK)
        status =
            pbts_tracker_metainfo(tracker, &bytes, &len, pbts_mem_system(), torrent.torrent_no);
    if (status == PBTS_OK)
        reply_metainfo(request, caller->user_no, (pbts_span){ bytes, len });
    else
        rest_reply_refusal(request, status == PBTS_NOT_FOUND ? PBTS_REFUSAL_UNKNOWN_TORRENT
                                                             : pbts_refusal_of_status(status));
    pbts_release(pbts_mem_system(), bytes);
}
