#include "wire/proxy.h"

#include "wire/bytes.h"

enum {
    FIXED_LEN = 16,
    COMMAND_LOCAL = 0x20, /* version 2 in the upper half */
    COMMAND_PROXY = 0x21,
    FAMILY_UNSPEC = 0,
    FAMILY_INET = 1,
    FAMILY_INET6 = 2,
    FAMILY_UNIX = 3,
    PROTOCOL_MAX = 2 /* 0 unspecified, 1 stream, 2 datagram */
};

static const uint8_t SIGNATURE[12] = { '\r', '\n', '\r', '\n', 0,   '\r',
                                       '\n', 'Q',  'U',  'I',  'T', '\n' };

/* The source of an address block: source ip, destination ip, source port, destination port. What
 * follows it (TLVs) is skipped. */
static pbts_status read_source(pbts_addr *out, pbts_family family, pbts_span block) {
    size_t ip_len = pbts_addr_ip_len(family);
    if (block.len < 2 * ip_len + 4) return PBTS_MALFORMED;
    pbts_addr source = { .family = family, .port = pbts_be16_at(block.data + 2 * ip_len) };
    memcpy(source.ip, block.data, ip_len);
    *out = pbts_addr_unmapped(&source);
    return PBTS_OK;
}

/* The fixed fields behind the signature, as far as they are there. */
static pbts_status check_fixed(pbts_span bytes) {
    if (bytes.len > 12 && bytes.data[12] != COMMAND_LOCAL && bytes.data[12] != COMMAND_PROXY) {
        return PBTS_MALFORMED;
    }
    if (bytes.len > 13) {
        if (bytes.data[13] >> 4 > FAMILY_UNIX) return PBTS_MALFORMED;
        if ((bytes.data[13] & 0x0F) > PROTOCOL_MAX) return PBTS_MALFORMED;
    }
    return bytes.len < FIXED_LEN ? PBTS_NEED_MORE : PBTS_OK;
}

pbts_status pbts_proxy_decode(pbts_proxy_header *out, pbts_span bytes) {
    size_t known = bytes.len < sizeof SIGNATURE ? bytes.len : sizeof SIGNATURE;
    if (known > 0 && memcmp(bytes.data, SIGNATURE, known) != 0) return PBTS_MALFORMED;
    PBTS_TRY(check_fixed(bytes));
    size_t block_len = pbts_be16_at(bytes.data + 14);
    if (block_len > PBTS_PROXY_LEN_MAX - FIXED_LEN) return PBTS_LIMIT;
    if (bytes.len - FIXED_LEN < block_len) return PBTS_NEED_MORE;

    pbts_proxy_header header = { .local = true, .len = FIXED_LEN + block_len };
    pbts_span block = { bytes.data + FIXED_LEN, block_len };
    if (bytes.data[12] == COMMAND_PROXY) {
        unsigned family = bytes.data[13] >> 4;
        if (family == FAMILY_INET || family == FAMILY_INET6) {
            header.local = false;
            PBTS_TRY(
                read_source(&header.source, family == FAMILY_INET ? PBTS_IPV4 : PBTS_IPV6, block));
        }
    }
    *out = header;
    return PBTS_OK;
}
