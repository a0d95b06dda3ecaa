#include "base/addr.h"

#include <arpa/inet.h>

static const uint8_t MAPPED_PREFIX[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF };

pbts_addr pbts_addr_unmapped(const pbts_addr *addr) {
    if (addr->family != PBTS_IPV6 || memcmp(addr->ip, MAPPED_PREFIX, sizeof MAPPED_PREFIX) != 0) {
        return *addr;
    }
    pbts_addr out = { .family = PBTS_IPV4, .port = addr->port };
    memcpy(out.ip, addr->ip + sizeof MAPPED_PREFIX, 4);
    return out;
}

bool pbts_addr_equal_ip(const pbts_addr *a, const pbts_addr *b) {
    return a->family == b->family && memcmp(a->ip, b->ip, pbts_addr_ip_len(a->family)) == 0;
}

pbts_status pbts_addr_parse(pbts_addr *out, pbts_span text) {
    char copy[PBTS_ADDR_TEXT_MAX];
    if (text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']') {
        text = (pbts_span){ text.data + 1, text.len - 2 };
    }
    if (text.len == 0 || text.len >= sizeof copy) return PBTS_MALFORMED;
    if (memchr(text.data, '\0', text.len) != NULL) return PBTS_MALFORMED;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    pbts_addr addr = { .family = PBTS_IPV4 };
    if (inet_pton(AF_INET, copy, addr.ip) != 1) {
        addr.family = PBTS_IPV6;
        if (inet_pton(AF_INET6, copy, addr.ip) != 1) return PBTS_MALFORMED;
    }
    *out = addr;
    return PBTS_OK;
}

size_t pbts_addr_format(char out[static PBTS_ADDR_TEXT_MAX], const pbts_addr *addr) {
    int family = addr->family == PBTS_IPV4 ? AF_INET : AF_INET6;
    if (inet_ntop(family, addr->ip, out, PBTS_ADDR_TEXT_MAX) == NULL) out[0] = '\0';
    return strlen(out);
}

static pbts_status parse_port(uint16_t *out, pbts_span text) {
    uint32_t port = 0;
    if (text.len == 0 || text.len > 5) return PBTS_MALFORMED;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return PBTS_MALFORMED;
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX) return PBTS_MALFORMED;
    *out = (uint16_t)port;
    return PBTS_OK;
}

pbts_status pbts_addr_parse_endpoint(pbts_addr *out, pbts_span text) {
    size_t colon = text.len;
    while (colon > 0 && text.data[colon - 1] != ':') colon--;
    if (colon < 2) return PBTS_MALFORMED;
    pbts_span host = { text.data, colon - 1 }, port = { text.data + colon, text.len - colon };
    pbts_addr addr;
    PBTS_TRY(pbts_addr_parse(&addr, host));
    /* Brackets tell where an IPv6 address ends, and nothing else has them. */
    if ((addr.family == PBTS_IPV6) != (host.data[0] == '[')) return PBTS_MALFORMED;
    PBTS_TRY(parse_port(&addr.port, port));
    *out = addr;
    return PBTS_OK;
}

size_t pbts_addr_format_endpoint(char out[static PBTS_ENDPOINT_TEXT_MAX], const pbts_addr *addr) {
    char digits[5], *at = out;
    size_t count = 0;
    if (addr->family == PBTS_IPV6) *at++ = '[';
    at += pbts_addr_format(at, addr);
    if (addr->family == PBTS_IPV6) *at++ = ']';
    *at++ = ':';
    unsigned port = addr->port;
    do {
        digits[count++] = (char)('0' + port % 10);
        port /= 10;
    } while (port > 0);
    while (count > 0) *at++ = digits[--count];
    *at = '\0';
    return (size_t)(at - out);
}

static pbts_status parse_prefix_bits(uint8_t *out, pbts_span text, unsigned bits_max) {
    if (text.len == 0 || text.len > 3) return PBTS_MALFORMED;
    unsigned bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return PBTS_MALFORMED;
        bits = bits * 10 + (unsigned)(text.data[i] - '0');
    }
    if (bits > bits_max) return PBTS_MALFORMED;
    *out = (uint8_t)bits;
    return PBTS_OK;
}

pbts_status pbts_addr_range_parse(pbts_addr_range *out, pbts_span text) {
    const uint8_t *slash = text.len > 0 ? memchr(text.data, '/', text.len) : NULL;
    pbts_span host = text;
    if (slash != NULL) host.len = (size_t)(slash - text.data);
    pbts_addr_range range;
    PBTS_TRY(pbts_addr_parse(&range.network, host));
    range.prefix_bits = (uint8_t)(8 * pbts_addr_ip_len(range.network.family));
    if (slash != NULL) {
        pbts_span bits = { slash + 1, text.len - host.len - 1 };
        PBTS_TRY(parse_prefix_bits(&range.prefix_bits, bits, range.prefix_bits));
    }
    *out = range;
    return PBTS_OK;
}

bool pbts_addr_range_contains(const pbts_addr_range *range, const pbts_addr *addr) {
    if (range->network.family != addr->family) return false;
    size_t whole = range->prefix_bits / 8u;
    unsigned rest = range->prefix_bits % 8u;
    if (memcmp(range->network.ip, addr->ip, whole) != 0) return false;
    if (rest == 0) return true;
    uint8_t mask = (uint8_t)(0xFFu << (8 - rest));
    return (range->network.ip[whole] & mask) == (addr->ip[whole] & mask);
}
