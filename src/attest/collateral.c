#include "attest/collateral.h"

#include <openssl/objects.h>

#include "attest/collateral_parts.h"
#include "attest/json_slice.h"
#include "attest/p256.h"
#include "base/assert.h"
#include "codec/text.h"
#include "hash/sha.h"

enum { TCB_CHAIN_LEN = 2, PCK_CHAIN_LEN = 3 };

static const char TCB_SIGNER_NAME[] = "Intel SGX TCB Signing";

/* ---- storage ---- */

void pbts_collateral_parts(pbts_collateral_part out[static PBTS_COLLATERAL_PARTS],
                           pbts_collateral_files *files) {
    const pbts_collateral_part parts[PBTS_COLLATERAL_PARTS] = {
        { &files->tcb_info, "tcbinfo.json", PBTS_COLLATERAL_JSON_MAX },
        { &files->qe_identity, "qeidentity.json", PBTS_COLLATERAL_JSON_MAX },
        { &files->root_crl, "root_ca_crl.der", PBTS_CRL_LEN_MAX },
        { &files->pck_crl, "pck_crl.der", PBTS_CRL_LEN_MAX },
        { &files->tcb_signing_chain, "tcb_signing_chain.pem", PBTS_X509_CHAIN_PEM_MAX },
    };
    memcpy(out, parts, sizeof parts);
}

static bool is_within_limits(const pbts_collateral_files *files) {
    return files->tcb_info.len <= PBTS_COLLATERAL_JSON_MAX &&
           files->qe_identity.len <= PBTS_COLLATERAL_JSON_MAX &&
           files->root_crl.len <= PBTS_CRL_LEN_MAX && files->pck_crl.len <= PBTS_CRL_LEN_MAX &&
           files->tcb_signing_chain.len <= PBTS_X509_CHAIN_PEM_MAX;
}

static pbts_span keep(uint8_t **next, pbts_span bytes) {
    pbts_span kept = { *next, bytes.len };
    if (bytes.len > 0) memcpy(*next, bytes.data, bytes.len);
    *next += bytes.len;
    return kept;
}

pbts_status pbts_collateral_new(pbts_collateral **out, pbts_mem *mem,
                                const pbts_collateral_files *files) {
    if (!is_within_limits(files)) return PBTS_LIMIT;
    size_t len = files->tcb_info.len + files->qe_identity.len + files->root_crl.len +
                 files->pck_crl.len + files->tcb_signing_chain.len;
    pbts_collateral *collateral = pbts_alloc(mem, sizeof *collateral);
    if (collateral == NULL) return PBTS_NO_MEMORY;
    uint8_t *next = collateral->bytes = pbts_alloc(mem, len + 1);
    if (next == NULL) {
        pbts_release(mem, collateral);
        return PBTS_NO_MEMORY;
    }
    collateral->mem = mem;
    collateral->files = (pbts_collateral_files){
        .tcb_info = keep(&next, files->tcb_info),
        .qe_identity = keep(&next, files->qe_identity),
        .root_crl = keep(&next, files->root_crl),
        .pck_crl = keep(&next, files->pck_crl),
        .tcb_signing_chain = keep(&next, files->tcb_signing_chain),
    };
    *out = collateral;
    return PBTS_OK;
}

static void forget_pck_crl(pbts_collateral *collateral) {
    X509_CRL_free(collateral->pck_crl);
    collateral->pck_crl = NULL;
}

static void forget(pbts_collateral *collateral) {
    pbts_x509_chain_free(&collateral->platform);
    X509_CRL_free(collateral->root_crl);
    collateral->root_crl = NULL;
    forget_pck_crl(collateral);
    pbts_x509_chain_free(&collateral->tcb_chain);
    pbts_tcb_info_free(&collateral->tcb_info);
    pbts_qe_identity_free(&collateral->qe_identity);
}

void pbts_collateral_free(pbts_collateral *collateral) {
    if (collateral == NULL) return;
    forget(collateral);
    EVP_PKEY_free(collateral->attest_key);
    pbts_release(collateral->mem, collateral->bytes);
    pbts_release(collateral->mem, collateral);
}

void pbts_collateral_use_root(pbts_collateral *collateral,
                              const uint8_t root_key[static PBTS_KEY_HASH_LEN]) {
    if (memcmp(collateral->known_root, root_key, PBTS_KEY_HASH_LEN) == 0) return;
    forget(collateral);
    memcpy(collateral->known_root, root_key, PBTS_KEY_HASH_LEN);
}

/* ---- the platform ---- */

EVP_PKEY *pbts_collateral_attest_key(pbts_collateral *collateral,
                                     const uint8_t key[static PBTS_P256_KEY_LEN]) {
    if (collateral->attest_key != NULL &&
        memcmp(collateral->attest_key_bytes, key, PBTS_P256_KEY_LEN) == 0)
        return collateral->attest_key;
    EVP_PKEY_free(collateral->attest_key);
    collateral->attest_key = pbts_p256_key(key);
    memcpy(collateral->attest_key_bytes, key, PBTS_P256_KEY_LEN);
    return collateral->attest_key;
}

