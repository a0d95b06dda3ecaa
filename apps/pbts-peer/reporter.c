#include "reporter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/epoch.h"
#include "outage_watch.h"
#include "say.h"
#include "tell.h"
#include "wire/report.h"

enum {
    ITEMS_MAX = 1000, /* of one report: their signatures are summed on the loop's thread */
    BYTES_MAX = 4 << 20,
    ANSWER_MAX = 8 << 20,
    TIMEOUT_MS = 120000,
    TIMEOUT_FINISHING_MS = 10000,
};

struct reporter {
    engine *e;
    web_request *request;
    pbts_report_plan *plan; /* under way, with request */
    uint64_t last_number;   /* of the plan's receipts */
    uint64_t after;         /* receipts up to this were tried in this round */
    size_t items_max;       /* shrinks while the tracker cannot read what it gets */
    bool plain;
    bool of_predecessor; /* in this round those of our instance were tried */
    bool in_round, finishing, gave_up;
    uint64_t due_ms, retry_ms;
    uint64_t credited_bytes, held_bytes; /* since the start */
    struct {
        uint32_t counted, refused, waiting;
        uint64_t credited_bytes, held_bytes;
        char code[PBTS_JOURNAL_REASON_MAX + 1]; /* why one was refused */
    } round;
    pbts_journal_item items[ITEMS_MAX];
};

reporter *reporter_new(engine *e) {
    reporter *r = calloc(1, sizeof *r);
    if (r == NULL) return NULL;
    r->e = e;
    r->due_ms = e->now.mono_ms; /* what an earlier run left goes first */
    return r;
}

static void drop_plan(reporter *r) {
    pbts_report_plan_free(r->plan);
    r->plan = NULL;
}

void reporter_free(reporter *r) {
    if (r == NULL) return;
    web_cancel(r->request);
    drop_plan(r);
    free(r);
}

/* ---- how a round ends ---- */

static void tell_round(const reporter *r) {
    if (r->round.counted + r->round.refused + r->round.waiting == 0) return;
    json_t *fields =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:s}", "counted", (json_int_t)r->round.counted,
                  "refused", (json_int_t)r->round.refused, "waiting", (json_int_t)r->round.waiting,
                  "credited_bytes", (json_int_t)r->round.credited_bytes, "held_bytes",
                  (json_int_t)r->round.held_bytes, "code", r->round.code);
    tell("reported", fields, "reported %s: %s credited, %s held%s%s",
         say_count(r->round.counted + r->round.refused, "receipt"),
         tell_bytes(r->round.credited_bytes), tell_bytes(r->round.held_bytes),
         r->round.refused > 0 ? "; some refused: " : "", r->round.code);
}

static void end_round(reporter *r) {
    tell_round(r);
    r->in_round = false;
    r->retry_ms = 0;
    r->due_ms = r->e->now.mono_ms + r->e->set.report_interval_ms;
}

static void put_off(reporter *r, const char *why) {
    r->in_round = false;
    r->gave_up = r->finishing;
    r->retry_ms = r->retry_ms == 0 ? REPORTER_RETRY_FIRST_MS : 2 * r->retry_ms;
    if (r->retry_ms > REPORTER_RETRY_MAX_MS) r->retry_ms = REPORTER_RETRY_MAX_MS;
    r->due_ms = r->e->now.mono_ms + r->retry_ms;
    tell("report_failed", json_pack("{s:s}", "error", why),
         "the receipts cannot be reported now: %s; they wait", why);
}

/* ---- a report ---- */

static void send_report(reporter *r);

static void add_to_round(reporter *r, const pbts_report_outcome *outcome) {
    r->round.counted += outcome->counted;
    r->round.refused += outcome->refused;
    if (outcome->refused > 0) {
        (void)snprintf(r->round.code, sizeof r->round.code, "%s", outcome->code);
    }
    r->round.credited_bytes += outcome->credited_bytes;
    r->round.held_bytes += outcome->held_bytes;
    r->credited_bytes += outcome->credited_bytes;
    r->held_bytes += outcome->held_bytes;
}

/* The tracker understands no report with these receipts: look for the one that is to blame, and
 * leave it where it is. */
static void split(reporter *r, size_t count) {
    r->plain = true;
    if (count > 1) {
        r->items_max = count / 2;
    } else {
        r->after = r->last_number;
        r->round.waiting++;
        r->items_max = ITEMS_MAX;
    }
    send_report(r);
}

static void take_outcome(reporter *r, const pbts_report_outcome *outcome, size_t count) {
    add_to_round(r, outcome);
    switch (outcome->next) {
    case PBTS_REPORT_SETTLED:
        r->after = r->last_number;
        r->round.waiting += outcome->waiting;
        r->plain = false;
        send_report(r);
        break;
    case PBTS_REPORT_PLAIN:
        r->plain = true;
        send_report(r);
        break;
    case PBTS_REPORT_SPLIT: split(r, count); break;
    case PBTS_REPORT_LATER: put_off(r, outcome->code[0] ? outcome->code : "not now"); break;
    case PBTS_REPORT_DENIED: put_off(r, outcome->code); break;
    }
}

