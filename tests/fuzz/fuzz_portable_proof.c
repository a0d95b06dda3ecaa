/* libFuzzer target: any bytes as a portable proof are read to their end; what is read writes itself
 * again, byte for byte; what proves something proves it again. The checksum is made to fit, so that
 * the input reaches what is behind it. */
#include <stdlib.h>

#include "eth/portable_proof.h"
#include "hash/sha.h"

static void require(bool truth) {
    if (!truth) abort();
}

static void check_again(const pbts_portable_proof *proof, pbts_span file) {
    uint8_t *again = malloc(file.len);
    require(again != NULL);
    pbts_writer writer = pbts_writer_over(again, file.len);
    require(pbts_portable_proof_encode(&writer, proof) == PBTS_OK);
    require(pbts_span_equal(pbts_writer_span(&writer), file));
    free(again);
}

static void check_evidence(const pbts_portable_proof *proof, const pbts_portable_facts *facts) {
    const pbts_portable_evidence *evidence = &proof->evidence;
    uint64_t chain_id;
    pbts_cursor updates = pbts_cursor_over(evidence->updates);
    pbts_portable_update update;
    for (size_t i = 0; i < evidence->updates_len; i++)
        require(pbts_portable_update_next(&updates, &update) == PBTS_OK);
    require(pbts_portable_update_next(&updates, &update) == PBTS_NEED_MORE);
    const pbts_beacon_network *network = pbts_portable_network_of(&chain_id, evidence->network);
    pbts_status status =
        pbts_portable_proof_evidence_verify(evidence, &facts->block_hash, evidence->trusted_root,
                                            network, pbts_mem_system(), UINT64_C(4000000000));
    require(evidence->kind != PBTS_PORTABLE_NO_EVIDENCE || status == PBTS_NOT_FOUND);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_portable_proof proof;
    pbts_portable_facts facts = { .present = false }, same;
    if (len < PBTS_SHA256_LEN) return 0;
    uint8_t *file = malloc(len);
    require(file != NULL);
    memcpy(file, data, len);
    pbts_span body = { file, len - PBTS_SHA256_LEN };
    pbts_sha256(file + body.len, body);
    if (pbts_portable_proof_decode(&proof, (pbts_span){ file, len }) == PBTS_OK) {
        check_again(&proof, (pbts_span){ file, len });
        if (pbts_portable_proof_verify(&facts, &proof) == PBTS_OK) {
            require(pbts_portable_proof_verify(&same, &proof) == PBTS_OK);
            require(memcmp(&same, &facts, sizeof same) == 0);
            require((facts.contract.mode == PBTS_REPUTATION_ROOT) == proof.leaf.given);
        }
        check_evidence(&proof, &facts);
    }
    free(file);
    return 0;
}
