#include "dht/dht_token.h"

#include "base/secret.h"
#include "hash/sha.h"

pbts_status pbts_dht_tokens_init(pbts_dht_tokens *tokens, pbts_random *random, uint64_t now_ms) {
    PBTS_TRY(pbts_random_fill(random, tokens->now, sizeof tokens->now));
    PBTS_TRY(pbts_random_fill(random, tokens->before, sizeof tokens->before));
    tokens->rotate_ms = now_ms + PBTS_DHT_TOKEN_ROTATE_MS;
    return PBTS_OK;
}

void pbts_dht_tokens_deinit(pbts_dht_tokens *tokens) {
    pbts_wipe(tokens, sizeof *tokens);
}

pbts_status pbts_dht_tokens_rotate(pbts_dht_tokens *tokens, pbts_random *random, uint64_t now_ms) {
    if (now_ms < tokens->rotate_ms) return PBTS_OK;
    uint8_t fresh[PBTS_DHT_TOKEN_SECRET_LEN], second[PBTS_DHT_TOKEN_SECRET_LEN];
    PBTS_TRY(pbts_random_fill(random, fresh, sizeof fresh));
    PBTS_TRY(pbts_random_fill(random, second, sizeof second));
    /* After a long sleep the last secret is too old to count as the one before. */
    bool overslept = now_ms - tokens->rotate_ms >= PBTS_DHT_TOKEN_ROTATE_MS;
    memcpy(tokens->before, overslept ? second : tokens->now, sizeof tokens->before);
    memcpy(tokens->now, fresh, sizeof tokens->now);
    tokens->rotate_ms = now_ms + PBTS_DHT_TOKEN_ROTATE_MS;
    pbts_wipe(fresh, sizeof fresh);
    pbts_wipe(second, sizeof second);
    return PBTS_OK;
}

static void make(uint8_t out[static PBTS_DHT_TOKEN_LEN],
                 const uint8_t secret[static PBTS_DHT_TOKEN_SECRET_LEN], const pbts_addr *addr) {
    uint8_t text[PBTS_DHT_TOKEN_SECRET_LEN + 1 + 16 + 2], digest[PBTS_SHA256_LEN];
    uint8_t *at = text + PBTS_DHT_TOKEN_SECRET_LEN;
    memcpy(text, secret, PBTS_DHT_TOKEN_SECRET_LEN);
    at[0] = (uint8_t)addr->family;
    memcpy(at + 1, addr->ip, 16);
    at[17] = (uint8_t)(addr->port >> 8);
    at[18] = (uint8_t)addr->port;
    pbts_sha256(digest, PBTS_SPAN_OF(text));
    memcpy(out, digest, PBTS_DHT_TOKEN_LEN);
    pbts_wipe(text, sizeof text);
}

void pbts_dht_token_make(const pbts_dht_tokens *tokens, uint8_t out[static PBTS_DHT_TOKEN_LEN],
                         const pbts_addr *addr) {
    make(out, tokens->now, addr);
}

bool pbts_dht_token_check(const pbts_dht_tokens *tokens,
                          const uint8_t token[static PBTS_DHT_TOKEN_LEN], const pbts_addr *addr) {
    uint8_t expected[PBTS_DHT_TOKEN_LEN];
    make(expected, tokens->now, addr);
    if (pbts_equal_ct(expected, token, sizeof expected)) return true;
    make(expected, tokens->before, addr);
    return pbts_equal_ct(expected, token, sizeof expected);
}
