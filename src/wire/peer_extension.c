/* The extended handshake (BEP 10). */
#include "wire/peer_extension.h"

#include "base/assert.h"
#include "wire/peer_dict.h"

/* In ascending order, as the dictionary has them. */
static const struct {
    const char *name;
    pbts_extension extension;
} NAMES[PBTS_EXTENSIONS] = {
    { "pbts", PBTS_EXTENSION_PBTS },
    { "ut_metadata", PBTS_EXTENSION_METADATA },
    { "ut_pex", PBTS_EXTENSION_PEX },
};

pbts_extended_handshake pbts_extended_handshake_empty(void) {
    pbts_extended_handshake handshake = { .version = { NULL, 0 } };
    for (size_t i = 0; i < PBTS_EXTENSIONS; i++) handshake.ids[i] = PBTS_EXTENSION_ID_UNCHANGED;
    return handshake;
}

static pbts_status read_ids(pbts_extended_handshake *out, const pbts_bvalue *dict) {
    pbts_bvalue ids;
    bool found = false;
    PBTS_TRY(pbts_peer_dict_maybe(&ids, &found, dict, "m", PBTS_BDICT));
    for (size_t i = 0; found && i < PBTS_EXTENSIONS; i++) {
        uint64_t id = 0;
        bool named = false;
        PBTS_TRY(pbts_peer_dict_maybe_uint(&id, &named, &ids, NAMES[i].name));
        if (id > UINT8_MAX) return PBTS_MALFORMED;
        if (named) out->ids[NAMES[i].extension] = (int)id;
    }
    return PBTS_OK;
}

static pbts_status read_numbers(pbts_extended_handshake *out, const pbts_bvalue *dict) {
    uint64_t port = 0, requests_max = 0, metadata_bytes = 0, upload_only = 0;
    uint64_t request_bytes_max = 0;
    PBTS_TRY(pbts_peer_dict_maybe_uint(&port, NULL, dict, "p"));
    PBTS_TRY(pbts_peer_dict_maybe_uint(&request_bytes_max, NULL, dict, "reqlen"));
    PBTS_TRY(pbts_peer_dict_maybe_uint(&requests_max, NULL, dict, "reqq"));
    PBTS_TRY(pbts_peer_dict_maybe_uint(&metadata_bytes, NULL, dict, "metadata_size"));
    PBTS_TRY(pbts_peer_dict_maybe_uint(&upload_only, &out->has_upload_only, dict, "upload_only"));
    if (port > UINT16_MAX) return PBTS_MALFORMED;
    out->listen_port = (uint16_t)port;
    out->requests_max = requests_max < UINT32_MAX ? (uint32_t)requests_max : UINT32_MAX;
    out->request_bytes_max =
        request_bytes_max < UINT32_MAX ? (uint32_t)request_bytes_max : UINT32_MAX;
    out->metadata_bytes = metadata_bytes <= PBTS_METAINFO_LEN_MAX ? (uint32_t)metadata_bytes : 0;
    out->upload_only = upload_only != 0;
    return PBTS_OK;
}

static void set_ip(pbts_addr *out, pbts_span bytes) {
    *out = (pbts_addr){ .family = bytes.len == 4 ? PBTS_IPV4 : PBTS_IPV6 };
    memcpy(out->ip, bytes.data, bytes.len);
}

/* An address of 4 bytes, 16 bytes, or (0) either. */
static pbts_status read_ip(pbts_addr *out, bool *found, const pbts_bvalue *dict, const char *key,
                           size_t len) {
    pbts_bvalue value;
    PBTS_TRY(pbts_peer_dict_maybe(&value, found, dict, key, PBTS_BSTRING));
    if (!*found) return PBTS_OK;
    size_t there = value.string.len;
    if (len == 0 ? there != 4 && there != 16 : there != len) return PBTS_MALFORMED;
    set_ip(out, value.string);
    return PBTS_OK;
}

static pbts_status read_addresses(pbts_extended_handshake *out, const pbts_bvalue *dict) {
    PBTS_TRY(read_ip(&out->your_ip, &out->has_your_ip, dict, "yourip", 0));
    PBTS_TRY(read_ip(&out->ipv4, &out->has_ipv4, dict, "ipv4", 4));
    return read_ip(&out->ipv6, &out->has_ipv6, dict, "ipv6", 16);
}

