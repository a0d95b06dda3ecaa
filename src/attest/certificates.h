/* attest/certificates.h - certificate chains down from one pinned root key, and revocation lists.
 * Private. By OpenSSL, but the path is walked here: the chains of Intel and AMD have one form, and
 * the root is a key, never a name.
 *
 * Source: RFC 5280 sections 6.1 and 6.3; Intel SGX PCK Certificate and CRL Profile.
 */
#ifndef PBTS_ATTEST_CERTIFICATES_H
#define PBTS_ATTEST_CERTIFICATES_H

#include <openssl/x509.h>

#include "attest/collateral.h"

enum {
    PBTS_X509_CHAIN_MAX = 4,
    PBTS_CERTIFICATE_MAX = 4 * 1024, /* DER */
    PBTS_KEY_HASH_LEN = 32,          /* SHA-256 of a SubjectPublicKeyInfo */
};

/* The leaf first, each signed by the next, the root last. Certificates are shared between chains by
 * reference. */
typedef struct {
    X509 *certificates[PBTS_X509_CHAIN_MAX];
    uint8_t hashes[PBTS_X509_CHAIN_MAX][PBTS_KEY_HASH_LEN]; /* SHA-256 of each one's DER */
    size_t len;
} pbts_x509_chain;

/* Certificates in PEM, with nothing but blanks between them; NULs behind the last are allowed,
 * as quotes have them. Those that `known` (may be NULL) has, byte for byte, are taken from there.
 * PBTS_MALFORMED, PBTS_LIMIT. The caller frees it on PBTS_OK. */
PBTS_MUST_USE pbts_status pbts_x509_chain_parse_pem(pbts_x509_chain *out, pbts_span pem,
                                                    const pbts_x509_chain *known);
/* From one DER certificate each. PBTS_MALFORMED, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_x509_chain_parse_der(pbts_x509_chain *out, const pbts_span *ders,
                                                    size_t len);
/* The same certificates once more; to be freed as well. */
void pbts_x509_chain_share(pbts_x509_chain *out, const pbts_x509_chain *chain);
void pbts_x509_chain_free(pbts_x509_chain *chain); /* a no-op when it is all zeros */

/* SHA-256 of the certificate's SubjectPublicKeyInfo. PBTS_MALFORMED: it has no key. */
PBTS_MUST_USE pbts_status pbts_key_hash(uint8_t out[static PBTS_KEY_HASH_LEN], const X509 *of);

typedef enum {
    PBTS_X509_CHAIN_GOOD,
    PBTS_X509_CHAIN_OTHER_ROOT, /* the last one's key is not the pinned one */
    PBTS_X509_CHAIN_BROKEN, /* not `len` of them, a signature, a name, what a certificate is for */
    PBTS_X509_CHAIN_STALE,  /* a date */
} pbts_x509_chain_verdict;

/* The whole chain, of exactly `len_wanted` certificates, at a time. `known` (may be NULL) is a
 * chain that passed before under the same root key: signatures between certificates which both end
 * with are not computed again; everything else is looked at, dates too. */
pbts_x509_chain_verdict pbts_x509_chain_check(const pbts_x509_chain *chain, size_t len_wanted,
                                              const uint8_t root_key[static PBTS_KEY_HASH_LEN],
                                              const pbts_x509_chain *known, uint64_t now_s);

/* Narrow [*from_s, *to_s] to the time in which all certificates, or a list, are valid. */
void pbts_x509_chain_window(const pbts_x509_chain *chain, uint64_t *from_s, uint64_t *to_s);
void pbts_crl_window(const X509_CRL *crl, uint64_t *from_s, uint64_t *to_s);

/* NULL: no list in DER, or bytes behind it. */
X509_CRL *pbts_crl_parse(pbts_span der);
/* Whether the list is signed by `issuer`, and in its name, and has nothing critical in it. */
bool pbts_crl_is_of(X509_CRL *crl, X509 *issuer);
bool pbts_crl_is_current(const X509_CRL *crl, uint64_t now_s);
bool pbts_crl_revokes(X509_CRL *crl, X509 *certificate);

#endif
