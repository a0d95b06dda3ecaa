#include "attest/certificates.h"

#include <openssl/x509v3.h>

#include "attest/calendar.h"
#include "base/assert.h"
#include "codec/text.h"
#include "hash/sha.h"

static const char BEGIN[] = "-----BEGIN CERTIFICATE-----";
static const char END[] = "-----END CERTIFICATE-----";

/* ---- PEM ---- */

static bool is_blank(uint8_t c) {
    return c == '\n' || c == '\r' || c == ' ' || c == '\t';
}

static void skip_blanks(pbts_cursor *cursor) {
    while (cursor->next < cursor->end && is_blank(*cursor->next)) cursor->next++;
}

static bool skip_text(pbts_cursor *cursor, const char *text) {
    size_t len = strlen(text);
    if (pbts_cursor_left(cursor) < len || memcmp(cursor->next, text, len) != 0) return false;
    cursor->next += len;
    return true;
}

static X509 *certificate_from_der(pbts_span der) {
    const uint8_t *end = der.data;
    if (der.len == 0 || der.len > PBTS_CERTIFICATE_MAX) return NULL;
    X509 *certificate = d2i_X509(NULL, &end, (long)der.len);
    if (certificate != NULL && end != der.data + der.len) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

/* A certificate that `known` has in the same bytes, or a new one. */
static bool add_certificate(pbts_x509_chain *chain, pbts_span der, const pbts_x509_chain *known) {
    uint8_t *hash = chain->hashes[chain->len];
    X509 *certificate = NULL;
    pbts_sha256(hash, der);
    for (size_t i = 0; known != NULL && i < known->len && certificate == NULL; i++) {
        if (memcmp(known->hashes[i], hash, PBTS_KEY_HASH_LEN) != 0) continue;
        if (X509_up_ref(known->certificates[i]) == 1) certificate = known->certificates[i];
    }
    if (certificate == NULL) certificate = certificate_from_der(der);
    if (certificate == NULL) return false;
    chain->certificates[chain->len++] = certificate;
    return true;
}

/* The base64 up to the next dash, without its blanks. */
static bool read_base64(uint8_t der[static PBTS_CERTIFICATE_MAX], size_t *der_len,
                        pbts_cursor *cursor) {
    uint8_t text[PBTS_CERTIFICATE_MAX * 4 / 3 + 4];
    size_t text_len = 0;
    while (cursor->next < cursor->end && *cursor->next != '-') {
        uint8_t c = *cursor->next++;
        if (is_blank(c)) continue;
        if (text_len == sizeof text) return false;
        text[text_len++] = c;
    }
    return pbts_base64_decode(der, der_len, PBTS_CERTIFICATE_MAX, (pbts_span){ text, text_len }) ==
           PBTS_OK;
}

static bool read_pem(pbts_x509_chain *chain, pbts_cursor *cursor, const pbts_x509_chain *known) {
    uint8_t der[PBTS_CERTIFICATE_MAX];
    size_t der_len;
    return skip_text(cursor, BEGIN) && read_base64(der, &der_len, cursor) &&
           skip_text(cursor, END) && add_certificate(chain, (pbts_span){ der, der_len }, known);
}

static pbts_span without_nuls(pbts_span text) {
    while (text.len > 0 && text.data[text.len - 1] == 0) text.len--;
    return text;
}

pbts_status pbts_x509_chain_parse_pem(pbts_x509_chain *out, pbts_span pem,
                                      const pbts_x509_chain *known) {
    pbts_x509_chain chain = { 0 };
    pbts_status status = PBTS_MALFORMED;
    if (pem.len > PBTS_X509_CHAIN_PEM_MAX) return PBTS_LIMIT;
    pbts_cursor cursor = pbts_cursor_over(without_nuls(pem));
    for (skip_blanks(&cursor); pbts_cursor_left(&cursor) > 0; skip_blanks(&cursor)) {
        status = PBTS_LIMIT;
        if (chain.len == PBTS_X509_CHAIN_MAX) goto refused;
        status = PBTS_MALFORMED;
        if (!read_pem(&chain, &cursor, known)) goto refused;
    }
    if (chain.len == 0) goto refused;
    *out = chain;
    return PBTS_OK;
refused:
    pbts_x509_chain_free(&chain);
    return status;
}

pbts_status pbts_x509_chain_parse_der(pbts_x509_chain *out, const pbts_span *ders, size_t len) {
    pbts_x509_chain chain = { 0 };
    if (len > PBTS_X509_CHAIN_MAX) return PBTS_LIMIT;
    for (size_t i = 0; i < len; i++) {
        if (!add_certificate(&chain, ders[i], NULL)) {
            pbts_x509_chain_free(&chain);
            return PBTS_MALFORMED;
        }
    }
    *out = chain;
    return PBTS_OK;
}

void pbts_x509_chain_share(pbts_x509_chain *out, const pbts_x509_chain *chain) {
    for (size_t i = 0; i < chain->len; i++) (void)X509_up_ref(chain->certificates[i]);
    *out = *chain;
}

void pbts_x509_chain_free(pbts_x509_chain *chain) {
    for (size_t i = 0; i < chain->len; i++) X509_free(chain->certificates[i]);
    *chain = (pbts_x509_chain){ 0 };
}

/* ---- keys and dates ---- */

pbts_status pbts_key_hash(uint8_t out[static PBTS_KEY_HASH_LEN], const X509 *of) {
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(of), &der);
    if (len <= 0) return PBTS_MALFORMED;
    pbts_sha256(out, (pbts_span){ der, (size_t)len });
    OPENSSL_free(der);
    return PBTS_OK;
}

