#include "chain/chain_evidence.h"

#include <stdlib.h>
#include <string.h>

enum { UPDATE_HEAD_LEN = 5 }; /* container and length, as pbts_portable_update_write writes them */

/* ---- what was said ---- */

void pbts_chain_evidence_deinit(pbts_chain_evidence_log *log) {
    free(log->bootstrap.bytes);
    free(log->updates.bytes);
    free(log->finality.bytes);
    free(log->optimistic.bytes);
    free(log->joined.bytes);
    *log = (pbts_chain_evidence_log){ .is_broken = false };
}

static bool has_room(pbts_chain_evidence_part *part, size_t more) {
    if (more > PBTS_CHAIN_EVIDENCE_LEN_MAX - part->len) return false;
    if (part->len + more <= part->capacity) return true;
    size_t capacity = 2 * (part->len + more);
    uint8_t *bytes = realloc(part->bytes, capacity);
    if (bytes == NULL) return false;
    part->bytes = bytes;
    part->capacity = capacity;
    return true;
}

static bool append(pbts_chain_evidence_part *part, pbts_span bytes) {
    if (!has_room(part, bytes.len)) return false;
    if (bytes.len > 0) memcpy(part->bytes + part->len, bytes.data, bytes.len);
    part->len += bytes.len;
    return true;
}

static bool append_update(pbts_chain_evidence_part *part, pbts_light_container container,
                          pbts_span ssz) {
    pbts_portable_update update = { container, ssz };
    if (!has_room(part, UPDATE_HEAD_LEN + ssz.len)) return false;
    pbts_writer writer = pbts_writer_over(part->bytes + part->len, UPDATE_HEAD_LEN + ssz.len);
    pbts_portable_update_write(&writer, &update);
    part->len += writer.len;
    return pbts_writer_status(&writer) == PBTS_OK;
}

static bool set(pbts_chain_evidence_part *part, pbts_span bytes) {
    part->len = 0;
    return append(part, bytes);
}

/* The updates of one answer, each without what frames it there. */
static bool append_all(pbts_chain_evidence_log *log, pbts_span body) {
    pbts_cursor cursor = pbts_cursor_over(body);
    pbts_span ssz;
    while (pbts_light_updates_next(&cursor, &ssz) == PBTS_OK) {
        if (log->updates_len >= PBTS_PORTABLE_UPDATES_MAX - 1) return false; /* a head follows */
        if (!append_update(&log->updates, PBTS_LIGHT_FULL_UPDATE, ssz)) return false;
        log->updates_len++;
    }
    return true;
}

static bool note(pbts_chain_evidence_log *log, pbts_light_request_kind kind, pbts_span body) {
    switch (kind) {
    case PBTS_LIGHT_BOOTSTRAP:
        log->updates.len = 0;
        log->updates_len = 0;
        return set(&log->bootstrap, body);
    case PBTS_LIGHT_UPDATES: return append_all(log, body);
    case PBTS_LIGHT_FINALITY: return set(&log->finality, body);
    case PBTS_LIGHT_OPTIMISTIC: return set(&log->optimistic, body);
    }
    return false;
}

void pbts_chain_evidence_note(pbts_chain_evidence_log *log, pbts_light_request_kind kind,
                              pbts_light_format format, pbts_span body) {
    bool is_head = kind == PBTS_LIGHT_FINALITY || kind == PBTS_LIGHT_OPTIMISTIC;
    if (format != PBTS_LIGHT_SSZ && is_head) {
        (void)note(log, kind, (pbts_span){ NULL, 0 }); /* the one before it is older */
    } else if (format != PBTS_LIGHT_SSZ || !note(log, kind, body)) {
        log->is_broken = true;
    }
}

/* ---- what leads to a block ---- */

static bool find_network(pbts_portable_network *out, const pbts_beacon_network *network) {
    for (int i = 0; i < PBTS_PORTABLE_NETWORKS; i++) {
        uint64_t chain_id;
        const pbts_beacon_network *known =
            pbts_portable_network_of(&chain_id, (pbts_portable_network)i);
        if (memcmp(known->genesis_validators_root, network->genesis_validators_root,
                   sizeof known->genesis_validators_root) != 0)
            continue;
        *out = (pbts_portable_network)i;
        return true;
    }
    return false;
}

static pbts_span span_of(const pbts_chain_evidence_part *part) {
    return (pbts_span){ part->bytes, part->len };
}

/* The updates, and behind them one message about the head, when it is not NULL. */
static bool join(pbts_chain_evidence_log *log, pbts_portable_evidence *evidence,
                 pbts_light_container container, const pbts_chain_evidence_part *head) {
    if (!set(&log->joined, span_of(&log->updates))) return false;
    evidence->updates_len = log->updates_len;
    if (head != NULL) {
        if (!append_update(&log->joined, container, span_of(head))) return false;
        evidence->updates_len++;
    }
    evidence->updates = span_of(&log->joined);
    return true;
}

pbts_status pbts_chain_evidence_make(pbts_chain_evidence_log *log, pbts_portable_evidence *out,
                                     const pbts_beacon_network *network,
                                     const uint8_t trusted_root[static PBTS_SSZ_CHUNK_LEN],
                                     const pbts_eth_hash *block_hash, uint64_t now_s) {
    const struct {
        pbts_light_container container;
        const pbts_chain_evidence_part *head;
    } ways[] = {
        { PBTS_LIGHT_OPTIMISTIC_UPDATE, &log->optimistic },
        { PBTS_LIGHT_FINALITY_UPDATE, &log->finality },
        { PBTS_LIGHT_FULL_UPDATE, NULL }, /* an update shows what is final, too */
    };
    pbts_portable_evidence evidence = { .kind = PBTS_PORTABLE_COMMITTEES,
                                        .bootstrap = span_of(&log->bootstrap) };
    if (log->is_broken || log->bootstrap.len == 0) return PBTS_NOT_FOUND;
    if (!find_network(&evidence.network, network)) return PBTS_NOT_FOUND;
    memcpy(evidence.trusted_root, trusted_root, sizeof evidence.trusted_root);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (ways[i].head != NULL && ways[i].head->len == 0) continue;
        if (!join(log, &evidence, ways[i].container, ways[i].head)) return PBTS_NO_MEMORY;
        pbts_status status = pbts_portable_proof_evidence_verify(
            &evidence, block_hash, trusted_root, network, pbts_mem_system(), now_s);
        if (status == PBTS_NO_MEMORY) return status;
        if (status != PBTS_OK) continue;
        *out = evidence;
        return PBTS_OK;
    }
    return PBTS_NOT_FOUND;
}
