/* attest/quote.h - a TDX quote as bytes: versions 4 and 5, the layout checked exactly. No
 * cryptography here; attest/verify.h believes a quote.
 *
 * All integers are little-endian. Offsets:
 *
 *   0    header, 48: version u16, key type u16 (2), TEE type u32 (0x81), reserved 4, vendor id 16,
 *        user data 20
 *   48   version 4: the TD report, 584. Version 5: body type u16 (2 or 3), size u32, the TD report,
 *        584 or 648
 *   E    length of what follows u32; E = 632, 638 or 702, and quote[0..E) is what is signed
 *   E+4  signature 64, attestation key 64, type u16 (6), length u32, QE report 384, its signature
 *        64, auth length u16, auth data, type u16 (5), length u32, PEM certificates
 *
 * The inner lengths use up the outer ones to the byte. What follows the signature data is ignored:
 * generators pad their buffers, not always with zeros. Nor is the quote's hash an identity: ECDSA
 * signatures have a twin, and the padding is free.
 *
 * Source: Intel TDX DCAP Quoting Library API, appendix 3 "Quote format".
 */
#ifndef PBTS_ATTEST_QUOTE_H
#define PBTS_ATTEST_QUOTE_H

#include "attest/reason.h"
#include "base/cursor.h"

enum {
    PBTS_QUOTE_LEN_MAX = 64 * 1024, /* real ones have 5 to 8 KiB; a padded buffer of 16 occurs */
    PBTS_QUOTE_VENDOR_LEN = 16,
    PBTS_TCB_COMPONENTS = 16,
    PBTS_MEASUREMENT_LEN = 48, /* SHA-384 */
    PBTS_REPORT_DATA_LEN = 64,
    PBTS_RTMR_COUNT = 4,
    PBTS_P256_KEY_LEN = 64,       /* x, y, big-endian */
    PBTS_P256_SIGNATURE_LEN = 64, /* r, s, big-endian */
};

/* What the TDX module says of the guest (TDREPORT, TDINFO). Untrusted until verified. */
typedef struct {
    uint8_t tee_tcb_svn[PBTS_TCB_COMPONENTS];
    uint8_t mrseam[PBTS_MEASUREMENT_LEN];
    uint8_t mrsignerseam[PBTS_MEASUREMENT_LEN];
    uint64_t seam_attributes;
    uint64_t td_attributes;
    uint64_t xfam;
    uint8_t mrtd[PBTS_MEASUREMENT_LEN];
    uint8_t mrconfigid[PBTS_MEASUREMENT_LEN];
    uint8_t mrowner[PBTS_MEASUREMENT_LEN];
    uint8_t mrownerconfig[PBTS_MEASUREMENT_LEN];
    uint8_t rtmr[PBTS_RTMR_COUNT][PBTS_MEASUREMENT_LEN];
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
    bool is_1_5; /* the two below are there; zeros otherwise */
    uint8_t tee_tcb_svn2[PBTS_TCB_COMPONENTS];
    uint8_t mrservicetd[PBTS_MEASUREMENT_LEN];
} pbts_td_report;

/* What the processor says of the quoting enclave (SGX REPORT). */
typedef struct {
    uint32_t miscselect;
    uint8_t attributes[16];
    uint8_t mrsigner[32];
    uint16_t isv_prod_id;
    uint16_t isv_svn;
    uint8_t report_data[PBTS_REPORT_DATA_LEN];
} pbts_enclave_report;

/* Spans and pointers are into the bytes that were parsed. */
typedef struct {
    uint16_t version;
    uint8_t vendor_id[PBTS_QUOTE_VENDOR_LEN];
    pbts_td_report td;
    pbts_span signed_bytes;      /* quote[0..E) */
    const uint8_t *signature;    /* PBTS_P256_SIGNATURE_LEN */
    const uint8_t *attest_key;   /* PBTS_P256_KEY_LEN */
    pbts_span qe_report_bytes;   /* 384 */
    pbts_enclave_report qe;      /* the same, taken apart */
    const uint8_t *qe_signature; /* PBTS_P256_SIGNATURE_LEN */
    pbts_span auth_data;
    pbts_span pck_chain_pem;
    pbts_span trailing;
} pbts_quote;

/* PBTS_ATTEST_ACCEPTED with `*out`, or QUOTE_LIMIT, QUOTE_VERSION, QUOTE_KEY_TYPE, QUOTE_TEE_TYPE,
 * QUOTE_LAYOUT. Total; no heap. */
PBTS_MUST_USE pbts_attest_reason pbts_quote_parse(pbts_quote *out, pbts_span bytes);

#endif
