/* wire/peer_message.h - the peer wire protocol: the 68-byte handshake, and framed messages.
 *
 * Bytes to values and back; nothing here remembers a connection. The decoder looks at what has
 * arrived and either gives one message with the number of bytes it used, or wants more. A block's
 * payload is never touched: `piece` is decoded as its 13-byte header, and the caller takes the next
 * block.length bytes from wherever they are. Source: BEP 3, 5, 6, 10 and 52.
 */
#ifndef PBTS_WIRE_PEER_MESSAGE_H
#define PBTS_WIRE_PEER_MESSAGE_H

#include "base/addr.h"
#include "base/writer.h"
#include "torrent/metainfo.h"

/* ---- handshake: u8 19, "BitTorrent protocol", reserved[8], infohash[20], peer id[20] ---- */

enum {
    PBTS_PEER_HANDSHAKE_LEN = 68,
    PBTS_PEER_HANDSHAKE_PREFIX_LEN = 20, /* what tells it from an encrypted connection */
    PBTS_PEER_HANDSHAKE_HEAD_LEN = 48,   /* as far as the infohash: enough to answer */
    PBTS_PEER_ID_LEN = 20,
};

/* Bits of the reserved bytes, read as one big-endian u64. V2 is only for a hybrid torrent: whoever
 * sends it with a v1 infohash could answer to the v2 one too. libtorrent 2.0.8 closes a connection
 * that has it for a torrent without a v2 side. */
#define PBTS_PEER_FEATURE_DHT UINT64_C(0x01)          /* BEP 5 */
#define PBTS_PEER_FEATURE_FAST UINT64_C(0x04)         /* BEP 6 */
#define PBTS_PEER_FEATURE_V2 UINT64_C(0x10)           /* BEP 52; see below */
#define PBTS_PEER_FEATURE_EXTENDED UINT64_C(0x100000) /* BEP 10 */

typedef struct {
    uint64_t features; /* PBTS_PEER_FEATURE_...; bits that nobody here knows are kept */
    uint8_t infohash[PBTS_INFOHASH_LEN];
    uint8_t peer_id[PBTS_PEER_ID_LEN];
} pbts_peer_handshake;

/* Decode the first 68 bytes; what follows them is not looked at. PBTS_NEED_MORE;
 * PBTS_MALFORMED as soon as one byte of the prefix is another. */
PBTS_MUST_USE pbts_status pbts_peer_handshake_decode(pbts_peer_handshake *out, pbts_span bytes);
/* The same from the first 48: some clients send their peer id only after our handshake. The peer
 * id is left zero. */
PBTS_MUST_USE pbts_status pbts_peer_handshake_decode_head(pbts_peer_handshake *out,
                                                          pbts_span bytes);
void pbts_peer_handshake_encode(uint8_t out[static PBTS_PEER_HANDSHAKE_LEN],
                                const pbts_peer_handshake *handshake);

/* ---- messages: u32 length, u8 type, payload ---- */

typedef enum {
    PBTS_PEER_CHOKE = 0,
    PBTS_PEER_UNCHOKE = 1,
    PBTS_PEER_INTERESTED = 2,
    PBTS_PEER_NOT_INTERESTED = 3,
    PBTS_PEER_HAVE = 4,
    PBTS_PEER_BITFIELD = 5,
    PBTS_PEER_REQUEST = 6,
    PBTS_PEER_PIECE = 7,
    PBTS_PEER_CANCEL = 8,
    PBTS_PEER_PORT = 9,
    PBTS_PEER_SUGGEST = 13, /* BEP 6 */
    PBTS_PEER_HAVE_ALL = 14,
    PBTS_PEER_HAVE_NONE = 15,
    PBTS_PEER_REJECT = 16,
    PBTS_PEER_ALLOWED_FAST = 17,
    PBTS_PEER_EXTENDED = 20,     /* BEP 10 */
    PBTS_PEER_HASH_REQUEST = 21, /* BEP 52 */
    PBTS_PEER_HASHES = 22,
    PBTS_PEER_HASH_REJECT = 23,
    PBTS_PEER_KEEP_ALIVE = 256, /* length 0: no type on the wire */
    PBTS_PEER_UNKNOWN = 257,    /* another type; to be passed over */
} pbts_peer_type;

enum {
    PBTS_PEER_BLOCK_BYTES = 16 * 1024, /* what everybody asks for */
    /* The most that a request may ask for or a piece message may carry. BEP 3 notes that clients
     * close on more than 16 KiB; the first ones took 128 KiB, and so do we: larger blocks cost the
     * one who sends them no more than as many small ones. */
    PBTS_PEER_BLOCK_BYTES_MAX = 128 * 1024,
    PBTS_PEER_BITFIELD_LEN_MAX = PBTS_PIECES_MAX / 8,
    /* Body of an extended message: the largest is a receipt with a whole bitmap. */
    PBTS_PEER_EXTENDED_LEN_MAX = PBTS_PIECES_MAX / 8 + 4096,
    /* BEP 52 asks nobody to request more than 512 hashes at a time. */
    PBTS_PEER_HASHES_MAX = 512,
    PBTS_PEER_HASH_LAYERS_MAX = 32,
    PBTS_PEER_UNKNOWN_LEN_MAX = 64 * 1024,
    /* The most that a receive buffer must hold for any message (a block's payload is not in it). */
    PBTS_PEER_MESSAGE_LEN_MAX = 4 + 2 + PBTS_PEER_EXTENDED_LEN_MAX,
    PBTS_PEER_PIECE_HEADER_LEN = 13,
};

