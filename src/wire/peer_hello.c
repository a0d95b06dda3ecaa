/* The "pbts" dictionary of the extended handshake. */
#include "base/assert.h"
#include "wire/peer_dict.h"
#include "wire/peer_pbts.h"

pbts_status pbts_peer_ticket_decode(pbts_peer_ticket *out, pbts_span dictionary) {
    pbts_bvalue dict;
    pbts_peer_ticket ticket;
    PBTS_TRY(pbts_peer_dict_parse(&dict, dictionary));
    PBTS_TRY(pbts_peer_dict_uint(&ticket.allowance_bytes, &dict, "allowance"));
    PBTS_TRY(pbts_peer_dict_uint(&ticket.expires, &dict, "expires"));
    PBTS_TRY(pbts_peer_dict_uint(&ticket.issued, &dict, "issued"));
    PBTS_TRY(pbts_peer_dict_array(ticket.key.bytes, sizeof ticket.key.bytes, &dict, "pk"));
    PBTS_TRY(
        pbts_peer_dict_array(ticket.signature.bytes, sizeof ticket.signature.bytes, &dict, "sig"));
    *out = ticket;
    return PBTS_OK;
}

void pbts_peer_ticket_encode(pbts_writer *writer, const pbts_peer_ticket *ticket) {
    assert(ticket->allowance_bytes <= INT64_MAX);
    assert(ticket->expires <= INT64_MAX && ticket->issued <= INT64_MAX);
    pbts_write_u8(writer, 'd');
    pbts_peer_dict_write_uint(writer, "allowance", ticket->allowance_bytes);
    pbts_peer_dict_write_uint(writer, "expires", ticket->expires);
    pbts_peer_dict_write_uint(writer, "issued", ticket->issued);
    pbts_peer_dict_write_string(writer, "pk", PBTS_SPAN_OF(ticket->key.bytes));
    pbts_peer_dict_write_string(writer, "sig", PBTS_SPAN_OF(ticket->signature.bytes));
    pbts_write_u8(writer, 'e');
}

static pbts_status read_ticket(pbts_peer_hello *out, const pbts_bvalue *dict) {
    pbts_bvalue ticket;
    PBTS_TRY(pbts_peer_dict_maybe(&ticket, &out->has_ticket, dict, "ticket", PBTS_BDICT));
    return out->has_ticket ? pbts_peer_ticket_decode(&out->ticket, ticket.raw) : PBTS_OK;
}

static pbts_status read_membership(pbts_peer_hello *out, const pbts_bvalue *dict) {
    pbts_bvalue member;
    PBTS_TRY(pbts_peer_dict_maybe(&member, &out->has_membership, dict, "member", PBTS_BSTRING));
    return out->has_membership ? pbts_membership_decode(&out->membership, member.string) : PBTS_OK;
}

static void write_membership(pbts_writer *writer, const pbts_membership *membership) {
    uint8_t bytes[PBTS_MEMBERSHIP_LEN];
    pbts_writer encoded = pbts_writer_over(bytes, sizeof bytes);
    pbts_membership_encode(&encoded, membership);
    pbts_peer_dict_write_string(writer, "member", PBTS_SPAN_OF(bytes));
}

pbts_status pbts_peer_hello_decode(pbts_peer_hello *out, pbts_span dictionary) {
    if (dictionary.len > PBTS_PEER_HELLO_LEN_MAX) return PBTS_LIMIT;
    pbts_bvalue dict;
    pbts_peer_hello hello = { 0 };
    uint64_t forms = 0;
    PBTS_TRY(pbts_peer_dict_parse(&dict, dictionary));
    PBTS_TRY(pbts_peer_dict_uint(&hello.version, &dict, "v"));
    if (hello.version < PBTS_PEER_PROTOCOL_VERSION) return PBTS_MALFORMED;
    PBTS_TRY(pbts_peer_dict_uint(&forms, &dict, "forms"));
    hello.forms = (uint32_t)(forms & PBTS_PEER_FORM_MASK);
    PBTS_TRY(pbts_peer_dict_array(hello.iid, sizeof hello.iid, &dict, "iid"));
    PBTS_TRY(pbts_peer_dict_maybe_uint(&hello.limit_bytes, NULL, &dict, "limit"));
    PBTS_TRY(pbts_peer_dict_array(hello.nonce, sizeof hello.nonce, &dict, "nonce"));
    PBTS_TRY(pbts_peer_dict_array(hello.key.bytes, sizeof hello.key.bytes, &dict, "pk"));
    PBTS_TRY(read_ticket(&hello, &dict));
    PBTS_TRY(read_membership(&hello, &dict));
    *out = hello;
    return PBTS_OK;
}

void pbts_peer_hello_encode(pbts_writer *writer, const pbts_peer_hello *hello) {
    assert(hello->version >= PBTS_PEER_PROTOCOL_VERSION && hello->version <= INT64_MAX);
    assert(hello->limit_bytes <= INT64_MAX);
    pbts_write_u8(writer, 'd');
    pbts_peer_dict_write_uint(writer, "forms", hello->forms & PBTS_PEER_FORM_MASK);
    pbts_peer_dict_write_string(writer, "iid", PBTS_SPAN_OF(hello->iid));
    if (hello->limit_bytes > 0) pbts_peer_dict_write_uint(writer, "limit", hello->limit_bytes);
    if (hello->has_membership) write_membership(writer, &hello->membership);
    pbts_peer_dict_write_string(writer, "nonce", PBTS_SPAN_OF(hello->nonce));
    pbts_peer_dict_write_string(writer, "pk", PBTS_SPAN_OF(hello->key.bytes));
    if (hello->has_ticket) {
        pbts_bencode_text(writer, "ticket");
        pbts_peer_ticket_encode(writer, &hello->ticket);
    }
    pbts_peer_dict_write_uint(writer, "v", hello->version);
    pbts_write_u8(writer, 'e');
}
