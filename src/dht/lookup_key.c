#include "dht/lookup_key.h"

#include "base/epoch.h"
#include "base/writer.h"

void pbts_dht_torrent_secret_of(pbts_dht_torrent_secret *out, pbts_span info_dictionary) {
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/dht/torrent/1"));
    pbts_sha256_update(&state, info_dictionary);
    pbts_sha256_final(&state, out->bytes);
}

void pbts_dht_lookup_key(pbts_dht_id *out, const uint8_t iid[static PBTS_IID_LEN],
                         const pbts_dht_torrent_secret *secret, uint64_t epoch) {
    uint8_t number[8], digest[PBTS_SHA256_LEN];
    pbts_writer writer = pbts_writer_over(number, sizeof number);
    pbts_write_u64(&writer, epoch);
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/dht/key/1"));
    pbts_sha256_update(&state, (pbts_span){ iid, PBTS_IID_LEN });
    pbts_sha256_update(&state, PBTS_SPAN_OF(secret->bytes));
    pbts_sha256_update(&state, PBTS_SPAN_OF(number));
    pbts_sha256_final(&state, digest);
    memcpy(out->bytes, digest, sizeof out->bytes);
}

size_t pbts_dht_announce_epochs(uint64_t out[static PBTS_DHT_KEYS_MAX], uint64_t now_s) {
    uint64_t epoch = pbts_epoch_at(now_s);
    out[0] = epoch;
    if (now_s % PBTS_EPOCH_SECONDS < PBTS_EPOCH_SECONDS - PBTS_DHT_EARLY_S) return 1;
    out[1] = epoch + 1;
    return 2;
}

size_t pbts_dht_lookup_epochs(uint64_t out[static PBTS_DHT_KEYS_MAX], uint64_t now_s) {
    uint64_t epoch = pbts_epoch_at(now_s), into_s = now_s % PBTS_EPOCH_SECONDS;
    out[0] = epoch;
    if (into_s >= PBTS_EPOCH_SECONDS - PBTS_DHT_LATE_S) {
        out[1] = epoch + 1;
        return 2;
    }
    if (into_s >= PBTS_DHT_LATE_S || epoch == 0) return 1;
    out[1] = epoch - 1;
    return 2;
}
