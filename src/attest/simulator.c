/* The simulator's keys and its quotes. */
#include "attest/simulator.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "attest/simulator_parts.h"
#include "base/assert.h"
#include "hash/sha.h"

enum {
    SCALAR_LEN = 32,
    POINT_LEN = 65, /* uncompressed */
    HEADER_LEN = 48,
    TD_LEN = 584,
    SIGNED_LEN = HEADER_LEN + TD_LEN,
    QE_REPORT_LEN = 384,
    AUTH_LEN = 32,
    DIGEST_MAX = 64,
};

/* Their secret keys are the hashes of these sentences: nothing here is a secret. */
static const char *const SENTENCES[PBTS_SIMULATOR_KEYS] = {
    [PBTS_SIMULATOR_ROOT] = "the simulated TEE's root key, which everybody knows",
    [PBTS_SIMULATOR_CA] = "the simulated TEE's platform authority, which everybody knows",
    [PBTS_SIMULATOR_PCK] = "the simulated TEE's platform key, which everybody knows",
    [PBTS_SIMULATOR_TCB] = "the simulated TEE's key for TCB information, which everybody knows",
    [PBTS_SIMULATOR_ATTEST] = "the simulated TEE's attestation key, which everybody knows",
};

const pbts_attest_root PBTS_ATTEST_SIMULATOR = {
    .key_hash = { 0x02, 0xdd, 0xd6, 0xcf, 0xce, 0xed, 0x82, 0x45, 0xfc, 0xa6, 0xf0,
                  0x7e, 0x46, 0x27, 0xff, 0x26, 0xf8, 0x9c, 0xb0, 0x0e, 0x8e, 0x59,
                  0x7e, 0xc8, 0xd9, 0xb9, 0x76, 0x81, 0x67, 0xcb, 0x3a, 0xc3 },
    .vendor_id = "PBTS-SIMULATED",
};

const uint8_t PBTS_SIMULATOR_QE_SIGNER[32] = "simulated quoting enclave";

/* ---- keys ---- */

/* The public point of a scalar. */
static bool point_of(uint8_t out[static POINT_LEN], const uint8_t scalar[static SCALAR_LEN]) {
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;
    BIGNUM *number = BN_bin2bn(scalar, SCALAR_LEN, NULL);
    bool good = point != NULL && number != NULL &&
                EC_POINT_mul(group, point, number, NULL, NULL, NULL) == 1 &&
                EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out, POINT_LEN,
                                   NULL) == POINT_LEN;
    BN_free(number);
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return good;
}

static EVP_PKEY *key_from(uint8_t scalar[static SCALAR_LEN], uint8_t point[static POINT_LEN]) {
    char group[] = SN_X9_62_prime256v1;
    EVP_PKEY *out = NULL;
    /* OSSL_PARAM wants numbers in the machine's own order. */
    BIGNUM *number = BN_bin2bn(scalar, SCALAR_LEN, NULL);
    if (number == NULL || BN_bn2nativepad(number, scalar, SCALAR_LEN) != SCALAR_LEN) {
        BN_free(number);
        return NULL;
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, POINT_LEN),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, scalar, SCALAR_LEN),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (context != NULL && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &out, EVP_PKEY_KEYPAIR, params);
    EVP_PKEY_CTX_free(context);
    BN_free(number);
    return out;
}

static bool make_keys(pbts_simulator *simulator) {
    for (size_t i = 0; i < PBTS_SIMULATOR_KEYS; i++) {
        uint8_t scalar[SCALAR_LEN], point[POINT_LEN];
        pbts_sha256(scalar, pbts_span_text(SENTENCES[i]));
        if (!point_of(point, scalar)) return false;
        simulator->keys[i] = key_from(scalar, point);
        if (simulator->keys[i] == NULL) return false;
    }
    return true;
}

