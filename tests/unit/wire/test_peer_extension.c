/* Unit tests of wire/peer_extension.c, peer_metadata.c and peer_pex.c: what real clients sent, our
 * own bytes both ways, bad fields, every truncation and single-byte damage. */
#include "wire/peer_extension.h"

#include "wire_test.h"

#define TEXT(literal) ((pbts_span){ (const uint8_t *)(literal), sizeof(literal) - 1 })

static pbts_status handshake_status(pbts_span body) {
    pbts_extended_handshake handshake, untouched;
    memset(&handshake, 0x5A, sizeof handshake);
    memset(&untouched, 0x5A, sizeof untouched);
    uint8_t *copy = exact_copy(body);
    pbts_status status = pbts_extended_handshake_decode(&handshake, (pbts_span){ copy, body.len });
    free(copy);
    if (status != PBTS_OK) assert_memory_equal(&handshake, &untouched, sizeof untouched);
    return status;
}

static pbts_extended_handshake decoded(pbts_span body) {
    pbts_extended_handshake handshake;
    assert_int_equal(pbts_extended_handshake_decode(&handshake, body), PBTS_OK);
    return handshake;
}

/* -- handshake ----------------------------------------------------------------------------- */

/* Sent by the clients of Debian 12 to a peer that connected to them as a leecher. */
static const char LIBTORRENT_2_0_8[] =
    "d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e12:ut_holepunchi4e"
    "11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei469e4:reqqi2000e11:upload_onlyi1e1:v18:"
    "libtorrent/2.0.8.06:yourip4:\x7f\x00\x00\x01"
    "e";
static const char TRANSMISSION_3_00[] =
    "d1:ei0e1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei469e1:pi24762e4:reqqi512e11:"
    "upload_onlyi1e1:v17:Transmission 3.00e";
static const char ARIA2_1_36[] = "d1:md11:ut_metadatai9e6:ut_pexi8ee13:metadata_sizei469e1:pi25909e"
                                 "1:v12:aria2/1.36.0e";
static const char RTORRENT_0_9_8[] =
    "d1:ei0e1:md11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei469e1:pi24097e4:reqqi2048e1:v17:"
    "libTorrent 0.13.8e";

static void handshakes_of_real_clients_are_understood(void **state) {
    static const struct {
        pbts_span body;
        int pex, metadata;
        uint16_t port;
        uint32_t requests_max;
        bool upload_only;
        const char *version;
    } CLIENTS[] = {
        { { (const uint8_t *)LIBTORRENT_2_0_8, sizeof LIBTORRENT_2_0_8 - 1 },
          1,
          2,
          0,
          2000,
          true,
          "libtorrent/2.0.8.0" },
        { { (const uint8_t *)TRANSMISSION_3_00, sizeof TRANSMISSION_3_00 - 1 },
          1,
          3,
          24762,
          512,
          true,
          "Transmission 3.00" },
        { { (const uint8_t *)ARIA2_1_36, sizeof ARIA2_1_36 - 1 },
          8,
          9,
          25909,
          0,
          false,
          "aria2/1.36.0" },
        { { (const uint8_t *)RTORRENT_0_9_8, sizeof RTORRENT_0_9_8 - 1 },
          1,
          2,
          24097,
          2048,
          false,
          "libTorrent 0.13.8" },
    };
    for (size_t i = 0; i < COUNT_OF(CLIENTS); i++) {
        pbts_extended_handshake h = decoded(CLIENTS[i].body);
        assert_int_equal(h.ids[PBTS_EXTENSION_PEX], CLIENTS[i].pex);
        assert_int_equal(h.ids[PBTS_EXTENSION_METADATA], CLIENTS[i].metadata);
        assert_int_equal(h.ids[PBTS_EXTENSION_PBTS], PBTS_EXTENSION_ID_UNCHANGED);
        assert_int_equal(h.listen_port, CLIENTS[i].port);
        assert_int_equal(h.requests_max, CLIENTS[i].requests_max);
        assert_int_equal(h.metadata_bytes, 469);
        assert_int_equal(h.upload_only, CLIENTS[i].upload_only);
        assert_span_is(h.version, CLIENTS[i].version);
        assert_int_equal(h.pbts.len, 0);
    }
    pbts_extended_handshake h = decoded(CLIENTS[0].body);
    assert_true(h.has_your_ip && h.your_ip.family == PBTS_IPV4);
    assert_memory_equal(h.your_ip.ip, "\x7f\0\0\1", 4);
}

