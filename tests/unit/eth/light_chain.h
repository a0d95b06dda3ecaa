/* A beacon chain of the tests' own: any slots, any fork, committees whose keys are known. It writes
 * what a beacon node would answer. */
#ifndef PBTS_TEST_ETH_LIGHT_CHAIN_H
#define PBTS_TEST_ETH_LIGHT_CHAIN_H

#include <blst.h>

#include "eth/light_vectors.h"

enum { CHAIN_MEMBERS = 32, CHAIN_PERIODS_MAX = 64, CHAIN_MESSAGE_MAX = 8192 };

typedef struct {
    uint8_t bytes[CHAIN_MESSAGE_MAX];
    size_t len;
} message;

static inline pbts_span span_of_message(const message *m) {
    return (pbts_span){ m->bytes, m->len };
}

/* ---- committees: member i of period p has the secret 1 + 1000 * p + i ---- */

static inline void chain_secret(blst_scalar *out, uint64_t number) {
    uint8_t bytes[32] = { 0 };
    for (size_t i = 0; i < 8; i++) bytes[31 - i] = (uint8_t)(number >> (8 * i));
    blst_scalar_from_bendian(out, bytes);
}

static inline void chain_make_committee(pbts_beacon_committee *out, uint64_t period) {
    blst_p1 sum, key;
    memset(out, 0, sizeof *out);
    memset(&sum, 0, sizeof sum);
    for (uint64_t i = 0; i < CHAIN_MEMBERS; i++) {
        blst_scalar secret;
        chain_secret(&secret, 1 + 1000 * period + i);
        blst_sk_to_pk_in_g1(&key, &secret);
        blst_p1_compress(out->keys + i * 48, &key);
        blst_p1_add_or_double(&sum, &sum, &key);
    }
    blst_p1_compress(out->aggregate, &sum);
}

/* Each is made once. */
static inline void chain_committee(pbts_beacon_committee *out, uint64_t period) {
    static pbts_beacon_committee made[CHAIN_PERIODS_MAX];
    static bool is_made[CHAIN_PERIODS_MAX];
    assert_true(period < CHAIN_PERIODS_MAX);
    if (!is_made[period]) chain_make_committee(&made[period], period);
    is_made[period] = true;
    *out = made[period];
}

/* The first `count` members sign. */
static inline void chain_sign(pbts_light_update *update, const pbts_beacon_network *network,
                              uint32_t count) {
    static const char DOMAIN[] = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
    pbts_ssz_chunk root = pbts_beacon_header_root(&update->attested.beacon);
    pbts_ssz_chunk text = pbts_beacon_signing_root(network, &root, update->signature_slot);
    uint64_t period = pbts_beacon_period(network, update->signature_slot), total = 0;
    for (uint32_t i = 0; i < count; i++) {
        update->bits[i / 8] |= (uint8_t)(1 << (i % 8));
        total += 1 + 1000 * period + i;
    }
    blst_scalar secret;
    blst_p2 hashed, signature;
    chain_secret(&secret, total);
    blst_hash_to_g2(&hashed, text.bytes, sizeof text.bytes, (const uint8_t *)DOMAIN,
                    sizeof DOMAIN - 1, NULL, 0);
    blst_sign_pk_in_g1(&signature, &hashed, &secret);
    blst_p2_compress(update->signature, &signature);
}

/* ---- states: a tree that is filler but for three nodes ---- */

typedef struct {
    uint64_t gindex[3];
    pbts_ssz_chunk node[3];
} sparse_tree;

static inline pbts_ssz_chunk tree_node(const sparse_tree *tree, uint64_t gindex) {
    pbts_ssz_chunk filler;
    memset(filler.bytes, (int)(gindex & 0x7F) + 1, sizeof filler.bytes);
    bool leads = false;
    for (size_t i = 0; i < 3; i++) {
        if (tree->gindex[i] == gindex) return tree->node[i];
        for (uint64_t at = tree->gindex[i]; at > 0; at /= 2) leads = leads || at == gindex;
    }
    if (!leads) return filler;
    pbts_ssz_chunk left = tree_node(tree, 2 * gindex), right = tree_node(tree, 2 * gindex + 1);
    return pbts_ssz_node(&left, &right);
}

static inline void tree_branch(pbts_ssz_chunk *out, const sparse_tree *tree, uint64_t gindex) {
    for (; gindex > 1; gindex /= 2) *out++ = tree_node(tree, gindex ^ 1);
}

/* ---- blocks: of each slot there is one, whose state has finalized `finalized_slot` ---- */

