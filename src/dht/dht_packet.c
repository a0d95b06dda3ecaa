/* Source: BEP 5, "KRPC protocol"; method names and keys are our own. */
#include "dht/dht_packet.h"

#include "base/assert.h"
#include "hash/sha.h"

static const char *const METHOD_NAMES[PBTS_DHT_METHODS] = {
    [PBTS_DHT_HELLO] = "pbts_hello", [PBTS_DHT_PING] = "pbts_ping", [PBTS_DHT_FIND] = "pbts_find",
    [PBTS_DHT_GET] = "pbts_get",     [PBTS_DHT_PUT] = "pbts_put",
};
static const uint8_t NO_SIGNATURE[PBTS_DHT_SIGNATURE_LEN] = { 0 };

/* ---- writing ---- */

static void write_pair(pbts_writer *writer, const char *key, pbts_span value) {
    pbts_bencode_text(writer, key);
    pbts_bencode_string(writer, value);
}

static void write_addr(pbts_writer *writer, const pbts_addr *addr) {
    size_t len = pbts_addr_ip_len(addr->family);
    pbts_write_bytes(writer, (pbts_span){ addr->ip, len });
    pbts_write_u16(writer, addr->port);
}

static void write_to(pbts_writer *writer, const pbts_addr *to) {
    uint8_t text[18];
    pbts_writer compact = pbts_writer_over(text, sizeof text);
    write_addr(&compact, to);
    write_pair(writer, "o", pbts_writer_span(&compact));
}

void pbts_dht_node_encode(pbts_writer *writer, const pbts_dht_id *id, const pbts_addr *addr) {
    pbts_write_bytes(writer, PBTS_SPAN_OF(id->bytes));
    write_addr(writer, addr);
}

/* Keys ascend within each dictionary: BEP 3. */
static void write_query(pbts_writer *writer, const pbts_dht_packet *packet) {
    pbts_write_text(writer, "1:ad");
    if (packet->beacon.len > 0) write_pair(writer, "b", packet->beacon);
    if (packet->certificate.len > 0) write_pair(writer, "c", packet->certificate);
    if (packet->is_signed) {
        write_pair(writer, "i", PBTS_SPAN_OF(packet->from.bytes));
    }
    if (packet->has_token) write_pair(writer, "k", PBTS_SPAN_OF(packet->token));
    if (packet->is_signed) {
        pbts_bencode_text(writer, "n");
        pbts_bencode_uint(writer, packet->counter);
        write_to(writer, &packet->to);
    }
    if (packet->has_target) write_pair(writer, "t", PBTS_SPAN_OF(packet->target.bytes));
    if (packet->record.len > 0) write_pair(writer, "v", packet->record);
    if (packet->wants_certificate) pbts_write_text(writer, "1:wi1e");
    pbts_write_text(writer, "e");
}

static void write_answer(pbts_writer *writer, const pbts_dht_packet *packet) {
    pbts_write_text(writer, "1:rd");
    if (packet->nodes4.len > 0) write_pair(writer, "4", packet->nodes4);
    if (packet->nodes6.len > 0) write_pair(writer, "6", packet->nodes6);
    if (packet->certificate.len > 0) write_pair(writer, "c", packet->certificate);
    if (packet->is_signed) write_pair(writer, "i", PBTS_SPAN_OF(packet->from.bytes));
    if (packet->has_token) write_pair(writer, "k", PBTS_SPAN_OF(packet->token));
    if (packet->is_signed) write_to(writer, &packet->to);
    if (packet->record_count > 0) {
        pbts_write_text(writer, "1:vl");
        for (size_t i = 0; i < packet->record_count; i++) {
            pbts_bencode_string(writer, packet->records[i]);
        }
        pbts_write_text(writer, "e");
    }
    pbts_write_text(writer, "e");
}

static void write_error(pbts_writer *writer, const pbts_dht_packet *packet) {
    if (packet->beacon.len > 0) write_pair(writer, "b", packet->beacon);
    pbts_bencode_text(writer, "e");
    pbts_bencode_uint(writer, packet->error);
    if (packet->has_token) write_pair(writer, "k", PBTS_SPAN_OF(packet->token));
}