static void on_answer(void *host, const web_answer *answer) {
    reporter *r = host;
    pbts_report_outcome outcome = { 0 };
    engine_touch(r->e);
    r->request = NULL;
    size_t count = pbts_report_plan_count(r->plan);
    if (answer->error != NULL) {
        drop_plan(r);
        put_off(r, answer->error);
        outage_watch_suspect(r->e);
        return;
    }
    int error = journal_file_settle_report(r->e->journal, &outcome, r->plan,
                                           (unsigned)answer->status, answer->body);
    drop_plan(r);
    if (error == ENOMEM) {
        put_off(r, strerror(error));
    } else {
        take_outcome(r, &outcome, count);
    }
}

/* Ours first, then those that the tracker's predecessor did not count any more. */
static const uint8_t *instance_of(const reporter *r) {
    return r->of_predecessor ? home_predecessor(r->e->ours) : r->e->key->iid;
}

/* What waits behind `after`, however old it is: our clock may be wrong, and the tracker says what
 * it does not take any more. */
static size_t pick(reporter *r) {
    const pbts_journal_query query = {
        .iid = instance_of(r),
        .after = r->after,
        .items_max = r->items_max,
        .bytes_max = BYTES_MAX,
        .all = true,
        .epoch_now = pbts_epoch_at(r->e->now.unix_s),
    };
    return pbts_journal_pick(journal_file_journal(r->e->journal), r->items, &query);
}

static pbts_status make_plan(reporter *r, size_t count) {
    pbts_reporter who = { .secret = &r->e->key->secret,
                          .key = r->e->key->key,
                          .uid = keyfile_uid(r->e->key) };
    memcpy(who.iid, r->e->key->iid, sizeof who.iid);
    return pbts_report_plan_new(&r->plan, pbts_mem_system(), &who, r->items, count, r->plain,
                                r->e->now.unix_s);
}

static void send_report(reporter *r) {
    char url[HOME_BASE_MAX + 16];
    size_t count = pick(r);
    if (count == 0 && !r->of_predecessor && home_predecessor(r->e->ours) != NULL) {
        r->of_predecessor = true;
        r->after = 0;
        count = pick(r);
    }
    if (count == 0) {
        end_round(r);
        return;
    }
    if (make_plan(r, count) != PBTS_OK) {
        put_off(r, "out of memory");
        return;
    }
    r->last_number = r->items[pbts_report_plan_count(r->plan) - 1].number;
    (void)snprintf(url, sizeof url, "%s/report", home_base(r->e->ours));
    const web_query query = { .url = url,
                              .content_type = "application/x-bencode",
                              .body = pbts_report_plan_body(r->plan),
                              .answer_max = ANSWER_MAX,
                              .timeout_ms = r->finishing ? TIMEOUT_FINISHING_MS : TIMEOUT_MS,
                              .done = on_answer,
                              .host = r };
    r->request = web_start(r->e->net, &query);
    if (r->request != NULL) return;
    drop_plan(r);
    put_off(r, "too much is under way");
}

static void begin_round(reporter *r) {
    memset(&r->round, 0, sizeof r->round);
    r->in_round = true;
    r->after = 0;
    r->plain = r->of_predecessor = false;
    r->items_max = ITEMS_MAX;
    send_report(r);
}

/* ---- when ---- */

static bool has_something(const reporter *r) {
    pbts_journal_stats stats;
    pbts_journal_stats_read(journal_file_journal(r->e->journal), &stats);
    return stats.waiting > 0;
}

void reporter_tick(reporter *r) {
    bool can = !r->in_round && !r->gave_up && home_base(r->e->ours)[0] != '\0';
    if (!can || r->e->now.mono_ms < r->due_ms) return;
    if (has_something(r)) {
        begin_round(r);
    } else {
        r->due_ms = r->e->now.mono_ms + r->e->set.report_interval_ms;
    }
}

void reporter_hurry(reporter *r) {
    r->due_ms = r->e->now.mono_ms;
}

void reporter_finish(reporter *r) {
    r->finishing = true;
    r->due_ms = r->e->now.mono_ms;
    if (home_base(r->e->ours)[0] == '\0') r->gave_up = true;
    reporter_tick(r);
}

bool reporter_is_idle(const reporter *r) {
    if (r->in_round) return false;
    return !r->finishing || r->gave_up || !has_something(r) || r->e->now.mono_ms < r->due_ms;
}

uint64_t reporter_credited_bytes(const reporter *r) {
    return r->credited_bytes;
}

uint64_t reporter_held_bytes(const reporter *r) {
    return r->held_bytes;
}
