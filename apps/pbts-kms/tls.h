/* tls.h - a node's own TLS key and certificate, and keys of others by their hash. */
#ifndef PBTS_KMS_TLS_H
#define PBTS_KMS_TLS_H

#include <gnutls/gnutls.h>

#include "base/cursor.h"

enum { TLS_PIN_MAX = 64, TLS_PEM_MAX = 4096 };

/* A P-256 key and a certificate that it signed for itself, for a hundred years: what counts is the
 * key, which others pin. `key_pem` is secret. PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status tls_make(char key_pem[static TLS_PEM_MAX],
                                   char certificate_pem[static TLS_PEM_MAX],
                                   char pin[static TLS_PIN_MAX]);
/* "sha256//BASE64" of the key of a certificate in PEM. False: it is none. */
bool tls_pin_of_pem(char out[static TLS_PIN_MAX], const char *pem);
/* Of the peer of a connection. False: it has shown none. */
bool tls_pin_of_peer(char out[static TLS_PIN_MAX], gnutls_session_t session);

#endif
