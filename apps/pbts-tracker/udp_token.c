#include "udp_token.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/secret.h"

enum { BLOCK_LEN = 16 };

struct udp_token {
    EVP_CIPHER_CTX *cipher;
};

pbts_status udp_token_new(struct udp_token **out, const uint8_t key[static UDP_TOKEN_KEY_LEN]) {
    struct udp_token *token = calloc(1, sizeof *token);
    if (token == NULL) return PBTS_NO_MEMORY;
    token->cipher = EVP_CIPHER_CTX_new();
    if (token->cipher == NULL ||
        EVP_EncryptInit_ex(token->cipher, EVP_aes_128_ecb(), NULL, key, NULL) != 1) {
        udp_token_free(token);
        return PBTS_NO_MEMORY;
    }
    EVP_CIPHER_CTX_set_padding(token->cipher, 0);
    *out = token;
    return PBTS_OK;
}

void udp_token_free(struct udp_token *token) {
    if (token == NULL) return;
    EVP_CIPHER_CTX_free(token->cipher);
    free(token);
}

static void encrypt(struct udp_token *token, uint8_t block[static BLOCK_LEN]) {
    int len = 0;
    int done = EVP_EncryptUpdate(token->cipher, block, &len, block, BLOCK_LEN);
    assert(done == 1 && len == BLOCK_LEN);
}

/* Both windows share the first block, the address; this adds the second and cuts. */
static uint64_t id_of(struct udp_token *token, const uint8_t chained[static BLOCK_LEN],
                      pbts_family family, uint64_t window) {
    uint8_t block[BLOCK_LEN];
    uint64_t id;
    memcpy(block, chained, sizeof block);
    for (unsigned i = 0; i < 8; i++) block[i] ^= (uint8_t)(window >> (8 * i));
    block[8] ^= (uint8_t)family;
    encrypt(token, block);
    memcpy(&id, block, sizeof id);
    return id;
}

uint64_t udp_token_make(struct udp_token *token, const pbts_addr *from, uint64_t mono_s) {
    uint8_t chained[BLOCK_LEN];
    memcpy(chained, from->ip, sizeof chained);
    encrypt(token, chained);
    return id_of(token, chained, from->family, mono_s / UDP_TOKEN_WINDOW_S);
}

bool udp_token_check(struct udp_token *token, uint64_t id, const pbts_addr *from, uint64_t mono_s) {
    uint8_t chained[BLOCK_LEN];
    uint64_t window = mono_s / UDP_TOKEN_WINDOW_S;
    memcpy(chained, from->ip, sizeof chained);
    encrypt(token, chained);
    uint64_t good = id_of(token, chained, from->family, window);
    if (pbts_equal_ct(&good, &id, sizeof id)) return true;
    if (window == 0) return false;
    good = id_of(token, chained, from->family, window - 1);
    return pbts_equal_ct(&good, &id, sizeof id);
}