static inline void chain_header(pbts_light_header *out, sparse_tree *state,
                                const pbts_beacon_network *network, uint64_t slot,
                                uint64_t finalized_slot) {
    pbts_beacon_fork fork = pbts_beacon_fork_at(network, slot);
    pbts_beacon_gindices at = pbts_beacon_gindices_of(fork);
    uint64_t period = pbts_beacon_period(network, slot);
    pbts_beacon_committee committee;
    memset(out, 0, sizeof *out);
    *state =
        (sparse_tree){ .gindex = { at.finalized_root, at.current_committee, at.next_committee } };
    if (finalized_slot > 0) {
        pbts_light_header finalized;
        sparse_tree ignored;
        chain_header(&finalized, &ignored, network, finalized_slot, 0);
        state->node[0] = pbts_beacon_header_root(&finalized.beacon);
    }
    chain_committee(&committee, period);
    state->node[1] = pbts_beacon_committee_root(&committee, CHAIN_MEMBERS);
    chain_committee(&committee, period + 1);
    state->node[2] = pbts_beacon_committee_root(&committee, CHAIN_MEMBERS);
    out->beacon.slot = slot;
    out->beacon.proposer_index = slot % CHAIN_MEMBERS;
    out->beacon.state_root = tree_node(state, 1);
    if (fork < PBTS_BEACON_CAPELLA) return;
    out->execution.block_number = slot + 100;
    out->execution.timestamp_s = pbts_beacon_slot_time_s(network, slot);
    memset(out->execution.state_root.bytes, (int)(slot & 0xFF), 32);
    memset(out->execution.block_hash.bytes, (int)(slot & 0xFF) ^ 0x55, 32);
    memcpy(out->execution.extra_data, "tests", 5);
    out->execution.extra_data_len = 5;
    if (fork >= PBTS_BEACON_DENEB) out->execution.blob_gas_used = 131072;
    sparse_tree body = { .gindex = { PBTS_BEACON_EXECUTION_GINDEX },
                         .node = { pbts_beacon_execution_root(&out->execution, fork) } };
    out->beacon.body_root = tree_node(&body, 1);
    tree_branch(out->execution_branch, &body, PBTS_BEACON_EXECUTION_GINDEX);
}

static inline pbts_ssz_chunk chain_root(const pbts_beacon_network *network, uint64_t slot) {
    pbts_light_header header;
    sparse_tree state;
    chain_header(&header, &state, network, slot, 0);
    return pbts_beacon_header_root(&header.beacon);
}

static inline void chain_bootstrap(pbts_light_bootstrap *out, const pbts_beacon_network *network,
                                   uint64_t slot) {
    sparse_tree state;
    memset(out, 0, sizeof *out);
    chain_header(&out->header, &state, network, slot, 0);
    chain_committee(&out->committee, pbts_beacon_period(network, slot));
    tree_branch(out->committee_branch, &state, state.gindex[1]);
}

/* An update of the block at `attested`, signed in the slot after it by `count` members; finalized
 * 0: without finality. */
static inline void chain_update(pbts_light_update *out, const pbts_beacon_network *network,
                                uint64_t attested, uint64_t finalized, bool has_next,
                                uint32_t count) {
    sparse_tree state, ignored;
    memset(out, 0, sizeof *out);
    chain_header(&out->attested, &state, network, attested, finalized);
    out->has_finality = finalized > 0;
    if (finalized > 0) {
        chain_header(&out->finalized, &ignored, network, finalized, 0);
        tree_branch(out->finality_branch, &state, state.gindex[0]);
    }
    out->has_next = has_next;
    if (has_next) {
        chain_committee(&out->next, pbts_beacon_period(network, attested) + 1);
        tree_branch(out->next_branch, &state, state.gindex[2]);
    }
    out->signature_slot = attested + 1;
    chain_sign(out, network, count);
}

/* ---- as SSZ ---- */

static inline void write_chunks(pbts_writer *w, const pbts_ssz_chunk *chunks, size_t count) {
    for (size_t i = 0; i < count; i++) pbts_write_bytes(w, PBTS_SPAN_OF(chunks[i].bytes));
}

static inline void write_beacon(pbts_writer *w, const pbts_beacon_header *header) {
    pbts_ssz_write_u64(w, header->slot);
    pbts_ssz_write_u64(w, header->proposer_index);
    write_chunks(w, &header->parent_root, 1);
    write_chunks(w, &header->state_root, 1);
    write_chunks(w, &header->body_root, 1);
}

