/* share_events.c - what a session says, and what time asks of a share. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conn.h"
#include "share.h"
#include "state.h"
#include "tell.h"
#include "torrent/piece_set.h"

/* ---- events ---- */

static void name_peer(json_t *fields, const conn *c, const char *client) {
    char addr[PBTS_ENDPOINT_TEXT_MAX] = "";
    if (c != NULL) (void)pbts_addr_format_endpoint(addr, &c->addr);
    json_object_set_new(fields, "peer", json_string(addr));
    json_t *text = client == NULL ? NULL : json_string(client);
    if (text != NULL) json_object_set_new(fields, "client", text);
}

static void peer_ready(share *s, const pbts_session_event *event) {
    json_t *fields = share_fields(s);
    name_peer(fields, share_conn(s, event->conn), event->text);
    tell_program("peer_ready", fields);
}

static void peer_refused(share *s, const pbts_session_event *event) {
    const conn *c = share_conn(s, event->conn);
    char addr[PBTS_ENDPOINT_TEXT_MAX] = "a peer";
    json_t *fields = share_fields(s);
    if (c != NULL) (void)pbts_addr_format_endpoint(addr, &c->addr);
    name_peer(fields, c, NULL);
    json_object_set_new(fields, "by_us", json_boolean(event->by_us));
    json_object_set_new(fields, "reason", json_string(pbts_link_refusal_name(event->refusal)));
    tell("peer_refused", fields, event->by_us ? "%s: %s is refused: %s" : "%s: %s refuses us: %s",
         s->name, addr, pbts_link_refusal_text(event->refusal));
    bool ticket = event->refusal == PBTS_LINK_REFUSAL_ALLOWANCE ||
                  event->refusal == PBTS_LINK_REFUSAL_NO_TICKET;
    if (!event->by_us && ticket && s->e->ours != NULL) {
        home_renew(s->e->ours);
        announcer_hurry(s->announces, s->e->now);
    }
}

/* docs/decisions/0005: pieces were lost that were signed for. */
static void peer_repeats(share *s, const pbts_session_event *event) {
    const conn *c = share_conn(s, event->conn);
    char addr[PBTS_ENDPOINT_TEXT_MAX] = "a peer";
    json_t *fields = share_fields(s);
    if (c != NULL) (void)pbts_addr_format_endpoint(addr, &c->addr);
    name_peer(fields, c, NULL);
    tell("signed_before", fields,
         "%s: already signed for these pieces this period to %s; others must serve them", s->name,
         addr);
}

static void finished(share *s) {
    engine *e = s->e;
    pbts_session_stats stats;
    if (s->told_finished) return;
    s->finished = s->told_finished = true;
    s->finished_ms = e->now.mono_ms;
    share_stats(s, &stats);
    uint64_t spent_ms = e->now.mono_ms - s->begun_ms + 1;
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "bytes", json_integer((json_int_t)stats.total_bytes));
    json_object_set_new(fields, "seconds", json_real((double)spent_ms / 1000));
    tell("finished", fields, "%s: complete, %s in %s (%s/s)", s->name,
         tell_bytes(stats.total_bytes), tell_seconds(spent_ms / 1000),
         tell_bytes(stats.downloaded_bytes * 1000 / spent_ms));
    share_announce_completed(s);
    share_dht_hurry(s);
    share_begin_save(s);
    engine_share_limits(e);
    engine_look(e);
}

/* A magnet link's metadata: from now on it is a torrent like any other. */
static void take_metadata(share *s, pbts_span bytes) {
    const char *problem = "";
    char path[PATH_MAX];
    pbts_status status = pbts_metainfo_parse(&s->meta, &problem, pbts_mem_system(), bytes);
    if (status != PBTS_OK) {
        s->meta = NULL;
        share_fail(s, status == PBTS_NO_MEMORY ? "out of memory" : problem);
        return;
    }
    const uint8_t *other = share_other_infohash(s);
    if (s->magnet_has_other &&
        (other == NULL || memcmp(other, s->magnet_other, sizeof s->magnet_other) != 0)) {
        pbts_metainfo_free(s->meta);
        s->meta = NULL;
        share_fail(s, "the magnet link's two infohashes are not of one torrent");
        return;
    }
    tell("metadata", share_fields(s), "%s: its description came", s->name);
    if (state_path(path, s->e->set.state, s->hex, ".torrent") == 0) {
        (void)state_write(path, pbts_metainfo_bytes(s->meta)); /* only saves asking again */
    }
    share_take_metainfo(s);
}

