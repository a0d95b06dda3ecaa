#include "attest/snp_chip.h"

#include "base/assert.h"

enum { IA5_STRING = 0x16, DER_INTEGER = 2, FAMILY_19H = 0x19, FAMILY_1AH = 0x1a };

static const struct {
    const char *product;
    size_t chip_id_len;
} GENERATIONS[PBTS_SNP_GENERATIONS] = {
    [PBTS_SNP_MILAN] = { "Milan", 64 },
    [PBTS_SNP_GENOA] = { "Genoa", 64 },
    [PBTS_SNP_TURIN] = { "Turin", 8 },
};

/* The models that there are; Bergamo and Siena are Genoas. */
static const struct {
    pbts_snp_generation generation;
    uint8_t family, first, last;
} PROCESSORS[] = {
    { PBTS_SNP_MILAN, FAMILY_19H, 0x00, 0x0f },
    { PBTS_SNP_GENOA, FAMILY_19H, 0x10, 0x1f },
    { PBTS_SNP_GENOA, FAMILY_19H, 0xa0, 0xaf },
    { PBTS_SNP_TURIN, FAMILY_1AH, 0x00, 0x11 },
};

/* The value of an extension; {NULL, 0}: none, or twice. */
static pbts_span extension_of(const X509 *certificate, const char *oid_text) {
    ASN1_OBJECT *oid = OBJ_txt2obj(oid_text, 1);
    int at = oid != NULL ? X509_get_ext_by_OBJ(certificate, oid, -1) : -1;
    bool twice = at >= 0 && X509_get_ext_by_OBJ(certificate, oid, at) >= 0;
    ASN1_OBJECT_free(oid);
    if (at < 0 || twice) return (pbts_span){ 0 };
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(certificate, at));
    return (pbts_span){ ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value) };
}

/* INTEGER, 0 to 255: 02 01 nn, or 02 02 00 nn from 128 on. */
static bool read_svn(uint8_t *out, const X509 *certificate, const char *oid) {
    pbts_span value = extension_of(certificate, oid);
    const uint8_t *at = value.data;
    if (value.len == 3 && at[0] == DER_INTEGER && at[1] == 1 && at[2] < 0x80) {
        *out = at[2];
        return true;
    }
    if (value.len != 4 || at[0] != DER_INTEGER || at[1] != 2 || at[2] != 0 || at[3] < 0x80)
        return false;
    *out = at[3];
    return true;
}

bool pbts_snp_generation_of(pbts_snp_generation *out, const X509 *vcek) {
    pbts_span name = extension_of(vcek, "1.3.6.1.4.1.3704.1.2");
    if (name.len < 2 || name.data[0] != IA5_STRING || name.data[1] != name.len - 2) return false;
    for (size_t i = 0; i < PBTS_SNP_GENERATIONS; i++) {
        size_t len = strlen(GENERATIONS[i].product);
        if (name.len - 2 < len || memcmp(name.data + 2, GENERATIONS[i].product, len) != 0) continue;
        if (name.len - 2 > len && name.data[2 + len] != '-') continue; /* "-B0": a stepping */
        *out = (pbts_snp_generation)i;
        return true;
    }
    return false;
}

bool pbts_snp_is_cpu_of(pbts_snp_generation generation, uint8_t family, uint8_t model) {
    for (size_t i = 0; i < sizeof PROCESSORS / sizeof PROCESSORS[0]; i++) {
        if (PROCESSORS[i].generation == generation && PROCESSORS[i].family == family &&
            PROCESSORS[i].first <= model && model <= PROCESSORS[i].last)
            return true;
    }
    return false;
}

pbts_snp_tcb pbts_snp_tcb_of(pbts_snp_generation generation, const uint8_t bytes[static 8]) {
    assert((unsigned)generation < PBTS_SNP_GENERATIONS);
    if (generation == PBTS_SNP_TURIN) {
        return (pbts_snp_tcb){ .fmc = bytes[0],
                               .boot_loader = bytes[1],
                               .tee = bytes[2],
                               .snp = bytes[3],
                               .microcode = bytes[7] };
    }
    return (pbts_snp_tcb){
        .boot_loader = bytes[0], .tee = bytes[1], .snp = bytes[6], .microcode = bytes[7]
    };
}

bool pbts_snp_chip_read(pbts_snp_tcb *tcb, uint8_t chip_id[static PBTS_SNP_CHIP_ID_LEN],
                        pbts_snp_generation generation, const X509 *vcek) {
    pbts_span id = extension_of(vcek, "1.3.6.1.4.1.3704.1.4");
    assert((unsigned)generation < PBTS_SNP_GENERATIONS);
    if (id.data == NULL || id.len != GENERATIONS[generation].chip_id_len) return false;
    memset(chip_id, 0, PBTS_SNP_CHIP_ID_LEN);
    memcpy(chip_id, id.data, id.len);
    tcb->fmc = 0;
    if (generation == PBTS_SNP_TURIN && !read_svn(&tcb->fmc, vcek, "1.3.6.1.4.1.3704.1.3.9"))
        return false;
    return read_svn(&tcb->boot_loader, vcek, "1.3.6.1.4.1.3704.1.3.1") &&
           read_svn(&tcb->tee, vcek, "1.3.6.1.4.1.3704.1.3.2") &&
           read_svn(&tcb->snp, vcek, "1.3.6.1.4.1.3704.1.3.3") &&
           read_svn(&tcb->microcode, vcek, "1.3.6.1.4.1.3704.1.3.8");
}