/* Of a message of Capella or later. */
static inline void write_header(pbts_writer *w, const pbts_light_header *header,
                                pbts_beacon_fork fork) {
    const pbts_beacon_execution *e = &header->execution;
    bool has_blobs = fork >= PBTS_BEACON_DENEB;
    write_beacon(w, &header->beacon);
    pbts_ssz_write_u32(w, 244);
    write_chunks(w, header->execution_branch, PBTS_BEACON_EXECUTION_BRANCH_LEN);
    write_chunks(w, &e->parent_hash, 1);
    pbts_write_bytes(w, PBTS_SPAN_OF(e->fee_recipient));
    write_chunks(w, &e->state_root, 1);
    write_chunks(w, &e->receipts_root, 1);
    pbts_write_bytes(w, PBTS_SPAN_OF(e->logs_bloom));
    write_chunks(w, &e->prev_randao, 1);
    pbts_ssz_write_u64(w, e->block_number);
    pbts_ssz_write_u64(w, e->gas_limit);
    pbts_ssz_write_u64(w, e->gas_used);
    pbts_ssz_write_u64(w, e->timestamp_s);
    pbts_ssz_write_u32(w, has_blobs ? 584 : 568);
    write_chunks(w, &e->base_fee_wei, 1);
    write_chunks(w, &e->block_hash, 1);
    write_chunks(w, &e->transactions_root, 1);
    write_chunks(w, &e->withdrawals_root, 1);
    if (has_blobs) pbts_ssz_write_u64(w, e->blob_gas_used);
    if (has_blobs) pbts_ssz_write_u64(w, e->excess_blob_gas);
    pbts_write_bytes(w, (pbts_span){ e->extra_data, e->extra_data_len });
}

static inline void write_committee(pbts_writer *w, const pbts_beacon_committee *committee) {
    pbts_write_bytes(w, (pbts_span){ committee->keys, (size_t)CHAIN_MEMBERS * 48 });
    pbts_write_bytes(w, PBTS_SPAN_OF(committee->aggregate));
}

static inline size_t header_len(const pbts_light_header *header, pbts_beacon_fork fork) {
    return 244U + (fork >= PBTS_BEACON_DENEB ? 584U : 568U) + header->execution.extra_data_len;
}

static inline void encode_bootstrap(message *out, const pbts_beacon_network *network,
                                    const pbts_light_bootstrap *bootstrap) {
    pbts_beacon_fork fork = pbts_beacon_fork_at(network, bootstrap->header.beacon.slot);
    bool has_execution = fork >= PBTS_BEACON_CAPELLA;
    size_t branch_len = fork >= PBTS_BEACON_ELECTRA ? 6 : 5;
    pbts_writer w = pbts_writer_over(out->bytes, sizeof out->bytes);
    if (has_execution) {
        pbts_ssz_write_u32(&w, (uint32_t)(4 + (CHAIN_MEMBERS + 1) * 48 + branch_len * 32));
    } else {
        write_beacon(&w, &bootstrap->header.beacon);
    }
    write_committee(&w, &bootstrap->committee);
    write_chunks(&w, bootstrap->committee_branch, branch_len);
    if (has_execution) write_header(&w, &bootstrap->header, fork);
    assert_int_equal(pbts_writer_status(&w), PBTS_OK);
    out->len = w.len;
}

static inline void encode_update(message *out, const pbts_beacon_network *network,
                                 pbts_light_container kind, const pbts_light_update *update) {
    pbts_beacon_fork fork = pbts_beacon_fork_at(network, update->attested.beacon.slot);
    bool has_execution = fork >= PBTS_BEACON_CAPELLA;
    size_t deeper = fork >= PBTS_BEACON_ELECTRA, place = has_execution ? 4 : 112;
    size_t fixed = place + CHAIN_MEMBERS / 8 + 96 + 8;
    if (kind != PBTS_LIGHT_OPTIMISTIC_UPDATE) fixed += place + (6 + deeper) * 32;
    if (kind == PBTS_LIGHT_FULL_UPDATE) fixed += (CHAIN_MEMBERS + 1) * 48 + (5 + deeper) * 32;
    pbts_writer w = pbts_writer_over(out->bytes, sizeof out->bytes);
    if (has_execution) pbts_ssz_write_u32(&w, (uint32_t)fixed);
    if (!has_execution) write_beacon(&w, &update->attested.beacon);
    if (kind == PBTS_LIGHT_FULL_UPDATE) {
        write_committee(&w, &update->next);
        write_chunks(&w, update->next_branch, 5 + deeper);
    }
    if (kind != PBTS_LIGHT_OPTIMISTIC_UPDATE) {
        size_t second = fixed + header_len(&update->attested, fork);
        if (has_execution) pbts_ssz_write_u32(&w, (uint32_t)second);
        if (!has_execution) write_beacon(&w, &update->finalized.beacon);
        write_chunks(&w, update->finality_branch, 6 + deeper);
    }
    pbts_write_bytes(&w, (pbts_span){ update->bits, CHAIN_MEMBERS / 8 });
    pbts_write_bytes(&w, PBTS_SPAN_OF(update->signature));
    pbts_ssz_write_u64(&w, update->signature_slot);
    if (has_execution) write_header(&w, &update->attested, fork);
    if (has_execution && kind != PBTS_LIGHT_OPTIMISTIC_UPDATE) {
        write_header(&w, &update->finalized, fork);
    }
    assert_int_equal(pbts_writer_status(&w), PBTS_OK);
    out->len = w.len;
}

#endif
