/* Evidence of our own: a root, a platform, a quote, and all collateral, good in every respect but
 * those that a plan names. For what no genuine data shows: that each check refuses alone. */
#ifndef PBTS_TEST_ATTEST_FORGE_H
#define PBTS_TEST_ATTEST_FORGE_H

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "attest/certificates.h"
#include "codec/text.h"
#include "evidence.h"
#include "hash/sha.h"

#define FORGE_NOW_S UINT64_C(1750000000) /* 2025-06-15T15:06:40Z */

enum { FORGE_DAY_S = 86400, FORGE_PATCH_MAX = 16 };

typedef enum {
    FORGE_ROOT,
    FORGE_CA,
    FORGE_PCK,
    FORGE_TCB,
    FORGE_ATTEST,
    FORGE_STRANGER,
    FORGE_KEYS
} forge_key;

/* Zeros: everything is good. Keys are who signs in place of who should: FORGE_ROOT (0) changes
 * nothing, so a wrong signer is FORGE_STRANGER. */
typedef struct {
    int version; /* 4 when 0 */
    struct {
        size_t at;
        uint8_t byte;
    } td[FORGE_PATCH_MAX],
        qe[FORGE_PATCH_MAX]; /* bytes of the reports, used where at > 0 or byte > 0 */
    const char *tcb_from, *tcb_to, *qe_from, *qe_to; /* in the signed JSON */
    const char *tcb_signer_name;
    bool stranger_signs_quote, stranger_signs_qe, stranger_signs_pck, stranger_signs_ca;
    bool stranger_signs_root_crl, stranger_signs_pck_crl, stranger_signs_tcb;
    bool stranger_signs_tcb_info, stranger_signs_qe_identity;
    bool binding_is_wrong, binding_tail_is_set, vendor_is_other, pck_has_no_extension;
    bool pck_chain_is_tcb_chain; /* and the TCB signer signs the enclave */
    bool ca_has_unknown_critical, root_allows_no_ca;
    bool ca_is_no_ca, ca_may_not_sign, pck_is_ca, pck_chain_has_no_root, tcb_chain_has_pck;
    bool pck_is_revoked, ca_is_revoked, tcb_is_revoked, crl_has_critical;
    int pck_from_days, pck_to_days, ca_to_days, tcb_to_days; /* 0: -10 and 10 */
    int root_crl_from_days, root_crl_to_days, pck_crl_from_days, pck_crl_to_days;
    size_t nuls, trailing;
} forge_plan;

typedef struct {
    EVP_PKEY *keys[FORGE_KEYS];
    X509 *root, *ca, *pck, *tcb;
    pbts_attest_root anchor;
    uint8_t quote[16384], root_crl[1024], pck_crl[1024];
    char tcb_info[8192], qe_identity[4096], tcb_chain[8192];
    pbts_span quote_span;
    pbts_collateral_files files;
} forgery;

/* ---- certificates and lists ---- */

static inline void forge_name(X509_NAME *name, const char *text) {
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)text, -1, -1, 0),
                     1);
}

static inline void forge_days(ASN1_TIME *out, int days) {
    assert_non_null(ASN1_TIME_set(out, (time_t)FORGE_NOW_S + (time_t)days * FORGE_DAY_S));
}