static pbts_status read_spans(pbts_extended_handshake *out, const pbts_bvalue *dict) {
    pbts_bvalue version = { 0 }, pbts = { 0 };
    PBTS_TRY(pbts_peer_dict_maybe(&version, NULL, dict, "v", PBTS_BSTRING));
    PBTS_TRY(pbts_peer_dict_maybe(&pbts, NULL, dict, "pbts", PBTS_BDICT));
    out->version = version.string;
    if (out->version.len > PBTS_EXTENDED_VERSION_LEN_MAX)
        out->version.len = PBTS_EXTENDED_VERSION_LEN_MAX;
    out->pbts = pbts.raw;
    return PBTS_OK;
}

pbts_status pbts_extended_handshake_decode(pbts_extended_handshake *out, pbts_span body) {
    if (body.len > PBTS_EXTENDED_HANDSHAKE_LEN_MAX) return PBTS_LIMIT;
    pbts_bvalue dict;
    PBTS_TRY(pbts_peer_dict_parse(&dict, body));
    pbts_extended_handshake handshake = pbts_extended_handshake_empty();
    PBTS_TRY(read_ids(&handshake, &dict));
    PBTS_TRY(read_numbers(&handshake, &dict));
    PBTS_TRY(read_addresses(&handshake, &dict));
    PBTS_TRY(read_spans(&handshake, &dict));
    *out = handshake;
    return PBTS_OK;
}

/* -- encoding ------------------------------------------------------------------------------ */

static void write_ids(pbts_writer *writer, const pbts_extended_handshake *handshake) {
    pbts_bencode_text(writer, "m");
    pbts_write_u8(writer, 'd');
    for (size_t i = 0; i < PBTS_EXTENSIONS; i++) {
        int id = handshake->ids[NAMES[i].extension];
        if (id == PBTS_EXTENSION_ID_UNCHANGED) continue;
        assert(id >= 0 && id <= UINT8_MAX);
        pbts_peer_dict_write_uint(writer, NAMES[i].name, (uint64_t)id);
    }
    pbts_write_u8(writer, 'e');
}

static void write_unless_0(pbts_writer *writer, const char *key, uint64_t value) {
    if (value != 0) pbts_peer_dict_write_uint(writer, key, value);
}

static void write_ip(pbts_writer *writer, const char *key, bool there, const pbts_addr *addr) {
    if (!there) return;
    pbts_span ip = { addr->ip, pbts_addr_ip_len(addr->family) };
    pbts_peer_dict_write_string(writer, key, ip);
}

void pbts_extended_handshake_encode(pbts_writer *writer, const pbts_extended_handshake *handshake) {
    const pbts_extended_handshake *h = handshake;
    assert(h->version.len <= PBTS_EXTENDED_VERSION_LEN_MAX);
    assert(!h->has_ipv4 || h->ipv4.family == PBTS_IPV4);
    assert(!h->has_ipv6 || h->ipv6.family == PBTS_IPV6);
    pbts_write_u8(writer, 'd');
    write_ip(writer, "ipv4", h->has_ipv4, &h->ipv4);
    write_ip(writer, "ipv6", h->has_ipv6, &h->ipv6);
    write_ids(writer, h);
    write_unless_0(writer, "metadata_size", h->metadata_bytes);
    write_unless_0(writer, "p", h->listen_port);
    if (h->pbts.len > 0) {
        pbts_bencode_text(writer, "pbts");
        pbts_write_bytes(writer, h->pbts);
    }
    write_unless_0(writer, "reqlen", h->request_bytes_max);
    write_unless_0(writer, "reqq", h->requests_max);
    if (h->has_upload_only) pbts_peer_dict_write_uint(writer, "upload_only", h->upload_only);
    if (h->version.len > 0) pbts_peer_dict_write_string(writer, "v", h->version);
    write_ip(writer, "yourip", h->has_your_ip, &h->your_ip);
    pbts_write_u8(writer, 'e');
}
