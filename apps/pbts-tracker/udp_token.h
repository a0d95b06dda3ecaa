/* udp_token.h - BEP 15's connection ids without memory: a keyed function of who asks and when.
 *
 * AES-128 CBC-MAC over two fixed blocks, address and (family, window); the first 8 bytes are the
 * id. CBC-MAC over messages of one fixed length is a PRF (Bellare, Kilian, Rogaway 2000). An id of
 * the present or the last window of two minutes is good, which is BEP 15's life of an id.
 */
#ifndef PBTS_TRACKER_UDP_TOKEN_H
#define PBTS_TRACKER_UDP_TOKEN_H

#include "base/addr.h"

enum { UDP_TOKEN_KEY_LEN = 16, UDP_TOKEN_WINDOW_S = 120 };

struct udp_token; /* one thread's */

/* `key` is the same in all threads, and random at each start. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status udp_token_new(struct udp_token **out,
                                        const uint8_t key[static UDP_TOKEN_KEY_LEN]);
void udp_token_free(struct udp_token *token);
uint64_t udp_token_make(struct udp_token *token, const pbts_addr *from, uint64_t mono_s);
bool udp_token_check(struct udp_token *token, uint64_t id, const pbts_addr *from, uint64_t mono_s);

#endif