static inline void forge_add(X509 *to, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(to, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static inline void forge_add_raw(X509 *to, const char *oid, pbts_span value, int critical) {
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    assert_int_equal(ASN1_OCTET_STRING_set(octets, value.data, (int)value.len), 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, critical, octets);
    assert_int_equal(X509_add_ext(to, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(object);
}

static inline X509 *forge_begin(const char *subject, const char *issuer, long serial, EVP_PKEY *key,
                                int from_days, int to_days) {
    X509 *out = X509_new();
    X509_NAME *name = X509_NAME_new();
    assert_non_null(out);
    forge_name(X509_get_subject_name(out), subject);
    forge_name(name, issuer);
    (void)X509_set_issuer_name(out, name);
    X509_NAME_free(name);
    (void)X509_set_version(out, 2);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(out), serial);
    forge_days(X509_getm_notBefore(out), from_days != 0 ? from_days : -10);
    forge_days(X509_getm_notAfter(out), to_days != 0 ? to_days : 10);
    (void)X509_set_pubkey(out, key);
    return out;
}

static inline X509 *forge_signed(X509 *certificate, EVP_PKEY *by) {
    assert_true(X509_sign(certificate, by, EVP_sha256()) > 0);
    return certificate;
}

static inline size_t forge_crl(uint8_t *out, size_t capacity, const char *issuer, EVP_PKEY *by,
                               const long *revoked, size_t revoked_len, int from_days, int to_days,
                               bool critical) {
    X509_CRL *crl = X509_CRL_new();
    X509_NAME *name = X509_NAME_new();
    ASN1_TIME *time = ASN1_TIME_new();
    forge_name(name, issuer);
    (void)X509_CRL_set_version(crl, 1);
    (void)X509_CRL_set_issuer_name(crl, name);
    forge_days(time, from_days != 0 ? from_days : -5);
    (void)X509_CRL_set1_lastUpdate(crl, time);
    for (size_t i = 0; i < revoked_len; i++) {
        X509_REVOKED *entry = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        (void)ASN1_INTEGER_set(serial, revoked[i]);
        (void)X509_REVOKED_set_serialNumber(entry, serial);
        (void)X509_REVOKED_set_revocationDate(entry, time);
        (void)X509_CRL_add0_revoked(crl, entry);
        ASN1_INTEGER_free(serial);
    }
    forge_days(time, to_days != 0 ? to_days : 5);
    (void)X509_CRL_set1_nextUpdate(crl, time);
    if (critical) {
        ASN1_INTEGER *base = ASN1_INTEGER_new();
        (void)ASN1_INTEGER_set(base, 1);
        assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_delta_crl, base, 1, 0), 1);
        ASN1_INTEGER_free(base);
    }
    assert_true(X509_CRL_sign(crl, by, EVP_sha256()) > 0);
    uint8_t *end = out;
    int len = i2d_X509_CRL(crl, NULL);
    assert_true(len > 0 && (size_t)len <= capacity);
    (void)i2d_X509_CRL(crl, &end);
    ASN1_TIME_free(time);
    X509_NAME_free(name);
    X509_CRL_free(crl);
    return (size_t)len;
}

static inline size_t forge_pem(char *out, size_t capacity, X509 *const *certificates, size_t len) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    for (size_t i = 0; i < len; i++) assert_int_equal(PEM_write_bio_X509(bio, certificates[i]), 1);
    long text_len = BIO_get_mem_data(bio, &text);
    assert_true(text_len > 0 && (size_t)text_len < capacity);
    memcpy(out, text, (size_t)text_len);
    BIO_free(bio);
    return (size_t)text_len;
}

/* ---- signatures and JSON ---- */

static inline void forge_sign(uint8_t out[static 64], EVP_PKEY *key, pbts_span message) {
    uint8_t der[128];
    size_t len = sizeof der;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, der, &len, message.data, message.len), 1);
    const uint8_t *at = der;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);
    assert_non_null(pair);
    (void)BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, 32);
    (void)BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + 32, 32);
    ECDSA_SIG_free(pair);
    EVP_MD_CTX_free(context);
}

static inline void forge_raw_key(uint8_t out[static 64], EVP_PKEY *key) {
    uint8_t *point = NULL;
    assert_int_equal(EVP_PKEY_get1_encoded_public_key(key, &point), 65);
    memcpy(out, point + 1, 64);
    OPENSSL_free(point);
}

