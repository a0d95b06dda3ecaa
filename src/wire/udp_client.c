#include "wire/udp_client.h"

enum { OPTION_URL_DATA = 2, OPTION_LEN_MAX = 255 };

void pbts_udp_connect_request(pbts_writer *writer, uint32_t transaction_id) {
    pbts_write_u64(writer, PBTS_UDP_PROTOCOL_ID);
    pbts_write_u32(writer, PBTS_UDP_CONNECT);
    pbts_write_u32(writer, transaction_id);
}

static void write_path(pbts_writer *writer, pbts_span path) {
    if (path.len > PBTS_UDP_PATH_MAX) writer->failed = true;
    while (path.len > 0) {
        size_t len = path.len < OPTION_LEN_MAX ? path.len : OPTION_LEN_MAX;
        pbts_write_u8(writer, OPTION_URL_DATA);
        pbts_write_u8(writer, (uint8_t)len);
        pbts_write_bytes(writer, (pbts_span){ path.data, len });
        path = (pbts_span){ path.data + len, path.len - len };
    }
}

void pbts_udp_announce_request(pbts_writer *writer, uint64_t connection_id, uint32_t transaction_id,
                               const pbts_announce *announce, pbts_span path) {
    /* The field is signed; how much is left may be unknown. */
    uint64_t left_bytes =
        announce->left_bytes < (uint64_t)INT64_MAX ? announce->left_bytes : (uint64_t)INT64_MAX;
    pbts_write_u64(writer, connection_id);
    pbts_write_u32(writer, PBTS_UDP_ANNOUNCE);
    pbts_write_u32(writer, transaction_id);
    pbts_write_bytes(writer, PBTS_SPAN_OF(announce->infohash));
    pbts_write_bytes(writer, PBTS_SPAN_OF(announce->peer_id));
    pbts_write_u64(writer, announce->downloaded_bytes);
    pbts_write_u64(writer, left_bytes);
    pbts_write_u64(writer, announce->uploaded_bytes);
    pbts_write_u32(writer, announce->event);
    pbts_write_u32(writer, 0); /* our address: as the tracker sees it */
    pbts_write_u32(writer, announce->key);
    pbts_write_u32(writer, announce->numwant < 0 ? UINT32_MAX : (uint32_t)announce->numwant);
    pbts_write_u16(writer, announce->port);
    write_path(writer, path);
}

static pbts_status read_announce(pbts_udp_answer *answer, pbts_family family, pbts_cursor *in) {
    PBTS_TRY(pbts_read_u32(in, &answer->interval_s));
    PBTS_TRY(pbts_read_u32(in, &answer->incomplete));
    PBTS_TRY(pbts_read_u32(in, &answer->complete));
    answer->peers = pbts_cursor_rest(in);
    return answer->peers.len % (pbts_addr_ip_len(family) + 2) == 0 ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_udp_answer_decode(pbts_udp_answer *out, pbts_family family, pbts_span datagram) {
    pbts_cursor in = pbts_cursor_over(datagram);
    pbts_udp_answer answer = { 0 };
    uint32_t action;
    PBTS_TRY(pbts_read_u32(&in, &action));
    PBTS_TRY(pbts_read_u32(&in, &answer.transaction_id));
    switch (action) {
    case PBTS_UDP_CONNECT: PBTS_TRY(pbts_read_u64(&in, &answer.connection_id)); break;
    case PBTS_UDP_ANNOUNCE: PBTS_TRY(read_announce(&answer, family, &in)); break;
    case PBTS_UDP_ERROR: answer.error = pbts_cursor_rest(&in); break;
    default: return PBTS_MALFORMED;
    }
    answer.action = (pbts_udp_action)action;
    *out = answer;
    return PBTS_OK;
}
