/* rest_parts.h - what the files of the REST API share: the endpoints' handlers, and small helpers
 * for JSON, for who asks, and for what an address may do. Private to rest*.c.
 */
#ifndef PBTS_TRACKER_REST_PARTS_H
#define PBTS_TRACKER_REST_PARTS_H

#include "rest.h"
#include "rest_limit.h"

/* Who asks, as far as the endpoint's row in rest.c wants to know. */
struct rest_caller {
    const char *tail; /* what stands for the '*' of the endpoint's path; "" without one */
    uint32_t user_no; /* signed, or brought a passkey; 0: nobody, or an administrator */
};

typedef void rest_handler(struct rest_request *request, const struct rest_caller *caller);

rest_handler rest_status_page;
rest_handler rest_health, rest_params;
rest_handler rest_metrics;
rest_handler rest_register, rest_passkey;
rest_handler rest_report, rest_verify_receipt;
rest_handler rest_torrent_add, rest_torrent_list, rest_torrent_fetch;
rest_handler rest_user;
rest_handler rest_config_show, rest_config_change;
rest_handler rest_contract_status, rest_contract_init, rest_contract_register;
rest_handler rest_contract_update, rest_contract_migrate, rest_contract_user;
rest_handler rest_keygen, rest_attest;
rest_handler rest_tee_status, rest_tee_generate, rest_tee_verify;

/* ---- who asks (rest_auth.c) ---- */

/* The user of `Authorization: PBTS ...` or, unless `once`, of `?passkey=`; an administrator is user
 * 0 and passes unless `once`. False: the refusal was sent. */
bool rest_authenticate(struct rest_request *request, uint32_t *user_no, bool once);
void rest_refuse_admin(struct rest_request *request);
/* Before a signature is checked: whether the client's address, and the user whose `name` (uid or
 * key; empty: nobody's) it brings, have CPU time left. False: 429 was sent. */
bool rest_may_work(struct rest_request *request, pbts_span name);
/* The signature is the user's, over this time: it was the user's work, if it is not a replay. */
void rest_prove(struct rest_request *request, uint32_t user_no, uint64_t unix_time);
/* Rate limits by address; loopback clients have none. `take` counts one, and answers 429 when that
 * is too many; `is_open` answers 429 without counting. False: the refusal was sent. */
bool rest_limit_take(struct rest_request *request, enum rest_limit_kind kind);
bool rest_limit_is_open(struct rest_request *request, enum rest_limit_kind kind);
void rest_limit_count(struct rest_request *request, enum rest_limit_kind kind);
/* Whether it costs pairings to find out, and an honest client never sends it. */
static inline bool rest_is_bad_signature(pbts_refusal refusal) {
    return refusal == PBTS_REFUSAL_BAD_SIGNATURE || refusal == PBTS_REFUSAL_BAD_PIECE_SIGNATURE;
}
/* Send the refusal; one for a bad signature is counted against the address. */
void rest_refuse(struct rest_request *request, pbts_refusal refusal);

enum { REST_ANNOUNCE_URL_MAX = 320 };
/* The user's announce URL with its passkey (a secret); user 0: the bare one. */
void rest_announce_url(const struct app *app, char out[static REST_ANNOUNCE_URL_MAX],
                       uint32_t user_no);

/* ---- JSON (rest_json.c) ---- */

/* The body as a JSON object, duplicate keys refused; NULL: 400 was sent. The caller releases it. */
json_t *rest_json_body(struct rest_request *request);
/* Members of an object; false when absent or of another kind. Texts are borrowed. */
bool rest_json_text_at(pbts_span *out, const json_t *object, const char *key);
bool rest_json_uint_at(uint64_t *out, const json_t *object, const char *key);
bool rest_json_base64_at(uint8_t *out, size_t len, const json_t *object, const char *key);
/* Values. Text that is not UTF-8 gets '?' for each byte that is not ASCII. */
json_t *rest_json_text(pbts_span text);
json_t *rest_json_uint(uint64_t value); /* at most INT64_MAX, which is what JSON readers take */
json_t *rest_json_hex(pbts_span bytes);
json_t *rest_json_address(const uint8_t address[static 20]); /* "0x" and hex */
/* Add "kind" and "lag" of the configured ledger to an object, and what there is to say of a chain.
 */
void rest_ledger_kind(json_t *out, struct app *app);
/* "attestation" of /params: null without a TEE. */
json_t *rest_tee_summary(struct app *app);
json_t *rest_json_base64(pbts_span bytes);
json_t *rest_json_ratio(uint64_t up_bytes, uint64_t down_bytes); /* null: nothing downloaded */
/* Add "code" and "error" of a refused statement, and "piece" where one is to blame. */
void rest_json_statement_refusal(json_t *item, pbts_refusal refusal, uint32_t bad_piece);
/* {"success": false, "error", "code"} to add members to. The sentence may quote the request. */
json_t *rest_json_error(const char *code, const char *sentence);
/* As rest_reply_error, for a sentence that quotes the request: cut anywhere, it may be no UTF-8. */
void rest_reply_quoting(struct rest_request *request, unsigned status, const char *code,
                        const char *sentence);

#endif
