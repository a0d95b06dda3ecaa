/* Keys and signatures over libsecp256k1. Its illegal-argument callback aborts: a caller's bug. */
#include "ecc/secp256k1.h"

#include <secp256k1.h>
#include <secp256k1_preallocated.h>
#include <secp256k1_recovery.h>

#include "base/assert.h"
#include "base/secret.h"

static_assert(sizeof(pbts_secp256k1_point) == sizeof(secp256k1_pubkey), "a point holds a key");
static_assert(_Alignof(pbts_secp256k1_point) >= _Alignof(secp256k1_pubkey), "aligned for it");

/* A random source that gives this many numbers outside 1..n-1 in a row is broken: honest odds of
 * one are 2^-128. */
enum { GENERATE_TRIES_MAX = 4 };

struct pbts_secp256k1_signer {
    pbts_mem *mem;
    size_t context_len;
    secp256k1_context *context; /* within this allocation, after the struct */
    _Alignas(16) uint8_t storage[];
};

static secp256k1_pubkey *pubkey(pbts_secp256k1_point *point) {
    return (secp256k1_pubkey *)(void *)point->opaque;
}
static const secp256k1_pubkey *pubkey_const(const pbts_secp256k1_point *point) {
    return (const secp256k1_pubkey *)(const void *)point->opaque;
}

pbts_status pbts_secp256k1_signer_new(pbts_secp256k1_signer **out, pbts_mem *mem,
                                      pbts_random *random) {
    uint8_t seed[32];
    size_t context_len = secp256k1_context_preallocated_size(SECP256K1_CONTEXT_NONE);
    pbts_secp256k1_signer *signer = pbts_alloc(mem, sizeof *signer + context_len);
    if (signer == NULL) return PBTS_NO_MEMORY;
    signer->mem = mem;
    signer->context_len = context_len;
    signer->context =
        secp256k1_context_preallocated_create(signer->storage, SECP256K1_CONTEXT_NONE);
    pbts_status status = pbts_random_fill(random, seed, sizeof seed);
    if (status == PBTS_OK) {
        int done = secp256k1_context_randomize(signer->context, seed);
        assert(done == 1);
        *out = signer;
    } else {
        pbts_secp256k1_signer_free(signer);
    }
    pbts_wipe(seed, sizeof seed);
    return status;
}

void pbts_secp256k1_signer_free(pbts_secp256k1_signer *signer) {
    if (signer == NULL) return;
    secp256k1_context_preallocated_destroy(signer->context);
    pbts_wipe(signer->storage, signer->context_len);
    pbts_release(signer->mem, signer);
}

/* ---- keys and signing: nothing here may branch or index on the secret ---- */

pbts_status pbts_secp256k1_generate(pbts_secp256k1_secret *out, pbts_random *random) {
    pbts_secp256k1_secret secret;
    pbts_status status = PBTS_IO;
    for (int tries = 0; status != PBTS_OK && tries < GENERATE_TRIES_MAX; tries++) {
        if (pbts_random_fill(random, secret.bytes, sizeof secret.bytes) != PBTS_OK) break;
        /* Whether it is one may be known: one that is not is thrown away. */
        if (pbts_secp256k1_secret_check(&secret) == PBTS_OK) status = PBTS_OK;
    }
    if (status == PBTS_OK) *out = secret;
    pbts_wipe(&secret, sizeof secret);
    return status;
}

pbts_status pbts_secp256k1_secret_check(const pbts_secp256k1_secret *secret) {
    return secp256k1_ec_seckey_verify(secp256k1_context_static, secret->bytes) == 1
               ? PBTS_OK
               : PBTS_MALFORMED;
}

void pbts_secp256k1_public_of(const pbts_secp256k1_signer *signer, pbts_secp256k1_public *out,
                              const pbts_secp256k1_secret *secret) {
    pbts_secp256k1_point point = { .opaque = { 0 } };
    int done = secp256k1_ec_pubkey_create(signer->context, pubkey(&point), secret->bytes);
    assert(done == 1);
    pbts_secp256k1_public_encode(out, &point);
}

void pbts_secp256k1_sign(const pbts_secp256k1_signer *signer, pbts_secp256k1_signature *out,
                         const pbts_secp256k1_secret *secret,
                         const uint8_t digest[static PBTS_SECP256K1_DIGEST_LEN]) {
    secp256k1_ecdsa_signature signature;
    int done = secp256k1_ecdsa_sign(signer->context, &signature, digest, secret->bytes,
                                    secp256k1_nonce_function_rfc6979, NULL);
    assert(done == 1);
    done = secp256k1_ecdsa_signature_serialize_compact(signer->context, out->bytes, &signature);
    assert(done == 1);
}