pbts_status pbts_dht_packet_encode(pbts_writer *writer, pbts_dht_packet *packet,
                                   const uint8_t tag[static PBTS_DHT_TAG_LEN]) {
    uint8_t transaction[8];
    pbts_writer number = pbts_writer_over(transaction, sizeof transaction);
    pbts_write_u64(&number, packet->transaction);
    pbts_span tag_span = { tag, PBTS_DHT_TAG_LEN };
    size_t begin = writer->len;
    pbts_write_text(writer, "d");
    if (packet->kind == PBTS_DHT_QUERY) write_query(writer, packet);
    if (packet->kind == PBTS_DHT_ERROR) write_error(writer, packet);
    write_pair(writer, "n", tag_span);
    if (packet->kind == PBTS_DHT_QUERY) {
        write_pair(writer, "q", pbts_span_text(METHOD_NAMES[packet->method]));
    }
    if (packet->kind == PBTS_DHT_ANSWER) write_answer(writer, packet);
    packet->signature_at = 0;
    if (packet->is_signed) {
        write_pair(writer, "s", PBTS_SPAN_OF(NO_SIGNATURE));
        packet->signature_at = writer->len - begin - PBTS_DHT_SIGNATURE_LEN;
    }
    write_pair(writer, "t", PBTS_SPAN_OF(transaction));
    static const char *const KINDS[] = { "1:y1:qe", "1:y1:re", "1:y1:ee" };
    pbts_write_text(writer, KINDS[packet->kind]);
    return pbts_writer_status(writer);
}

/* ---- reading ---- */

/* What a dictionary has under our keys, which all are one byte: read once, because a search walks
 * over everything before. Other keys are passed over. */
typedef struct {
    uint32_t found; /* bits */
    pbts_bvalue values[26 + 2];
} fields;

static unsigned field_number(char key) {
    return key >= 'a' && key <= 'z' ? (unsigned)(key - 'a') : key == '4' ? 26 : 27;
}

static bool is_field(pbts_span key) {
    if (key.len != 1) return false;
    uint8_t name = key.data[0];
    return (name >= 'a' && name <= 'z') || name == '4' || name == '6';
}

static void read_fields(fields *out, const pbts_bvalue *dict) {
    pbts_biter iter = pbts_bvalue_items(dict);
    pbts_span key;
    pbts_bvalue value;
    out->found = 0;
    while (dict->type == PBTS_BDICT && pbts_biter_next_pair(&iter, &key, &value)) {
        if (!is_field(key)) continue;
        unsigned number = field_number((char)key.data[0]);
        out->found |= UINT32_C(1) << number;
        out->values[number] = value;
    }
}

static const pbts_bvalue *find(const fields *dict, char key, pbts_btype type) {
    unsigned number = field_number(key);
    bool is_there = (dict->found >> number & 1) != 0 && dict->values[number].type == type;
    return is_there ? &dict->values[number] : NULL;
}

static bool has_key(const fields *dict, char key) {
    return (dict->found >> field_number(key) & 1) != 0;
}

static bool find_string(const fields *dict, char key, pbts_span *out) {
    const pbts_bvalue *value = find(dict, key, PBTS_BSTRING);
    if (value != NULL) *out = value->string;
    return value != NULL;
}

static bool find_uint(const fields *dict, char key, uint64_t *out) {
    const pbts_bvalue *value = find(dict, key, PBTS_BINT);
    if (value == NULL || value->integer < 0) return false;
    *out = (uint64_t)value->integer;
    return true;
}

static bool find_exact(const fields *dict, char key, uint8_t *out, size_t len) {
    pbts_span found;
    if (!find_string(dict, key, &found) || found.len != len) return false;
    memcpy(out, found.data, len);
    return true;
}

/* Fields that may be missing, but not be wrong. */
static pbts_status read_certificate(pbts_dht_packet *packet, const fields *body) {
    if (!has_key(body, 'c')) return PBTS_OK;
    if (!find_string(body, 'c', &packet->certificate)) return PBTS_MALFORMED;
    if (packet->certificate.len == 0) return PBTS_MALFORMED;
    return packet->certificate.len <= PBTS_DHT_CERTIFICATE_MAX ? PBTS_OK : PBTS_LIMIT;
}

static pbts_status read_beacon(pbts_dht_packet *packet, const fields *dict) {
    if (!has_key(dict, 'b')) return PBTS_OK;
    if (!find_string(dict, 'b', &packet->beacon)) return PBTS_MALFORMED;
    if (packet->beacon.len == 0) return PBTS_MALFORMED;
    return packet->beacon.len <= PBTS_DHT_BEACON_MAX ? PBTS_OK : PBTS_LIMIT;
}

static pbts_status read_token(pbts_dht_packet *packet, const fields *dict) {
    if (!has_key(dict, 'k')) return PBTS_OK;
    packet->has_token = find_exact(dict, 'k', packet->token, sizeof packet->token);
    return packet->has_token ? PBTS_OK : PBTS_MALFORMED;
}

static void read_addr(pbts_addr *out, const uint8_t *bytes, pbts_family family) {
    size_t len = pbts_addr_ip_len(family);
    *out = (pbts_addr){ .family = family };
    memcpy(out->ip, bytes, len);
    out->port = (uint16_t)(bytes[len] << 8 | bytes[len + 1]);
}

