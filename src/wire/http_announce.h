/* wire/http_announce.h - announce and scrape as HTTP queries and bencoded replies. */
#ifndef PBTS_WIRE_HTTP_ANNOUNCE_H
#define PBTS_WIRE_HTTP_ANNOUNCE_H

#include "wire/announce.h"

/* Decode a query string ("info_hash=%..&peer_id=..."). Unknown keys are ignored; a repeated key:
 * the first counts, except info_hash in scrapes. Missing or bad info_hash, peer_id or port:
 * PBTS_MALFORMED with `problem` a static sentence for `failure reason`. Quirks accepted: empty or
 * 2^64-1 `left`; unknown events (NONE); port 0 with stopped; both cases of %XX; '+' is itself.
 * `scratch`: decoded text of the span fields (uid, pk, sig, trackerid) is put here; borrowed. */
enum { PBTS_ANNOUNCE_SCRATCH_LEN = 1024 };
PBTS_MUST_USE pbts_status
pbts_http_announce_decode(pbts_announce *out, const char **problem, pbts_span query,
                          uint8_t scratch[static PBTS_ANNOUNCE_SCRATCH_LEN]);
/* Up to PBTS_SCRAPE_HASHES_MAX infohashes (PBTS_LIMIT past that), at least one. */
PBTS_MUST_USE pbts_status pbts_http_scrape_decode(uint8_t (*infohashes)[20], size_t *count,
                                                  const char **problem, pbts_span query);

/* Bencoded bodies. `compact` false: peers is a list of dictionaries (no peer id; BEP 3). */
void pbts_http_announce_body(pbts_writer *writer, const pbts_announce_reply *reply, bool compact);
void pbts_http_failure_body(pbts_writer *writer, const pbts_failure *failure);
void pbts_http_scrape_body(pbts_writer *writer, const pbts_scrape_entry *entries, size_t count);

/* A complete HTTP answer around a body: status line, Content-Type text/plain, Content-Length,
 * Connection. The front writes the body after a reserved head and calls this to prepend it:
 * `frame` has PBTS_HTTP_HEAD_RESERVE bytes free before body; returns the span of head and body. */
enum { PBTS_HTTP_HEAD_RESERVE = 192 };
pbts_span pbts_http_frame(uint8_t *frame, size_t body_len, unsigned http_status, bool keep_alive,
                          unsigned retry_after_s);

#endif