static void take_event(share *s, const pbts_session_event *event) {
    conn *c = share_conn(s, event->conn);
    switch (event->kind) {
    case PBTS_SESSION_PIECE_OPENED: break; /* its buffer comes with its first byte */
    case PBTS_SESSION_PIECE_COMPLETE: share_piece_complete(s, event->piece); break;
    case PBTS_SESSION_PIECE_DROPPED: share_drop_buffer(s, event->piece); break;
    case PBTS_SESSION_FINISHED: finished(s); break;
    case PBTS_SESSION_METADATA: take_metadata(s, event->bytes); break;
    case PBTS_SESSION_PEER_READY: peer_ready(s, event); break;
    case PBTS_SESSION_PEER_REFUSED: peer_refused(s, event); break;
    case PBTS_SESSION_PEER_REPEATS: peer_repeats(s, event); break;
    case PBTS_SESSION_CLOSE:
        if (c != NULL) conn_close_gently(c, event->text == NULL ? "" : event->text);
        break;
    case PBTS_SESSION_WRITABLE:
        if (c != NULL) engine_pump_later(s->e, c);
        break;
    }
}

/* ---- receipts ---- */

static void receipts_stuck(share *s, int error) {
    if (s->receipts_stuck) return;
    s->receipts_stuck = true;
    json_t *fields = share_fields(s);
    json_object_set_new(fields, "error", json_string(strerror(error)));
    tell("journal_failed", fields,
         "%s: receipts cannot be kept (%s: %s), so nothing more is served "
         "on trust",
         s->name, journal_file_path(s->e->journal), strerror(error));
}

/* Put receipts into the journal; only then they free room to serve more. */
static bool take_receipts(share *s) {
    pbts_link_receipt receipt;
    pbts_conn number;
    bool any = false;
    while (s->e->journal != NULL && pbts_session_next_receipt(s->session, &number, &receipt)) {
        int error = journal_file_add(s->e->journal, &receipt.record);
        if (error != 0) {
            receipts_stuck(s, error);
            return any;
        }
        s->receipts_stuck = false;
        pbts_session_receipt_stored(s->session, number, s->e->now);
        any = true;
    }
    return any;
}

/* Handling an event may call the session and bring more of them; nested calls leave those to the
 * outermost. */
void share_settle(share *s) {
    pbts_session_event event;
    if (s->settling || s->session == NULL) return;
    s->settling = true;
    bool again = true;
    while (again) {
        again = false;
        while (pbts_session_next_event(s->session, &event)) {
            take_event(s, &event);
            again = true;
        }
        if (take_receipts(s)) again = true;
    }
    s->settling = false;
}

/* ---- time ---- */

/* With one of the pieces that wait: when that can be written, the others follow. */
static void try_to_go_on(share *s) {
    if (!s->paused || s->writes > 0 || s->e->now.mono_ms < s->retry_ms) return;
    s->retry_ms = s->e->now.mono_ms + SHARE_RETRY_MS;
    share_write_kept(s);
}

static bool seeded_enough(const share *s) {
    const settings *set = &s->e->set;
    pbts_session_stats stats;
    if (!s->finished || s->state != SHARE_RUNNING || !set->seeds_after) return false;
    uint64_t since_ms = s->finished_ms > 0 ? s->finished_ms : s->begun_ms;
    if (s->e->now.mono_ms - since_ms >= set->seed_time_ms) return true;
    if (set->seed_ratio < 0) return false;
    share_stats(s, &stats);
    double uploaded = (double)(s->uploaded_before + stats.uploaded_bytes);
    return uploaded >= set->seed_ratio * (double)stats.total_bytes;
}

void share_tick_session(share *s) {
    if (s->session != NULL && pbts_session_deadline_ms(s->session) <= s->e->now.mono_ms) {
        pbts_session_tick(s->session, s->e->now);
    }
    share_settle(s);
}

void share_tick(share *s) {
    engine *e = s->e;
    if (s->state == SHARE_JOINING) share_try_join(s);
    share_tick_session(s);
    try_to_go_on(s);
    if (e->now.mono_ms >= s->save_due_ms && s->save_wanted) share_begin_save(s);
    if (s->check == NULL && s->state != SHARE_FAILED) share_announce(s);
    share_dht_tick(s);
    share_dial(s);
    if (seeded_enough(s)) share_leave(s);
}