/* `text` with the first `from` replaced. */
static inline void forge_replace(char *out, size_t size, const char *text, const char *from,
                                 const char *to) {
    const char *at = from != NULL ? strstr(text, from) : NULL;
    if (from == NULL) {
        (void)snprintf(out, size, "%s", text);
        return;
    }
    assert_non_null(at);
    (void)snprintf(out, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* { "key": value, "signature": hex } with blanks that a signature must not cover. */
static inline pbts_span forge_signed_json(char *out, size_t size, const char *key,
                                          const char *value, EVP_PKEY *by) {
    uint8_t signature[64];
    char hex[129] = { 0 };
    forge_sign(signature, by, pbts_span_text(value));
    pbts_writer writer = pbts_writer_over((uint8_t *)hex, 128);
    pbts_hex_encode(&writer, PBTS_SPAN_OF(signature));
    int len = snprintf(out, size, " {\n \"%s\" :  %s ,\n\"signature\":\"%s\" }\n", key, value, hex);
    assert_true(len > 0 && (size_t)len < size);
    return (pbts_span){ (const uint8_t *)out, (size_t)len };
}

#define FORGE_SVNS(a, b, c)                                                                    \
    "[{\"svn\":" #a "},{\"svn\":" #b "},{\"svn\":" #c "},{\"svn\":0},{\"svn\":0},{\"svn\":0}," \
    "{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},{\"svn\":0},"     \
    "{\"svn\":0},{\"svn\":0},{\"svn\":0}]"
#define FORGE_LEVEL(sgx, tdx, pce, status)                                                 \
    "{\"tcb\":{\"sgxtcbcomponents\":" sgx ",\"pcesvn\":" #pce ",\"tdxtcbcomponents\":" tdx \
    "},\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"" status "\""
#define FORGE_ZERO_48                                                                            \
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000" \
    "000000"

/* The platform has SVNs 5, 5, 2 and PCESVN 11; the guest's module is version 1 at 5, TDX 5, 1, 4.
 */
static const char FORGE_TCB_INFO[] =
    "{ \"id\":\"TDX\",\"version\":3,\"issueDate\":\"2025-06-12T00:00:00Z\","
    "\"nextUpdate\":\"2025-06-18T00:00:00Z\",\"fmspc\":\"A0b1C2d3E4f5\",\"pceId\":\"0000\","
    "\"tcbType\":0,\"tcbEvaluationDataNumber\":17,\"tdxModule\":{\"mrsigner\":\"" FORGE_ZERO_48
    "\",\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\"},"
    "\"tdxModuleIdentities\":[{\"id\":\"TDX_01\",\"mrsigner\":\"" FORGE_ZERO_48
    "\",\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\","
    "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":3},\"tcbStatus\":\"OutOfDate\","
    "\"advisoryIDs\":[\"INTEL-SA-00003\",\"INTEL-SA-00001\"]},"
    "{\"tcb\":{\"isvsvn\":5},\"tcbStatus\":\"UpToDate\"}]}],\"tcbLevels\":[" FORGE_LEVEL(
        FORGE_SVNS(4, 4, 2), FORGE_SVNS(5, 0, 3), 10,
        "OutOfDate") ",\"advisoryIDs\":[\"INTEL-SA-00001\",\"INTEL-SA-"
                     "00002\"]}," FORGE_LEVEL(FORGE_SVNS(5, 5, 2), FORGE_SVNS(5, 0, 4), 11,
                                              "UpToDate") "}] }";

static const char FORGE_QE_IDENTITY[] =
    "{\"id\":\"TD_QE\",\"version\":2,\"issueDate\":\"2025-06-12T00:00:00Z\","
    "\"nextUpdate\":\"2025-06-18T00:00:00Z\",\"tcbEvaluationDataNumber\":16,"
    "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
    "\"attributes\":\"11000000000000000000000000000000\","
    "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":"
    "\"DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5\",\"isvprodid\":2,"
    "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":4},\"tcbDate\":\"2024-03-13T00:00:00Z\","
    "\"tcbStatus\":\"UpToDate\"}]}";

/* ---- the PCK extension ---- */

/* SEQUENCE { OID 1.2.840.113741.1.13.1.arcs, value }; `*len` grows. */
static inline void forge_pck_part(uint8_t *out, size_t *len, const uint8_t *arcs, size_t arcs_len,
                                  uint8_t tag, const uint8_t *value, size_t value_len) {
    static const uint8_t PREFIX[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };
    uint8_t *at = out + *len;
    size_t oid_len = sizeof PREFIX + arcs_len, value_head = value_len < 128 ? 2 : 4;
    size_t inside = 2 + oid_len + value_head + value_len, head = inside < 128 ? 2 : 4;
    *at++ = 0x30;
    if (head == 4) *at++ = 0x82;
    if (head == 4) *at++ = (uint8_t)(inside >> 8);
    *at++ = (uint8_t)inside;
    *at++ = 0x06;
    *at++ = (uint8_t)oid_len;
    memcpy(at, PREFIX, sizeof PREFIX);
    memcpy(at + sizeof PREFIX, arcs, arcs_len);
    at += oid_len;
    *at++ = tag;
    if (value_head == 4) *at++ = 0x82;
    if (value_head == 4) *at++ = (uint8_t)(value_len >> 8);
    *at++ = (uint8_t)value_len;
    memcpy(at, value, value_len);
    *len += head + inside;
}

