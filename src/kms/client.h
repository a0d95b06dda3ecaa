/* kms/client.h - the tracker's side: one conversation with the nodes of a group, to a key or to a
 * signed statement. No I/O: the host asks each node for its HELLO, has a quote made for
 * pbts_kms_client_report_data, sends every node the same request, and hands the replies in.
 *
 * Nothing that a node says is believed. Shares are combined and one pairing compares the result
 * with P, which the tracker knows from its configuration; if that fails, each share is compared
 * with its node's public key, and who lied is named. t - 1 lying nodes cannot stop t honest ones.
 * Source: Boldyreva 2003 (threshold BLS); paper section 6.1, steps 2 and 3.
 */
#ifndef PBTS_KMS_CLIENT_H
#define PBTS_KMS_CLIENT_H

#include "kms/request.h"

enum { PBTS_KMS_KEY_TRK_LEN = 32 };

typedef struct {
    pbts_bls_public group; /* P; PBTS_MALFORMED when it is no point */
    size_t nodes, threshold;
    pbts_kms_ask_kind kind;
    pbts_kms_mode mode;
    bool is_simulated; /* the quote will be one of the simulator */
    pbts_kms_lineage_id lineage;
    uint64_t generation;
    uint8_t statement[PBTS_KMS_STATEMENT_LEN]; /* ASK_STATEMENT */
} pbts_kms_client_config;

/* What a node did in this conversation. */
typedef enum {
    PBTS_KMS_SILENT,
    PBTS_KMS_SAID_HELLO,
    PBTS_KMS_REPLIED,
    PBTS_KMS_LIED, /* a reply that is not its share; whoever carried it may have changed it too */
} pbts_kms_conduct;

typedef struct {
    pbts_kms_client_config config;
    pbts_bls_public_point group;
    uint8_t secret[PBTS_X25519_LEN]; /* of A */
    pbts_kms_request request;
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    uint8_t measurement[PBTS_MEASUREMENT_LEN];
    bool is_asked; /* the nonces are fixed */
    struct {
        pbts_kms_conduct conduct;
        pbts_kms_hello hello;
        uint64_t epoch;          /* of the reply */
        pbts_bls_g1_point share; /* H(m)^s, secret for a key */
    } nodes[PBTS_KMS_NODES_MAX];
} pbts_kms_client;

/* PBTS_MALFORMED: P; PBTS_LIMIT: n or t; PBTS_IO, PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_kms_client_init(pbts_kms_client *out,
                                               const pbts_kms_client_config *config,
                                               pbts_random *random);
void pbts_kms_client_deinit(pbts_kms_client *client); /* wipes */

/* PBTS_MALFORMED; PBTS_DENIED: of another node, group or size; PBTS_EXISTS: it came too late. */
PBTS_MUST_USE pbts_status pbts_kms_client_hello(pbts_kms_client *client, size_t node,
                                                pbts_span bytes);
/* Fix the nonces of all who said hello. PBTS_NEED_MORE: fewer than t did. */
PBTS_MUST_USE pbts_status pbts_kms_client_report_data(pbts_kms_client *client,
                                                      uint8_t out[static PBTS_REPORT_DATA_LEN]);
/* The request for each of them. PBTS_MALFORMED: that is no quote, or not for this report_data. */
PBTS_MUST_USE pbts_status pbts_kms_client_request(pbts_kms_client *client, pbts_writer *out,
                                                  pbts_span quote,
                                                  const pbts_collateral_files *collateral);
/* PBTS_MALFORMED, PBTS_BAD_SIGNATURE, PBTS_DENIED: it is nothing that the node could have meant; it
 * counts as lying. PBTS_EXISTS: it replied before. */
PBTS_MUST_USE pbts_status pbts_kms_client_reply(pbts_kms_client *client, size_t node,
                                                pbts_span bytes);

/* PBTS_NEED_MORE: fewer than t good shares of one epoch yet; who is known to lie has conduct
 * PBTS_KMS_LIED. PBTS_BAD_SIGNATURE: the shares are wrong and nobody can be named, because fewer
 * than t nodes agree on who has which public key. */
PBTS_MUST_USE pbts_status pbts_kms_client_key(pbts_kms_client *client,
                                              uint8_t out[static PBTS_KMS_KEY_TRK_LEN]);
PBTS_MUST_USE pbts_status pbts_kms_client_signature(pbts_kms_client *client,
                                                    pbts_bls_signature *out);
pbts_kms_conduct pbts_kms_client_conduct(const pbts_kms_client *client, size_t node);

#endif
