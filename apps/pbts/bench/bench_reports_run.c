/* bench_reports_run.c - the reports against a tracker; see bench_reports.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_load.h"
#include "bench_posts.h"
#include "bench_reports.h"
#include "bench_tracker.h"

enum { ANSWER_ROOM = 4096, ANSWER_STATEMENT_ROOM = 256 };

typedef struct {
    pbts_reports_set *set;
    const pbts_reports_target *target;
    pbts_reports_result *result;
    char passkey[PBTS_PASSKEY_LEN + 1]; /* of the user who adds the torrent */
    uint64_t *sent_ns;                  /* when each report left */
} reports_run;

static bool fail(const char *what) {
    (void)fprintf(stderr, "pbts bench reports: %s\n", what);
    return false;
}

static bool explain(const char *what, long http_status, pbts_span answer) {
    (void)fprintf(stderr, "pbts bench reports: %s: HTTP %ld: %.*s\n", what, http_status,
                  (int)answer.len, (const char *)answer.data);
    return false;
}

/* ---- users and the torrent ---- */

static bool fill_user(void *host, pbts_writer *path, pbts_writer *body, uint32_t job) {
    const reports_run *run = host;
    const pbts_reports_user *user = &run->set->users[job];
    pbts_write_text(path, "/register");
    pbts_bench_write_registration(body, run->set->iid, user->uid, &user->key, &user->secret);
    return true;
}

static bool take_user(void *host, uint32_t job, long http_status, pbts_span answer) {
    reports_run *run = host;
    char passkey[PBTS_PASSKEY_LEN + 1];
    bool ok = http_status / 100 == 2 && pbts_bench_read_passkey(passkey, answer);
    if (ok && job == 0) memcpy(run->passkey, passkey, sizeof passkey);
    return ok || explain("register", http_status, answer);
}

static bool register_users(reports_run *run) {
    pbts_posts posts = { .what = "users",
                         .tracker = run->target->tracker,
                         .content_type = "application/json",
                         .header = run->target->header,
                         .jobs = run->set->plan.users,
                         .lanes = run->target->lanes,
                         .fill = fill_user,
                         .take = take_user,
                         .host = run };
    return pbts_posts_run(&posts);
}

static bool add_torrent(const reports_run *run) {
    char path[128];
    (void)snprintf(path, sizeof path, "/torrents?passkey=%s", run->passkey);
    char *answer = pbts_bench_request(run->target->tracker, path, "application/x-bittorrent",
                                      pbts_metainfo_bytes(run->set->meta));
    free(answer);
    return answer != NULL;
}

static void show_signing(uint32_t done, uint32_t all) {
    if (!isatty(STDERR_FILENO) || (done % 64 != 0 && done != all)) return;
    (void)fprintf(stderr, "\rsigned %u of %u reports %s", done, all, done == all ? "\n" : "");
}

static bool prepare(reports_run *run) {
    pbts_reports_set *set = run->set;
    uint32_t tag = 0;
    if (pbts_random_fill(pbts_random_system(), (uint8_t *)&tag, sizeof tag) != PBTS_OK)
        return fail("no randomness");
    char name[48];
    (void)snprintf(name, sizeof name, "bench-reports-%08x.bin", tag);
    if (!pbts_bench_fetch_iid(set->iid, run->target->tracker)) return false;
    if (!pbts_reports_make_users(set, tag) || !pbts_reports_make_torrent(set, name))
        return fail("no memory or no randomness");
    if (!register_users(run) || !add_torrent(run)) return false;
    if (!pbts_reports_make_bodies(set, (uint64_t)time(NULL), show_signing))
        return fail("no memory");
    for (uint32_t i = 0; i < set->plan.reports; i++)
        if (set->bodies[i].len > run->result->body_bytes)
            run->result->body_bytes = set->bodies[i].len;
    return true;
}

/* ---- the measured part ---- */

static bool fill_report(void *host, pbts_writer *path, pbts_writer *body, uint32_t job) {
    reports_run *run = host;
    const pbts_reports_body *report = &run->set->bodies[job];
    pbts_write_text(path, "/report");
    pbts_write_bytes(body, (pbts_span){ report->data, report->len });
    run->sent_ns[job] = pbts_bench_now_ns();
    return true;
}

static bool take_report(void *host, uint32_t job, long http_status, pbts_span answer) {
    reports_run *run = host;
    pbts_histogram_add(&run->result->latency_ns, pbts_bench_now_ns() - run->sent_ns[job]);
    bool ok = http_status == 200 && pbts_reports_answer_is_good(&run->set->plan, answer);
    return ok || explain("report", http_status, answer);
}