/* The whole value, of at most 1024 bytes. */
static inline size_t forge_pck_extension(uint8_t *out) {
    static const uint8_t SVNS[18] = { 5, 5, 2, [16] = 11 },
                         FMSPC[] = { 0xa0, 0xb1, 0xc2, 0xd3, 0xe4, 0xf5 };
    static const uint8_t CPUSVN[16] = { 5, 5, 2 }, PCEID[2] = { 0 };
    uint8_t tcb[512], parts[1024];
    size_t tcb_len = 0, len = 0;
    for (uint8_t i = 1; i <= 17; i++) {
        forge_pck_part(tcb, &tcb_len, (uint8_t[]){ 2, i }, 2, 2, &SVNS[i - 1], 1);
    }
    forge_pck_part(tcb, &tcb_len, (uint8_t[]){ 2, 18 }, 2, 4, CPUSVN, sizeof CPUSVN);
    forge_pck_part(parts, &len, (uint8_t[]){ 1 }, 1, 4, CPUSVN, sizeof CPUSVN);
    forge_pck_part(parts, &len, (uint8_t[]){ 2 }, 1, 0x30, tcb, tcb_len);
    forge_pck_part(parts, &len, (uint8_t[]){ 3 }, 1, 4, PCEID, sizeof PCEID);
    forge_pck_part(parts, &len, (uint8_t[]){ 4 }, 1, 4, FMSPC, sizeof FMSPC);
    out[0] = 0x30;
    out[1] = 0x82;
    out[2] = (uint8_t)(len >> 8);
    out[3] = (uint8_t)len;
    memcpy(out + 4, parts, len);
    return len + 4;
}

/* ---- the quote ---- */

static inline void forge_u32(uint8_t *out, size_t value) {
    for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (8 * i));
}

/* Body: module 5.1, TDX late microcode 4; SEPT_VE_DISABLE; XFAM 0x602e7. */
static inline void forge_td(uint8_t *td, const forge_plan *plan) {
    static const uint8_t SVN[] = { 5, 1, 4 }, XFAM[] = { 0xe7, 0x02, 0x06 };
    memcpy(td, SVN, sizeof SVN);
    td[123] = 0x10;
    memcpy(td + 128, XFAM, sizeof XFAM);
    memset(td + 136, 0x11, 48);
    for (int i = 0; i < 4; i++) memset(td + 328 + 48 * i, 0x20 + i, 48);
    memset(td + 520, 0x77, 64);
    for (size_t i = 0; i < FORGE_PATCH_MAX; i++) {
        if (plan->td[i].at > 0 || plan->td[i].byte > 0) td[plan->td[i].at] = plan->td[i].byte;
    }
}

static inline void forge_qe(uint8_t *qe, const forge_plan *plan, pbts_span bound) {
    pbts_span signer =
        pbts_span_text("DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5");
    qe[48] = 0x15;
    assert_int_equal(pbts_hex_decode_exact(qe + 128, 32, signer), PBTS_OK);
    qe[256] = 2;
    qe[258] = 4;
    pbts_sha256(qe + 320, bound);
    if (plan->binding_is_wrong) qe[320] ^= 1;
    if (plan->binding_tail_is_set) qe[383] = 1;
    for (size_t i = 0; i < FORGE_PATCH_MAX; i++) {
        if (plan->qe[i].at > 0 || plan->qe[i].byte > 0) qe[plan->qe[i].at] = plan->qe[i].byte;
    }
}

