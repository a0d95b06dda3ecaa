/* dht/dht_token.h - tokens: whoever has one receives datagrams at the address that it is for.
 *
 * token = SHA-256(secret || family || ip || port)[0:8]; all have one length, so there is nothing to
 * extend. Secrets change every ten minutes, and the one before is still good: a token lives for
 * ten to twenty minutes. Source: BEP 5, "announce_peer".
 */
#ifndef PBTS_DHT_DHT_TOKEN_H
#define PBTS_DHT_DHT_TOKEN_H

#include "base/addr.h"
#include "base/random.h"

enum {
    PBTS_DHT_TOKEN_LEN = 8,
    PBTS_DHT_TOKEN_SECRET_LEN = 32,
    PBTS_DHT_TOKEN_ROTATE_MS = 10 * 60 * 1000,
};

typedef struct {
    uint8_t now[PBTS_DHT_TOKEN_SECRET_LEN], before[PBTS_DHT_TOKEN_SECRET_LEN];
    uint64_t rotate_ms;
} pbts_dht_tokens;

/* PBTS_IO: the random source failed. Of rotate: the old secrets stay in use. */
PBTS_MUST_USE pbts_status pbts_dht_tokens_init(pbts_dht_tokens *tokens, pbts_random *random,
                                               uint64_t now_ms);
void pbts_dht_tokens_deinit(pbts_dht_tokens *tokens); /* wipes */
/* When it is time for it. */
PBTS_MUST_USE pbts_status pbts_dht_tokens_rotate(pbts_dht_tokens *tokens, pbts_random *random,
                                                 uint64_t now_ms);
void pbts_dht_token_make(const pbts_dht_tokens *tokens, uint8_t out[static PBTS_DHT_TOKEN_LEN],
                         const pbts_addr *addr);
bool pbts_dht_token_check(const pbts_dht_tokens *tokens,
                          const uint8_t token[static PBTS_DHT_TOKEN_LEN], const pbts_addr *addr);

#endif
