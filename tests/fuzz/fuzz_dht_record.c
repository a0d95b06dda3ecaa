/* libFuzzer target: signed announces of the DHT decode or are refused; what is taken can be dialled
 * and has one encoding. Their certificates: fuzz_dht_certificate. */
#include <stdlib.h>

#include "dht/dht_id.h"
#include "dht/signed_record.h"

static void require(bool truth) {
    if (!truth) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    pbts_dht_signed_record record;
    uint8_t again[PBTS_DHT_RECORD_LEN], digest[PBTS_DHT_DIGEST_LEN];
    const uint8_t iid[PBTS_IID_LEN] = { 1 };
    pbts_span bytes = { data, len };
    if (pbts_dht_signed_record_decode(&record, bytes) != PBTS_OK) return 0;
    require(pbts_dht_addr_usable(&record.addr));
    require(pbts_addr_unmapped(&record.addr).family == record.addr.family);
    require(record.certificate.data >= data &&
            record.certificate.data + record.certificate.len <= data + len);
    pbts_writer writer = pbts_writer_over(again, sizeof again);
    pbts_dht_signed_record_encode(&writer, &record);
    require(pbts_span_equal(pbts_writer_span(&writer), bytes));
    pbts_dht_signed_record_digest(digest, iid, &record);
    return 0;
}