static inline void forge_quote(forgery *f, const forge_plan *plan) {
    uint8_t *quote = f->quote, key_and_auth[64 + 32];
    bool is_5 = plan->version == 5;
    size_t body = is_5 ? 54 : 48, end = body + (is_5 ? 648 : 584), s = end + 4, pem_at = s + 640;
    X509 *chain[] = { f->pck, f->ca, f->root }, *short_chain[] = { f->tcb, f->root };
    forge_key qe_signer = plan->pck_chain_is_tcb_chain ? FORGE_TCB : FORGE_PCK;
    quote[0] = is_5 ? 5 : 4;
    quote[2] = 2;
    quote[4] = 0x81;
    memcpy(quote + 12, f->anchor.vendor_id, 16);
    if (plan->vendor_is_other) quote[12] ^= 1;
    if (is_5) quote[48] = 3;
    if (is_5) forge_u32(quote + 50, 648);
    forge_td(quote + body, plan);
    forge_raw_key(quote + s + 64, f->keys[FORGE_ATTEST]);
    memcpy(key_and_auth, quote + s + 64, 64);
    memset(key_and_auth + 64, 0x5a, 32);
    forge_qe(quote + s + 134, plan, PBTS_SPAN_OF(key_and_auth));
    size_t pem_len =
        forge_pem((char *)quote + pem_at, sizeof f->quote - pem_at,
                  plan->pck_chain_is_tcb_chain ? short_chain : chain,
                  plan->pck_chain_has_no_root || plan->pck_chain_is_tcb_chain ? 2 : 3) +
        plan->nuls;
    quote[s + 582] = 32;
    memset(quote + s + 584, 0x5a, 32);
    /* type 5 and length come right behind the auth data */
    memmove(quote + s + 622, quote + pem_at, pem_len);
    quote[s + 616] = 5;
    quote[s + 617] = 0;
    forge_u32(quote + s + 618, pem_len);
    size_t inner = 384 + 64 + 2 + 32 + 6 + pem_len;
    quote[s + 128] = 6;
    forge_u32(quote + s + 130, inner);
    forge_u32(quote + end, 134 + inner);
    forge_sign(quote + s + 518, f->keys[plan->stranger_signs_qe ? FORGE_STRANGER : qe_signer],
               (pbts_span){ quote + s + 134, 384 });
    forge_sign(quote + s, f->keys[plan->stranger_signs_quote ? FORGE_STRANGER : FORGE_ATTEST],
               (pbts_span){ quote, end });
    f->quote_span = (pbts_span){ quote, s + 134 + inner + plan->trailing };
}

/* ---- all of it ---- */

