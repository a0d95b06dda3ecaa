#include "hash/dh.h"

#include <openssl/bn.h>

#include "base/assert.h"

static const uint8_t PRIME[PBTS_DH_LEN] = {
    0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xC9, 0x0F, 0xDA, 0xA2, 0x21, 0x68, 0xC2, 0x34,
    0xC4, 0xC6, 0x62, 0x8B, 0x80, 0xDC, 0x1C, 0xD1, 0x29, 0x02, 0x4E, 0x08, 0x8A, 0x67, 0xCC, 0x74,
    0x02, 0x0B, 0xBE, 0xA6, 0x3B, 0x13, 0x9B, 0x22, 0x51, 0x4A, 0x08, 0x79, 0x8E, 0x34, 0x04, 0xDD,
    0xEF, 0x95, 0x19, 0xB3, 0xCD, 0x3A, 0x43, 0x1B, 0x30, 0x2B, 0x0A, 0x6D, 0xF2, 0x5F, 0x14, 0x37,
    0x4F, 0xE1, 0x35, 0x6D, 0x6D, 0x51, 0xC2, 0x45, 0xE4, 0x85, 0xB5, 0x76, 0x62, 0x5E, 0x7E, 0xC6,
    0xF4, 0x4C, 0x42, 0xE9, 0xA6, 0x3A, 0x36, 0x21, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x05, 0x63
};

/* What one power needs; NULL where there was no memory. */
typedef struct {
    BN_CTX *context;
    BIGNUM *prime, *base, *exponent, *power;
} numbers;

static void numbers_deinit(numbers *n) {
    BN_clear_free(n->power);
    BN_clear_free(n->exponent);
    BN_free(n->base);
    BN_free(n->prime);
    BN_CTX_free(n->context);
}

static pbts_status numbers_init(numbers *n, const uint8_t base[static PBTS_DH_LEN],
                                const pbts_dh_secret *secret) {
    *n = (numbers){
        .context = BN_CTX_new(),
        .prime = BN_bin2bn(PRIME, PBTS_DH_LEN, NULL),
        .base = BN_bin2bn(base, PBTS_DH_LEN, NULL),
        .exponent = BN_bin2bn(secret->bytes, PBTS_DH_SECRET_LEN, NULL),
        .power = BN_new(),
    };
    bool all = n->context != NULL && n->prime != NULL && n->base != NULL && n->exponent != NULL &&
               n->power != NULL;
    if (all) BN_set_flags(n->exponent, BN_FLG_CONSTTIME);
    return all ? PBTS_OK : PBTS_NO_MEMORY;
}

static pbts_status raise(uint8_t out[static PBTS_DH_LEN], numbers *n) {
    if (BN_mod_exp_mont_consttime(n->power, n->base, n->exponent, n->prime, n->context, NULL) != 1)
        return PBTS_NO_MEMORY; /* the prime is odd and fixed: nothing else can fail */
    int len = BN_bn2binpad(n->power, out, PBTS_DH_LEN);
    assert(len == PBTS_DH_LEN);
    return PBTS_OK;
}

pbts_status pbts_dh_public(uint8_t out[static PBTS_DH_LEN], const pbts_dh_secret *secret) {
    static const uint8_t GENERATOR[PBTS_DH_LEN] = { [PBTS_DH_LEN - 1] = 2 };
    numbers n;
    pbts_status status = numbers_init(&n, GENERATOR, secret);
    if (status == PBTS_OK) status = raise(out, &n);
    numbers_deinit(&n);
    return status;
}

/* 2..p-2: the rest of the group generates at most itself and 1. */
static bool is_public_key(const uint8_t key[static PBTS_DH_LEN]) {
    uint8_t top[PBTS_DH_LEN]; /* p - 1: the prime is odd */
    static const uint8_t ONE[PBTS_DH_LEN] = { [PBTS_DH_LEN - 1] = 1 };
    memcpy(top, PRIME, sizeof top);
    top[PBTS_DH_LEN - 1] ^= 1;
    return memcmp(key, ONE, PBTS_DH_LEN) > 0 && memcmp(key, top, PBTS_DH_LEN) < 0;
}

pbts_status pbts_dh_shared(uint8_t out[static PBTS_DH_LEN], const pbts_dh_secret *secret,
                           const uint8_t theirs[static PBTS_DH_LEN]) {
    if (!is_public_key(theirs)) return PBTS_MALFORMED;
    numbers n;
    pbts_status status = numbers_init(&n, theirs, secret);
    if (status == PBTS_OK) status = raise(out, &n);
    numbers_deinit(&n);
    return status;
}
