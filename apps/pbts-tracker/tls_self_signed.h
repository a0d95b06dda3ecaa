/* tls_self_signed.h - HTTPS without a certificate from anybody: one of our own, over a key that is
 * made from key_trk. Who wants to be sure pins the key, which stays while the tracker's does; the
 * certificate itself is a new one at each start.
 */
#ifndef PBTS_TRACKER_TLS_SELF_SIGNED_H
#define PBTS_TRACKER_TLS_SELF_SIGNED_H

#include <stdint.h>

#include "base/cursor.h"

enum { TLS_PEM_MAX = 4096, TLS_LIFE_DAYS = 3650 };

struct tls_self_signed {
    char certificate[TLS_PEM_MAX]; /* PEM, as text */
    char key[TLS_PEM_MAX];         /* the same; secret, wipe */
    uint8_t pin[32];               /* SHA-256 of the SubjectPublicKeyInfo (RFC 7469) */
};

/* `scalar`: 1..n-1 of P-256, big-endian. `host`: a name or an address, at most 253 characters; it
 * becomes the subject's alternative name. PBTS_NO_MEMORY: OpenSSL would not. */
PBTS_MUST_USE pbts_status tls_self_sign(struct tls_self_signed *out,
                                        const uint8_t scalar[static 32], const char *host,
                                        uint64_t now_unix_s);

/* The host of a URL "https://host:port/path", without brackets; "localhost" when there is none, or
 * it is too long or no name. */
enum { TLS_HOST_MAX = 254 };
void tls_host_of_url(char out[static TLS_HOST_MAX], const char *url);

#endif
