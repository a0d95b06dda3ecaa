#include "status_line.h"

#include <stdio.h>
#include <string.h>

#include "dht_node.h"
#include "reporter.h"
#include "say.h"
#include "share.h"
#include "tell.h"

typedef struct {
    uint64_t total, left, down, up, down_rate, up_rate, have, unreceipted;
    uint32_t peers, given, taken;
    const share *checking;
    bool downloading;
} sums;

static sums add_up(const engine *e) {
    sums all = { 0 };
    for (const share *s = e->shares; s != NULL; s = s->next) {
        pbts_session_stats one;
        share_stats(s, &one);
        all.total += one.total_bytes;
        all.left += one.left_bytes;
        all.have += one.have_bytes;
        all.down += one.downloaded_bytes;
        all.up += one.uploaded_bytes;
        all.down_rate += one.down_bytes_per_s;
        all.up_rate += one.up_bytes_per_s;
        all.peers += one.connections;
        all.given += one.receipts_given;
        all.taken += one.receipts_taken;
        all.unreceipted += one.unreceipted_bytes;
        if (s->check != NULL) all.checking = s;
        if (!s->finished) all.downloading = true;
    }
    return all;
}

static pbts_journal_stats journal_of(const engine *e) {
    pbts_journal_stats stats = { 0 };
    if (e->journal != NULL) pbts_journal_stats_read(journal_file_journal(e->journal), &stats);
    return stats;
}

static const char *means_word(const engine *e) {
    static const char *const WORDS[] = { "tracker", "dht", "both" };
    return WORDS[outage_means_now(&e->home_outage, e->now.mono_ms)];
}

json_t *status_dht_json(const engine *e) {
    json_t *json = dht_node_json(e->dht);
    if (json_is_object(json)) json_object_set_new(json, "means", json_string(means_word(e)));
    return json;
}

json_t *status_json(const engine *e) {
    sums all = add_up(e);
    pbts_journal_stats journal = journal_of(e);
    json_t *json = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "total_bytes",
        (json_int_t)all.total, "left_bytes", (json_int_t)all.left, "downloaded_bytes",
        (json_int_t)all.down, "uploaded_bytes", (json_int_t)all.up, "down_bytes_per_s",
        (json_int_t)all.down_rate, "up_bytes_per_s", (json_int_t)all.up_rate, "connections",
        (json_int_t)all.peers, "receipts_given", (json_int_t)all.given, "receipts_taken",
        (json_int_t)all.taken, "unreceipted_bytes", (json_int_t)all.unreceipted, "receipts_waiting",
        (json_int_t)journal.waiting, "receipts_refused", (json_int_t)journal.refused);
    if (json != NULL) json_object_set_new(json, "dht", status_dht_json(e));
    if (json != NULL && e->reports != NULL) {
        json_object_set_new(json, "credited_bytes",
                            json_integer((json_int_t)reporter_credited_bytes(e->reports)));
        json_object_set_new(json, "held_bytes",
                            json_integer((json_int_t)reporter_held_bytes(e->reports)));
    }
    return json;
}

static void add_text(char *out, size_t capacity, const char *text) {
    size_t len = strlen(out);
    (void)snprintf(out + len, capacity - len, "%s", text);
}

static void add_receipts(char *out, size_t capacity, const engine *e, const sums *all) {
    char part[128];
    if (e->reports == NULL) return;
    (void)snprintf(part, sizeof part, ", receipts %u given, %u taken", all->given, all->taken);
    add_text(out, capacity, part);
    uint64_t held = reporter_held_bytes(e->reports);
    if (held == 0) return;
    (void)snprintf(part, sizeof part, ", %s held", tell_bytes(held));
    add_text(out, capacity, part);
}

static void compose(char *out, size_t capacity, const engine *e) {
    sums all = add_up(e);
    char part[160];
    out[0] = '\0';
    if (all.checking != NULL) {
        (void)snprintf(out, capacity, "checking %s: %.0f%%", all.checking->name,
                       100 * share_check_part(all.checking));
        return;
    }
    double percent = all.total == 0 ? 0 : 100.0 * (double)all.have / (double)all.total;
    if (all.downloading) {
        (void)snprintf(part, sizeof part, "%.1f%% of %s, down %s/s, ", percent,
                       tell_bytes(all.total), tell_bytes(all.down_rate));
        add_text(out, capacity, part);
    }
    (void)snprintf(part, sizeof part, "up %s/s, %s", tell_bytes(all.up_rate),
                   say_count(all.peers, "peer"));
    add_text(out, capacity, part);
    if (all.total > 0) {
        (void)snprintf(part, sizeof part, ", ratio %.2f", (double)all.up / (double)all.total);
        add_text(out, capacity, part);
    }
    add_receipts(out, capacity, e, &all);
    if (e->home_outage.is_away) {
        (void)snprintf(part, sizeof part, ", no tracker, DHT: %s", dht_node_text(e->dht));
        add_text(out, capacity, part);
    }
    if (all.downloading && all.down_rate > 0) {
        (void)snprintf(part, sizeof part, ", %s left", tell_seconds(all.left / all.down_rate));
        add_text(out, capacity, part);
    }
}

void status_line_tick(engine *e) {
    char text[500];
    if (e->now.mono_ms - e->shown_ms < STATUS_EVERY_MS) return;
    e->shown_ms = e->now.mono_ms;
    if (tell_is_json()) {
        tell_program("stats", status_json(e));
    } else if (e->state == ENGINE_RUNNING && tell_has_terminal()) {
        compose(text, sizeof text, e);
        tell_progress(text);
    }
}

void status_line_end(engine *e) {
    sums all = add_up(e);
    pbts_journal_stats journal = journal_of(e);
    tell_progress("");
    tell("ended", status_json(e), "downloaded %s, uploaded %s, receipts given %u, taken %u",
         tell_bytes(all.down), tell_bytes(all.up), all.given, all.taken);
    if (journal.waiting > 0) {
        tell("waiting", json_pack("{s:I}", "receipts", (json_int_t)journal.waiting),
             "waiting for the tracker: %s, in %s; reported with the next start",
             say_count(journal.waiting, "receipt"), journal_file_path(e->journal));
    }
}
