#include "tls_self_signed.h"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/secret.h"
#include "hash/sha.h"

enum { POINT_LEN = 65, DAY_S = 24 * 3600, SKEW_S = 3600 };

/* ---- the key ---- */

static bool point_of(uint8_t out[static POINT_LEN], const BIGNUM *scalar) {
    EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;
    bool good = point != NULL && EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) == 1 &&
                EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, out, POINT_LEN,
                                   NULL) == POINT_LEN;
    EC_POINT_free(point);
    EC_GROUP_free(group);
    return good;
}

static EVP_PKEY *key_of_params(const OSSL_PARAM *params) {
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
        (void)EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, (OSSL_PARAM *)(uintptr_t)params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *key_of(const uint8_t scalar[static 32]) {
    uint8_t point[POINT_LEN];
    EVP_PKEY *key = NULL;
    BIGNUM *secret = BN_secure_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    if (secret != NULL && builder != NULL && BN_bin2bn(scalar, 32, secret) != NULL) {
        BN_set_flags(secret, BN_FLG_CONSTTIME);
        bool good = point_of(point, secret) &&
                    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME,
                                                    "prime256v1", 0) == 1 &&
                    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                     POINT_LEN) == 1 &&
                    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret) == 1;
        params = good ? OSSL_PARAM_BLD_to_param(builder) : NULL;
    }
    if (params != NULL) key = key_of_params(params);
    OSSL_PARAM_free(params); /* wipes what came from a secure number */
    OSSL_PARAM_BLD_free(builder);
    BN_clear_free(secret);
    return key;
}

/* ---- the certificate ---- */

static bool add_extension(X509 *certificate, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool add_host(X509 *certificate, const char *host) {
    char name[TLS_HOST_MAX + 8];
    struct in6_addr addr;
    bool is_addr = inet_pton(AF_INET, host, &addr) == 1 || inet_pton(AF_INET6, host, &addr) == 1;
    snprintf(name, sizeof name, "%s:%s", is_addr ? "IP" : "DNS", host);
    return add_extension(certificate, NID_subject_alt_name, name);
}

/* RFC 5280, section 4.1.2.2: positive, at most 20 bytes. */
static bool set_serial(X509 *certificate) {
    uint8_t bytes[16] = { 0 };
    BIGNUM *number = BN_new();
    bool good = number != NULL && RAND_bytes(bytes, sizeof bytes) == 1;
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40);
    good = good && BN_bin2bn(bytes, sizeof bytes, number) != NULL &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return good;
}

static bool fill(X509 *certificate, EVP_PKEY *key, const char *host, uint64_t now_unix_s) {
    time_t from = (time_t)now_unix_s - SKEW_S;
    time_t to = (time_t)now_unix_s + (time_t)TLS_LIFE_DAYS * DAY_S;
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           ASN1_TIME_set(X509_getm_notBefore(certificate), from) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(certificate), to) != NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)"pbts-tracker", -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           add_host(certificate, host) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* ---- as text ---- */

static bool take_text(char out[static TLS_PEM_MAX], BIO *bio) {
    char *text;
    long len = BIO_get_mem_data(bio, &text);
    if (len <= 0 || len >= TLS_PEM_MAX) return false;
    memcpy(out, text, (size_t)len);
    out[len] = '\0';
    return true;
}

static bool write_texts(struct tls_self_signed *out, X509 *certificate, EVP_PKEY *key) {
    BIO *open = BIO_new(BIO_s_mem()), *secret = BIO_new(BIO_s_secmem());
    bool good = open != NULL && secret != NULL && PEM_write_bio_X509(open, certificate) == 1 &&
                PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
                take_text(out->certificate, open) && take_text(out->key, secret);
    BIO_free(open);
    BIO_free(secret); /* wipes its memory */
    return good;
}

static bool write_pin(uint8_t out[static PBTS_SHA256_LEN], EVP_PKEY *key) {
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    if (len <= 0) return false;
    pbts_sha256(out, (pbts_span){ der, (size_t)len });
    OPENSSL_free(der);
    return true;
}

pbts_status tls_self_sign(struct tls_self_signed *out, const uint8_t scalar[static 32],
                          const char *host, uint64_t now_unix_s) {
    EVP_PKEY *key = key_of(scalar);
    X509 *certificate = X509_new();
    bool good = key != NULL && certificate != NULL && fill(certificate, key, host, now_unix_s) &&
                write_texts(out, certificate, key) && write_pin(out->pin, key);
    if (!good) pbts_wipe(out, sizeof *out);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return good ? PBTS_OK : PBTS_NO_MEMORY;
}

/* ---- the host ---- */

/* Nothing that means something in the syntax of extensions. */
static bool is_host(const char *text, size_t len) {
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_:";
    return len > 0 && len < TLS_HOST_MAX && strspn(text, ALLOWED) >= len;
}

void tls_host_of_url(char out[static TLS_HOST_MAX], const char *url) {
    const char *scheme_end = strstr(url, "://");
    const char *host = scheme_end != NULL ? scheme_end + 3 : url;
    size_t len = strcspn(host, ":/?#");
    if (host[0] == '[') len = strcspn(++host, "]");
    bool good = is_host(host, len);
    snprintf(out, TLS_HOST_MAX, "%.*s", good ? (int)len : 9, good ? host : "localhost");
}
