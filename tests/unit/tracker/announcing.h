/* tests/unit/tracker/announcing.h - a client that announces to a world. */
#ifndef PBTS_TEST_ANNOUNCING_H
#define PBTS_TEST_ANNOUNCING_H

#include "world.h"

/* One client: what it would send, where from, and the answer to its last announce. */
typedef struct {
    pbts_announce announce;
    pbts_addr from;
    unsigned families;
    char passkey[PBTS_PASSKEY_LEN + 1];
    pbts_announce_reply reply;
    pbts_announce_room room;
} client;

/* A leecher of the torrent at 10.0.0.<id>; `user` SIZE_MAX: nobody's. */
static inline client *client_new(world *w, size_t user, size_t torrent, uint8_t id) {
    client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->announce = (pbts_announce){ .left_bytes = 1000, .port = 6881, .numwant = -1 };
    memcpy(c->announce.infohash, pbts_metainfo_infohash(w->torrents[torrent]), 20);
    memcpy(c->announce.peer_id, "-TR3000-abcdefghijk", 19);
    c->announce.peer_id[19] = id;
    c->from = (pbts_addr){ .family = PBTS_IPV4, .ip = { 10, 0, 0, id } };
    c->families = PBTS_FAMILIES_BOTH;
    if (user != SIZE_MAX) {
        pbts_tracker_passkey(w->tracker, c->passkey, w->users[user].number);
        c->announce.passkey = pbts_span_text(c->passkey);
    }
    return c;
}

static inline pbts_refusal client_says(world *w, client *c, pbts_event event, uint64_t left) {
    c->announce.event = event;
    c->announce.left_bytes = left;
    return pbts_tracker_announce(w->tracker, &c->reply, &c->room, &c->announce, &c->from,
                                 c->families, w->now);
}

#endif
