/* bench_reports.h - private to `pbts bench reports`: the reports that it makes, what verifying them
 * costs without a tracker, and what a run of them gave.
 *
 * Report r comes from user r mod users. Its statements name the other users in turn as receivers,
 * and pieces that no other statement names for the same receiver and sender, so that every one is
 * credited in full.
 */
#ifndef PBTS_APPS_BENCH_REPORTS_H
#define PBTS_APPS_BENCH_REPORTS_H

#include <jansson.h>
#include <stdbool.h>

#include "bench_histogram.h"
#include "receipt/receipt.h"

enum {
    PBTS_REPORTS_MAX = 100000,
    PBTS_REPORTS_USERS_MAX = 1000,
    PBTS_REPORTS_STATEMENTS_MAX = 64,      /* of a report: as many as the tracker checks jointly */
    PBTS_REPORTS_SIGNATURES_MAX = 1 << 18, /* of all reports: signing takes under a minute */
    PBTS_REPORTS_RUN = 16,                 /* pieces of a cumulative statement */
    PBTS_REPORTS_PIECES_MIN = 2048,        /* of the torrent, that claims have a common size */
    PBTS_REPORTS_PIECES_MAX = 1 << 17, /* of the torrent: 2 GiB of zeros are hashed in seconds */
    PBTS_REPORTS_PIECE_LEN = PBTS_PIECE_LENGTH_MIN,
};

/* ---- who reports what (bench_reports_plan.c) ---- */

typedef struct {
    uint32_t users;      /* >= 2 */
    uint32_t reports;    /* >= 1 */
    uint32_t statements; /* of each report; >= 1 */
    uint32_t run;        /* pieces of each statement, in a row; >= 1 */
} pbts_reports_plan;

typedef struct {
    uint32_t sender, receiver, first_piece;
} pbts_reports_transfer;

pbts_reports_transfer pbts_reports_plan_at(const pbts_reports_plan *plan, uint32_t report,
                                           uint32_t statement);
/* How many pieces the torrent needs. */
uint32_t pbts_reports_plan_pieces(const pbts_reports_plan *plan);
/* Bytes that each user sends and receives in all. */
void pbts_reports_plan_totals(const pbts_reports_plan *plan, uint64_t *sent, uint64_t *received);
/* Bytes that a good answer credits: of whole pieces, none of them held, duplicate or refused. */
uint64_t pbts_reports_plan_bytes(const pbts_reports_plan *plan);
bool pbts_reports_answer_is_good(const pbts_reports_plan *plan, pbts_span answer);

/* ---- the reports (bench_reports_make.c) ---- */

typedef struct {
    char uid[PBTS_UID_LEN_MAX + 1];
    pbts_bls_secret secret;
    pbts_bls_public key;
    pbts_bls_public_point point;
} pbts_reports_user;

typedef struct {
    uint8_t *data;
    size_t len;
} pbts_reports_body;

typedef struct {
    pbts_reports_plan plan;
    pbts_receipt_form form;
    uint8_t iid[PBTS_IID_LEN];
    pbts_reports_user *users;
    pbts_metainfo *meta;
    pbts_reports_body *bodies;
} pbts_reports_set;

/* Zeroed set with plan and form; each false: no memory or no randomness. */
bool pbts_reports_make_users(pbts_reports_set *set, uint32_t tag);
bool pbts_reports_make_torrent(pbts_reports_set *set, const char *name);
/* All bodies, signed at `unix_time`, with receipts of its epoch; the instance's iid is set. */
bool pbts_reports_make_bodies(pbts_reports_set *set, uint64_t unix_time,
                              void (*progress)(uint32_t done, uint32_t all));
void pbts_reports_deinit(pbts_reports_set *set);

/* ---- verification alone (bench_reports_verify.c) ---- */

/* What the tracker does before it commits, without a tracker around it: decode the body, hash the
 * statements' and the submitter's messages, decode the signatures, one product of pairings. Reports
 * first, first + step, ...; adds up the CPU time of this thread and counts the reports. False: one
 * did not verify. */
typedef struct {
    double cpu_us;
    uint32_t reports;
} pbts_reports_verification;
bool pbts_reports_verify(pbts_reports_verification *sum, const pbts_reports_set *set,
                         uint32_t first, uint32_t step);

/* ---- against a tracker (bench_reports_run.c) ---- */

typedef struct {
    const char *tracker;
    const char *header; /* with the administrator's token */
    uint32_t lanes;
    int pid; /* of the tracker; 0: no CPU time */
} pbts_reports_target;

typedef struct {
    double seconds, tracker_cpu_seconds, client_cpu_seconds;
    bool has_commits; /* the tracker's metrics could be read */
    double commits;   /* of the measured part */
    double commit_seconds;
    size_t body_bytes; /* of the largest report */
    pbts_reports_verification verification;
    pbts_histogram latency_ns;
} pbts_reports_result;

/* Register, sign, verify half of the reports, post them all, verify the other half, compare the
 * totals. False after printing what went wrong. */
bool pbts_reports_run(pbts_reports_result *out, pbts_reports_set *set,
                      const pbts_reports_target *target);

#endif