bool pbts_simulator_sign(uint8_t out[static PBTS_P256_SIGNATURE_LEN], EVP_PKEY *key,
                         pbts_span message) {
    enum { HALF = PBTS_P256_SIGNATURE_LEN / 2 };
    uint8_t der[128];
    const uint8_t *at = der;
    size_t len = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context != NULL &&
                EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestSign(context, der, &len, message.data, message.len) == 1;
    EVP_MD_CTX_free(context);
    ECDSA_SIG *pair = good ? d2i_ECDSA_SIG(NULL, &at, (long)len) : NULL;
    good = pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, HALF) == HALF &&
           BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + HALF, HALF) == HALF;
    ECDSA_SIG_free(pair);
    return good;
}

/* ---- the quote ---- */

static void write_little(pbts_writer *out, uint64_t value, size_t len) {
    for (size_t i = 0; i < len; i++) pbts_write_u8(out, (uint8_t)(value >> (8 * i)));
}

static void write_zeros(pbts_writer *out, size_t len) {
    for (size_t i = 0; i < len; i++) pbts_write_u8(out, 0);
}

/* What a register of the simulated guest holds: SHA-384 of a sentence. */
static void measure(uint8_t out[static PBTS_MEASUREMENT_LEN], const char *what) {
    uint8_t digest[DIGEST_MAX];
    size_t len = 0;
    bool good = EVP_Q_digest(NULL, "SHA384", NULL, what, strlen(what), digest, &len) == 1;
    assert(good && len == PBTS_MEASUREMENT_LEN);
    memcpy(out, digest, PBTS_MEASUREMENT_LEN);
}

static const char *const REGISTERS[PBTS_POLICY_REGISTERS] = {
    "simulated MRTD", "simulated RTMR0", "simulated RTMR1", "simulated RTMR2", "simulated RTMR3",
};

static void write_header(pbts_writer *out) {
    write_little(out, 4, 2);
    write_little(out, 2, 2);    /* ECDSA P-256 */
    write_little(out, 0x81, 4); /* TDX */
    write_zeros(out, 4);
    pbts_write_bytes(out, PBTS_SPAN_OF(PBTS_ATTEST_SIMULATOR.vendor_id));
    write_zeros(out, 20);
}

static void write_td(pbts_writer *out, const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    uint8_t measurement[PBTS_MEASUREMENT_LEN];
    pbts_write_u8(out, PBTS_SIMULATOR_MODULE_SVN); /* TEE_TCB_SVN: a module of version 0 */
    write_zeros(out, 15 + 48 + 48 + 8);            /* MRSEAM, its signer, attributes */
    write_little(out, PBTS_TD_DEBUG | PBTS_TD_SEPT_VE_DISABLE, 8);
    write_little(out, PBTS_XFAM_REQUIRED, 8);
    measure(measurement, REGISTERS[0]);
    pbts_write_bytes(out, PBTS_SPAN_OF(measurement));
    write_zeros(out, 3 * 48); /* MRCONFIGID, MROWNER, MROWNERCONFIG */
    for (size_t i = 1; i < PBTS_POLICY_REGISTERS; i++) {
        measure(measurement, REGISTERS[i]);
        pbts_write_bytes(out, PBTS_SPAN_OF(measurement));
    }
    pbts_write_bytes(out, (pbts_span){ report_data, PBTS_REPORT_DATA_LEN });
}

/* `bound`: attestation key ‖ auth data. */
static void make_enclave(uint8_t report[static QE_REPORT_LEN], pbts_span bound) {
    memset(report, 0, QE_REPORT_LEN);
    report[48] = 0x11; /* attributes: initialised, provisioning key */
    memcpy(report + 128, PBTS_SIMULATOR_QE_SIGNER, sizeof PBTS_SIMULATOR_QE_SIGNER);
    report[256] = PBTS_SIMULATOR_QE_PROD_ID;
    report[258] = PBTS_SIMULATOR_QE_SVN;
    pbts_sha256(report + 320, bound);
}