/* i, o and s come together. */
static pbts_status read_signed(pbts_dht_packet *packet, const fields *body, const fields *top,
                               pbts_span datagram) {
    pbts_span to, signature;
    packet->is_signed = has_key(top, 's');
    if (!packet->is_signed) return has_key(body, 'i') ? PBTS_MALFORMED : PBTS_OK;
    if (!find_string(top, 's', &signature)) return PBTS_MALFORMED;
    if (signature.len != PBTS_DHT_SIGNATURE_LEN) return PBTS_MALFORMED;
    packet->signature_at = (size_t)(signature.data - datagram.data);
    if (!find_exact(body, 'i', packet->from.bytes, PBTS_DHT_ID_LEN)) return PBTS_MALFORMED;
    if (!find_string(body, 'o', &to)) return PBTS_MALFORMED;
    if (to.len != 6 && to.len != 18) return PBTS_MALFORMED;
    read_addr(&packet->to, to.data, to.len == 6 ? PBTS_IPV4 : PBTS_IPV6);
    return PBTS_OK;
}

static pbts_status read_query(pbts_dht_packet *packet, const fields *top, pbts_span datagram) {
    fields body;
    pbts_span name;
    uint64_t wants;
    size_t method = 0;
    const pbts_bvalue *arguments = find(top, 'a', PBTS_BDICT);
    if (arguments == NULL) return PBTS_MALFORMED;
    read_fields(&body, arguments);
    if (!find_string(top, 'q', &name)) return PBTS_MALFORMED;
    while (method < PBTS_DHT_METHODS && !pbts_span_is(name, METHOD_NAMES[method])) method++;
    if (method == PBTS_DHT_METHODS) return PBTS_MALFORMED;
    packet->method = (pbts_dht_method)method;
    PBTS_TRY(read_signed(packet, &body, top, datagram));
    if (packet->is_signed != (packet->method != PBTS_DHT_HELLO)) return PBTS_MALFORMED;
    if (!packet->is_signed) return PBTS_OK;
    PBTS_TRY(read_beacon(packet, &body));
    PBTS_TRY(read_certificate(packet, &body));
    PBTS_TRY(read_token(packet, &body));
    if (!packet->has_token) return PBTS_MALFORMED;
    if (!find_uint(&body, 'n', &packet->counter)) return PBTS_MALFORMED;
    packet->wants_certificate = find_uint(&body, 'w', &wants) && wants == 1;
    packet->has_target = find_exact(&body, 't', packet->target.bytes, PBTS_DHT_ID_LEN);
    bool needs_target = packet->method == PBTS_DHT_FIND || packet->method == PBTS_DHT_GET;
    if (packet->has_target != needs_target) return PBTS_MALFORMED;
    if (packet->method != PBTS_DHT_PUT) return PBTS_OK;
    if (!find_string(&body, 'v', &packet->record)) return PBTS_MALFORMED;
    if (packet->record.len == 0) return PBTS_MALFORMED;
    return packet->record.len <= PBTS_DHT_RECORD_MAX ? PBTS_OK : PBTS_LIMIT;
}