static bool is_known_platform(const pbts_collateral *collateral, pbts_span pem) {
    uint8_t hash[PBTS_SHA256_LEN];
    if (collateral->platform.len == 0) return false;
    pbts_sha256(hash, pem);
    return memcmp(hash, collateral->platform_pem, sizeof hash) == 0;
}

pbts_status pbts_collateral_parse_platform(const pbts_collateral *collateral, pbts_x509_chain *out,
                                           pbts_span pem) {
    if (!is_known_platform(collateral, pem))
        return pbts_x509_chain_parse_pem(out, pem, &collateral->platform);
    pbts_x509_chain_share(out, &collateral->platform);
    return PBTS_OK;
}

pbts_x509_chain_verdict pbts_collateral_check_platform(pbts_collateral *collateral,
                                                       const pbts_x509_chain *chain, pbts_span pem,
                                                       uint64_t now_s) {
    pbts_x509_chain_verdict verdict = pbts_x509_chain_check(
        chain, PCK_CHAIN_LEN, collateral->known_root, &collateral->platform, now_s);
    if (verdict != PBTS_X509_CHAIN_GOOD || is_known_platform(collateral, pem)) return verdict;
    pbts_x509_chain_free(&collateral->platform);
    pbts_x509_chain_share(&collateral->platform, chain);
    pbts_sha256(collateral->platform_pem, pem);
    return verdict;
}

/* ---- step 4: revocation ---- */

static bool learn_root_crl(pbts_collateral *collateral, X509 *root) {
    if (collateral->root_crl != NULL) return true;
    X509_CRL *crl = pbts_crl_parse(collateral->files.root_crl);
    if (crl != NULL && pbts_crl_is_of(crl, root)) {
        collateral->root_crl = crl;
        return true;
    }
    X509_CRL_free(crl);
    return false;
}

static bool learn_pck_crl(pbts_collateral *collateral, X509 *authority) {
    uint8_t key[PBTS_KEY_HASH_LEN];
    if (pbts_key_hash(key, authority) != PBTS_OK) return false;
    if (memcmp(key, collateral->known_pck_ca, sizeof key) != 0) forget_pck_crl(collateral);
    if (collateral->pck_crl != NULL) return true;
    X509_CRL *crl = pbts_crl_parse(collateral->files.pck_crl);
    if (crl != NULL && pbts_crl_is_of(crl, authority)) {
        collateral->pck_crl = crl;
        memcpy(collateral->known_pck_ca, key, sizeof key);
        return true;
    }
    X509_CRL_free(crl);
    return false;
}

pbts_attest_reason pbts_collateral_check_crls(pbts_collateral *collateral,
                                              const pbts_x509_chain *pck, uint64_t now_s) {
    X509 *leaf = pck->certificates[0], *authority = pck->certificates[1],
         *root = pck->certificates[2];
    if (!learn_root_crl(collateral, root)) return PBTS_ATTEST_ROOT_CRL;
    if (!pbts_crl_is_current(collateral->root_crl, now_s)) return PBTS_ATTEST_ROOT_CRL_DATE;
    if (pbts_crl_revokes(collateral->root_crl, root)) return PBTS_ATTEST_PCK_REVOKED;
    if (pbts_crl_revokes(collateral->root_crl, authority)) return PBTS_ATTEST_PCK_REVOKED;
    if (!learn_pck_crl(collateral, authority)) return PBTS_ATTEST_PCK_CRL;
    if (!pbts_crl_is_current(collateral->pck_crl, now_s)) return PBTS_ATTEST_PCK_CRL_DATE;
    if (pbts_crl_revokes(collateral->pck_crl, leaf)) return PBTS_ATTEST_PCK_REVOKED;
    return PBTS_ATTEST_ACCEPTED;
}

/* ---- step 5: what Intel signed ---- */

static pbts_attest_reason reason_of(pbts_x509_chain_verdict verdict) {
    switch (verdict) {
    case PBTS_X509_CHAIN_GOOD: return PBTS_ATTEST_ACCEPTED;
    case PBTS_X509_CHAIN_OTHER_ROOT: return PBTS_ATTEST_TCB_ROOT_KEY;
    case PBTS_X509_CHAIN_STALE: return PBTS_ATTEST_TCB_CHAIN_DATE;
    default: return PBTS_ATTEST_TCB_CHAIN;
    }
}

/* The root signs the PCK authorities too: one of those must not speak about TCB levels. */
static bool is_tcb_signer(X509 *certificate) {
    char name[64];
    int len = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                        sizeof name);
    return len == (int)sizeof TCB_SIGNER_NAME - 1 && strcmp(name, TCB_SIGNER_NAME) == 0;
}

