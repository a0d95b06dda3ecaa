/* bench_receipts.h - what `pbts bench receipts` measures; the words and tables are apart. */
#ifndef PBTS_APPS_BENCH_RECEIPTS_H
#define PBTS_APPS_BENCH_RECEIPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One operation of the cryptography; microseconds of CPU time, median of several runs. */
typedef enum {
    PBTS_PART_KEYGEN,
    PBTS_PART_SIGN,
    PBTS_PART_VERIFY,
    PBTS_PART_HASH,
    PBTS_PART_MILLER_LOOP,
    PBTS_PART_FINAL_EXP,
    PBTS_PART_KEY_DECODE,
    PBTS_PART_SIGNATURE_DECODE,
    PBTS_PARTS
} pbts_bench_part;

const char *pbts_bench_part_name(pbts_bench_part part);

/* `receipts` PIECE receipts of `signers` receivers. Aggregated: from the plain values and one
 * aggregate signature in bytes to the verdict, keys already decoded. */
typedef struct {
    size_t receipts, signers;
    double one_by_one_us, aggregated_us;
} pbts_bench_case;

/* The aggregated case of 1,000 receipts by 5 signers against 1,000 hashes to G1 + 6 Miller loops
 * + 1 final exponentiation, timed in turn with it. */
typedef struct {
    double floor_us, measured_us;
    double ratio; /* median of measured / floor */
    double limit; /* what the ratio should stay below */
} pbts_bench_bound;

/* A report of 2,560 pieces in 5 cumulative statements with one aggregate signature. */
typedef struct {
    const char *name;
    size_t bytes;        /* of the encoded report */
    size_t miller_loops; /* in its verification, the submitter's signature included */
    double verify_us;
    double in_miller_loops; /* verify_us / one Miller loop */
} pbts_bench_report_case;

enum { PBTS_BENCH_CASES = 10, PBTS_BENCH_REPORTS = 2 };

typedef struct {
    double part_us[PBTS_PARTS];
    pbts_bench_case cases[PBTS_BENCH_CASES];
    size_t case_count;
    pbts_bench_bound bound;
    pbts_bench_report_case reports[PBTS_BENCH_REPORTS];
} pbts_bench_receipts_result;

/* Measure all; with `quick` fewer runs and smaller cases. `progress` gets a word per step. False
 * when something did not verify or memory was short. */
bool pbts_bench_receipts_measure(pbts_bench_receipts_result *out, bool quick,
                                 void (*progress)(const char *step));

#endif
