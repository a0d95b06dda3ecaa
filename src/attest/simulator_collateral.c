/* What is signed about the simulated platform: certificates, revocation lists, TCB information. */
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "attest/simulator_parts.h"
#include "base/writer.h"
#include "codec/text.h"

enum {
    DAY_S = 86400,
    EXTENSION_MAX = 1024,
    DATE_LEN = 20, /* "2025-06-15T15:06:40Z" */
    PCK_LEN = 18,  /* 16 components, PCESVN, CPUSVN */
};

/* Certificates hold for as long as anybody may want to play with them. */
#define CERTIFICATES_FROM_S INT64_C(1735689600) /* 2025-01-01 */
#define CERTIFICATES_TO_S INT64_C(4102444800)   /* 2100-01-01 */

static const char ROOT_NAME[] = "PBTS SIMULATED TEE Root, proves nothing";
static const char CA_NAME[] = "PBTS SIMULATED TEE Platform CA, proves nothing";
static const char PCK_NAME[] = "PBTS SIMULATED TEE Platform, proves nothing";
static const char TCB_NAME[] = "Intel SGX TCB Signing"; /* the name is a part of the format */
static const char PCK_EXTENSION_OID[] = "1.2.840.113741.1.13.1";
static const uint8_t FMSPC[PBTS_FMSPC_LEN] = { 'P', 'B', 'T', 'S', 'I', 'M' };

/* ---- certificates ---- */

static bool set_name(X509_NAME *name, const char *text) {
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1,
                                      0) == 1;
}

static bool add_extension(X509 *to, int nid, const char *value) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    bool good = extension != NULL && X509_add_ext(to, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

typedef struct {
    const char *subject, *issuer, *basic_constraints, *key_usage;
    long serial;
    pbts_simulator_key key, by;
    pbts_span pck; /* value of the PCK extension; empty: none */
} certificate_plan;

static bool add_pck(X509 *to, pbts_span value) {
    ASN1_OBJECT *oid = OBJ_txt2obj(PCK_EXTENSION_OID, 1);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;
    bool good = oid != NULL && octets != NULL &&
                ASN1_OCTET_STRING_set(octets, value.data, (int)value.len) == 1;
    if (good) extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, octets);
    good = extension != NULL && X509_add_ext(to, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
    ASN1_OBJECT_free(oid);
    return good;
}

static bool fill(X509 *out, const pbts_simulator *simulator, const certificate_plan *plan) {
    X509_NAME *issuer = X509_NAME_new();
    bool good =
        issuer != NULL && set_name(issuer, plan->issuer) && X509_set_issuer_name(out, issuer) == 1;
    X509_NAME_free(issuer);
    return good && set_name(X509_get_subject_name(out), plan->subject) &&
           X509_set_version(out, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(out), plan->serial) == 1 &&
           ASN1_TIME_set(X509_getm_notBefore(out), CERTIFICATES_FROM_S) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(out), CERTIFICATES_TO_S) != NULL &&
           X509_set_pubkey(out, simulator->keys[plan->key]) == 1 &&
           add_extension(out, NID_basic_constraints, plan->basic_constraints) &&
           add_extension(out, NID_key_usage, plan->key_usage) &&
           (plan->pck.len == 0 || add_pck(out, plan->pck)) &&
           X509_sign(out, simulator->keys[plan->by], EVP_sha256()) > 0;
}

static bool make_certificate(X509 **out, const pbts_simulator *simulator,
                             const certificate_plan *plan) {
    *out = X509_new();
    return *out != NULL && fill(*out, simulator, plan);
}

static bool write_pem(pbts_span *out, uint8_t *buffer, X509 *const *certificates, size_t len) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    bool good = bio != NULL;
    for (size_t i = 0; i < len && good; i++) good = PEM_write_bio_X509(bio, certificates[i]) == 1;
    long text_len = good ? BIO_get_mem_data(bio, &text) : 0;
    good = text_len > 0 && text_len <= PBTS_SIMULATOR_PEM_MAX;
    if (good) memcpy(buffer, text, (size_t)text_len);
    if (good) *out = (pbts_span){ buffer, (size_t)text_len };
    BIO_free(bio);
    return good;
}

