/* ut_pex (BEP 11). */
#include "base/assert.h"
#include "wire/bytes.h"
#include "wire/peer_dict.h"
#include "wire/peer_extension.h"

enum { PEER4_LEN = 6, PEER6_LEN = 18 };

/* A list of peers of `peer_len` bytes each, and their flags where `flags_key` is not NULL. */
static pbts_status read_list(pbts_span *peers, pbts_span *flags, const pbts_bvalue *dict,
                             const char *key, const char *flags_key, size_t peer_len) {
    pbts_bvalue list = { 0 }, bits = { 0 };
    PBTS_TRY(pbts_peer_dict_maybe(&list, NULL, dict, key, PBTS_BSTRING));
    if (flags_key != NULL)
        PBTS_TRY(pbts_peer_dict_maybe(&bits, NULL, dict, flags_key, PBTS_BSTRING));
    size_t count = list.string.len / peer_len;
    if (list.string.len % peer_len != 0) return PBTS_MALFORMED;
    if (bits.string.len != 0 && bits.string.len != count) return PBTS_MALFORMED;
    *peers = list.string;
    *flags = bits.string;
    return PBTS_OK;
}

static pbts_status check_count(const pbts_pex_list *list) {
    return pbts_pex_count(list) <= PBTS_PEX_PEERS_MAX ? PBTS_OK : PBTS_LIMIT;
}

pbts_status pbts_pex_message_decode(pbts_pex_message *out, pbts_span body) {
    pbts_bvalue dict;
    pbts_pex_message message = { 0 };
    pbts_pex_list *added = &message.added, *dropped = &message.dropped;
    PBTS_TRY(pbts_peer_dict_parse(&dict, body));
    PBTS_TRY(read_list(&added->peers4, &added->flags4, &dict, "added", "added.f", PEER4_LEN));
    PBTS_TRY(read_list(&added->peers6, &added->flags6, &dict, "added6", "added6.f", PEER6_LEN));
    PBTS_TRY(read_list(&dropped->peers4, &dropped->flags4, &dict, "dropped", NULL, PEER4_LEN));
    PBTS_TRY(read_list(&dropped->peers6, &dropped->flags6, &dict, "dropped6", NULL, PEER6_LEN));
    PBTS_TRY(check_count(added));
    PBTS_TRY(check_count(dropped));
    *out = message;
    return PBTS_OK;
}

static void write_list(pbts_writer *writer, const char *key, pbts_span list) {
    if (list.len > 0) pbts_peer_dict_write_string(writer, key, list);
}

void pbts_pex_message_encode(pbts_writer *writer, const pbts_pex_message *message) {
    const pbts_pex_list *added = &message->added, *dropped = &message->dropped;
    assert(added->flags4.len == 0 || added->flags4.len == added->peers4.len / PEER4_LEN);
    assert(added->flags6.len == 0 || added->flags6.len == added->peers6.len / PEER6_LEN);
    assert(dropped->flags4.len == 0 && dropped->flags6.len == 0);
    pbts_write_u8(writer, 'd');
    write_list(writer, "added", added->peers4);
    write_list(writer, "added.f", added->flags4);
    write_list(writer, "added6", added->peers6);
    write_list(writer, "added6.f", added->flags6);
    write_list(writer, "dropped", dropped->peers4);
    write_list(writer, "dropped6", dropped->peers6);
    pbts_write_u8(writer, 'e');
}

size_t pbts_pex_count(const pbts_pex_list *list) {
    return list->peers4.len / PEER4_LEN + list->peers6.len / PEER6_LEN;
}

void pbts_pex_peer(pbts_addr *out, uint8_t *flags, const pbts_pex_list *list, size_t index) {
    assert(index < pbts_pex_count(list));
    size_t count4 = list->peers4.len / PEER4_LEN;
    bool is4 = index < count4;
    size_t at = is4 ? index : index - count4, ip_len = is4 ? 4 : 16;
    const uint8_t *peer = (is4 ? list->peers4.data : list->peers6.data) + at * (ip_len + 2);
    pbts_span bits = is4 ? list->flags4 : list->flags6;
    *out =
        (pbts_addr){ .family = is4 ? PBTS_IPV4 : PBTS_IPV6, .port = pbts_be16_at(peer + ip_len) };
    memcpy(out->ip, peer, ip_len);
    *flags = bits.len > 0 ? bits.data[at] : 0;
}
