/* kms/request.h - what a tracker and a node say to each other, as bytes; bencode, nothing believed.
 *
 *   HELLO    (node)    d 1:e epoch 1:i node 1:n nonce(32) 1:p P(96) 1:s SHARES(96 per node) e
 *   REQUEST  (tracker) d 1:a A(32) 1:c LIST(collateral, 5) 1:g generation 1:k kind 1:l lineage(32)
 *                        1:m mode 1:n NONCES 1:q quote 1:s statement, or empty e
 *   ANSWER   (node)    d 1:e epoch 1:i node 1:r key(32) 1:s sealed(64) e
 *
 * NONCES are entries of 33 bytes, node u8 ‖ nonce, nodes ascending. The quote's report_data is
 *
 *   SHA-512("pbts-kms-v1" ‖ A ‖ P ‖ lineage ‖ generation u64 ‖ nonces)               for a key,
 *   SHA-512("pbts-kms-attest-v1" ‖ A ‖ P ‖ lineage ‖ generation u64 ‖ statement ‖ nonces)
 *
 * Integers are big-endian. Source: paper section 6.1; docs/kms.md.
 */
#ifndef PBTS_KMS_REQUEST_H
#define PBTS_KMS_REQUEST_H

#include "attest/collateral.h"
#include "attest/quote.h"
#include "kms/box.h"
#include "kms/group.h"
#include "kms/nonce.h"

enum {
    PBTS_KMS_LINEAGE_LEN = 32,
    PBTS_KMS_STATEMENT_LEN = 136,
    PBTS_KMS_SEALED_LEN = PBTS_BLS_SIGNATURE_LEN + PBTS_BOX_TAG_LEN,
    PBTS_KMS_HELLO_LEN_MAX = 2048,
    PBTS_KMS_REQUEST_LEN_MAX = 1024 * 1024,
    PBTS_KMS_REPLY_LEN_MAX = 256,
    PBTS_KMS_TOPIC_LEN_MAX = 128,
};

typedef enum { PBTS_KMS_ASK_KEY, PBTS_KMS_ASK_STATEMENT, PBTS_KMS_ASKS } pbts_kms_ask_kind;

/* GATE: the measurement must be on the list, the key is the lineage's. PINNED: the key is of this
 * measurement. */
typedef enum { PBTS_KMS_GATE, PBTS_KMS_PINNED, PBTS_KMS_MODES } pbts_kms_mode;

typedef struct {
    uint8_t bytes[PBTS_KMS_LINEAGE_LEN];
} pbts_kms_lineage_id;

/* SHA-384(MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ RTMR3). */
void pbts_kms_measure(uint8_t out[static PBTS_MEASUREMENT_LEN], const pbts_td_report *td);

/* What a contract's verifier gets signed; docs/kms.md has the layout. */
typedef struct {
    uint64_t chain_id;
    uint8_t verifier[20], owner[20];
    pbts_kms_lineage_id lineage;
    uint8_t measurement[PBTS_MEASUREMENT_LEN];
    uint64_t expiry_s;
} pbts_kms_statement;
void pbts_kms_statement_encode(uint8_t out[static PBTS_KMS_STATEMENT_LEN],
                               const pbts_kms_statement *statement);
void pbts_kms_statement_decode(pbts_kms_statement *out,
                               const uint8_t bytes[static PBTS_KMS_STATEMENT_LEN]);

/* What the group signs to make a key: mode u8 (with 0x80 when simulated) ‖ lineage ‖ generation u64
 * and, when pinned, the measurement. A simulated guest never gets the key of a real one. */
typedef struct {
    pbts_kms_mode mode;
    bool is_simulated;
    pbts_kms_lineage_id lineage;
    uint64_t generation;
    uint8_t measurement[PBTS_MEASUREMENT_LEN];
} pbts_kms_topic;
void pbts_kms_topic_encode(pbts_writer *out, const pbts_kms_topic *topic);

typedef struct {
    size_t node;
    uint64_t epoch;
    pbts_kms_nonce nonce;
    pbts_bls_public group;
    pbts_bls_public shares[PBTS_KMS_NODES_MAX];
    size_t nodes;
} pbts_kms_hello;
void pbts_kms_hello_encode(pbts_writer *out, const pbts_kms_hello *hello);
/* PBTS_MALFORMED, PBTS_LIMIT. Points are not looked at. */
PBTS_MUST_USE pbts_status pbts_kms_hello_decode(pbts_kms_hello *out, pbts_span bytes);

/* Spans are borrowed. */
typedef struct {
    pbts_kms_ask_kind kind;
    pbts_kms_mode mode;
    uint8_t ephemeral[PBTS_X25519_LEN]; /* A */
    pbts_kms_lineage_id lineage;
    uint64_t generation;
    struct {
        uint8_t node;
        pbts_kms_nonce nonce;
    } nonces[PBTS_KMS_NODES_MAX];
    size_t nonces_len;
    uint8_t statement[PBTS_KMS_STATEMENT_LEN]; /* ASK_STATEMENT */
    pbts_span quote;
    pbts_collateral_files collateral;
} pbts_kms_request;
void pbts_kms_request_encode(pbts_writer *out, const pbts_kms_request *request);
PBTS_MUST_USE pbts_status pbts_kms_request_decode(pbts_kms_request *out, pbts_span bytes);
/* What the quote must have been made for. */
void pbts_kms_request_report_data(uint8_t out[static PBTS_REPORT_DATA_LEN],
                                  const pbts_kms_request *request, const pbts_bls_public *group);

typedef struct {
    size_t node;
    uint64_t epoch;
    uint8_t ephemeral[PBTS_X25519_LEN];
    uint8_t sealed[PBTS_KMS_SEALED_LEN];
} pbts_kms_reply;
void pbts_kms_reply_encode(pbts_writer *out, const pbts_kms_reply *reply);
PBTS_MUST_USE pbts_status pbts_kms_reply_decode(pbts_kms_reply *out, pbts_span bytes);
/* The key of its seal, from the X25519 result, bound to all that it answers. */
void pbts_kms_reply_key(uint8_t out[static PBTS_BOX_KEY_LEN], const pbts_kms_reply *reply,
                        const uint8_t shared[static PBTS_X25519_LEN],
                        const uint8_t report_data[static PBTS_REPORT_DATA_LEN]);

#endif