/* ---- the PCK extension: DER, whose lengths take one byte or three ---- */

static void write_der_head(pbts_writer *out, uint8_t tag, size_t len) {
    pbts_write_u8(out, tag);
    if (len >= 128) pbts_write_u8(out, 0x82);
    if (len >= 128) pbts_write_u8(out, (uint8_t)(len >> 8));
    pbts_write_u8(out, (uint8_t)len);
}

static size_t der_head_len(size_t len) {
    return len < 128 ? 2 : 4;
}

/* SEQUENCE { OID 1.2.840.113741.1.13.1.arcs, value } */
static void write_pck_part(pbts_writer *out, pbts_span arcs, uint8_t tag, pbts_span value) {
    static const uint8_t PREFIX[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };
    size_t oid_len = sizeof PREFIX + arcs.len;
    write_der_head(out, 0x30, 2 + oid_len + der_head_len(value.len) + value.len);
    write_der_head(out, 0x06, oid_len);
    pbts_write_bytes(out, PBTS_SPAN_OF(PREFIX));
    pbts_write_bytes(out, arcs);
    write_der_head(out, tag, value.len);
    pbts_write_bytes(out, value);
}

static void write_pck_tcb(pbts_writer *out) {
    static const uint8_t CPUSVN[16] = { 1 };
    for (unsigned i = 1; i <= PCK_LEN; i++) {
        uint8_t arcs[] = { 2, (uint8_t)i }, svn = i <= 16 ? CPUSVN[i - 1] : PBTS_SIMULATOR_PCESVN;
        if (i < PCK_LEN)
            write_pck_part(out, PBTS_SPAN_OF(arcs), 0x02, (pbts_span){ &svn, 1 });
        else
            write_pck_part(out, PBTS_SPAN_OF(arcs), 0x04, PBTS_SPAN_OF(CPUSVN));
    }
}

static bool write_pck(pbts_writer *out) {
    static const uint8_t PPID[16] = "SIMULATED", PCEID[PBTS_PCEID_LEN];
    static const uint8_t ARCS[][1] = { { 1 }, { 2 }, { 3 }, { 4 } };
    uint8_t tcb_bytes[EXTENSION_MAX], bytes[EXTENSION_MAX];
    pbts_writer tcb = pbts_writer_over(tcb_bytes, sizeof tcb_bytes);
    pbts_writer parts = pbts_writer_over(bytes, sizeof bytes);
    write_pck_tcb(&tcb);
    write_pck_part(&parts, PBTS_SPAN_OF(ARCS[0]), 0x04, PBTS_SPAN_OF(PPID));
    write_pck_part(&parts, PBTS_SPAN_OF(ARCS[1]), 0x30, pbts_writer_span(&tcb));
    write_pck_part(&parts, PBTS_SPAN_OF(ARCS[2]), 0x04, PBTS_SPAN_OF(PCEID));
    write_pck_part(&parts, PBTS_SPAN_OF(ARCS[3]), 0x04, PBTS_SPAN_OF(FMSPC));
    write_der_head(out, 0x30, parts.len);
    pbts_write_bytes(out, pbts_writer_span(&parts));
    return !tcb.failed && !parts.failed && !out->failed;
}

