/* OpenSSL's low-level interface, as in sha.c: it needs no heap and no legacy provider, and its
 * assembler is half as fast again as nettle's C. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "hash/rc4.h"

#include <openssl/rc4.h>

#include "base/assert.h"

_Static_assert(sizeof(RC4_KEY) <= sizeof(pbts_rc4), "RC4 state fits");

void pbts_rc4_init(pbts_rc4 *cipher, pbts_span key) {
    assert(key.len > 0 && key.len <= 256);
    RC4_set_key((RC4_KEY *)(void *)cipher->state, (int)key.len, key.data);
}

void pbts_rc4_crypt(pbts_rc4 *cipher, uint8_t *out, const uint8_t *in, size_t len) {
    if (len > 0) RC4((RC4_KEY *)(void *)cipher->state, len, in, out);
}

void pbts_rc4_skip(pbts_rc4 *cipher, size_t len) {
    uint8_t ignored[256] = { 0 };
    while (len > 0) {
        size_t part = len < sizeof ignored ? len : sizeof ignored;
        pbts_rc4_crypt(cipher, ignored, ignored, part);
        len -= part;
    }
}