static pbts_attest_reason check_tcb_chain(pbts_collateral *collateral, uint64_t now_s) {
    uint64_t from_s = 0, to_s = UINT64_MAX;
    if (collateral->tcb_chain.len == 0) {
        pbts_x509_chain chain;
        if (pbts_x509_chain_parse_pem(&chain, collateral->files.tcb_signing_chain,
                                      &collateral->platform) != PBTS_OK)
            return PBTS_ATTEST_TCB_CHAIN;
        pbts_attest_reason reason = reason_of(pbts_x509_chain_check(
            &chain, TCB_CHAIN_LEN, collateral->known_root, &collateral->platform, now_s));
        if (reason != PBTS_ATTEST_ACCEPTED) {
            pbts_x509_chain_free(&chain);
            return reason;
        }
        collateral->tcb_chain = chain;
    }
    pbts_x509_chain_window(&collateral->tcb_chain, &from_s, &to_s);
    if (now_s < from_s || now_s > to_s) return PBTS_ATTEST_TCB_CHAIN_DATE;
    X509 *signer = collateral->tcb_chain.certificates[0];
    if (pbts_crl_revokes(collateral->root_crl, signer)) return PBTS_ATTEST_TCB_CHAIN_REVOKED;
    return is_tcb_signer(signer) ? PBTS_ATTEST_ACCEPTED : PBTS_ATTEST_TCB_SIGNER;
}

/* The value of `key`, byte for byte as it stands, if it is signed. */
static bool take_signed(const pbts_collateral *collateral, pbts_span *out, pbts_span file,
                        const char *key) {
    uint8_t signature[PBTS_P256_SIGNATURE_LEN];
    pbts_span value, hex;
    if (pbts_json_slice(&value, file, key) != PBTS_OK) return false;
    if (pbts_json_slice(&hex, file, "signature") != PBTS_OK) return false;
    if (hex.len < 2 || hex.data[0] != '"') return false;
    hex = (pbts_span){ hex.data + 1, hex.len - 2 };
    if (pbts_hex_decode_exact(signature, sizeof signature, hex) != PBTS_OK) return false;
    EVP_PKEY *key_of_signer = X509_get0_pubkey(collateral->tcb_chain.certificates[0]);
    if (pbts_p256_verify_by(key_of_signer, signature, value) != PBTS_OK) return false;
    *out = value;
    return true;
}

static bool is_between(uint64_t from_s, uint64_t to_s, uint64_t now_s) {
    return from_s <= now_s && now_s <= to_s;
}

static pbts_attest_reason check_tcb_info(pbts_collateral *collateral, uint64_t now_s) {
    pbts_tcb_info *info = &collateral->tcb_info;
    pbts_span json;
    if (info->tree == NULL) {
        if (!take_signed(collateral, &json, collateral->files.tcb_info, "tcbInfo"))
            return PBTS_ATTEST_TCB_INFO_SIGNATURE;
        pbts_attest_reason reason = pbts_tcb_info_parse(info, json);
        if (reason != PBTS_ATTEST_ACCEPTED) return reason;
    }
    return is_between(info->issued_s, info->next_s, now_s) ? PBTS_ATTEST_ACCEPTED
                                                           : PBTS_ATTEST_TCB_INFO_DATE;
}

static pbts_attest_reason check_qe_identity(pbts_collateral *collateral, uint64_t now_s) {
    pbts_qe_identity *identity = &collateral->qe_identity;
    pbts_span json;
    if (identity->tree == NULL) {
        if (!take_signed(collateral, &json, collateral->files.qe_identity, "enclaveIdentity"))
            return PBTS_ATTEST_QE_IDENTITY_SIGNATURE;
        pbts_attest_reason reason = pbts_qe_identity_parse(identity, json);
        if (reason != PBTS_ATTEST_ACCEPTED) return reason;
    }
    return is_between(identity->issued_s, identity->next_s, now_s) ? PBTS_ATTEST_ACCEPTED
                                                                   : PBTS_ATTEST_QE_IDENTITY_DATE;
}

pbts_attest_reason pbts_collateral_check_signed(pbts_collateral *collateral, uint64_t now_s) {
    assert(collateral->root_crl != NULL); /* step 4 came before */
    pbts_attest_reason reason = check_tcb_chain(collateral, now_s);
    if (reason == PBTS_ATTEST_ACCEPTED) reason = check_tcb_info(collateral, now_s);
    if (reason == PBTS_ATTEST_ACCEPTED) reason = check_qe_identity(collateral, now_s);
    return reason;
}

void pbts_collateral_window(const pbts_collateral *collateral, uint64_t *from_s, uint64_t *to_s) {
    const pbts_tcb_info *info = &collateral->tcb_info;
    const pbts_qe_identity *identity = &collateral->qe_identity;
    pbts_crl_window(collateral->root_crl, from_s, to_s);
    pbts_crl_window(collateral->pck_crl, from_s, to_s);
    pbts_x509_chain_window(&collateral->tcb_chain, from_s, to_s);
    if (info->issued_s > *from_s) *from_s = info->issued_s;
    if (identity->issued_s > *from_s) *from_s = identity->issued_s;
    if (info->next_s < *to_s) *to_s = info->next_s;
    if (identity->next_s < *to_s) *to_s = identity->next_s;
}