bool pbts_simulator_make_certificates(pbts_simulator *s) {
    static const char LEAF[] = "critical,CA:FALSE", SIGNS[] = "critical,digitalSignature";
    static const char AUTHORITY[] = "critical,keyCertSign,cRLSign";
    uint8_t bytes[EXTENSION_MAX];
    pbts_writer pck = pbts_writer_over(bytes, sizeof bytes);
    const certificate_plan root = { .subject = ROOT_NAME,
                                    .issuer = ROOT_NAME,
                                    .serial = 1,
                                    .basic_constraints = "critical,CA:TRUE,pathlen:1",
                                    .key_usage = AUTHORITY,
                                    .key = PBTS_SIMULATOR_ROOT,
                                    .by = PBTS_SIMULATOR_ROOT };
    const certificate_plan ca = { .subject = CA_NAME,
                                  .issuer = ROOT_NAME,
                                  .serial = 2,
                                  .basic_constraints = "critical,CA:TRUE,pathlen:0",
                                  .key_usage = AUTHORITY,
                                  .key = PBTS_SIMULATOR_CA,
                                  .by = PBTS_SIMULATOR_ROOT };
    if (!write_pck(&pck)) return false;
    const certificate_plan leaf = { .subject = PCK_NAME,
                                    .issuer = CA_NAME,
                                    .serial = 3,
                                    .basic_constraints = LEAF,
                                    .key_usage = SIGNS,
                                    .key = PBTS_SIMULATOR_PCK,
                                    .by = PBTS_SIMULATOR_CA,
                                    .pck = pbts_writer_span(&pck) };
    const certificate_plan tcb = { .subject = TCB_NAME,
                                   .issuer = ROOT_NAME,
                                   .serial = 4,
                                   .basic_constraints = LEAF,
                                   .key_usage = SIGNS,
                                   .key = PBTS_SIMULATOR_TCB,
                                   .by = PBTS_SIMULATOR_ROOT };
    if (!make_certificate(&s->root, s, &root) || !make_certificate(&s->ca, s, &ca) ||
        !make_certificate(&s->pck, s, &leaf) || !make_certificate(&s->tcb, s, &tcb))
        return false;
    return write_pem(&s->pck_chain_pem, s->pck_chain, (X509 *[]){ s->pck, s->ca, s->root }, 3) &&
           write_pem(&s->files.tcb_signing_chain, s->tcb_chain, (X509 *[]){ s->tcb, s->root }, 2);
}

/* ---- revocation lists, which revoke nothing ---- */

static bool fill_crl(X509_CRL *crl, const char *issuer, EVP_PKEY *by, uint64_t from_s,
                     uint64_t to_s) {
    X509_NAME *name = X509_NAME_new();
    ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)from_s), *to = ASN1_TIME_set(NULL, (time_t)to_s);
    bool good = name != NULL && from != NULL && to != NULL && set_name(name, issuer) &&
                X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
                X509_CRL_set_issuer_name(crl, name) == 1 &&
                X509_CRL_set1_lastUpdate(crl, from) == 1 &&
                X509_CRL_set1_nextUpdate(crl, to) == 1 && X509_CRL_sign(crl, by, EVP_sha256()) > 0;
    ASN1_TIME_free(to);
    ASN1_TIME_free(from);
    X509_NAME_free(name);
    return good;
}

static bool make_crl(pbts_span *out, uint8_t buffer[static PBTS_SIMULATOR_CRL_MAX],
                     const char *issuer, EVP_PKEY *by, uint64_t from_s, uint64_t to_s) {
    X509_CRL *crl = X509_CRL_new();
    uint8_t *end = buffer;
    bool good = crl != NULL && fill_crl(crl, issuer, by, from_s, to_s);
    int len = good ? i2d_X509_CRL(crl, NULL) : 0;
    good = len > 0 && len <= PBTS_SIMULATOR_CRL_MAX && i2d_X509_CRL(crl, &end) == len;
    if (good) *out = (pbts_span){ buffer, (size_t)len };
    X509_CRL_free(crl);
    return good;
}

/* ---- TCB information and the enclave's identity ---- */

static void write_date(pbts_writer *out, uint64_t unix_s) {
    char text[DATE_LEN + 1];
    time_t seconds = (time_t)unix_s;
    struct tm utc;
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) != DATE_LEN)
        out->failed = true;
    else
        pbts_write_text(out, text);
}

static void write_dates(pbts_writer *out, uint64_t from_s, uint64_t to_s) {
    pbts_write_text(out, "\"issueDate\":\"");
    write_date(out, from_s);
    pbts_write_text(out, "\",\"nextUpdate\":\"");
    write_date(out, to_s);
    pbts_write_text(out, "\",\"tcbEvaluationDataNumber\":1,");
}

static void write_hex(pbts_writer *out, const char *before, pbts_span bytes, const char *after) {
    pbts_write_text(out, before);
    pbts_hex_encode(out, bytes);
    pbts_write_text(out, after);
}

