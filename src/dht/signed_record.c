#include "dht/signed_record.h"

#include "base/assert.h"
#include "dht/dht_id.h"
#include "hash/sha.h"

enum { FLAG_STOPPED = 1, FLAG_SEEDER = 2, FLAGS = 3 };

_Static_assert((int)PBTS_DHT_RECORD_LEN <= (int)PBTS_DHT_RECORD_MAX,
               "a record fits what the engine stores");

static pbts_status read_addr(pbts_addr *out, pbts_cursor *in) {
    static const uint8_t ZEROS[sizeof out->ip - 4] = { 0 };
    pbts_addr addr = { 0 };
    uint8_t family = 0;
    PBTS_TRY(pbts_read_u8(in, &family));
    PBTS_TRY(pbts_read_bytes(in, addr.ip, sizeof addr.ip));
    PBTS_TRY(pbts_read_u16(in, &addr.port));
    if (family != PBTS_IPV4 && family != PBTS_IPV6) return PBTS_MALFORMED;
    addr.family = (pbts_family)family;
    if (family == PBTS_IPV4 && memcmp(addr.ip + 4, ZEROS, sizeof ZEROS) != 0) return PBTS_MALFORMED;
    if (!pbts_dht_addr_usable(&addr)) return PBTS_MALFORMED;
    *out = addr;
    return PBTS_OK;
}

pbts_status pbts_dht_signed_record_decode(pbts_dht_signed_record *out, pbts_span bytes) {
    pbts_dht_signed_record record = { 0 };
    uint8_t flags = 0;
    if (bytes.len != PBTS_DHT_RECORD_LEN) return PBTS_MALFORMED;
    pbts_cursor in = pbts_cursor_over(bytes);
    PBTS_TRY(pbts_read_bytes(&in, record.key.bytes, sizeof record.key.bytes));
    PBTS_TRY(pbts_read_u8(&in, &flags));
    if ((flags & ~FLAGS) != 0) return PBTS_MALFORMED;
    record.stopped = (flags & FLAG_STOPPED) != 0;
    record.seeder = (flags & FLAG_SEEDER) != 0;
    PBTS_TRY(read_addr(&record.addr, &in));
    PBTS_TRY(pbts_read_u64(&in, &record.sequence));
    PBTS_TRY(pbts_read_u64(&in, &record.expires));
    PBTS_TRY(pbts_read_span(&in, &record.certificate, PBTS_DHT_CERTIFICATE_LEN));
    PBTS_TRY(pbts_read_bytes(&in, record.signature.bytes, sizeof record.signature.bytes));
    *out = record;
    return PBTS_OK;
}

static void write_signed_part(pbts_writer *writer, const pbts_dht_signed_record *record) {
    unsigned flags = (record->stopped ? FLAG_STOPPED : 0) | (record->seeder ? FLAG_SEEDER : 0);
    pbts_write_bytes(writer, PBTS_SPAN_OF(record->key.bytes));
    pbts_write_u8(writer, (uint8_t)flags);
    pbts_write_u8(writer, (uint8_t)record->addr.family);
    pbts_write_bytes(writer, PBTS_SPAN_OF(record->addr.ip));
    pbts_write_u16(writer, record->addr.port);
    pbts_write_u64(writer, record->sequence);
    pbts_write_u64(writer, record->expires);
    pbts_write_bytes(writer, record->certificate);
}

void pbts_dht_signed_record_encode(pbts_writer *writer, const pbts_dht_signed_record *record) {
    assert(record->certificate.len == PBTS_DHT_CERTIFICATE_LEN);
    write_signed_part(writer, record);
    pbts_write_bytes(writer, PBTS_SPAN_OF(record->signature.bytes));
}

void pbts_dht_signed_record_digest(uint8_t out[static PBTS_DHT_DIGEST_LEN],
                                   const uint8_t iid[static PBTS_IID_LEN],
                                   const pbts_dht_signed_record *record) {
    uint8_t buffer[PBTS_DHT_RECORD_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    write_signed_part(&writer, record);
    assert(pbts_writer_status(&writer) == PBTS_OK);
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("PBTS_V1_DHT_RECORD"));
    pbts_sha256_update(&state, (pbts_span){ iid, PBTS_IID_LEN });
    pbts_sha256_update(&state, pbts_writer_span(&writer));
    pbts_sha256_final(&state, out);
}