static inline void forge_certificates(forgery *f, const forge_plan *plan) {
    EVP_PKEY **keys = f->keys;
    uint8_t extension[1024];
    f->root = forge_begin("Root", "Root", 1, keys[FORGE_ROOT], 0, 0);
    forge_add(f->root, NID_basic_constraints,
              plan->root_allows_no_ca ? "critical,CA:TRUE,pathlen:0"
                                      : "critical,CA:TRUE,pathlen:1");
    forge_add(f->root, NID_key_usage, "critical,keyCertSign,cRLSign");
    (void)forge_signed(f->root, keys[FORGE_ROOT]);
    f->ca = forge_begin("PCK CA", "Root", 2, keys[FORGE_CA], 0, plan->ca_to_days);
    forge_add(f->ca, NID_basic_constraints,
              plan->ca_is_no_ca ? "critical,CA:FALSE" : "critical,CA:TRUE,pathlen:0");
    forge_add(f->ca, NID_key_usage,
              plan->ca_may_not_sign ? "critical,cRLSign" : "critical,keyCertSign,cRLSign");
    if (plan->ca_has_unknown_critical) forge_add_raw(f->ca, "1.2.3.4.5", pbts_span_text("?"), 1);
    (void)forge_signed(f->ca, keys[plan->stranger_signs_ca ? FORGE_STRANGER : FORGE_ROOT]);
    f->pck =
        forge_begin("PCK", "PCK CA", 3, keys[FORGE_PCK], plan->pck_from_days, plan->pck_to_days);
    forge_add(f->pck, NID_basic_constraints,
              plan->pck_is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    forge_add(f->pck, NID_key_usage, "critical,digitalSignature,nonRepudiation");
    pbts_span value = { extension, forge_pck_extension(extension) };
    if (!plan->pck_has_no_extension) forge_add_raw(f->pck, "1.2.840.113741.1.13.1", value, 0);
    (void)forge_signed(f->pck, keys[plan->stranger_signs_pck ? FORGE_STRANGER : FORGE_CA]);
    const char *signer = plan->tcb_signer_name;
    f->tcb = forge_begin(signer != NULL ? signer : "Intel SGX TCB Signing", "Root", 4,
                         keys[FORGE_TCB], 0, plan->tcb_to_days);
    forge_add(f->tcb, NID_basic_constraints, "critical,CA:FALSE");
    forge_add(f->tcb, NID_key_usage, "critical,digitalSignature,nonRepudiation");
    (void)forge_signed(f->tcb, keys[plan->stranger_signs_tcb ? FORGE_STRANGER : FORGE_ROOT]);
}

static inline void forge_collateral(forgery *f, const forge_plan *plan) {
    char value[8192];
    X509 *chain[] = { f->tcb, f->root };
    long of_root[2], of_ca[] = { 3 };
    size_t revoked = 0;
    if (plan->ca_is_revoked) of_root[revoked++] = 2;
    if (plan->tcb_is_revoked) of_root[revoked++] = 4;
    f->files.root_crl =
        (pbts_span){ f->root_crl,
                     forge_crl(f->root_crl, sizeof f->root_crl, "Root",
                               f->keys[plan->stranger_signs_root_crl ? FORGE_STRANGER : FORGE_ROOT],
                               of_root, revoked, plan->root_crl_from_days, plan->root_crl_to_days,
                               plan->crl_has_critical) };
    f->files.pck_crl =
        (pbts_span){ f->pck_crl,
                     forge_crl(f->pck_crl, sizeof f->pck_crl, "PCK CA",
                               f->keys[plan->stranger_signs_pck_crl ? FORGE_STRANGER : FORGE_CA],
                               of_ca, plan->pck_is_revoked ? 1 : 0, plan->pck_crl_from_days,
                               plan->pck_crl_to_days, false) };
    f->files.tcb_signing_chain =
        (pbts_span){ (const uint8_t *)f->tcb_chain,
                     forge_pem(f->tcb_chain, sizeof f->tcb_chain, chain, 2) };
    forge_replace(value, sizeof value, FORGE_TCB_INFO, plan->tcb_from, plan->tcb_to);
    f->files.tcb_info =
        forge_signed_json(f->tcb_info, sizeof f->tcb_info, "tcbInfo", value,
                          f->keys[plan->stranger_signs_tcb_info ? FORGE_STRANGER : FORGE_TCB]);
    forge_replace(value, sizeof value, FORGE_QE_IDENTITY, plan->qe_from, plan->qe_to);
    f->files.qe_identity =
        forge_signed_json(f->qe_identity, sizeof f->qe_identity, "enclaveIdentity", value,
                          f->keys[plan->stranger_signs_qe_identity ? FORGE_STRANGER : FORGE_TCB]);
}

/* Under the root of `parent`, where it is not NULL. */
static inline forgery *forge_under(const forgery *parent, const forge_plan *plan) {
    forgery *f = calloc(1, sizeof *f);
    assert_non_null(f);
    for (int i = 0; i < FORGE_KEYS; i++) f->keys[i] = EVP_EC_gen("P-256");
    if (parent != NULL) {
        EVP_PKEY_free(f->keys[FORGE_ROOT]);
        f->keys[FORGE_ROOT] = parent->keys[FORGE_ROOT];
        (void)EVP_PKEY_up_ref(f->keys[FORGE_ROOT]);
    }
    memset(f->anchor.vendor_id, 0x42, sizeof f->anchor.vendor_id);
    forge_certificates(f, plan);
    assert_int_equal(pbts_key_hash(f->anchor.key_hash, f->root), PBTS_OK);
    forge_collateral(f, plan);
    forge_quote(f, plan);
    return f;
}

static inline forgery *forge(const forge_plan *plan) {
    return forge_under(NULL, plan);
}

/* Another platform of the same authority: the certificates of root and authority are the same to
 * the byte, the leaf is new. */
static inline forgery *forge_beside(const forgery *parent, const forge_plan *plan) {
    forgery *f = calloc(1, sizeof *f);
    assert_non_null(f);
    for (int i = 0; i < FORGE_KEYS; i++) {
        f->keys[i] = parent->keys[i];
        (void)EVP_PKEY_up_ref(f->keys[i]);
    }
    EVP_PKEY_free(f->keys[FORGE_PCK]);
    f->keys[FORGE_PCK] = EVP_EC_gen("P-256");
    f->anchor = parent->anchor;
    forge_certificates(f, plan);
    X509_free(f->root);
    X509_free(f->ca);
    f->root = parent->root;
    f->ca = parent->ca;
    (void)X509_up_ref(f->root);
    (void)X509_up_ref(f->ca);
    forge_collateral(f, plan);
    forge_quote(f, plan);
    return f;
}

static inline void forge_free(forgery *f) {
    for (int i = 0; i < FORGE_KEYS; i++) EVP_PKEY_free(f->keys[i]);
    X509_free(f->root);
    X509_free(f->ca);
    X509_free(f->pck);
    X509_free(f->tcb);
    free(f);
}

#endif
