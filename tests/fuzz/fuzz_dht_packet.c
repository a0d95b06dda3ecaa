/* libFuzzer target: a packet of the DHT decodes totally; what decodes keeps its limits and is
 * encoded into what decodes to the same; and a node takes anything. Input: u8 what, then the
 * datagram. what: bit 0, the tag is made right; bit 1, the token is (queries); bit 2, it is an
 * answer to what the node just asked (the transaction is made right). */
#include <stdlib.h>

#include "dht/dht_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t IID[PBTS_DHT_IID_LEN] = { 1 };

static void require(bool truth) {
    if (!truth) abort();
}

static pbts_status fill(pbts_random *random, uint8_t *out, size_t len) {
    (void)random;
    memset(out, 0x5A, len);
    return PBTS_OK;
}
static pbts_random RANDOM = { fill };

/* Certificates are the id; a record's bytes are its key. Signatures are all good. */
static pbts_status verify_certificate(void *self, pbts_dht_member *out, pbts_span certificate,
                                      uint64_t now_s) {
    (void)self;
    if (certificate.len != PBTS_DHT_ID_LEN) return PBTS_MALFORMED;
    *out = (pbts_dht_member){ .expires_s = now_s + 60 };
    memcpy(out->id.bytes, certificate.data, sizeof out->id.bytes);
    return PBTS_OK;
}
static bool verify_packet(void *self, const pbts_dht_member *from,
                          const uint8_t digest[PBTS_DHT_DIGEST_LEN],
                          const uint8_t signature[PBTS_DHT_SIGNATURE_LEN]) {
    (void)self;
    (void)from;
    return digest[0] != signature[0] || digest[1] != signature[1];
}
static void sign_packet(void *self, uint8_t signature[PBTS_DHT_SIGNATURE_LEN],
                        const uint8_t digest[PBTS_DHT_DIGEST_LEN]) {
    (void)self;
    memset(signature, digest[0], PBTS_DHT_SIGNATURE_LEN);
}
static pbts_status verify_record(void *self, pbts_dht_record *out, pbts_span bytes,
                                 uint64_t now_s) {
    (void)self;
    if (bytes.len < PBTS_DHT_ID_LEN) return PBTS_MALFORMED;
    *out = (pbts_dht_record){ .sequence = bytes.len, .expires_s = now_s + 60 };
    memcpy(out->key.bytes, bytes.data, sizeof out->key.bytes);
    return PBTS_OK;
}
static const pbts_dht_trust_ops TRUST = { verify_certificate, verify_packet, sign_packet,
                                          verify_record,      NULL,          NULL };

static void check_packet(pbts_span datagram, const uint8_t tag[static PBTS_DHT_TAG_LEN]) {
    uint8_t bytes[2 * PBTS_DHT_PACKET_MAX];
    pbts_dht_packet packet, again;
    if (pbts_dht_packet_decode(&packet, datagram, tag) != PBTS_OK) return;
    require(packet.certificate.len <= PBTS_DHT_CERTIFICATE_MAX);
    require(packet.record.len <= PBTS_DHT_RECORD_MAX);
    require(packet.beacon.len <= PBTS_DHT_BEACON_MAX);
    require(packet.record_count <= PBTS_DHT_ANSWER_RECORDS_MAX);
    require(packet.nodes4.len / PBTS_DHT_NODE4_LEN + packet.nodes6.len / PBTS_DHT_NODE6_LEN <=
            PBTS_DHT_ANSWER_NODES_MAX);
    require(packet.is_signed == (packet.signature_at > 0));
    require(packet.signature_at == 0 ||
            packet.signature_at + PBTS_DHT_SIGNATURE_LEN <= datagram.len);
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    size_t signature_at = packet.signature_at;
    require(pbts_dht_packet_encode(&writer, &packet, tag) == PBTS_OK);
    require(writer.len <= datagram.len); /* without the keys that nobody knows */
    require(pbts_dht_packet_decode(&again, pbts_writer_span(&writer), tag) == PBTS_OK);
    require(again.kind == packet.kind && again.transaction == packet.transaction);
    require(pbts_dht_id_equal(&again.from, &packet.from));
    require(again.counter == packet.counter && again.record_count == packet.record_count);
    require(pbts_span_equal(again.nodes4, packet.nodes4));
    require(pbts_span_equal(again.record, packet.record));
    require((again.signature_at > 0) == (signature_at > 0));
}

static pbts_dht *make_node(pbts_moment now) {
    static const uint8_t certificate[PBTS_DHT_ID_LEN] = { 9 };
    pbts_dht_config config = { .mem = pbts_mem_system(),
                               .random = &RANDOM,
                               .trust = { &TRUST, NULL },
                               .certificate = PBTS_SPAN_OF(certificate),
                               .ipv4 = true,
                               .ipv6 = true,
                               .contacts_max = 32,
                               .records_max = 8 };
    pbts_dht *dht;
    config.id.bytes[0] = 9;
    memcpy(config.iid, IID, sizeof config.iid);
    require(pbts_dht_new(&dht, &config, now) == PBTS_OK);
    return dht;
}

/* "1:t8:" and what follows, or another key; false when it is not there. */
static void patch(uint8_t *bytes, size_t len, const char *key, const uint8_t *value, size_t size) {
    size_t key_len = strlen(key);
    for (size_t at = 0; at + key_len + size <= len; at++) {
        if (memcmp(bytes + at, key, key_len) == 0) memcpy(bytes + at + key_len, value, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static uint8_t bytes[2048];
    uint8_t tag[PBTS_DHT_TAG_LEN], token[PBTS_DHT_TOKEN_LEN];
    if (len == 0 || len > sizeof bytes) return 0;
    pbts_moment now = { 1000000, 5000 };
    pbts_addr peer = { PBTS_IPV4, { 10, 0, 0, 7 }, 6881 }, to;
    pbts_span datagram;
    uint8_t what = data[0];
    size_t size = len - 1;
    memcpy(bytes, data + 1, size);
    pbts_dht_tag(tag, IID);
    pbts_dht *dht = make_node(now);
    pbts_dht_token_make(&dht->tokens, token, &peer);
    if (what & 1) patch(bytes, size, "1:n4:", tag, sizeof tag);
    if (what & 2) patch(bytes, size, "1:k8:", token, sizeof token);
    if (what & 4) {
        pbts_dht_id key = { { 4 } };
        uint32_t operation;
        pbts_dht_add_bootstrap(dht, &peer, now);
        require(pbts_dht_get(dht, &operation, &key, now) == PBTS_OK);
        require(dht->pending_count == 1);
        memcpy(dht->pending[0].token, token, sizeof token);
        dht->pending[0].has_token = (what & 8) == 0;
        uint8_t transaction[8];
        pbts_writer number = pbts_writer_over(transaction, sizeof transaction);
        pbts_write_u64(&number, dht->pending[0].transaction);
        patch(bytes, size, "1:t8:", transaction, sizeof transaction);
    }
    check_packet((pbts_span){ bytes, size }, tag);
    for (int turn = 0; turn < 2; turn++) {
        pbts_dht_receive(dht, &peer, (pbts_span){ bytes, size }, now);
        require(pbts_dht_table_is_sound(&dht->table));
        now.mono_ms += 800;
        pbts_dht_tick(dht, now);
    }
    while (pbts_dht_next_send(dht, &to, &datagram)) {
        pbts_dht_packet packet;
        require(datagram.len <= PBTS_DHT_PACKET_MAX);
        require(pbts_dht_packet_decode(&packet, datagram, tag) == PBTS_OK);
    }
    pbts_dht_free(dht);
    return 0;
}
