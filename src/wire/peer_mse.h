/* wire/peer_mse.h - Message Stream Encryption (MSE/PE), the handshake that hides what a connection
 * is, for both ends. Bytes in, bytes out; the caller owns the socket and the time limit.
 *
 * What it is not: authentication. Its keys come from an unauthenticated 768-bit Diffie-Hellman and
 * the infohash, its cipher is RC4: it defeats a passive observer who does not know the torrent, no
 * more. Whom we talk to is proved by the `pbts` extension. Each end costs two modular powers, 0.15
 * ms; a responder pays them for whoever sends it 96 bytes. Source: "Message Stream Encryption", the
 * description on the Vuze wiki; SKEY is the infohash.
 *
 *   1 A->B  Ya[96] PadA[0..512]
 *   2 B->A  Yb[96] PadB[0..512]
 *   3 A->B  H("req1" S) H("req2" SKEY)^H("req3" S)
 *           E(VC[8]=0 provide:u32 len:u16 PadC[len<=512] len:u16 IA[len])
 *   4 B->A  E(VC[8]=0 select:u32 len:u16 PadD[len<=512])
 *   E is RC4 with key H("keyA" S SKEY) from A, H("keyB" S SKEY) from B, its first 1024 bytes
 *   dropped; the payload goes on with it, or in the clear, as selected. H is SHA-1.
 */
#ifndef PBTS_WIRE_PEER_MSE_H
#define PBTS_WIRE_PEER_MSE_H

#include "base/mem.h"
#include "base/random.h"
#include "hash/rc4.h"
#include "torrent/metainfo.h"

enum {
    PBTS_MSE_PLAINTEXT = 1, /* the payload is in the clear after the handshake */
    PBTS_MSE_RC4 = 2,
};
enum {
    PBTS_MSE_PAD_MAX = 512,
    PBTS_MSE_INITIAL_LEN_MAX = 4096, /* IA: others put their 68-byte handshake there */
};

/* A torrent that an incoming connection may be for; what can be computed beforehand is. */
typedef struct {
    uint8_t infohash[PBTS_INFOHASH_LEN];
    uint8_t req2_hash[20];
} pbts_mse_torrent;
pbts_mse_torrent pbts_mse_torrent_of(const uint8_t infohash[static PBTS_INFOHASH_LEN]);

typedef struct {
    pbts_mem *mem;
    pbts_random *random;
    unsigned methods;   /* PBTS_MSE_... bits that we offer or take, at least one */
    unsigned preferred; /* as responder: the one of them to select when both are offered */
    bool takes_legacy;  /* as responder: an unencrypted BitTorrent handshake is welcome too */
} pbts_mse_config;

typedef struct pbts_mse pbts_mse; /* opaque; one connection's; for its handshake only */

/* PBTS_NO_MEMORY, PBTS_IO (random). Config, torrents and `initial` are borrowed: the first two
 * until the end, `initial` only during the call. `initial` is sent as IA, at most
 * PBTS_MSE_INITIAL_LEN_MAX bytes: our BitTorrent handshake, which saves a round trip. Give none
 * when PLAINTEXT is offered: Transmission 3.00, when it then selects that, reads an IA without
 * decrypting it, and closes. */
PBTS_MUST_USE pbts_status pbts_mse_new_initiator(pbts_mse **out, const pbts_mse_config *config,
                                                 const pbts_mse_torrent *torrent,
                                                 pbts_span initial);
PBTS_MUST_USE pbts_status pbts_mse_new_responder(pbts_mse **out, const pbts_mse_config *config,
                                                 const pbts_mse_torrent *torrents, size_t count);
void pbts_mse_free(pbts_mse *mse); /* wipes; NULL is a no-op */

typedef enum {
    PBTS_MSE_WAITING, /* for more bytes */
    PBTS_MSE_DONE,    /* keys are agreed */
    PBTS_MSE_LEGACY,  /* responder: this is an unencrypted BitTorrent handshake */
    PBTS_MSE_FAILED,
} pbts_mse_state;

/* Take bytes; `*used_len` of them were the handshake's (all, unless it ended). What follows them is
 * payload: decrypt it with the incoming stream. PBTS_OK; or the handshake FAILED, now and ever
 * after: PBTS_MALFORMED (no such handshake), PBTS_LIMIT (padding without end, too long an IA),
 * PBTS_NOT_FOUND (no torrent of ours), PBTS_DENIED (no method in common, or legacy not welcome),
 * PBTS_IO (random), PBTS_NO_MEMORY. */
PBTS_MUST_USE pbts_status pbts_mse_receive(pbts_mse *mse, size_t *used_len, pbts_span bytes);
pbts_mse_state pbts_mse_state_of(const pbts_mse *mse);
/* Bytes to send now, each given once; false when there are none. They may still be there when the
 * state is DONE: they go before any payload. Valid until the next call. */
bool pbts_mse_next_send(pbts_mse *mse, pbts_span *out);

/* Once DONE: what was agreed. Ciphers are copied out; for PLAINTEXT there are none. */
typedef struct {
    unsigned method; /* PBTS_MSE_PLAINTEXT or PBTS_MSE_RC4 */
    const uint8_t *infohash;
    pbts_rc4 incoming, outgoing; /* RC4 only; the caller wipes its copy */
} pbts_mse_result;
void pbts_mse_finish(const pbts_mse *mse, pbts_mse_result *out);
/* Once DONE or LEGACY: the first payload bytes, decrypted, that came with the handshake; they go
 * before what pbts_mse_receive left over. Borrowed from the object. */
pbts_span pbts_mse_initial(const pbts_mse *mse);

#endif
