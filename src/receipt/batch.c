/* Signers live in dense arrays, ready for the pairing; an open-addressing table finds them.
 *
 * The table stores no keys: a slot is the signer's number + 1, or 0. Whoever grinds keys for one
 * slot makes probing long, but a probe compares eight bytes: 10,000 such signers were measured at
 * 0.1 s, and their Miller loops take 2 s. So the hash needs no secret.
 */
#include "receipt/batch.h"

#include "base/assert.h"

enum { SIGNERS_MIN = 8 }; /* first capacity; a power of two */

struct pbts_receipt_batch {
    pbts_mem *mem;
    pbts_bls_public_point *keys; /* all three: `count` of `capacity` */
    pbts_bls_g1_point *sums;
    uint64_t *hashes;
    uint32_t *slots; /* 2 * capacity, so never more than half full */
    size_t count;    /* <= capacity <= PBTS_BATCH_SIGNERS_MAX rounded up to a power of two */
    size_t capacity; /* 0 or a power of two */
    pbts_bls_g1_point signature_sum;
};

pbts_status pbts_receipt_batch_new(pbts_receipt_batch **out, pbts_mem *mem) {
    pbts_receipt_batch *batch = pbts_alloc(mem, sizeof *batch);
    if (batch == NULL) return PBTS_NO_MEMORY;
    batch->mem = mem;
    pbts_bls_g1_zero(&batch->signature_sum);
    *out = batch;
    return PBTS_OK;
}

void pbts_receipt_batch_free(pbts_receipt_batch *batch) {
    if (batch == NULL) return;
    pbts_release(batch->mem, batch->keys);
    pbts_release(batch->mem, batch->sums);
    pbts_release(batch->mem, batch->hashes);
    pbts_release(batch->mem, batch->slots);
    pbts_release(batch->mem, batch);
}

void pbts_receipt_batch_clear(pbts_receipt_batch *batch) {
    if (batch->capacity > 0) memset(batch->slots, 0, 2 * batch->capacity * sizeof *batch->slots);
    batch->count = 0;
    pbts_bls_g1_zero(&batch->signature_sum);
}

size_t pbts_receipt_batch_signers(const pbts_receipt_batch *batch) {
    return batch->count;
}

/* Equal keys have equal bytes: affine coordinates in blst are fully reduced. Were they not, a
 * signer would only be counted as two, which costs a Miller loop and changes no verdict. */
static uint64_t key_hash(const pbts_bls_public_point *key) {
    uint64_t hash = 0;
    for (size_t at = 0; at < sizeof key->opaque; at += sizeof hash) {
        uint64_t word;
        memcpy(&word, key->opaque + at, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15); /* 2^64 / golden ratio, odd */
        hash ^= hash >> 32;
    }
    return hash;
}

static size_t slot_after(const pbts_receipt_batch *batch, size_t slot) {
    return (slot + 1) & (2 * batch->capacity - 1);
}

/* The slot of `key`, or the empty one where it belongs. capacity > 0. */
static size_t slot_of(const pbts_receipt_batch *batch, const pbts_bls_public_point *key,
                      uint64_t hash) {
    size_t slot = (size_t)hash & (2 * batch->capacity - 1);
    while (batch->slots[slot] != 0) {
        size_t signer = batch->slots[slot] - 1;
        if (batch->hashes[signer] == hash && memcmp(&batch->keys[signer], key, sizeof *key) == 0)
            break;
        slot = slot_after(batch, slot);
    }
    return slot;
}

static bool resize_to(pbts_mem *mem, void **array, size_t count, size_t size) {
    void *larger = pbts_resize_array(mem, *array, count, size);
    if (larger != NULL) *array = larger;
    return larger != NULL;
}

/* Double the capacity. On failure some arrays may be larger than `capacity` says: harmless. */
static pbts_status grow(pbts_receipt_batch *batch) {
    size_t capacity = batch->capacity > 0 ? 2 * batch->capacity : SIGNERS_MIN;
    pbts_mem *mem = batch->mem;
    void *keys = batch->keys, *sums = batch->sums, *hashes = batch->hashes;
    bool ok = resize_to(mem, &keys, capacity, sizeof *batch->keys) &&
              resize_to(mem, &sums, capacity, sizeof *batch->sums) &&
              resize_to(mem, &hashes, capacity, sizeof *batch->hashes);
    batch->keys = keys, batch->sums = sums, batch->hashes = hashes;
    if (!ok) return PBTS_NO_MEMORY;
    uint32_t *slots = pbts_alloc_array(mem, 2 * capacity, sizeof *slots);
    if (slots == NULL) return PBTS_NO_MEMORY;

    pbts_release(mem, batch->slots);
    batch->slots = slots;
    batch->capacity = capacity;
    for (size_t signer = 0; signer < batch->count; signer++) {
        size_t slot = (size_t)batch->hashes[signer] & (2 * capacity - 1);
        while (slots[slot] != 0) slot = slot_after(batch, slot);
        slots[slot] = (uint32_t)signer + 1;
    }
    return PBTS_OK;
}

static pbts_status insert(pbts_receipt_batch *batch, size_t *out, const pbts_bls_public_point *key,
                          uint64_t hash) {
    if (batch->count == PBTS_BATCH_SIGNERS_MAX) return PBTS_LIMIT;
    if (batch->count == batch->capacity) PBTS_TRY(grow(batch));
    size_t signer = batch->count++;
    batch->slots[slot_of(batch, key, hash)] = (uint32_t)signer + 1;
    batch->keys[signer] = *key;
    batch->hashes[signer] = hash;
    pbts_bls_g1_zero(&batch->sums[signer]);
    *out = signer;
    return PBTS_OK;
}

/* The number of the signer `key`, which is new or known. */
static pbts_status find_or_insert(pbts_receipt_batch *batch, size_t *out,
                                  const pbts_bls_public_point *key) {
    uint64_t hash = key_hash(key);
    if (batch->capacity > 0) {
        uint32_t found = batch->slots[slot_of(batch, key, hash)];
        if (found != 0) {
            *out = found - 1;
            return PBTS_OK;
        }
    }
    return insert(batch, out, key, hash);
}

pbts_status pbts_receipt_batch_add(pbts_receipt_batch *batch, const pbts_bls_public_point *key,
                                   const pbts_bls_g1_point *hashed) {
    size_t signer = 0;
    PBTS_TRY(find_or_insert(batch, &signer, key));
    pbts_bls_g1_add(&batch->sums[signer], hashed);
    return PBTS_OK;
}

void pbts_receipt_batch_add_signature(pbts_receipt_batch *batch,
                                      const pbts_bls_g1_point *signature) {
    pbts_bls_g1_add(&batch->signature_sum, signature);
}

pbts_status pbts_receipt_batch_add_weighed(pbts_receipt_batch *batch,
                                           const pbts_bls_public_point *key,
                                           const pbts_bls_g1_point *hashed,
                                           const pbts_bls_g1_point *signature, uint64_t weight) {
    size_t signer = 0;
    PBTS_TRY(find_or_insert(batch, &signer, key));
    pbts_bls_g1_point weighed;
    pbts_bls_g1_weigh(&weighed, hashed, weight);
    pbts_bls_g1_add(&batch->sums[signer], &weighed);
    pbts_bls_g1_weigh(&weighed, signature, weight);
    pbts_bls_g1_add(&batch->signature_sum, &weighed);
    return PBTS_OK;
}

pbts_status pbts_receipt_batch_verify(const pbts_receipt_batch *batch) {
    return pbts_bls_verify_sums(batch->keys, batch->sums, batch->count, &batch->signature_sum);
}