static void write_components(pbts_writer *out, const char *name) {
    pbts_write_text(out, name);
    for (int i = 0; i < PBTS_TCB_COMPONENTS; i++)
        pbts_write_text(out, i == 0 ? "[{\"svn\":1}" : ",{\"svn\":0}");
    pbts_write_text(out, "]");
}

static void write_tcb_info(pbts_writer *out, uint64_t from_s, uint64_t to_s) {
    static const uint8_t ZERO[PBTS_MEASUREMENT_LEN];
    pbts_write_text(out, "{\"id\":\"TDX\",\"version\":3,");
    write_dates(out, from_s, to_s);
    write_hex(out, "\"fmspc\":\"", PBTS_SPAN_OF(FMSPC), "\",\"pceId\":\"0000\",\"tcbType\":0,");
    write_hex(out, "\"tdxModule\":{\"mrsigner\":\"", PBTS_SPAN_OF(ZERO),
              "\",\"attributes\":\"0000000000000000\",\"attributesMask\":\"FFFFFFFFFFFFFFFF\"},");
    write_components(out, "\"tdxModuleIdentities\":[],\"tcbLevels\":[{\"tcb\":{"
                          "\"sgxtcbcomponents\":");
    write_components(out, ",\"tdxtcbcomponents\":");
    pbts_write_text(out, ",\"pcesvn\":1},\"tcbDate\":\"2025-01-01T00:00:00Z\","
                         "\"tcbStatus\":\"UpToDate\"}]}");
}

static void write_qe_identity(pbts_writer *out, uint64_t from_s, uint64_t to_s) {
    pbts_write_text(out, "{\"id\":\"TD_QE\",\"version\":2,");
    write_dates(out, from_s, to_s);
    pbts_write_text(out, "\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\","
                         "\"attributes\":\"11000000000000000000000000000000\","
                         "\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\",");
    write_hex(out, "\"mrsigner\":\"", PBTS_SPAN_OF(PBTS_SIMULATOR_QE_SIGNER),
              "\",\"isvprodid\":2,\"tcbLevels\":[{\"tcb\":{\"isvsvn\":1},"
              "\"tcbDate\":\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"UpToDate\"}]}");
}

/* { "name": value, "signature": hex of the key's signature over the value's bytes } */
static bool sign_json(pbts_span *out, uint8_t *buffer, const char *name, EVP_PKEY *by,
                      void (*write)(pbts_writer *, uint64_t, uint64_t), uint64_t from_s,
                      uint64_t to_s) {
    uint8_t signature[PBTS_P256_SIGNATURE_LEN];
    pbts_writer json = pbts_writer_over(buffer, PBTS_SIMULATOR_JSON_MAX);
    pbts_write_text(&json, "{\"");
    pbts_write_text(&json, name);
    pbts_write_text(&json, "\":");
    size_t from = json.len;
    write(&json, from_s, to_s);
    if (!pbts_simulator_sign(signature, by, (pbts_span){ buffer + from, json.len - from }))
        return false;
    write_hex(&json, ",\"signature\":\"", PBTS_SPAN_OF(signature), "\"}");
    *out = pbts_writer_span(&json);
    return !json.failed;
}

bool pbts_simulator_make_collateral(pbts_simulator *s, uint64_t now_s) {
    uint64_t from_s = now_s > DAY_S ? now_s - DAY_S : 0;
    uint64_t to_s = now_s + (uint64_t)PBTS_SIMULATOR_DAYS * DAY_S;
    EVP_PKEY **keys = s->keys;
    return make_crl(&s->files.root_crl, s->root_crl, ROOT_NAME, keys[PBTS_SIMULATOR_ROOT], from_s,
                    to_s) &&
           make_crl(&s->files.pck_crl, s->pck_crl, CA_NAME, keys[PBTS_SIMULATOR_CA], from_s,
                    to_s) &&
           sign_json(&s->files.tcb_info, s->tcb_info, "tcbInfo", keys[PBTS_SIMULATOR_TCB],
                     write_tcb_info, from_s, to_s) &&
           sign_json(&s->files.qe_identity, s->qe_identity, "enclaveIdentity",
                     keys[PBTS_SIMULATOR_TCB], write_qe_identity, from_s, to_s);
}