void pbts_secp256k1_sign_recoverable(const pbts_secp256k1_signer *signer,
                                     pbts_secp256k1_signature *out, bool *y_odd,
                                     const pbts_secp256k1_secret *secret,
                                     const uint8_t digest[static PBTS_SECP256K1_DIGEST_LEN]) {
    secp256k1_ecdsa_recoverable_signature signature;
    int recovery_id = 0;
    int done = secp256k1_ecdsa_sign_recoverable(signer->context, &signature, digest, secret->bytes,
                                                secp256k1_nonce_function_rfc6979, NULL);
    assert(done == 1);
    done = secp256k1_ecdsa_recoverable_signature_serialize_compact(signer->context, out->bytes,
                                                                   &recovery_id, &signature);
    /* 2 and 3 say that x was at least n: one in 2^127, which nobody will see. */
    assert(done == 1 && recovery_id < 2);
    *y_odd = recovery_id == 1;
}

/* ---- untrusted bytes to points ---- */

pbts_status pbts_secp256k1_public_decode(pbts_secp256k1_point *out,
                                         const pbts_secp256k1_public *bytes) {
    secp256k1_pubkey key;
    if (secp256k1_ec_pubkey_parse(secp256k1_context_static, &key, bytes->bytes,
                                  sizeof bytes->bytes) != 1) {
        return PBTS_MALFORMED;
    }
    *pubkey(out) = key;
    return PBTS_OK;
}

void pbts_secp256k1_public_encode(pbts_secp256k1_public *out, const pbts_secp256k1_point *point) {
    size_t len = sizeof out->bytes;
    int done = secp256k1_ec_pubkey_serialize(secp256k1_context_static, out->bytes, &len,
                                             pubkey_const(point), SECP256K1_EC_COMPRESSED);
    assert(done == 1 && len == sizeof out->bytes);
}

void pbts_secp256k1_public_affine(uint8_t out[static PBTS_SECP256K1_AFFINE_LEN],
                                  const pbts_secp256k1_point *point) {
    uint8_t bytes[1 + PBTS_SECP256K1_AFFINE_LEN]; /* 04, x, y */
    size_t len = sizeof bytes;
    int done = secp256k1_ec_pubkey_serialize(secp256k1_context_static, bytes, &len,
                                             pubkey_const(point), SECP256K1_EC_UNCOMPRESSED);
    assert(done == 1 && len == sizeof bytes);
    memcpy(out, bytes + 1, PBTS_SECP256K1_AFFINE_LEN);
}

pbts_status pbts_secp256k1_verify(const pbts_secp256k1_point *key,
                                  const uint8_t digest[static PBTS_SECP256K1_DIGEST_LEN],
                                  const pbts_secp256k1_signature *signature) {
    const secp256k1_context *context = secp256k1_context_static;
    secp256k1_ecdsa_signature parsed;
    if (secp256k1_ecdsa_signature_parse_compact(context, &parsed, signature->bytes) != 1) {
        return PBTS_BAD_SIGNATURE;
    }
    /* The library's verification takes low s only. */
    return secp256k1_ecdsa_verify(context, &parsed, digest, pubkey_const(key)) == 1
               ? PBTS_OK
               : PBTS_BAD_SIGNATURE;
}

pbts_status pbts_secp256k1_recover(pbts_secp256k1_point *out,
                                   const uint8_t digest[static PBTS_SECP256K1_DIGEST_LEN],
                                   const pbts_secp256k1_signature *signature, bool y_odd) {
    const secp256k1_context *context = secp256k1_context_static;
    secp256k1_ecdsa_recoverable_signature parsed;
    secp256k1_ecdsa_signature plain;
    secp256k1_pubkey key;
    if (secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, signature->bytes,
                                                            y_odd ? 1 : 0) != 1) {
        return PBTS_BAD_SIGNATURE;
    }
    /* The library recovers from high s too. */
    secp256k1_ecdsa_recoverable_signature_convert(context, &plain, &parsed);
    if (secp256k1_ecdsa_signature_normalize(context, NULL, &plain) == 1) return PBTS_BAD_SIGNATURE;
    if (secp256k1_ecdsa_recover(context, &key, &parsed, digest) != 1) return PBTS_BAD_SIGNATURE;
    *pubkey(out) = key;
    return PBTS_OK;
}
