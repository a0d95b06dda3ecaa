/* attest/dstack.h - the guest agent of dstack: what is asked, and what an answer says. Bytes in,
 * bytes out; tee/tee_agent.c has the socket.
 *
 * HTTP/1.1 over a unix socket, one request each connection, JSON both ways:
 *
 *              /var/run/dstack.sock     /var/run/tappd.sock, before 0.5
 *   quote      POST /GetQuote           POST /prpc/Tappd.RawQuote
 *   key        POST /GetKey             POST /prpc/Tappd.DeriveK256Key
 *   info       POST /Info               POST /prpc/Tappd.Info
 *
 * The agent runs in the same guest, but what it says is read as if it did not: it is bounded, and a
 * quote counts when it carries the report_data that was asked for.
 *
 * Source: dstack, guest-agent API and the legacy tappd API; RFC 9112 sections 6 and 7.
 */
#ifndef PBTS_ATTEST_DSTACK_H
#define PBTS_ATTEST_DSTACK_H

#include "attest/quote.h"
#include "base/writer.h"

enum {
    PBTS_DSTACK_REQUEST_MAX = 1024,
    PBTS_DSTACK_ANSWER_MAX = 1024 * 1024, /* head and body; event logs have some 100 KiB */
    PBTS_DSTACK_HEAD_MAX = 16 * 1024,
    PBTS_DSTACK_KEY_LEN = 32,
    PBTS_DSTACK_PATH_MAX = 128, /* of a key's path and purpose */
    PBTS_DSTACK_ID_MAX = 64,    /* bytes of an identifier */
};

typedef enum { PBTS_DSTACK_AGENT, PBTS_DSTACK_TAPPD } pbts_dstack_api;

/* ---- requests: appended whole; what does not fit shows in the writer ---- */

void pbts_dstack_ask_quote(pbts_writer *out, pbts_dstack_api api,
                           const uint8_t report_data[static PBTS_REPORT_DATA_LEN]);
void pbts_dstack_ask_info(pbts_writer *out, pbts_dstack_api api);
/* Names of 1 to PBTS_DSTACK_PATH_MAX characters of A-Z a-z 0-9 . _ - /. PBTS_MALFORMED,
 * PBTS_NO_SPACE. */
PBTS_MUST_USE pbts_status pbts_dstack_ask_key(pbts_writer *out, pbts_dstack_api api,
                                              const char *path, const char *purpose);

/* ---- answers ---- */

/* The body of an HTTP answer with status 200, in `bytes`, which are changed where it came in
 * chunks. `ended`: the agent closed the connection. PBTS_OK; PBTS_NEED_MORE; PBTS_MALFORMED: no
 * HTTP answer, or cut short; PBTS_LIMIT; PBTS_NOT_FOUND: 404, another kind of agent; PBTS_DENIED:
 * any other status. */
PBTS_MUST_USE pbts_status pbts_dstack_answer(pbts_span *body, uint8_t *bytes, size_t len,
                                             bool ended);

/* The quote, and the event log as the agent sent it (empty when it sent none). PBTS_MALFORMED,
 * PBTS_LIMIT, PBTS_NO_SPACE; nothing is written then. */
PBTS_MUST_USE pbts_status pbts_dstack_read_quote(pbts_writer *quote, pbts_writer *event_log,
                                                 pbts_span body);
/* Secret. PBTS_MALFORMED. */
PBTS_MUST_USE pbts_status pbts_dstack_read_key(uint8_t key[static PBTS_DSTACK_KEY_LEN],
                                               pbts_span body);

/* Which application runs, as the agent says; not proved, for people. */
typedef struct {
    uint8_t app_id[PBTS_DSTACK_ID_MAX], instance_id[PBTS_DSTACK_ID_MAX];
    uint8_t compose_hash[PBTS_DSTACK_ID_MAX];
    size_t app_id_len, instance_id_len, compose_hash_len; /* 0: it did not say */
} pbts_dstack_info;
PBTS_MUST_USE pbts_status pbts_dstack_read_info(pbts_dstack_info *out, pbts_span body);

#endif
