#include "attest/binding.h"

#include <openssl/evp.h>

#include "attest/snp.h"
#include "base/assert.h"
#include "base/writer.h"

static const char DOMAIN_TAG[] = "pbts-tracker-v1";

enum {
    BINDING_LEN = sizeof DOMAIN_TAG - 1 + PBTS_BINDING_IID_LEN + PBTS_BINDING_OWNER_LEN +
                  PBTS_BINDING_KEY_LEN + PBTS_BINDING_NONCE_LEN,
    SNP_REPORT_DATA_AT = 0x50,
};

void pbts_binding_report_data(uint8_t out[static PBTS_REPORT_DATA_LEN],
                              const pbts_binding *binding) {
    uint8_t bytes[BINDING_LEN];
    size_t len = 0;
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_text(&writer, DOMAIN_TAG);
    pbts_write_bytes(&writer, PBTS_SPAN_OF(binding->iid));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(binding->owner));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(binding->tracker_key));
    pbts_write_bytes(&writer, PBTS_SPAN_OF(binding->nonce));
    assert(!writer.failed && writer.len == sizeof bytes);
    bool good = EVP_Q_digest(NULL, "SHA512", NULL, bytes, sizeof bytes, out, &len) == 1;
    assert(good && len == PBTS_REPORT_DATA_LEN);
}

pbts_status pbts_evidence_report_data(uint8_t out[static PBTS_REPORT_DATA_LEN], pbts_span bytes) {
    pbts_quote quote;
    if (bytes.len == PBTS_SNP_REPORT_LEN) {
        memcpy(out, bytes.data + SNP_REPORT_DATA_AT, PBTS_REPORT_DATA_LEN);
        return PBTS_OK;
    }
    if (pbts_quote_parse(&quote, bytes) != PBTS_ATTEST_ACCEPTED) return PBTS_MALFORMED;
    memcpy(out, quote.td.report_data, PBTS_REPORT_DATA_LEN);
    return PBTS_OK;
}
