/* bench_tracker.h - what the benchmarks ask a tracker for, beside the load itself.
 *
 * bench_tracker.c reads and writes texts; bench_tracker_http.c moves them, by libcurl.
 */
#ifndef PBTS_APPS_BENCH_TRACKER_H
#define PBTS_APPS_BENCH_TRACKER_H

#include <jansson.h>
#include <stdbool.h>

#include "receipt/receipt.h"
#include "wire/announce.h"

enum { PBTS_BENCH_AUTHORIZATION_LEN = 160, PBTS_BENCH_ANSWER_MAX = 4 << 20 };

/* The header line with the administrator's token, a secret, from the tracker's admin.token. False
 * after printing why not. */
bool pbts_bench_read_token(char header[static PBTS_BENCH_AUTHORIZATION_LEN], const char *path);

/* The body of POST /register, with the proof of possession. */
void pbts_bench_write_registration(pbts_writer *body, const uint8_t iid[static PBTS_IID_LEN],
                                   const char *uid, const pbts_bls_public *key,
                                   const pbts_bls_secret *secret);
/* The passkey that the answer to it names, with NUL. */
bool pbts_bench_read_passkey(char out[static PBTS_PASSKEY_LEN + 1], pbts_span answer);
/* The instance's name in the answer of GET /params, in hex or base64. */
bool pbts_bench_read_iid(uint8_t iid[static PBTS_IID_LEN], const json_t *params);
/* The value of a metric without labels in the answer of GET /metrics. */
bool pbts_bench_read_metric(double *out, const char *text, const char *name);

/* The body of a 2xx answer as text, from the heap; NULL after printing why not. A request without
 * a body (data NULL) is a GET, one with it a POST. */
char *pbts_bench_request(const char *tracker, const char *path, const char *content_type,
                         pbts_span body);
/* The same for GET, parsed; a new reference. */
json_t *pbts_bench_get_json(const char *tracker, const char *path);
bool pbts_bench_fetch_iid(uint8_t iid[static PBTS_IID_LEN], const char *tracker);

#endif