/* Everything that can be there. */
static const char FULL[] =
    "d4:ipv44:\x01\x02\x03\x04"
    "4:ipv616:abcdefghijklmnop1:md4:pbtsi3e11:ut_metadatai2e6:ut_pexi1ee"
    "13:metadata_sizei10485760e1:pi65535e4:pbtsd1:vi1ee6:reqleni65536e4:reqqi500e"
    "11:upload_onlyi0e1:v8:pbts 0.16:yourip16:ABCDEFGHIJKLMNOPe";

static pbts_extended_handshake full(void) {
    pbts_extended_handshake h = {
        .ids = { [PBTS_EXTENSION_PEX] = 1,
                 [PBTS_EXTENSION_METADATA] = 2,
                 [PBTS_EXTENSION_PBTS] = 3 },
        .version = TEXT("pbts 0.1"),
        .listen_port = 65535,
        .requests_max = 500,
        .request_bytes_max = 65536,
        .metadata_bytes = PBTS_METAINFO_LEN_MAX,
        .has_upload_only = true,
        .has_your_ip = true,
        .your_ip = { .family = PBTS_IPV6 },
        .has_ipv4 = true,
        .ipv4 = { .family = PBTS_IPV4, .ip = { 1, 2, 3, 4 } },
        .has_ipv6 = true,
        .ipv6 = { .family = PBTS_IPV6 },
        .pbts = TEXT("d1:vi1ee"),
    };
    memcpy(h.your_ip.ip, "ABCDEFGHIJKLMNOP", 16);
    memcpy(h.ipv6.ip, "abcdefghijklmnop", 16);
    return h;
}

static void our_handshake_is_these_bytes_both_ways(void **state) {
    uint8_t buffer[sizeof FULL];
    pbts_extended_handshake h = full();
    pbts_writer writer = pbts_writer_over(buffer, sizeof FULL - 1);
    pbts_extended_handshake_encode(&writer, &h);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_int_equal(writer.len, sizeof FULL - 1);
    assert_memory_equal(buffer, FULL, sizeof FULL - 1);

    pbts_extended_handshake found = decoded(TEXT(FULL));
    assert_memory_equal(found.ids, h.ids, sizeof h.ids);
    assert_true(pbts_span_equal(found.version, h.version));
    assert_true(pbts_span_equal(found.pbts, h.pbts));
    assert_int_equal(found.listen_port, h.listen_port);
    assert_int_equal(found.requests_max, h.requests_max);
    assert_int_equal(found.metadata_bytes, h.metadata_bytes);
    assert_true(found.has_upload_only && !found.upload_only);
    assert_true(found.has_your_ip && found.has_ipv4 && found.has_ipv6);
    assert_memory_equal(&found.your_ip, &h.your_ip, sizeof h.your_ip);
    assert_memory_equal(&found.ipv4, &h.ipv4, sizeof h.ipv4);
    assert_memory_equal(&found.ipv6, &h.ipv6, sizeof h.ipv6);
}

static void what_is_absent_is_left_out(void **state) {
    uint8_t buffer[64];
    pbts_extended_handshake h = pbts_extended_handshake_empty();
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_extended_handshake_encode(&writer, &h);
    assert_span_is(pbts_writer_span(&writer), "d1:mdee");
    pbts_extended_handshake found = decoded(TEXT("de"));
    for (size_t i = 0; i < PBTS_EXTENSIONS; i++)
        assert_int_equal(found.ids[i], PBTS_EXTENSION_ID_UNCHANGED);
    assert_false(found.has_upload_only || found.has_your_ip || found.has_ipv4 || found.has_ipv6);
    assert_int_equal(found.listen_port + found.requests_max + found.metadata_bytes, 0);
    assert_false(found.upload_only);

    h.ids[PBTS_EXTENSION_PEX] = 0; /* switched off later */
    writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_extended_handshake_encode(&writer, &h);
    assert_span_is(pbts_writer_span(&writer), "d1:md6:ut_pexi0eee");
    found = decoded(pbts_writer_span(&writer));
    assert_int_equal(found.ids[PBTS_EXTENSION_PEX], 0);
    assert_int_equal(found.ids[PBTS_EXTENSION_METADATA], PBTS_EXTENSION_ID_UNCHANGED);
}