static pbts_status unix_of(uint64_t *out, const ASN1_TIME *time) {
    struct tm tm;
    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1) return PBTS_MALFORMED;
    pbts_civil_time civil = { tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                              tm.tm_hour,        tm.tm_min,     tm.tm_sec };
    return pbts_civil_to_unix(out, &civil);
}

static void narrow(uint64_t *from_s, uint64_t *to_s, const ASN1_TIME *first,
                   const ASN1_TIME *last) {
    uint64_t begin, end;
    if (unix_of(&begin, first) != PBTS_OK || unix_of(&end, last) != PBTS_OK) {
        *from_s = UINT64_MAX; /* never */
        *to_s = 0;
        return;
    }
    if (begin > *from_s) *from_s = begin;
    if (end < *to_s) *to_s = end;
}

void pbts_x509_chain_window(const pbts_x509_chain *chain, uint64_t *from_s, uint64_t *to_s) {
    for (size_t i = 0; i < chain->len; i++) {
        const X509 *certificate = chain->certificates[i];
        narrow(from_s, to_s, X509_get0_notBefore(certificate), X509_get0_notAfter(certificate));
    }
}

void pbts_crl_window(const X509_CRL *crl, uint64_t *from_s, uint64_t *to_s) {
    narrow(from_s, to_s, X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl));
}

/* ---- the chain ---- */

/* Whether the certificate may stand at this place: an authority with as many below it as it
 * allows, or a leaf that is no authority. */
static bool is_fit(X509 *certificate, size_t place) {
    uint32_t flags = X509_get_extension_flags(certificate);
    if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0) return false;
    if (place == 0) {
        return (flags & EXFLAG_CA) == 0 &&
               ((flags & EXFLAG_KUSAGE) == 0 ||
                (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) != 0);
    }
    long below = (long)place - 1, allowed = X509_get_pathlen(certificate);
    return (flags & EXFLAG_CA) != 0 && (flags & EXFLAG_KUSAGE) != 0 &&
           (X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) != 0 &&
           (allowed < 0 || allowed >= below);
}

static bool is_signed_by(X509 *certificate, X509 *issuer) {
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    return key != NULL &&
           X509_NAME_cmp(X509_get_issuer_name(certificate), X509_get_subject_name(issuer)) == 0 &&
           X509_verify(certificate, key) == 1;
}

/* How many certificates both chains end with. */
static size_t shared_end(const pbts_x509_chain *chain, const pbts_x509_chain *known) {
    size_t shared = 0;
    if (known == NULL) return 0;
    while (shared < chain->len && shared < known->len &&
           chain->certificates[chain->len - 1 - shared] ==
               known->certificates[known->len - 1 - shared])
        shared++;
    return shared;
}

static bool are_links_good(const pbts_x509_chain *chain, const pbts_x509_chain *known) {
    size_t unknown = chain->len - shared_end(chain, known), last = chain->len - 1;
    for (size_t i = 0; i < chain->len; i++) {
        if (!is_fit(chain->certificates[i], i)) return false;
    }
    for (size_t i = 0; i < unknown; i++) { /* the root signs itself */
        if (!is_signed_by(chain->certificates[i], chain->certificates[i < last ? i + 1 : last]))
            return false;
    }
    return true;
}

pbts_x509_chain_verdict pbts_x509_chain_check(const pbts_x509_chain *chain, size_t len_wanted,
                                              const uint8_t root_key[static PBTS_KEY_HASH_LEN],
                                              const pbts_x509_chain *known, uint64_t now_s) {
    uint8_t last_key[PBTS_KEY_HASH_LEN];
    uint64_t from_s = 0, to_s = UINT64_MAX;
    assert(chain->len > 0);
    if (pbts_key_hash(last_key, chain->certificates[chain->len - 1]) != PBTS_OK)
        return PBTS_X509_CHAIN_BROKEN;
    if (memcmp(last_key, root_key, sizeof last_key) != 0) return PBTS_X509_CHAIN_OTHER_ROOT;
    if (chain->len != len_wanted || !are_links_good(chain, known)) return PBTS_X509_CHAIN_BROKEN;
    pbts_x509_chain_window(chain, &from_s, &to_s);
    return from_s <= now_s && now_s <= to_s ? PBTS_X509_CHAIN_GOOD : PBTS_X509_CHAIN_STALE;
}

/* ---- revocation lists ---- */

X509_CRL *pbts_crl_parse(pbts_span der) {
    const uint8_t *end = der.data;
    if (der.len == 0) return NULL;
    X509_CRL *crl = d2i_X509_CRL(NULL, &end, (long)der.len);
    if (crl != NULL && end != der.data + der.len) {
        X509_CRL_free(crl);
        return NULL;
    }
    return crl;
}

/* Such a list does not say all about its authority: it is a delta, or one of a part. */
static bool has_critical(const X509_CRL *crl) {
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)) != 0) return true;
    }
    return false;
}

bool pbts_crl_is_of(X509_CRL *crl, X509 *issuer) {
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    return key != NULL && !has_critical(crl) &&
           X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) == 0 &&
           X509_CRL_verify(crl, key) == 1;
}

bool pbts_crl_is_current(const X509_CRL *crl, uint64_t now_s) {
    uint64_t from_s = 0, to_s = UINT64_MAX;
    pbts_crl_window(crl, &from_s, &to_s);
    return from_s <= now_s && now_s <= to_s;
}

bool pbts_crl_revokes(X509_CRL *crl, X509 *certificate) {
    X509_REVOKED *found = NULL;
    return X509_CRL_get0_by_cert(crl, &found, certificate) != 0;
}
