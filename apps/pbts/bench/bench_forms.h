/* bench_forms.h - the paper's Table I, measured: what 2,560 pieces of 2 MiB from one sender to one
 * receiver cost in each form of receipts. */
#ifndef PBTS_APPS_BENCH_FORMS_H
#define PBTS_APPS_BENCH_FORMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "receipt/receipt.h"
#include "tracker/tracker.h"

enum { PBTS_BENCH_FORMS = 5, PBTS_BENCH_FORM_PIECES = 2560, PBTS_BENCH_FORM_PIECE_LEN = 2 << 20 };

/* Microseconds of CPU time of one thread, median of some runs. */
typedef struct {
    const char *name;
    size_t signatures;   /* that the receiver makes for all pieces */
    double sign_us;      /* it makes them */
    double check_us;     /* the sender verifies them, one after the other, as they come */
    size_t statements;   /* of the report */
    size_t report_bytes; /* in bencode, with one aggregate signature */
    double tracker_us;   /* the tracker decodes and checks the report, up to the store */
} pbts_bench_form;

/* `progress` gets a word per form. False when something did not verify, or memory or the disk was
 * short. */
bool pbts_bench_forms_measure(pbts_bench_form out[static PBTS_BENCH_FORMS], bool quick,
                              void (*progress)(const char *step));

/* ---- private: a tracker of its own in a temporary folder (bench_forms_tracker.c) ---- */

typedef struct {
    const char *uid;
    pbts_bls_secret secret;
    pbts_bls_public key;
    pbts_bls_public_point point;
    uint32_t number;
} forms_user;

typedef struct {
    char folder[64];
    pbts_bls_secret owner;
    pbts_store *store;
    pbts_tracker *tracker;
    pbts_now now;
} forms_tracker;

/* All zero before; close it whatever open says. False: memory, the disk, or a refusal. */
bool forms_tracker_open(forms_tracker *out);
bool forms_tracker_add_user(forms_tracker *t, forms_user *user, const char *uid);
bool forms_tracker_add_torrent(forms_tracker *t, const forms_user *user, const pbts_metainfo *meta);
void forms_tracker_close(forms_tracker *t);

#endif
