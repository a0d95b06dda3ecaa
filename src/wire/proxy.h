/* wire/proxy.h - the PROXY protocol, version 2 (HAProxy's specification, section 2.2). */
#ifndef PBTS_WIRE_PROXY_H
#define PBTS_WIRE_PROXY_H

#include "base/addr.h"

enum { PBTS_PROXY_LEN_MAX = 16 + 512 };

typedef struct {
    bool local;       /* LOCAL command or UNSPEC family: use the socket's own address */
    pbts_addr source; /* when not local */
    size_t len;       /* bytes of the header */
} pbts_proxy_header;

/* PBTS_NEED_MORE while the bytes are a prefix of a header; PBTS_MALFORMED when they are none;
 * PBTS_LIMIT past PBTS_PROXY_LEN_MAX. */
PBTS_MUST_USE pbts_status pbts_proxy_decode(pbts_proxy_header *out, pbts_span bytes);

#endif
