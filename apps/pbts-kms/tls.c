#include "tls.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "codec/text.h"
#include "hash/sha.h"

enum { YEARS_100_S = 100 * 365 * 24 * 3600L };

/* SHA-256 of the SubjectPublicKeyInfo, as RFC 7469 has it. */
static bool pin_of(char out[static TLS_PIN_MAX], X509 *certificate) {
    uint8_t *der = NULL, digest[PBTS_SHA256_LEN];
    int len = certificate != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : -1;
    if (len <= 0) return false;
    pbts_sha256(digest, (pbts_span){ der, (size_t)len });
    OPENSSL_free(der);
    pbts_writer writer = pbts_writer_over((uint8_t *)out, TLS_PIN_MAX);
    pbts_write_text(&writer, "sha256//");
    pbts_base64_encode(&writer, PBTS_SPAN_OF(digest));
    pbts_write_u8(&writer, 0);
    return !writer.failed;
}

static X509 *self_signed(EVP_PKEY *key) {
    X509 *out = X509_new();
    if (out == NULL) return NULL;
    X509_NAME *name = X509_get_subject_name(out);
    bool good = X509_set_version(out, 2) && ASN1_INTEGER_set(X509_get_serialNumber(out), 1) &&
                X509_gmtime_adj(X509_getm_notBefore(out), -24L * 3600) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(out), YEARS_100_S) != NULL &&
                X509_set_pubkey(out, key) &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                           (const unsigned char *)"pbts-kms", -1, -1, 0) &&
                X509_set_issuer_name(out, name) && X509_sign(out, key, EVP_sha256()) > 0;
    if (good) return out;
    X509_free(out);
    return NULL;
}

static bool take_text(char *out, BIO *bio) {
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    if (len <= 0 || len >= TLS_PEM_MAX) return false;
    memcpy(out, text, (size_t)len);
    out[len] = '\0';
    return true;
}

pbts_status tls_make(char key_pem[static TLS_PEM_MAX], char certificate_pem[static TLS_PEM_MAX],
                     char pin[static TLS_PIN_MAX]) {
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key != NULL ? self_signed(key) : NULL;
    BIO *secret = BIO_new(BIO_s_secmem()), *public = BIO_new(BIO_s_mem());
    bool good = certificate != NULL && secret != NULL && public != NULL &&
                PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                PEM_write_bio_X509(public, certificate) == 1 && take_text(key_pem, secret) &&
                take_text(certificate_pem, public) && pin_of(pin, certificate);
    BIO_free(secret);
    BIO_free(public);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good ? PBTS_OK : PBTS_NO_MEMORY;
}

bool tls_pin_of_pem(char out[static TLS_PIN_MAX], const char *pem) {
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool good = pin_of(out, certificate);
    X509_free(certificate);
    BIO_free(bio);
    return good;
}

bool tls_pin_of_peer(char out[static TLS_PIN_MAX], gnutls_session_t session) {
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (chain == NULL || count == 0) return false;
    const unsigned char *der = chain[0].data;
    X509 *certificate = d2i_X509(NULL, &der, (long)chain[0].size);
    bool good = pin_of(out, certificate);
    X509_free(certificate);
    return good;
}