/* Bytes [begin, begin + length) of a piece. length 1..PBTS_PEER_BLOCK_BYTES_MAX. */
typedef struct {
    uint32_t index;
    uint32_t begin;
    uint32_t length;
} pbts_peer_block;

/* Nodes of a file's Merkle tree. Layer 0 is that of the 16 KiB blocks. */
typedef struct {
    uint8_t pieces_root[32];
    uint32_t base_layer;
    uint32_t index;        /* of the first node in its layer; a multiple of `length` */
    uint32_t length;       /* nodes wanted; a power of two, 2..PBTS_PEER_HASHES_MAX */
    uint32_t proof_layers; /* how many layers above the base to prove */
    pbts_span hashes;      /* HASHES only: 32 bytes each, base layer, then uncles upwards */
} pbts_peer_hashes;

typedef struct {
    uint8_t id; /* EXTENDED: 0 is the handshake. UNKNOWN: the type on the wire */
    pbts_span body;
} pbts_peer_extended;

/* Spans are borrowed from the bytes decoded. */
typedef struct {
    pbts_peer_type type;
    union {
        uint32_t piece_index;        /* HAVE, SUGGEST, ALLOWED_FAST */
        pbts_span bitfield;          /* BITFIELD: a piece set (torrent/piece_set.h) */
        pbts_peer_block block;       /* REQUEST, PIECE, CANCEL, REJECT */
        uint16_t dht_port;           /* PORT; host order */
        pbts_peer_extended extended; /* EXTENDED, UNKNOWN */
        pbts_peer_hashes hashes;     /* HASH_REQUEST, HASHES, HASH_REJECT */
    };
} pbts_peer_message;

/* What indices and offsets may be. All zero while the metadata is not known (a magnet link): then
 * only the limits above hold, and the caller checks again when it knows. */
typedef struct {
    uint32_t piece_count;
    uint32_t piece_length_bytes;
} pbts_peer_bounds;

/* Decode one message from the front of `bytes`.
 * PBTS_OK: `*used_len` bytes are the message; for PIECE they are its header, and block.length bytes
 * of payload follow. A block lies within piece_length_bytes; that a last piece is shorter, and that
 * a block was asked for, is the caller's to know. A bitfield fits piece_count, spare bits zero;
 * while that is unknown it may have any length.
 * PBTS_NEED_MORE: nothing was used (see pbts_peer_message_wanted). PBTS_MALFORMED, PBTS_LIMIT: said
 * as early as the bytes show it; the stream cannot go on. No allocation, no copy. */
PBTS_MUST_USE pbts_status pbts_peer_message_decode(pbts_peer_message *out, size_t *used_len,
                                                   pbts_span bytes, const pbts_peer_bounds *bounds);
/* With how many bytes from the front of `bytes` on, more than there are now, the decoder can say
 * more after PBTS_NEED_MORE. At most PBTS_PEER_MESSAGE_LEN_MAX. */
size_t pbts_peer_message_wanted(pbts_span bytes);

/* Append one message. PIECE: the header alone, for block.length bytes that the caller sends after
 * it. Asserts that values are within the limits above. */
void pbts_peer_message_encode(pbts_writer *writer, const pbts_peer_message *message);
/* The header of a piece message where there is no writer (an iovec). */
void pbts_peer_piece_header(uint8_t out[static PBTS_PEER_PIECE_HEADER_LEN],
                            const pbts_peer_block *block);
/* An extended message whose body is written in place: begin, append the body, end. */
size_t pbts_peer_extended_begin(pbts_writer *writer, uint8_t id);
void pbts_peer_extended_end(pbts_writer *writer, size_t begun_at);

/* Whether a hash request asks for something that can be: its numbers are as the struct says, and
 * the layers are at most PBTS_PEER_HASH_LAYERS_MAX. One that is not gets a HASH_REJECT with the
 * same numbers, not a disconnect. */
bool pbts_peer_hashes_is_sound(const pbts_peer_hashes *request);

/* BEP 6's allowed-fast set for a peer at `ip`: `count` different pieces of the torrent, fewer when
 * it has fewer; returns how many. Deterministic, so that reconnecting gains nothing. An IPv4
 * address counts as its /24, an IPv6 address (of which the BEP does not speak) as its /48. */
enum { PBTS_PEER_ALLOWED_FAST_MAX = 32 };
size_t pbts_peer_allowed_fast(uint32_t out[static PBTS_PEER_ALLOWED_FAST_MAX], size_t count,
                              const pbts_addr *ip, const uint8_t infohash[static PBTS_INFOHASH_LEN],
                              uint32_t piece_count);

#endif