static void our_own_message_ids_are_1_to_3(void **state) {
    assert_int_equal(pbts_extension_id(PBTS_EXTENSION_PEX), 1);
    assert_int_equal(pbts_extension_id(PBTS_EXTENSION_METADATA), 2);
    assert_int_equal(pbts_extension_id(PBTS_EXTENSION_PBTS), 3);
}

static void bad_fields_are_refused_and_unknown_ones_passed_over(void **state) {
    static const struct {
        const char *body;
        pbts_status want;
    } CASES[] = {
        { "d1:md6:ut_pexi255eee", PBTS_OK },
        { "d1:md6:ut_pexi256eee", PBTS_MALFORMED },
        { "d1:md6:ut_pexi-1eee", PBTS_MALFORMED },
        { "d1:md6:ut_pex1:1ee", PBTS_MALFORMED },
        { "d1:md7:ut_holei-1e7:ut_nonedeee", PBTS_OK },
        { "d1:mi1ee", PBTS_MALFORMED },
        { "d1:mle1:v1:xe", PBTS_MALFORMED },
        { "d1:pi65535ee", PBTS_OK },
        { "d1:pi65536ee", PBTS_MALFORMED },
        { "d1:pi-1ee", PBTS_MALFORMED },
        { "d1:p2:80e", PBTS_MALFORMED },
        { "d6:reqleni-1ee", PBTS_MALFORMED },
        { "d6:reqleni9223372036854775807ee", PBTS_OK },
        { "d4:reqqi-1ee", PBTS_MALFORMED },
        { "d4:reqqi9223372036854775807ee", PBTS_OK },
        { "d13:metadata_sizei-1ee", PBTS_MALFORMED },
        { "d11:upload_onlyi-1ee", PBTS_MALFORMED },
        { "d11:upload_only1:1e", PBTS_MALFORMED },
        { "d6:yourip4:abcde", PBTS_OK },
        { "d6:yourip5:abcdee", PBTS_MALFORMED },
        { "d6:yourip0:e", PBTS_MALFORMED },
        { "d6:youripi1ee", PBTS_MALFORMED },
        { "d4:ipv416:abcdefghijklmnope", PBTS_MALFORMED },
        { "d4:ipv64:abcde", PBTS_MALFORMED },
        { "d1:vi1ee", PBTS_MALFORMED },
        { "d4:pbts2:dee", PBTS_MALFORMED },
        { "d4:pbtsdee", PBTS_OK },
        { "d1:ali1ee1:zd1:bi2eee", PBTS_OK },
        { "d1:zi1e1:ai1ee", PBTS_MALFORMED }, /* descending */
        { "d1:pi1e1:pi1ee", PBTS_MALFORMED }, /* twice */
        { "le", PBTS_MALFORMED },
        { "i1e", PBTS_MALFORMED },
        { "", PBTS_MALFORMED },
        { "dei1e", PBTS_MALFORMED }, /* something after it */
        { "d1:mdee ", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_status found = handshake_status(pbts_span_text(CASES[i].body));
        if (found != CASES[i].want) fail_msg("%s: %s", CASES[i].body, pbts_status_name(found));
    }
}

static void numbers_beyond_use_are_cut_or_dropped(void **state) {
    pbts_extended_handshake h =
        decoded(TEXT("d13:metadata_sizei10485761e4:reqqi9223372036854775807ee"));
    assert_int_equal(h.metadata_bytes, 0);
    assert_true(h.requests_max == UINT32_MAX);
    h = decoded(TEXT("d11:upload_onlyi7ee"));
    assert_true(h.has_upload_only && h.upload_only);
}

static void a_long_version_is_cut(void **state) {
    char body[200];
    snprintf(body, sizeof body, "d1:v65:%065de", 0);
    assert_int_equal(decoded(pbts_span_text(body)).version.len, 64);
    snprintf(body, sizeof body, "d1:v64:%064de", 0);
    assert_int_equal(decoded(pbts_span_text(body)).version.len, 64);
}

static void a_handshake_has_at_most_16_kib(void **state) {
    enum { MAX = PBTS_EXTENDED_HANDSHAKE_LEN_MAX };
    static uint8_t body[MAX + 2];
    for (size_t len = MAX; len <= MAX + 1; len++) {
        memset(body, 'x', sizeof body);
        int head = snprintf((char *)body, sizeof body, "d1:a%zu:", len - 11);
        assert_int_equal(head, 10);
        body[len - 1] = 'e';
        pbts_status want = len <= MAX ? PBTS_OK : PBTS_LIMIT;
        assert_int_equal(handshake_status((pbts_span){ body, len }), want);
    }
}

static void handshakes_are_total_under_truncation_and_damage(void **state) {
    uint8_t body[sizeof FULL];
    memcpy(body, FULL, sizeof FULL);
    for (size_t len = 0; len < sizeof FULL - 1; len++)
        assert_int_equal(handshake_status((pbts_span){ body, len }), PBTS_MALFORMED);
    for (size_t at = 0; at < sizeof FULL - 1; at++) {
        for (unsigned value = 0; value < 256; value++) {
            body[at] = (uint8_t)value;
            pbts_status status = handshake_status((pbts_span){ body, sizeof FULL - 1 });
            assert_true(status == PBTS_OK || pbts_status_class(status) == PBTS_REJECT);
        }
        body[at] = (uint8_t)FULL[at];
    }
}

/* -- ut_metadata --------------------------------------------------------------------------- */

static pbts_status metadata_status(pbts_span body, pbts_metadata_message *out) {
    pbts_metadata_message untouched;
    memset(out, 0x5A, sizeof *out);
    memset(&untouched, 0x5A, sizeof untouched);
    uint8_t *copy = exact_copy(body);
    pbts_status status = pbts_metadata_message_decode(out, (pbts_span){ copy, body.len });
    free(copy);
    if (status != PBTS_OK) assert_memory_equal(out, &untouched, sizeof untouched);
    return status;
}

static void metadata_pieces_cover_every_byte_once(void **state) {
    static const uint32_t TOTALS[] = {
        1, 16383, 16384, 16385, 32768, 100000, PBTS_METAINFO_LEN_MAX
    };
    assert_int_equal(pbts_metadata_pieces(0), 0);
    assert_int_equal(pbts_metadata_pieces(UINT32_MAX), 262144);
    for (size_t i = 0; i < COUNT_OF(TOTALS); i++) {
        uint64_t sum = 0;
        for (uint32_t p = 0; p < pbts_metadata_pieces(TOTALS[i]); p++) {
            uint32_t bytes = pbts_metadata_piece_bytes(TOTALS[i], p);
            assert_true(bytes > 0 && bytes <= PBTS_METADATA_PIECE_BYTES);
            sum += bytes;
        }
        assert_true(sum == TOTALS[i]);
    }
}

static void metadata_messages_are_these_bytes_both_ways(void **state) {
    static const struct {
        const char *bytes;
        pbts_metadata_message message;
    } CASES[] = {
        { "d8:msg_typei0e5:piecei7ee", { .type = PBTS_METADATA_REQUEST, .piece = 7 } },
        { "d8:msg_typei2e5:piecei639ee", { .type = PBTS_METADATA_REJECT, .piece = 639 } },
        { "d8:msg_typei1e5:piecei0e10:total_sizei5eehello",
          { .type = PBTS_METADATA_DATA,
            .total_bytes = 5,
            .data = { (const uint8_t *)"hello", 5 } } },
        { "d8:msg_typei1e5:piecei2e10:total_sizei32769eex",
          { .type = PBTS_METADATA_DATA,
            .piece = 2,
            .total_bytes = 32769,
            .data = { (const uint8_t *)"x", 1 } } },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t buffer[100];
        pbts_writer writer = pbts_writer_over(buffer, strlen(CASES[i].bytes));
        pbts_metadata_message_encode(&writer, &CASES[i].message);
        assert_span_is(pbts_writer_span(&writer), CASES[i].bytes);

        pbts_metadata_message found;
        pbts_span body = pbts_span_text(CASES[i].bytes);
        assert_int_equal(pbts_metadata_message_decode(&found, body), PBTS_OK);
        assert_int_equal(found.type, CASES[i].message.type);
        assert_int_equal(found.piece, CASES[i].message.piece);
        assert_int_equal(found.total_bytes, CASES[i].message.total_bytes);
        assert_true(pbts_span_equal(found.data, CASES[i].message.data));
        for (size_t len = 0; len < body.len; len++)
            assert_int_equal(metadata_status((pbts_span){ body.data, len }, &found),
                             PBTS_MALFORMED);
    }
}

/* The last piece of the longest metadata there may be. */
static void metadata_of_10_mib_is_taken(void **state) {
    static const char HEAD[] = "d8:msg_typei1e5:piecei639e10:total_sizei10485760ee";
    static uint8_t body[sizeof HEAD - 1 + PBTS_METADATA_PIECE_BYTES];
    pbts_metadata_message found;
    memcpy(body, HEAD, sizeof HEAD - 1);
    assert_int_equal(metadata_status(PBTS_SPAN_OF(body), &found), PBTS_OK);
    assert_int_equal(found.data.len, PBTS_METADATA_PIECE_BYTES);
}

static void bad_metadata_messages_are_refused(void **state) {
    static const struct {
        const char *body;
        pbts_status want;
    } CASES[] = {
        { "d8:msg_typei0e5:piecei640ee", PBTS_LIMIT },
        { "d8:msg_typei0e5:piecei-1ee", PBTS_MALFORMED },
        { "d8:msg_typei-1e5:piecei1ee", PBTS_MALFORMED },
        { "d8:msg_typei0ee", PBTS_MALFORMED },
        { "d5:piecei0ee", PBTS_MALFORMED },
        { "d8:msg_type1:05:piecei0ee", PBTS_MALFORMED },
        { "d8:msg_typei0e5:piecei0eex", PBTS_MALFORMED }, /* a request has no data */
        { "d8:msg_typei0e5:piecei0e3:zzzi-1ee", PBTS_OK },
        { "d8:msg_typei1e5:piecei0ee", PBTS_MALFORMED },
        { "d8:msg_typei1e5:piecei0e10:total_sizei0ee", PBTS_MALFORMED },
        { "d8:msg_typei1e5:piecei0e10:total_sizei5eehell", PBTS_MALFORMED },
        { "d8:msg_typei1e5:piecei0e10:total_sizei5eehello!", PBTS_MALFORMED },
        { "d8:msg_typei1e5:piecei1e10:total_sizei16384eex", PBTS_MALFORMED },
        { "d8:msg_typei1e5:piecei0e10:total_sizei10485761eex", PBTS_LIMIT },
        { "d8:msg_typei1e5:piecei0e10:total_sizei-1eex", PBTS_MALFORMED },
        { "le", PBTS_MALFORMED },
        { "", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_metadata_message ignored;
        pbts_status found = metadata_status(pbts_span_text(CASES[i].body), &ignored);
        if (found != CASES[i].want) fail_msg("%s: %s", CASES[i].body, pbts_status_name(found));
    }
    pbts_metadata_message unknown;
    assert_int_equal(metadata_status(pbts_span_text("d8:msg_typei3eexyz"), &unknown), PBTS_OK);
    assert_int_equal(unknown.type, PBTS_METADATA_UNKNOWN);
}

/* -- ut_pex -------------------------------------------------------------------------------- */

static pbts_status pex_status(pbts_span body) {
    pbts_pex_message message, untouched;
    memset(&message, 0x5A, sizeof message);
    memset(&untouched, 0x5A, sizeof untouched);
    uint8_t *copy = exact_copy(body);
    pbts_status status = pbts_pex_message_decode(&message, (pbts_span){ copy, body.len });
    free(copy);
    if (status != PBTS_OK) assert_memory_equal(&message, &untouched, sizeof untouched);
    return status;
}

#define PEER6 "abcdefghijklmnop\x1A\xE1"
static const char PEX[] = "d5:added12:\x01\x02\x03\x04\x1A\xE1"
                          "\x05\x06\x07\x08\x00\x50"
                          "7:added.f2:\x02\x10"
                          "6:added618:" PEER6 "8:added6.f1:\x01"
                          "7:dropped6:\x09\x09\x09\x09\x00\x01"
                          "8:dropped618:" PEER6 "e";

static void peers_come_out_as_they_went_in(void **state) {
    static const pbts_pex_message MESSAGE = {
        .added = { .peers4 = { (const uint8_t *)"\x01\x02\x03\x04\x1A\xE1\x05\x06\x07\x08\x00\x50",
                               12 },
                   .flags4 = { (const uint8_t *)"\x02\x10", 2 },
                   .peers6 = { (const uint8_t *)PEER6, 18 },
                   .flags6 = { (const uint8_t *)"\x01", 1 } },
        .dropped = { .peers4 = { (const uint8_t *)"\x09\x09\x09\x09\x00\x01", 6 },
                     .peers6 = { (const uint8_t *)PEER6, 18 } },
    };
    uint8_t buffer[sizeof PEX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof PEX - 1);
    pbts_pex_message_encode(&writer, &MESSAGE);
    assert_int_equal(writer.len, sizeof PEX - 1);
    assert_memory_equal(buffer, PEX, sizeof PEX - 1);

    pbts_pex_message found;
    assert_int_equal(pbts_pex_message_decode(&found, TEXT(PEX)), PBTS_OK);
    assert_int_equal(pbts_pex_count(&found.added), 3);
    assert_int_equal(pbts_pex_count(&found.dropped), 2);
    static const struct {
        pbts_family family;
        const char *ip;
        uint16_t port;
        uint8_t flags;
    } WANT[] = { { PBTS_IPV4, "\x01\x02\x03\x04", 6881, PBTS_PEX_SEED },
                 { PBTS_IPV4, "\x05\x06\x07\x08", 80, PBTS_PEX_REACHABLE },
                 { PBTS_IPV6, "abcdefghijklmnop", 6881, PBTS_PEX_ENCRYPTION } };
    for (size_t i = 0; i < COUNT_OF(WANT); i++) {
        pbts_addr peer;
        uint8_t flags;
        pbts_pex_peer(&peer, &flags, &found.added, i);
        assert_int_equal(peer.family, WANT[i].family);
        assert_memory_equal(peer.ip, WANT[i].ip, pbts_addr_ip_len(peer.family));
        assert_int_equal(peer.port, WANT[i].port);
        assert_int_equal(flags, WANT[i].flags);
    }
    pbts_addr peer;
    uint8_t flags = 0xFF;
    pbts_pex_peer(&peer, &flags, &found.dropped, 1);
    assert_int_equal(peer.family, PBTS_IPV6);
    assert_int_equal(flags, 0);
}

static void pex_of_real_clients_is_understood(void **state) {
    pbts_pex_message found;
    assert_int_equal(pbts_pex_message_decode(&found, TEXT("de")), PBTS_OK); /* aria2 1.36 */
    assert_int_equal(pbts_pex_count(&found.added) + pbts_pex_count(&found.dropped), 0);
    /* Transmission 3.00 */
    assert_int_equal(pbts_pex_message_decode(&found, TEXT("d5:added6:\x7f\x00\x00\x01\x86n7:added.f"
                                                          "1:\x00"
                                                          "e")),
                     PBTS_OK);
    assert_int_equal(pbts_pex_count(&found.added), 1);
}

static void bad_pex_messages_are_refused(void **state) {
    static const struct {
        const char *body;
        pbts_status want;
    } CASES[] = {
        { "d5:added6:abcdefe", PBTS_OK },
        { "d5:added0:7:added.f0:e", PBTS_OK },
        { "d5:added5:abcdee", PBTS_MALFORMED },
        { "d5:added7:abcdefge", PBTS_MALFORMED },
        { "d5:added6:abcdef7:added.f2:xye", PBTS_MALFORMED },
        { "d7:added.f1:xe", PBTS_MALFORMED },
        { "d5:addedi1ee", PBTS_MALFORMED },
        { "d6:added66:abcdefe", PBTS_MALFORMED },
        { "d7:dropped1:xe", PBTS_MALFORMED },
        { "d8:dropped617:abcdefghijklmnopqe", PBTS_MALFORMED },
        { "d7:added.fi1ee", PBTS_MALFORMED },
        { "d1:zle3:zzzi-1ee", PBTS_OK },
        { "le", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_status found = pex_status(pbts_span_text(CASES[i].body));
        if (found != CASES[i].want) fail_msg("%s: %s", CASES[i].body, pbts_status_name(found));
    }
}

/* Both families of a list count together. */
static void a_list_has_at_most_200_peers(void **state) {
    for (size_t extra = 0; extra <= 1; extra++) {
        for (size_t dropped = 0; dropped <= 1; dropped++) {
            uint8_t body[8192];
            pbts_writer writer = pbts_writer_over(body, sizeof body);
            pbts_write_text(&writer, dropped ? "d7:dropped" : "d5:added");
            pbts_write_decimal(&writer, 6 * (150 + extra));
            pbts_write_u8(&writer, ':');
            memset(pbts_write_reserve(&writer, 6 * (150 + extra)), 1, 6 * (150 + extra));
            pbts_write_text(&writer, dropped ? "8:dropped6900:" : "6:added6900:");
            memset(pbts_write_reserve(&writer, 900), 1, 900);
            pbts_write_u8(&writer, 'e');
            assert_int_equal(pex_status(pbts_writer_span(&writer)),
                             extra == 0 ? PBTS_OK : PBTS_LIMIT);
        }
    }
}

static void pex_is_total_under_truncation_and_damage(void **state) {
    uint8_t body[sizeof PEX];
    memcpy(body, PEX, sizeof PEX);
    for (size_t len = 0; len < sizeof PEX - 1; len++)
        assert_int_equal(pex_status((pbts_span){ body, len }), PBTS_MALFORMED);
    for (size_t at = 0; at < sizeof PEX - 1; at++) {
        for (unsigned value = 0; value < 256; value++) {
            body[at] = (uint8_t)value;
            pbts_status status = pex_status((pbts_span){ body, sizeof PEX - 1 });
            assert_true(status == PBTS_OK || pbts_status_class(status) == PBTS_REJECT);
        }
        body[at] = (uint8_t)PEX[at];
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshakes_of_real_clients_are_understood),
        cmocka_unit_test(our_handshake_is_these_bytes_both_ways),
        cmocka_unit_test(what_is_absent_is_left_out),
        cmocka_unit_test(our_own_message_ids_are_1_to_3),
        cmocka_unit_test(bad_fields_are_refused_and_unknown_ones_passed_over),
        cmocka_unit_test(numbers_beyond_use_are_cut_or_dropped),
        cmocka_unit_test(a_long_version_is_cut),
        cmocka_unit_test(a_handshake_has_at_most_16_kib),
        cmocka_unit_test(handshakes_are_total_under_truncation_and_damage),
        cmocka_unit_test(metadata_pieces_cover_every_byte_once),
        cmocka_unit_test(metadata_messages_are_these_bytes_both_ways),
        cmocka_unit_test(metadata_of_10_mib_is_taken),
        cmocka_unit_test(bad_metadata_messages_are_refused),
        cmocka_unit_test(peers_come_out_as_they_went_in),
        cmocka_unit_test(pex_of_real_clients_is_understood),
        cmocka_unit_test(bad_pex_messages_are_refused),
        cmocka_unit_test(a_list_has_at_most_200_peers),
        cmocka_unit_test(pex_is_total_under_truncation_and_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