/* The signature data, from its length on. */
static bool write_signatures(pbts_writer *out, const pbts_simulator *simulator,
                             pbts_span signed_bytes) {
    uint8_t signature[PBTS_P256_SIGNATURE_LEN], report[QE_REPORT_LEN];
    uint8_t bound[PBTS_P256_KEY_LEN + AUTH_LEN] = { 0 };
    uint8_t *point = NULL;
    size_t pem_len = simulator->pck_chain_pem.len;
    size_t inner = QE_REPORT_LEN + sizeof signature + 2 + AUTH_LEN + 6 + pem_len;
    EVP_PKEY *const *keys = simulator->keys;
    if (EVP_PKEY_get1_encoded_public_key(keys[PBTS_SIMULATOR_ATTEST], &point) != POINT_LEN)
        return false;
    memcpy(bound, point + 1, PBTS_P256_KEY_LEN);
    OPENSSL_free(point);
    make_enclave(report, PBTS_SPAN_OF(bound));
    if (!pbts_simulator_sign(signature, keys[PBTS_SIMULATOR_ATTEST], signed_bytes)) return false;
    write_little(out, sizeof signature + PBTS_P256_KEY_LEN + 6 + inner, 4);
    pbts_write_bytes(out, PBTS_SPAN_OF(signature));
    pbts_write_bytes(out, (pbts_span){ bound, PBTS_P256_KEY_LEN });
    write_little(out, 6, 2);
    write_little(out, inner, 4);
    pbts_write_bytes(out, PBTS_SPAN_OF(report));
    if (!pbts_simulator_sign(signature, keys[PBTS_SIMULATOR_PCK], PBTS_SPAN_OF(report)))
        return false;
    pbts_write_bytes(out, PBTS_SPAN_OF(signature));
    write_little(out, AUTH_LEN, 2);
    pbts_write_bytes(out, (pbts_span){ bound + PBTS_P256_KEY_LEN, AUTH_LEN });
    write_little(out, 5, 2);
    write_little(out, pem_len, 4);
    pbts_write_bytes(out, simulator->pck_chain_pem);
    return true;
}

pbts_status pbts_simulator_quote(pbts_writer *out, const pbts_simulator *simulator,
                                 const uint8_t report_data[static PBTS_REPORT_DATA_LEN]) {
    uint8_t bytes[PBTS_SIMULATOR_QUOTE_MAX];
    pbts_writer quote = pbts_writer_over(bytes, sizeof bytes);
    write_header(&quote);
    write_td(&quote, report_data);
    assert(quote.len == SIGNED_LEN);
    if (!write_signatures(&quote, simulator, pbts_writer_span(&quote))) return PBTS_NO_MEMORY;
    PBTS_TRY(pbts_writer_status(&quote));
    pbts_write_bytes(out, pbts_writer_span(&quote));
    return pbts_writer_status(out);
}

/* ---- the whole ---- */

pbts_status pbts_simulator_new(pbts_simulator **out, pbts_mem *mem, uint64_t now_s) {
    pbts_simulator *simulator = pbts_alloc(mem, sizeof *simulator);
    if (simulator == NULL) return PBTS_NO_MEMORY;
    simulator->mem = mem;
    bool good = make_keys(simulator) && pbts_simulator_make_certificates(simulator) &&
                pbts_simulator_make_collateral(simulator, now_s);
    ERR_clear_error();
    if (!good) {
        pbts_simulator_free(simulator);
        return PBTS_NO_MEMORY;
    }
    *out = simulator;
    return PBTS_OK;
}

void pbts_simulator_free(pbts_simulator *simulator) {
    if (simulator == NULL) return;
    for (size_t i = 0; i < PBTS_SIMULATOR_KEYS; i++) EVP_PKEY_free(simulator->keys[i]);
    X509_free(simulator->root);
    X509_free(simulator->ca);
    X509_free(simulator->pck);
    X509_free(simulator->tcb);
    pbts_release(simulator->mem, simulator);
}

void pbts_simulator_collateral(pbts_collateral_files *out, const pbts_simulator *simulator) {
    *out = simulator->files;
}

void pbts_simulator_policy(pbts_attest_policy *out) {
    pbts_attest_policy_init(out);
    out->allow_debug = true;
    out->measurements_len = 1;
    for (size_t i = 0; i < PBTS_POLICY_REGISTERS; i++)
        measure(out->measurements[0].registers[i].bytes, REGISTERS[i]);
}
