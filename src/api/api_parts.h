/* api/api_parts.h - behind include/pbts/pbts.h: what its opaque types are. Private to api/.
 *
 * The functions of the library carry its name, libpbts_, because the static library holds the
 * modules too, whose names begin with pbts_.
 */
#ifndef PBTS_API_PARTS_H
#define PBTS_API_PARTS_H

#include "base/mem.h"
#include "pbts/pbts.h"
#include "peer/link.h"
#include "peer/report_plan.h"

struct libpbts_key {
    pbts_bls_secret secret;
    pbts_bls_public key;
};

struct libpbts_torrent {
    pbts_metainfo *meta;
    pbts_link_torrent torrent;
};

struct libpbts_member {
    libpbts_key key;
    pbts_link_terms terms;
    pbts_book *book;
    uint8_t *ticket;
    uint8_t membership[LIBPBTS_MEMBERSHIP_LEN]; /* as the terms show it */
    size_t links;
};

struct libpbts_link {
    libpbts_member *member;
    pbts_link *link;
    uint8_t *record; /* the receipt that is being stored, encoded; NULL: none yet */
    size_t record_capacity, record_len;
};

struct libpbts_journal {
    pbts_journal *journal;
};

struct libpbts_report {
    pbts_report_plan *plan;
    uint64_t last;
};

static inline pbts_span pbts_api_span(const void *bytes, size_t len) {
    return (pbts_span){ bytes, len };
}
static inline pbts_moment pbts_api_moment(libpbts_time time) {
    return (pbts_moment){ .unix_s = time.unix_s, .mono_ms = time.mono_ms };
}
libpbts_result pbts_api_result(pbts_status status);

#endif
