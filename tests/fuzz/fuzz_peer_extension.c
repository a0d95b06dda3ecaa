/* libFuzzer target: bodies of extended messages. Decoding is total; what was taken is in range, and
 * what it encodes to is taken again and encodes to the same.
 * Input: u8 which (0 handshake, 1 ut_metadata, 2 ut_pex, 3 the pbts dictionary, 4 a ticket), body.
 */
#include <stdlib.h>

#include "wire/peer_extension.h"
#include "wire/peer_pbts.h"

enum { ENCODED_LEN_MAX = PBTS_PEER_EXTENDED_LEN_MAX };

static void require(bool truth) {
    if (!truth) abort();
}

/* Each of these: decode; when it is taken, check it and append its encoding. */
static bool pass_handshake(pbts_writer *writer, pbts_span body) {
    pbts_extended_handshake h;
    if (pbts_extended_handshake_decode(&h, body) != PBTS_OK) return false;
    for (size_t i = 0; i < PBTS_EXTENSIONS; i++) require(h.ids[i] >= -1 && h.ids[i] <= 255);
    require(h.version.len <= PBTS_EXTENDED_VERSION_LEN_MAX);
    require(h.metadata_bytes <= PBTS_METAINFO_LEN_MAX);
    pbts_extended_handshake_encode(writer, &h);
    return true;
}

static bool pass_metadata(pbts_writer *writer, pbts_span body) {
    pbts_metadata_message m;
    if (pbts_metadata_message_decode(&m, body) != PBTS_OK) return false;
    if (m.type == PBTS_METADATA_UNKNOWN) return false;
    require(m.piece < pbts_metadata_pieces(PBTS_METAINFO_LEN_MAX));
    if (m.type == PBTS_METADATA_DATA)
        require(m.data.len == pbts_metadata_piece_bytes(m.total_bytes, m.piece));
    pbts_metadata_message_encode(writer, &m);
    return true;
}

static void check_peers(const pbts_pex_list *list) {
    size_t count = pbts_pex_count(list);
    require(count <= PBTS_PEX_PEERS_MAX);
    for (size_t i = 0; i < count; i++) {
        pbts_addr peer;
        uint8_t flags;
        pbts_pex_peer(&peer, &flags, list, i);
        require(peer.family == PBTS_IPV4 || peer.family == PBTS_IPV6);
    }
}

static bool pass_pex(pbts_writer *writer, pbts_span body) {
    pbts_pex_message m;
    if (pbts_pex_message_decode(&m, body) != PBTS_OK) return false;
    check_peers(&m.added);
    check_peers(&m.dropped);
    pbts_pex_message_encode(writer, &m);
    return true;
}

static bool pass_hello(pbts_writer *writer, pbts_span body) {
    pbts_peer_hello hello;
    if (pbts_peer_hello_decode(&hello, body) != PBTS_OK) return false;
    require(hello.version >= 1 && (hello.forms & ~(uint32_t)PBTS_PEER_FORM_MASK) == 0);
    pbts_peer_hello_encode(writer, &hello);
    return true;
}

static bool pass_ticket(pbts_writer *writer, pbts_span body) {
    pbts_peer_ticket ticket;
    if (pbts_peer_ticket_decode(&ticket, body) != PBTS_OK) return false;
    pbts_peer_ticket_encode(writer, &ticket);
    return true;
}

typedef bool pass(pbts_writer *writer, pbts_span body);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static pass *const PASSES[] = { pass_handshake, pass_metadata, pass_pex, pass_hello,
                                    pass_ticket };
    static uint8_t first[ENCODED_LEN_MAX], second[ENCODED_LEN_MAX];
    if (len == 0 || data[0] >= sizeof PASSES / sizeof PASSES[0]) return 0;
    pass *through = PASSES[data[0]];
    pbts_writer once = pbts_writer_over(first, sizeof first);
    if (!through(&once, (pbts_span){ data + 1, len - 1 })) return 0;
    if (pbts_writer_status(&once) != PBTS_OK) return 0; /* longer than a message may be */
    pbts_writer twice = pbts_writer_over(second, sizeof second);
    require(through(&twice, pbts_writer_span(&once)));
    require(pbts_span_equal(pbts_writer_span(&once), pbts_writer_span(&twice)));
    return 0;
}
