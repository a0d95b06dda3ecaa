/* base/addr.h - IP endpoints and address ranges as plain values, without the socket headers. */
#ifndef PBTS_BASE_ADDR_H
#define PBTS_BASE_ADDR_H

#include "base/cursor.h"

typedef enum { PBTS_IPV4 = 4, PBTS_IPV6 = 6 } pbts_family;

typedef struct {
    pbts_family family;
    uint8_t ip[16]; /* network order; IPv4 uses the first 4, the rest is zero */
    uint16_t port;  /* host order */
} pbts_addr;

/* An IPv4-mapped IPv6 address (::ffff:a.b.c.d) becomes the IPv4 one; others are unchanged. */
pbts_addr pbts_addr_unmapped(const pbts_addr *addr);
bool pbts_addr_equal_ip(const pbts_addr *a, const pbts_addr *b);
static inline size_t pbts_addr_ip_len(pbts_family family) {
    return family == PBTS_IPV4 ? 4 : 16;
}

/* Parse a bare address ("10.0.0.1", "2001:db8::1", brackets allowed); port is set to 0.
 * PBTS_MALFORMED otherwise. */
PBTS_MUST_USE pbts_status pbts_addr_parse(pbts_addr *out, pbts_span text);
/* Text form without port; returns its length. RFC 5952 for IPv6. */
enum { PBTS_ADDR_TEXT_MAX = 46 }; /* with NUL */
size_t pbts_addr_format(char out[static PBTS_ADDR_TEXT_MAX], const pbts_addr *addr);

/* The same with a port, 1..65535: "10.0.0.1:6881", "[2001:db8::1]:6881". PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_addr_parse_endpoint(pbts_addr *out, pbts_span text);
enum { PBTS_ENDPOINT_TEXT_MAX = PBTS_ADDR_TEXT_MAX + 8 }; /* with NUL */
size_t pbts_addr_format_endpoint(char out[static PBTS_ENDPOINT_TEXT_MAX], const pbts_addr *addr);

/* A range "10.0.0.0/8", "::1/128"; a bare address is a range of one. */
typedef struct {
    pbts_addr network;
    uint8_t prefix_bits; /* 0..32 or 0..128 */
} pbts_addr_range;

PBTS_MUST_USE pbts_status pbts_addr_range_parse(pbts_addr_range *out, pbts_span text);
bool pbts_addr_range_contains(const pbts_addr_range *range, const pbts_addr *addr);

#endif