typedef struct {
    uint64_t wall_ns, tracker_ns, client_ns;
    double commits, commit_seconds;
    bool has_commits;
} reading;

static reading read_counters(const reports_run *run) {
    reading now = { 0 };
    char *text = pbts_bench_request(run->target->tracker, "/metrics", NULL, (pbts_span){ NULL, 0 });
    now.has_commits = text && pbts_bench_read_metric(&now.commits, text, "pbts_commits_total") &&
                      pbts_bench_read_metric(&now.commit_seconds, text, "pbts_commit_seconds_sum");
    free(text);
    if (run->target->pid > 0 && !pbts_bench_cpu_ns(&now.tracker_ns, run->target->pid))
        now.tracker_ns = 0;
    if (!pbts_bench_cpu_ns(&now.client_ns, getpid())) now.client_ns = 0;
    now.wall_ns = pbts_bench_now_ns();
    return now;
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

static void take_difference(pbts_reports_result *out, const reading *from, const reading *to) {
    out->seconds = seconds_between(from->wall_ns, to->wall_ns);
    out->tracker_cpu_seconds = seconds_between(from->tracker_ns, to->tracker_ns);
    out->client_cpu_seconds = seconds_between(from->client_ns, to->client_ns);
    out->has_commits = from->has_commits && to->has_commits;
    out->commits = to->commits - from->commits;
    out->commit_seconds = to->commit_seconds - from->commit_seconds;
}

static bool post_reports(reports_run *run) {
    const pbts_reports_plan *plan = &run->set->plan;
    pbts_posts posts = { .what = "reports",
                         .tracker = run->target->tracker,
                         .content_type = "application/x-bencode",
                         .jobs = plan->reports,
                         .lanes = run->target->lanes,
                         .body_max = run->result->body_bytes,
                         .answer_max = ANSWER_ROOM + plan->statements * ANSWER_STATEMENT_ROOM,
                         .fill = fill_report,
                         .take = take_report,
                         .host = run };
    reading before = read_counters(run);
    bool ok = pbts_posts_run(&posts);
    /* The wall clock stops first: reading the metrics is no part of it. */
    uint64_t ended_ns = pbts_bench_now_ns();
    reading after = read_counters(run);
    after.wall_ns = ended_ns;
    take_difference(run->result, &before, &after);
    return ok;
}

/* ---- the books ---- */

static bool user_is(const reports_run *run, uint32_t user, uint64_t sent, uint64_t received) {
    char path[64];
    const char *uid = run->set->users[user].uid;
    (void)snprintf(path, sizeof path, "/user/%s", uid);
    json_t *json = pbts_bench_get_json(run->target->tracker, path);
    if (!json) return false;
    json_int_t granted = json_integer_value(json_object_get(json, "granted_bytes"));
    json_int_t up = json_integer_value(json_object_get(json, "up_bytes")) - granted;
    json_int_t down = json_integer_value(json_object_get(json, "down_bytes"));
    json_int_t held = json_integer_value(json_object_get(json, "held_bytes"));
    json_decref(json);
    if (up == (json_int_t)sent && down == (json_int_t)received && held == 0) return true;
    (void)fprintf(stderr,
                  "pbts bench reports: %s has up %lld, down %lld, held %lld; wanted %lld, "
                  "%lld, 0\n",
                  uid, (long long)up, (long long)down, (long long)held, (long long)sent,
                  (long long)received);
    return false;
}

static bool books_are_exact(const reports_run *run) {
    uint32_t users = run->set->plan.users;
    uint64_t *totals = calloc(2 * (size_t)users, sizeof *totals);
    if (!totals) return fail("no memory");
    pbts_reports_plan_totals(&run->set->plan, totals, totals + users);
    bool ok = true;
    for (uint32_t i = 0; ok && i < users; i++) ok = user_is(run, i, totals[i], totals[users + i]);
    free(totals);
    return ok;
}

static bool verify_half(reports_run *run, uint32_t first) {
    return pbts_reports_verify(&run->result->verification, run->set, first, 2) ||
           fail("a report of our own does not verify");
}

bool pbts_reports_run(pbts_reports_result *out, pbts_reports_set *set,
                      const pbts_reports_target *target) {
    reports_run run = { .set = set, .target = target, .result = out };
    run.sent_ns = calloc(set->plan.reports, sizeof *run.sent_ns);
    if (!run.sent_ns) return fail("no memory");
    /* Half before and half after, so that a machine that speeds up or slows down counts less. */
    bool ok = prepare(&run) && verify_half(&run, 0) && post_reports(&run) &&
              books_are_exact(&run) && verify_half(&run, 1);
    free(run.sent_ns);
    return ok;
}
