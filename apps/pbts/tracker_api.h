/* tracker_api.h - what several commands ask a tracker. Every function gives an exit code and says
 * what is wrong. */
#ifndef PBTS_APPS_TRACKER_API_H
#define PBTS_APPS_TRACKER_API_H

#include "http.h"
#include "keyfile.h"

/* The instance's id, from GET /params. */
int tracker_iid(uint8_t iid[static PBTS_IID_LEN], const char *tracker, const char *ca);
/* The same, and the key that it signs with, when it shows one. */
int tracker_identity(uint8_t iid[static PBTS_IID_LEN], pbts_bls_public *tracker_key, bool *has_key,
                     const char *tracker, const char *ca);
/* The id for something that `key` is about to sign: PBTS_EXIT_REFUSED when the key is registered
 * with another instance. */
int tracker_iid_of_key(uint8_t iid[static PBTS_IID_LEN], const char *tracker, const char *ca,
                       const keyfile *key);
/* A user's public key, from GET /user/<uid>. */
int tracker_user_key(pbts_bls_public *out, const char *tracker, const char *ca, const char *uid);

/* The Authorization header of a request that `key` signs now (docs/protocol.md). */
enum { AUTHORIZATION_MAX = 512 };
void tracker_authorization(char out[static AUTHORIZATION_MAX], const keyfile *key,
                           const uint8_t iid[static PBTS_IID_LEN], const http_request *request);
/* Set that header (into `room`) and send; JSON answer. */
int tracker_signed_json(json_t **out, http_request *request, const keyfile *key);

/* A count in an answer; 0 when it is missing or negative. */
uint64_t tracker_count(const json_t *object, const char *name);
/* Release the answer and say that it lacks `what`; PBTS_EXIT_IO. */
int tracker_answer_bad(json_t *take, const char *tracker, const char *what);

/* Text of bytes, for JSON and people; NUL-terminated. `capacity` must be enough (asserted). */
void base64_text(char *out, size_t capacity, pbts_span bytes);
void hex_text(char *out, size_t capacity, pbts_span bytes);

#endif