static pbts_status read_nodes(pbts_span *out, const fields *body, char key, pbts_family family) {
    if (!has_key(body, key)) return PBTS_OK;
    if (!find_string(body, key, out)) return PBTS_MALFORMED;
    return out->len % pbts_dht_node_len(family) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status read_records(pbts_dht_packet *packet, const fields *body) {
    const pbts_bvalue *list = find(body, 'v', PBTS_BLIST);
    pbts_bvalue item;
    if (!has_key(body, 'v')) return PBTS_OK;
    if (list == NULL) return PBTS_MALFORMED;
    pbts_biter iter = pbts_bvalue_items(list);
    while (pbts_biter_next(&iter, &item)) {
        if (item.type != PBTS_BSTRING || item.string.len == 0) return PBTS_MALFORMED;
        if (item.string.len > PBTS_DHT_RECORD_MAX) return PBTS_LIMIT;
        if (packet->record_count == PBTS_DHT_ANSWER_RECORDS_MAX) return PBTS_LIMIT;
        packet->records[packet->record_count++] = item.string;
    }
    return PBTS_OK;
}

static pbts_status read_answer(pbts_dht_packet *packet, const fields *top, pbts_span datagram) {
    fields body;
    const pbts_bvalue *results = find(top, 'r', PBTS_BDICT);
    if (results == NULL) return PBTS_MALFORMED;
    read_fields(&body, results);
    PBTS_TRY(read_token(packet, &body));
    PBTS_TRY(read_signed(packet, &body, top, datagram));
    if (!packet->is_signed) return packet->has_token ? PBTS_OK : PBTS_MALFORMED;
    PBTS_TRY(read_certificate(packet, &body));
    PBTS_TRY(read_nodes(&packet->nodes4, &body, '4', PBTS_IPV4));
    PBTS_TRY(read_nodes(&packet->nodes6, &body, '6', PBTS_IPV6));
    size_t nodes =
        packet->nodes4.len / PBTS_DHT_NODE4_LEN + packet->nodes6.len / PBTS_DHT_NODE6_LEN;
    if (nodes > PBTS_DHT_ANSWER_NODES_MAX) return PBTS_LIMIT;
    return read_records(packet, &body);
}

static pbts_status read_error(pbts_dht_packet *packet, const fields *top) {
    uint64_t code;
    if (!find_uint(top, 'e', &code)) return PBTS_MALFORMED;
    if (code < PBTS_DHT_WANT_TOKEN || code > PBTS_DHT_OTHER_EPOCH) return PBTS_MALFORMED;
    packet->error = (pbts_dht_error)code;
    PBTS_TRY(read_beacon(packet, top));
    PBTS_TRY(read_token(packet, top));
    bool needs_token = packet->error == PBTS_DHT_WANT_TOKEN;
    return packet->has_token || !needs_token ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_dht_packet_decode(pbts_dht_packet *out, pbts_span datagram,
                                   const uint8_t tag[static PBTS_DHT_TAG_LEN]) {
    uint8_t their_tag[PBTS_DHT_TAG_LEN], transaction[8];
    pbts_bvalue whole;
    fields top;
    pbts_span kind;
    pbts_dht_packet packet = { .kind = PBTS_DHT_QUERY };
    if (datagram.len > PBTS_DHT_PACKET_MAX) return PBTS_LIMIT;
    PBTS_TRY(pbts_bencode_parse(&whole, datagram));
    read_fields(&top, &whole);
    if (!find_exact(&top, 'n', their_tag, sizeof their_tag)) return PBTS_DENIED;
    if (memcmp(tag, their_tag, sizeof their_tag) != 0) return PBTS_DENIED;
    if (!find_exact(&top, 't', transaction, sizeof transaction)) return PBTS_MALFORMED;
    pbts_cursor number = pbts_cursor_over(PBTS_SPAN_OF(transaction));
    PBTS_TRY(pbts_read_u64(&number, &packet.transaction));
    if (!find_string(&top, 'y', &kind) || kind.len != 1) return PBTS_MALFORMED;
    switch (kind.data[0]) {
    case 'q':
        packet.kind = PBTS_DHT_QUERY;
        PBTS_TRY(read_query(&packet, &top, datagram));
        break;
    case 'r':
        packet.kind = PBTS_DHT_ANSWER;
        PBTS_TRY(read_answer(&packet, &top, datagram));
        break;
    case 'e':
        packet.kind = PBTS_DHT_ERROR;
        PBTS_TRY(read_error(&packet, &top));
        break;
    default: return PBTS_MALFORMED;
    }
    *out = packet;
    return PBTS_OK;
}

void pbts_dht_node_decode(pbts_dht_id *id, pbts_addr *addr, pbts_span nodes, pbts_family family,
                          size_t i) {
    size_t len = pbts_dht_node_len(family);
    assert((i + 1) * len <= nodes.len);
    memcpy(id->bytes, nodes.data + i * len, PBTS_DHT_ID_LEN);
    read_addr(addr, nodes.data + i * len + PBTS_DHT_ID_LEN, family);
}

void pbts_dht_packet_digest(uint8_t out[static PBTS_DHT_DIGEST_LEN],
                            const uint8_t iid[static PBTS_DHT_IID_LEN], const pbts_dht_id *asker,
                            pbts_span datagram, size_t signature_at) {
    assert(signature_at > 0 && signature_at + PBTS_DHT_SIGNATURE_LEN <= datagram.len);
    size_t after = signature_at + PBTS_DHT_SIGNATURE_LEN;
    pbts_sha256_state state;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts/dht/packet/1"));
    pbts_sha256_update(&state, (pbts_span){ iid, PBTS_DHT_IID_LEN });
    pbts_sha256_update(&state, PBTS_SPAN_OF(asker->bytes));
    pbts_sha256_update(&state, (pbts_span){ datagram.data, signature_at });
    pbts_sha256_update(&state, PBTS_SPAN_OF(NO_SIGNATURE));
    pbts_sha256_update(&state, (pbts_span){ datagram.data + after, datagram.len - after });
    pbts_sha256_final(&state, out);
}
