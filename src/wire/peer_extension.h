/* wire/peer_extension.h - the extension protocol (BEP 10) and the two extensions everybody has:
 * metadata (BEP 9) and peer exchange (BEP 11). Bodies of `extended` messages as values and back.
 *
 * Known keys must have their type and range, or the message is PBTS_MALFORMED; keys that nobody
 * here knows are passed over, as others extend these dictionaries. The extension of this project
 * is in wire/peer_pbts.h; here is only where its dictionary lies. Source: BEP 9, 10, 11, 21.
 */
#ifndef PBTS_WIRE_PEER_EXTENSION_H
#define PBTS_WIRE_PEER_EXTENSION_H

#include "wire/peer_message.h"

/* The extensions we have, and the message ids we give them: what others put in front of messages to
 * us. 0 is the handshake's for everybody. */
typedef enum {
    PBTS_EXTENSION_PEX,      /* "ut_pex" */
    PBTS_EXTENSION_METADATA, /* "ut_metadata" */
    PBTS_EXTENSION_PBTS,     /* "pbts" */
    PBTS_EXTENSIONS
} pbts_extension;
enum { PBTS_EXTENSION_ID_HANDSHAKE = 0, PBTS_EXTENSION_ID_FIRST = 1 };
static inline uint8_t pbts_extension_id(pbts_extension extension) {
    return (uint8_t)(PBTS_EXTENSION_ID_FIRST + (int)extension);
}

/* ---- handshake ---- */

enum {
    PBTS_EXTENDED_HANDSHAKE_LEN_MAX = 16 * 1024,
    PBTS_EXTENDED_VERSION_LEN_MAX = 64,
    PBTS_EXTENSION_ID_UNCHANGED = -1,
};

/* A peer may send this again: what is absent then stays as it was. */
typedef struct {
    /* The other's message id: 1..255, 0: it has switched it off, or PBTS_EXTENSION_ID_UNCHANGED. */
    int ids[PBTS_EXTENSIONS];
    pbts_span version;          /* "v", client and version: bytes of the peer's choice, at most
                                   PBTS_EXTENDED_VERSION_LEN_MAX of them; empty: absent */
    uint16_t listen_port;       /* "p"; 0: absent */
    uint32_t requests_max;      /* "reqq": how many requests it queues; 0: absent */
    uint32_t request_bytes_max; /* "reqlen", ours: the longest block it gives at once; 0: absent */
    uint32_t metadata_bytes;    /* "metadata_size"; 0: absent, or more than PBTS_METAINFO_LEN_MAX */
    bool has_upload_only;       /* "upload_only" is there */
    bool upload_only;           /* BEP 21: it wants nothing, it only gives */
    bool has_your_ip;           /* "yourip" is there */
    pbts_addr your_ip;          /* how it sees us, port 0 */
    bool has_ipv4, has_ipv6;    /* "ipv4", "ipv6" are there */
    pbts_addr ipv4, ipv6;       /* its other addresses, port 0 */
    pbts_span pbts;             /* "pbts", the raw dictionary; empty: absent (wire/peer_pbts.h) */
} pbts_extended_handshake;

/* One with nothing in it: all ids unchanged, the rest absent. */
pbts_extended_handshake pbts_extended_handshake_empty(void);
/* PBTS_MALFORMED, PBTS_LIMIT; spans are borrowed. */
PBTS_MUST_USE pbts_status pbts_extended_handshake_decode(pbts_extended_handshake *out,
                                                         pbts_span body);
/* Append the dictionary: what is absent is left out, ids that are unchanged too. */
void pbts_extended_handshake_encode(pbts_writer *writer, const pbts_extended_handshake *handshake);

/* ---- ut_metadata: { msg_type, piece, total_size? }, then a piece's bytes ---- */

enum { PBTS_METADATA_PIECE_BYTES = 16 * 1024 };

typedef enum {
    PBTS_METADATA_REQUEST = 0,
    PBTS_METADATA_DATA = 1,
    PBTS_METADATA_REJECT = 2,
    PBTS_METADATA_UNKNOWN = 3, /* another type; BEP 9: to be passed over */
} pbts_metadata_type;

typedef struct {
    pbts_metadata_type type;
    uint32_t piece;       /* below ceil(PBTS_METAINFO_LEN_MAX / PBTS_METADATA_PIECE_BYTES) */
    uint32_t total_bytes; /* DATA: of the whole metadata, 1..PBTS_METAINFO_LEN_MAX */
    pbts_span data;       /* DATA: exactly the piece's bytes of total_bytes; borrowed */
} pbts_metadata_message;

/* How many pieces metadata of so many bytes has, and how many bytes are in one of them. */
uint32_t pbts_metadata_pieces(uint32_t total_bytes);
uint32_t pbts_metadata_piece_bytes(uint32_t total_bytes, uint32_t piece);
/* PBTS_MALFORMED, PBTS_LIMIT. */
PBTS_MUST_USE pbts_status pbts_metadata_message_decode(pbts_metadata_message *out, pbts_span body);
void pbts_metadata_message_encode(pbts_writer *writer, const pbts_metadata_message *message);

/* ---- ut_pex: { added, added.f, added6, added6.f, dropped, dropped6 } ---- */

/* BEP 11: 50 added and 50 dropped at a time, except in the first message. */
enum { PBTS_PEX_SEND_MAX = 50, PBTS_PEX_PEERS_MAX = 200 };

/* Bits of added.f. */
enum {
    PBTS_PEX_ENCRYPTION = 0x01,
    PBTS_PEX_SEED = 0x02,
    PBTS_PEX_UTP = 0x04,
    PBTS_PEX_HOLEPUNCH = 0x08,
    PBTS_PEX_REACHABLE = 0x10,
};

/* Peers as on the wire: 6 bytes each (IPv4) or 18 (IPv6), address and port. */
typedef struct {
    pbts_span peers4, peers6;
    pbts_span flags4, flags6; /* a byte per peer, or empty: all 0; none for those dropped */
} pbts_pex_list;

typedef struct {
    pbts_pex_list added, dropped;
} pbts_pex_message;

/* PBTS_MALFORMED; PBTS_LIMIT when a list has more than PBTS_PEX_PEERS_MAX peers, both families
 * counted. Borrowed. Ports may be 0 and addresses anything: the caller judges them. */
PBTS_MUST_USE pbts_status pbts_pex_message_decode(pbts_pex_message *out, pbts_span body);
void pbts_pex_message_encode(pbts_writer *writer, const pbts_pex_message *message);
/* Peers of a list, IPv4 first; `flags` of a peer without them is 0. */
size_t pbts_pex_count(const pbts_pex_list *list);
void pbts_pex_peer(pbts_addr *out, uint8_t *flags, const pbts_pex_list *list, size_t index);

#endif
