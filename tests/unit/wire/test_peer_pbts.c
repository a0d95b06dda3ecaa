/* Unit tests of wire/peer_pbts.c and peer_hello.c: bytes laid out by hand both ways, bad fields,
 * every truncation and damage, sizes, and piece sets against a naive twin. */
#include "wire/peer_pbts.h"

#include "torrent/piece_set.h"
#include "wire_test.h"

enum { PIECES = 20 };

/* Literals of known bytes: 32 i, 32 n, 96 k, 48 s, 64 t. */
#define X4(x) x x x x
#define X16(x) X4(X4(x))
#define I32 X16("ii")
#define N32 X16("nn")
#define K96 X16("kkkkkk")
#define S48 X16("sss")
#define T64 X16("tttt")
#define C33 "\2" X16("cc")
#define D32 X16("dd")
#define TICKET                                                                                    \
    "d9:allowancei1073741824e7:expiresi1800003600e6:issuedi1800000000e2:pk96:" K96 "3:sig48:" S48 \
    "e"
#define HELLO_HEAD "d5:formsi30e3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96
#define HELLO HELLO_HEAD "6:ticket" TICKET "1:vi1ee"
#define TEXT(literal) ((pbts_span){ (const uint8_t *)(literal), sizeof(literal) - 1 })

static pbts_bls_public key(void) {
    pbts_bls_public k;
    memset(k.bytes, 'k', sizeof k.bytes);
    return k;
}

static pbts_bls_signature signature(void) {
    pbts_bls_signature s;
    memset(s.bytes, 's', sizeof s.bytes);
    return s;
}

/* -- hello --------------------------------------------------------------------------------- */

static pbts_peer_hello hello(void) {
    pbts_peer_hello h = { .version = 1, .forms = 30, .key = key(), .has_ticket = true };
    memset(h.iid, 'i', sizeof h.iid);
    memset(h.nonce, 'n', sizeof h.nonce);
    h.ticket = (pbts_peer_ticket){ .allowance_bytes = 1073741824,
                                   .issued = 1800000000,
                                   .expires = 1800003600,
                                   .key = key(),
                                   .signature = signature() };
    return h;
}

static pbts_status hello_status(pbts_span bytes) {
    pbts_peer_hello found, untouched;
    memset(&found, 0x5A, sizeof found);
    memset(&untouched, 0x5A, sizeof untouched);
    uint8_t *copy = exact_copy(bytes);
    pbts_status status = pbts_peer_hello_decode(&found, (pbts_span){ copy, bytes.len });
    free(copy);
    if (status != PBTS_OK) assert_memory_equal(&found, &untouched, sizeof untouched);
    return status;
}

static void assert_same_hello(const pbts_peer_hello *found, const pbts_peer_hello *want) {
    assert_int_equal(found->version, want->version);
    assert_memory_equal(found->iid, want->iid, sizeof want->iid);
    assert_memory_equal(&found->key, &want->key, sizeof want->key);
    assert_memory_equal(found->nonce, want->nonce, sizeof want->nonce);
    assert_int_equal(found->forms, want->forms);
    assert_int_equal(found->limit_bytes, want->limit_bytes);
    assert_int_equal(found->has_ticket, want->has_ticket);
    if (!want->has_ticket) return;
    assert_int_equal(found->ticket.allowance_bytes, want->ticket.allowance_bytes);
    assert_int_equal(found->ticket.issued, want->ticket.issued);
    assert_int_equal(found->ticket.expires, want->ticket.expires);
    assert_memory_equal(&found->ticket.key, &want->ticket.key, sizeof want->ticket.key);
    assert_memory_equal(&found->ticket.signature, &want->ticket.signature, 48);
}

static void a_limit_is_said_when_there_is_one(void **state) {
    static const char LIMITED[] =
        "d5:formsi30e3:iid32:" I32 "5:limiti67108864e5:nonce32:" N32 "2:pk96:" K96 "1:vi1ee";
    pbts_peer_hello h = hello(), found;
    uint8_t buffer[1024];
    h.has_ticket = false;
    h.limit_bytes = 64 << 20;
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_hello_encode(&writer, &h);
    assert_true(pbts_span_equal(pbts_writer_span(&writer), TEXT(LIMITED)));
    assert_int_equal(pbts_peer_hello_decode(&found, TEXT(LIMITED)), PBTS_OK);
    assert_same_hello(&found, &h);
    assert_int_equal(hello_status(TEXT("d5:formsi30e3:iid32:" I32 "5:limiti-1e5:nonce32:" N32
                                       "2:pk96:" K96 "1:vi1ee")),
                     PBTS_MALFORMED);
}

static void a_hello_is_these_bytes_both_ways(void **state) {
    for (unsigned with_ticket = 0; with_ticket <= 1; with_ticket++) {
        pbts_span want = with_ticket ? TEXT(HELLO) : TEXT(HELLO_HEAD "1:vi1ee");
        pbts_peer_hello h = hello(), found;
        h.has_ticket = with_ticket == 1;
        uint8_t buffer[1024];
        pbts_writer writer = pbts_writer_over(buffer, want.len);
        pbts_peer_hello_encode(&writer, &h);
        assert_true(pbts_span_equal(pbts_writer_span(&writer), want));
        assert_int_equal(pbts_peer_hello_decode(&found, want), PBTS_OK);
        assert_same_hello(&found, &h);
    }
}

/* Each key of a ticket in turn is missing, or has another type. */
static void a_ticket_has_all_its_keys(void **state) {
    static const char *const PAIRS[5][3] = {
        { "9:allowancei1e", "", "9:allowance1:1" }, { "7:expiresi1e", "", "7:expires1:1" },
        { "6:issuedi1e", "", "6:issued1:1" },       { "2:pk96:" K96, "", "2:pki1e" },
        { "3:sig48:" S48, "", "3:sigi1e" },
    };
    for (size_t bad = 0; bad < 5; bad++) {
        for (size_t way = 0; way < 3; way++) {
            char bytes[512] = "d";
            pbts_peer_ticket found;
            for (size_t i = 0; i < 5; i++) strcat(bytes, PAIRS[i][i == bad ? way : 0]);
            strcat(bytes, "e");
            assert_int_equal(pbts_peer_ticket_decode(&found, pbts_span_text(bytes)),
                             way == 0 ? PBTS_OK : PBTS_MALFORMED);
        }
    }
}

static void only_known_forms_are_said(void **state) {
    pbts_peer_hello h = hello(), found;
    uint8_t buffer[1024];
    h.forms = 0xFFFFFFE4;
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_hello_encode(&writer, &h);
    assert_memory_equal(buffer, "d5:formsi4e", 11);
    assert_int_equal(pbts_peer_hello_decode(&found, pbts_writer_span(&writer)), PBTS_OK);
    assert_int_equal(found.forms, 4);
}

static void a_ticket_is_read_as_the_tracker_gives_it(void **state) {
    pbts_peer_ticket found;
    assert_int_equal(pbts_peer_ticket_decode(&found, TEXT(TICKET)), PBTS_OK);
    assert_true(found.allowance_bytes == 1073741824 && found.expires == 1800003600);
    for (size_t len = 0; len < sizeof TICKET - 1; len++) {
        pbts_span cut = { (const uint8_t *)TICKET, len };
        assert_int_equal(pbts_peer_ticket_decode(&found, cut), PBTS_MALFORMED);
    }
}

static void a_later_version_may_say_more(void **state) {
    pbts_peer_hello found;
    assert_int_equal(
        pbts_peer_hello_decode(&found, TEXT("d6:colour3:red"
                                            "5:formsi4294967298e3:iid32:" I32 "5:nonce32:" N32
                                            "2:pk96:" K96 "1:vi2e1:zlee")),
        PBTS_OK);
    assert_int_equal(found.version, 2);
    assert_int_equal(found.forms, 1 << PBTS_FORM_PIECE); /* bits that we do not know are dropped */
    assert_false(found.has_ticket);
}

static void bad_hellos_are_refused(void **state) {
    static const struct {
        const char *bytes;
        pbts_status want;
    } CASES[] = {
        { "d5:formsi0e3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96 "1:vi1ee", PBTS_OK },
        { "d5:formsi0e3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96 "1:vi0ee", PBTS_MALFORMED },
        { "d5:formsi0e3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96 "1:vi-1ee", PBTS_MALFORMED },
        { "d5:formsi0e3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96 "1:v1:1e", PBTS_MALFORMED },
        { "d5:formsi0e3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96 "e", PBTS_MALFORMED },
        { "d5:formsi-1e3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96 "1:vi1ee", PBTS_MALFORMED },
        { "d3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96 "1:vi1ee", PBTS_MALFORMED },
        { "d5:formsi0e5:nonce32:" N32 "2:pk96:" K96 "1:vi1ee", PBTS_MALFORMED },
        { "d5:formsi0e3:iid33:" I32 "i5:nonce32:" N32 "2:pk96:" K96 "1:vi1ee", PBTS_MALFORMED },
        { "d5:formsi0e3:iid32:" I32 "2:pk96:" K96 "1:vi1ee", PBTS_MALFORMED },
        { "d5:formsi0e3:iid32:" I32 "5:nonce31:" X16("n") X4("nnn") "nnn2:pk96:" K96 "1:vi1ee",
          PBTS_MALFORMED },
        { "d5:formsi0e3:iid32:" I32 "5:nonce32:" N32 "1:vi1ee", PBTS_MALFORMED },
        { "d5:formsi0e3:iid32:" I32 "5:nonce32:" N32 "2:pk48:" S48 "1:vi1ee", PBTS_MALFORMED },
        { HELLO_HEAD "6:tickete1:vi1ee", PBTS_MALFORMED },
        { HELLO_HEAD "6:ticket0:1:vi1ee", PBTS_MALFORMED },
        { HELLO_HEAD "6:ticketde1:vi1ee", PBTS_MALFORMED },
        { HELLO_HEAD "6:ticketd9:allowancei-1e7:expiresi1e6:issuedi1e2:pk96:" K96 "3:sig48:" S48
                     "e1:vi1ee",
          PBTS_MALFORMED },
        { HELLO_HEAD "6:ticketd9:allowancei1e7:expiresi1e6:issuedi1e2:pk96:" K96 "3:sig64:" T64
                     "e1:vi1ee",
          PBTS_MALFORMED },
        { HELLO_HEAD "6:ticketd9:allowancei1e3:newi1e7:expiresi1e6:issuedi1e2:pk96:" K96
                     "3:sig48:" S48 "e1:vi1ee",
          PBTS_MALFORMED }, /* not in order */
        { HELLO_HEAD "6:ticketd9:allowancei1e7:expiresi1e6:issuedi1e3:new0:2:pk96:" K96
                     "3:sig48:" S48 "e1:vi1ee",
          PBTS_OK },
        { "le", PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        pbts_status found = hello_status(pbts_span_text(CASES[i].bytes));
        if (found != CASES[i].want) fail_msg("case %zu: %s", i, pbts_status_name(found));
    }
}

static void a_hello_may_bring_a_membership(void **state) {
    (void)state;
    uint8_t bytes[1024];
    pbts_peer_hello h = hello(), found;
    h.has_membership = true;
    h.membership = (pbts_membership){ .key = h.key,
                                      .allowance_bytes = UINT64_MAX,
                                      .up_bytes = 1,
                                      .down_bytes = 2,
                                      .min_ratio_milli = 3,
                                      .generation = 4,
                                      .issued = 5,
                                      .expires = UINT64_MAX };
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_peer_hello_encode(&writer, &h);
    assert_false(writer.failed);
    assert_int_equal(pbts_peer_hello_decode(&found, pbts_writer_span(&writer)), PBTS_OK);
    assert_same_hello(&found, &h);
    assert_true(found.has_membership);
    assert_memory_equal(&found.membership.key, &h.membership.key, sizeof h.membership.key);
    assert_true(found.membership.allowance_bytes == UINT64_MAX && found.membership.up_bytes == 1 &&
                found.membership.down_bytes == 2 && found.membership.min_ratio_milli == 3 &&
                found.membership.generation == 4 && found.membership.issued == 5 &&
                found.membership.expires == UINT64_MAX);
    /* A byte less, a byte more, another type. */
    static const char *const BAD[] = { "6:member191:", "6:member193:", "6:memberi192e5:wrong192:" };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        uint8_t wrong[1100];
        pbts_span good = pbts_writer_span(&writer);
        const uint8_t *at = memmem(good.data, good.len, "6:member192:", 12);
        assert_non_null(at);
        size_t before = (size_t)(at - good.data), content = before + 12;
        pbts_writer out = pbts_writer_over(wrong, sizeof wrong);
        pbts_write_bytes(&out, (pbts_span){ good.data, before });
        pbts_write_text(&out, BAD[i]);
        pbts_write_bytes(&out, (pbts_span){ good.data + content, i == 0 ? 191 : 192 });
        if (i == 1) pbts_write_u8(&out, 0);
        pbts_write_bytes(&out, (pbts_span){ good.data + content + 192, good.len - content - 192 });
        assert_int_equal(hello_status(pbts_writer_span(&out)), PBTS_MALFORMED);
    }
}

static void a_hello_has_at_most_2_kib(void **state) {
    static const char TAIL[] = "5:formsi0e3:iid32:" I32 "5:nonce32:" N32 "2:pk96:" K96 "1:vi1ee";
    for (size_t len = PBTS_PEER_HELLO_LEN_MAX; len <= PBTS_PEER_HELLO_LEN_MAX + 1; len++) {
        uint8_t bytes[PBTS_PEER_HELLO_LEN_MAX + 1];
        size_t padding = len - (sizeof TAIL - 1) - strlen("d1:a1234:");
        int head = snprintf((char *)bytes, sizeof bytes, "d1:a%zu:", padding);
        assert_int_equal(head, 9);
        memset(bytes + head, 'x', padding);
        memcpy(bytes + 9 + padding, TAIL, sizeof TAIL - 1);
        pbts_status want = len <= PBTS_PEER_HELLO_LEN_MAX ? PBTS_OK : PBTS_LIMIT;
        assert_int_equal(hello_status((pbts_span){ bytes, len }), want);
    }
}

static void hellos_are_total_under_truncation_and_damage(void **state) {
    uint8_t bytes[sizeof HELLO];
    memcpy(bytes, HELLO, sizeof HELLO);
    for (size_t len = 0; len < sizeof HELLO - 1; len++)
        assert_int_equal(hello_status((pbts_span){ bytes, len }), PBTS_MALFORMED);
    for (size_t at = 0; at < sizeof HELLO - 1; at++) {
        for (unsigned value = 0; value < 256; value += 3) {
            bytes[at] = (uint8_t)value;
            pbts_status status = hello_status((pbts_span){ bytes, sizeof HELLO - 1 });
            assert_true(status == PBTS_OK || pbts_status_class(status) == PBTS_REJECT);
        }
        bytes[at] = (uint8_t)HELLO[at];
    }
}

/* -- messages ------------------------------------------------------------------------------ */

typedef struct {
    pbts_span bytes;
    pbts_peer_pbts_message message;
} sample;

#define RECEIPT(f, ...) .receipt = { .form = (f), .epoch = 500000, __VA_ARGS__ }

/* One of each; signatures are filled in by samples(). Pieces 0-3 and 19 of 20; pieces 0-15. */
static size_t samples(sample out[static 12]) {
    static const char BITMAP[] = "\xF0\0\x10";
    const sample ALL[] = {
        { TEXT("\0d1:x48:" S48 "e"), { .kind = PBTS_PEER_MSG_AUTH } },
        { TEXT("\1d1:ei500000e1:ii7e1:x48:" S48 "e"),
          { .kind = PBTS_PEER_MSG_RECEIPT, RECEIPT(PBTS_FORM_PIECE, .piece_index = 7) } },
        { TEXT("\1d1:ei500000e1:ii19e1:x64:" T64 "e"),
          { .kind = PBTS_PEER_MSG_RECEIPT, RECEIPT(PBTS_FORM_SESSION, .piece_index = 19) } },
        { TEXT("\1d1:b3:\xF0\0\x10"
               "1:ei500000e1:x48:" S48 "e"),
          { .kind = PBTS_PEER_MSG_RECEIPT,
            RECEIPT(PBTS_FORM_CUMULATIVE, .pieces = { false, { (const uint8_t *)BITMAP, 3 } }) } },
        { TEXT("\1d1:c3:\0\x10\x08"
               "1:ei500000e1:x48:" S48 "e"),
          { .kind = PBTS_PEER_MSG_RECEIPT,
            RECEIPT(PBTS_FORM_CUMULATIVE, .pieces = { true, TEXT("\0\x10\x08") }) } },
        { TEXT("\2d1:c3:\x01\x0A\x0D"
               "1:ei500000e1:x48:" S48 "e"),
          { .kind = PBTS_PEER_MSG_RECEIPT_BATCH,
            RECEIPT(PBTS_FORM_BATCH, .pieces = { true, TEXT("\x01\x0A\x0D") }) } },
        { TEXT("\2d1:b3:\xF0\0\x10"
               "1:ei500000e1:x48:" S48 "e"),
          { .kind = PBTS_PEER_MSG_RECEIPT_BATCH,
            RECEIPT(PBTS_FORM_BATCH, .pieces = { false, { (const uint8_t *)BITMAP, 3 } }) } },
        { TEXT("\3d1:fi2ee"),
          { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT, .request = { .form = PBTS_FORM_CUMULATIVE } } },
        { TEXT("\3d1:fi4e1:ii19ee"),
          { .kind = PBTS_PEER_MSG_REQUEST_RECEIPT,
            .request = { .form = PBTS_FORM_SESSION, .has_index = true, .piece_index = 19 } } },
        { TEXT("\4d1:ci9e1:t3:no!e"),
          { .kind = PBTS_PEER_MSG_REFUSE, .refusal = { .code = 9, .text = TEXT("no!") } } },
        { TEXT("\4d1:ci4294967295e1:t0:e"),
          { .kind = PBTS_PEER_MSG_REFUSE, .refusal = { .code = UINT32_MAX } } },
        { TEXT("\5d1:d32:" D32 "1:k33:" C33 "1:ti1800000000e1:x48:" S48 "e"),
          { .kind = PBTS_PEER_MSG_SESSION } },
    };
    memcpy(out, ALL, sizeof ALL);
    for (size_t i = 0; i < COUNT_OF(ALL); i++) {
        pbts_peer_pbts_message *m = &out[i].message;
        if (m->kind == PBTS_PEER_MSG_AUTH) m->auth = signature();
        bool is_receipt =
            m->kind == PBTS_PEER_MSG_RECEIPT || m->kind == PBTS_PEER_MSG_RECEIPT_BATCH;
        if (is_receipt && m->receipt.form != PBTS_FORM_SESSION) m->receipt.signature = signature();
        if (is_receipt && m->receipt.form == PBTS_FORM_SESSION)
            memset(m->receipt.session_signature.bytes, 't', 64);
        if (m->kind != PBTS_PEER_MSG_SESSION) continue;
        m->session.signature = signature();
        m->session.session.expires = 1800000000;
        memset(m->session.session.id, 'd', 32);
        memset(m->session.session.key.bytes, 'c', 33);
        m->session.session.key.bytes[0] = 2;
    }
    return COUNT_OF(ALL);
}

static void assert_same_receipt(const pbts_peer_receipt *found, const pbts_peer_receipt *want) {
    assert_int_equal(found->form, want->form);
    assert_int_equal(found->epoch, want->epoch);
    if (want->form == PBTS_FORM_SESSION) {
        assert_memory_equal(&found->session_signature, &want->session_signature, 64);
    } else {
        assert_memory_equal(&found->signature, &want->signature, 48);
    }
    if (want->form == PBTS_FORM_SESSION || want->form == PBTS_FORM_PIECE) {
        assert_int_equal(found->piece_index, want->piece_index);
    } else {
        assert_int_equal(found->pieces.is_runs, want->pieces.is_runs);
        assert_true(pbts_span_equal(found->pieces.bytes, want->pieces.bytes));
    }
}

static void assert_same(const pbts_peer_pbts_message *found, const pbts_peer_pbts_message *want) {
    assert_int_equal(found->kind, want->kind);
    switch (want->kind) {
    case PBTS_PEER_MSG_AUTH: assert_memory_equal(&found->auth, &want->auth, 48); return;
    case PBTS_PEER_MSG_RECEIPT:
    case PBTS_PEER_MSG_RECEIPT_BATCH: assert_same_receipt(&found->receipt, &want->receipt); return;
    case PBTS_PEER_MSG_REQUEST_RECEIPT:
        assert_int_equal(found->request.form, want->request.form);
        assert_int_equal(found->request.has_index, want->request.has_index);
        assert_int_equal(found->request.piece_index, want->request.piece_index);
        return;
    case PBTS_PEER_MSG_REFUSE:
        assert_int_equal(found->refusal.code, want->refusal.code);
        assert_true(pbts_span_equal(found->refusal.text, want->refusal.text));
        return;
    case PBTS_PEER_MSG_SESSION:
        assert_int_equal(found->session.session.expires, want->session.session.expires);
        assert_memory_equal(found->session.session.id, want->session.session.id, 32);
        assert_memory_equal(&found->session.session.key, &want->session.session.key, 33);
        assert_memory_equal(&found->session.signature, &want->session.signature, 48);
        return;
    }
}

static pbts_status status_of(pbts_span body, uint32_t piece_count) {
    pbts_peer_pbts_message found, untouched;
    memset(&found, 0x5A, sizeof found);
    memset(&untouched, 0x5A, sizeof untouched);
    uint8_t *copy = exact_copy(body);
    pbts_status status = pbts_peer_pbts_decode(&found, (pbts_span){ copy, body.len }, piece_count);
    free(copy);
    if (status != PBTS_OK) assert_memory_equal(&found, &untouched, sizeof untouched);
    return status;
}

static void messages_are_these_bytes_both_ways(void **state) {
    sample all[12];
    size_t count = samples(all);
    assert_int_equal(count, 12);
    for (size_t i = 0; i < count; i++) {
        uint8_t buffer[512];
        pbts_writer writer = pbts_writer_over(buffer, all[i].bytes.len);
        pbts_peer_pbts_encode(&writer, &all[i].message);
        assert_int_equal(writer.len, all[i].bytes.len);
        assert_memory_equal(buffer, all[i].bytes.data, writer.len);
        writer = pbts_writer_over(buffer, all[i].bytes.len - 1);
        pbts_peer_pbts_encode(&writer, &all[i].message);
        assert_int_equal(pbts_writer_status(&writer), PBTS_NO_SPACE);

        pbts_peer_pbts_message found;
        assert_int_equal(pbts_peer_pbts_decode(&found, all[i].bytes, PIECES), PBTS_OK);
        assert_same(&found, &all[i].message);
    }
}

static void a_piece_receipt_is_a_signature_and_a_few_bytes(void **state) {
    pbts_peer_pbts_message m = { .kind = PBTS_PEER_MSG_RECEIPT,
                                 RECEIPT(PBTS_FORM_PIECE, .piece_index = PBTS_PIECES_MAX - 1) };
    m.receipt.signature = signature();
    uint8_t buffer[128];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_peer_pbts_encode(&writer, &m);
    assert_int_equal(writer.len, 48 + 32);
}

static void messages_are_total_under_truncation_and_damage(void **state) {
    sample all[12];
    size_t count = samples(all);
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[256];
        size_t len = all[i].bytes.len;
        memcpy(bytes, all[i].bytes.data, len);
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(status_of((pbts_span){ bytes, cut }, PIECES), PBTS_MALFORMED);
        bytes[len] = 'e';
        assert_int_equal(status_of((pbts_span){ bytes, len + 1 }, PIECES), PBTS_MALFORMED);
        for (size_t at = 0; at < len; at++) {
            uint8_t kept = bytes[at];
            for (unsigned value = 0; value < 256; value++) {
                bytes[at] = (uint8_t)value;
                pbts_status status = status_of((pbts_span){ bytes, len }, PIECES);
                assert_true(status == PBTS_OK || pbts_status_class(status) == PBTS_REJECT);
            }
            bytes[at] = kept;
        }
    }
}

/* The body of a receipt or batch whose set is given. */
static pbts_status set_status(uint8_t kind, const char *set_field, size_t set_field_len,
                              uint32_t piece_count) {
    uint8_t bytes[256];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_u8(&writer, kind);
    pbts_write_u8(&writer, 'd');
    pbts_write_bytes(&writer, (pbts_span){ (const uint8_t *)set_field, set_field_len });
    pbts_write_text(&writer, "1:ei1e1:x48:" S48 "e");
    return status_of(pbts_writer_span(&writer), piece_count);
}
#define SET_STATUS(kind, literal, count) set_status((kind), (literal), sizeof(literal) - 1, (count))

static void sets_fit_the_torrent(void **state) {
    for (uint8_t kind = 1; kind <= 2; kind++) {
        assert_int_equal(SET_STATUS(kind, "1:b3:\xFF\xFF\xF0", 20), PBTS_OK);
        assert_int_equal(SET_STATUS(kind, "1:b3:\xFF\xFF\xF8", 20), PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "1:b2:\xFF\xFF", 20), PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "1:b4:\xFF\xFF\xF0\0", 20), PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "1:c2:\0\x14", 20), PBTS_OK);
        assert_int_equal(SET_STATUS(kind, "1:c2:\0\x15", 20), PBTS_MALFORMED); /* piece 20 */
        assert_int_equal(SET_STATUS(kind, "1:c2:\0\x11", 20), PBTS_OK); /* 3 absent go unsaid */
        assert_int_equal(SET_STATUS(kind, "1:c2:\0\x10", 20), PBTS_MALFORMED); /* 2 bytes of 3 */
        assert_int_equal(SET_STATUS(kind, "1:c3:\0\x10\x08", 20), PBTS_OK); /* spare bits absent */
        assert_int_equal(SET_STATUS(kind, "1:c3:\0\x10\x09", 20), PBTS_LIMIT); /* past its bytes */
        assert_int_equal(SET_STATUS(kind, "1:c3:\0\0\x14", 20), PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "1:c3:\x10\x81\0", 20), PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "1:c0:", 20), PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "1:c4:\1\1\1\x11", 20),
                         PBTS_MALFORMED); /* longer than b */
        assert_int_equal(SET_STATUS(kind,
                                    "1:b3:\xFF\xFF\xF0"
                                    "1:c2:\0\x14",
                                    20),
                         PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "", 20), PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "1:bi1e", 20), PBTS_MALFORMED);
        assert_int_equal(SET_STATUS(kind, "1:ci1e", 20), PBTS_MALFORMED);
    }
}

static void bad_messages_are_refused(void **state) {
    static const struct {
        const char *bytes; /* after the kind */
        uint8_t kind;
        pbts_status want;
    } CASES[] = {
        { "d1:x48:" S48 "e", 0, PBTS_OK },
        { "d1:x48:" S48 "e", 6, PBTS_MALFORMED },
        { "d1:x48:" S48 "e", 255, PBTS_MALFORMED },
        { "d1:x64:" T64 "e", 0, PBTS_MALFORMED },
        { "d1:x48:" S48 "1:z0:e", 0, PBTS_MALFORMED },
        { "d1:a0:1:x48:" S48 "e", 0, PBTS_MALFORMED },
        { "l1:x48:" S48 "e", 0, PBTS_MALFORMED },
        { "de", 0, PBTS_MALFORMED },
        { "", 0, PBTS_MALFORMED },
        { "d1:ei1e1:ii20e1:x48:" S48 "e", 1, PBTS_MALFORMED },
        { "d1:ei1e1:ii-1e1:x48:" S48 "e", 1, PBTS_MALFORMED },
        { "d1:ei-1e1:ii0e1:x48:" S48 "e", 1, PBTS_MALFORMED },
        { "d1:ii0e1:x48:" S48 "e", 1, PBTS_MALFORMED },
        { "d1:ei1e1:ii0ee", 1, PBTS_MALFORMED },
        { "d1:ei1e1:ii0e1:x32:" I32 "e", 1, PBTS_MALFORMED },
        { "d1:ei1e1:ii0e1:xi1ee", 1, PBTS_MALFORMED },
        { "d1:ei1e1:ii0e1:x48:" S48 "1:z0:e", 1, PBTS_MALFORMED },
        { "d1:ei1e1:fi1e1:ii0e1:x48:" S48 "e", 1, PBTS_MALFORMED },
        { "d1:c2:\1\1"
          "1:ei1e1:ii0e1:x48:" S48 "e",
          1, PBTS_MALFORMED },
        { "d1:c2:\1\x13"
          "1:ei1e1:x64:" T64 "e",
          1, PBTS_MALFORMED }, /* a session signs pieces */
        { "d1:ei1e1:ii0e1:x48:" S48 "e", 2, PBTS_MALFORMED },
        { "d1:c2:\1\x13"
          "1:ei1e1:x64:" T64 "e",
          2, PBTS_MALFORMED },
        { "d1:c2:\1\x13"
          "1:ei-1e1:x48:" S48 "e",
          2, PBTS_MALFORMED },
        { "d1:fi0ee", 3, PBTS_MALFORMED },
        { "d1:fi1ee", 3, PBTS_OK },
        { "d1:fi4ee", 3, PBTS_OK },
        { "d1:fi5ee", 3, PBTS_MALFORMED },
        { "d1:f1:1e", 3, PBTS_MALFORMED },
        { "d1:fi1e1:ii20ee", 3, PBTS_MALFORMED },
        { "d1:fi1e1:i1:1e", 3, PBTS_MALFORMED },
        { "d1:fi1e1:zi1ee", 3, PBTS_MALFORMED },
        { "de", 3, PBTS_MALFORMED },
        { "d1:ci4294967296e1:t0:e", 4, PBTS_MALFORMED },
        { "d1:ci1ee", 4, PBTS_MALFORMED },
        { "d1:t0:e", 4, PBTS_MALFORMED },
        { "d1:ci1e1:t1:\ne", 4, PBTS_MALFORMED }, /* a line of its own in a log */
        { "d1:ci1e1:t1:\x1b"
          "e",
          4, PBTS_MALFORMED },
        { "d1:ci1e1:t1:\x7f"
          "e",
          4, PBTS_MALFORMED },
        { "d1:ci1e1:t2:\xC3\xA4"
          "e",
          4, PBTS_MALFORMED },
        { "d1:ci1e1:t3:a\nbe", 4, PBTS_MALFORMED },
        { "d1:ci1e1:ti1ee", 4, PBTS_MALFORMED },
        { "d1:c1:11:t0:e", 4, PBTS_MALFORMED },
        { "d1:ci1e1:t2: ~e", 4, PBTS_OK },
        { "d1:d32:" D32 "1:k33:\4" X16("cc") "1:ti1e1:x48:" S48 "e", 5, PBTS_MALFORMED },
        { "d1:d32:" D32 "1:k33:\3" X16("cc") "1:ti1e1:x48:" S48 "e", 5, PBTS_OK },
        { "d1:d32:" D32 "1:k33:" C33 "1:ti-1e1:x48:" S48 "e", 5, PBTS_MALFORMED },
        { "d1:d32:" D32 "1:k33:" C33 "1:ti1e1:x64:" T64 "e", 5, PBTS_MALFORMED },
        { "d1:d32:" D32 "1:k33:" C33 "1:x48:" S48 "e", 5, PBTS_MALFORMED },
        { "d1:d33:" D32 "d1:k33:" C33 "1:ti1e1:x48:" S48 "e", 5, PBTS_MALFORMED },
        { "d1:d32:" D32 "1:k32:" D32 "1:ti1e1:x48:" S48 "e", 5, PBTS_MALFORMED },
        { "d1:d32:" D32 "1:k33:" C33 "1:ti1e1:x48:" S48 "1:z0:e", 5, PBTS_MALFORMED },
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        uint8_t bytes[256] = { CASES[i].kind };
        size_t len = strlen(CASES[i].bytes);
        memcpy(bytes + 1, CASES[i].bytes, len);
        pbts_status found = status_of((pbts_span){ bytes, 1 + len }, PIECES);
        if (found != CASES[i].want) fail_msg("case %zu: %s", i, pbts_status_name(found));
    }
    pbts_peer_pbts_message ignored;
    assert_int_equal(pbts_peer_pbts_decode(&ignored, (pbts_span){ NULL, 0 }, PIECES),
                     PBTS_MALFORMED);
}

static void a_refusal_has_at_most_200_characters(void **state) {
    for (size_t len = 200; len <= 201; len++) {
        char bytes[300] = { PBTS_PEER_MSG_REFUSE };
        int head = snprintf(bytes + 1, sizeof bytes - 1, "d1:ci1e1:t%zu:", len);
        memset(bytes + 1 + head, 'x', len);
        bytes[1 + (size_t)head + len] = 'e';
        pbts_span body = { (const uint8_t *)bytes, 1 + (size_t)head + len + 1 };
        assert_int_equal(status_of(body, PIECES), len == 200 ? PBTS_OK : PBTS_LIMIT);
    }
}

/* The largest torrent's plain set, in the longest message there is, and one byte more than that. */
static void the_largest_set_fits_a_message(void **state) {
    enum { SET_LEN = PBTS_PIECES_MAX / 8 };
    static uint8_t set[SET_LEN], body[PBTS_PEER_PBTS_LEN_MAX + 1];
    pbts_prng prng = pbts_prng_seeded(1);
    for (size_t i = 0; i < SET_LEN; i++) set[i] = (uint8_t)pbts_prng_next(&prng);
    pbts_peer_pbts_message m = { .kind = PBTS_PEER_MSG_RECEIPT,
                                 .receipt = { .form = PBTS_FORM_CUMULATIVE,
                                              .epoch = INT64_MAX,
                                              .pieces = { false, { set, SET_LEN } } } };
    m.receipt.signature = signature();
    pbts_writer writer = pbts_writer_over(body, PBTS_PEER_PBTS_LEN_MAX);
    pbts_peer_pbts_encode(&writer, &m);
    assert_int_equal(pbts_writer_status(&writer), PBTS_OK);
    assert_int_equal(status_of(pbts_writer_span(&writer), PBTS_PIECES_MAX), PBTS_OK);
    assert_int_equal(status_of((pbts_span){ body, sizeof body }, PBTS_PIECES_MAX), PBTS_LIMIT);
}

/* -- piece sets ---------------------------------------------------------------------------- */

static size_t random_set(uint8_t *set, uint32_t piece_count, pbts_prng *prng) {
    size_t len = pbts_piece_set_len(piece_count);
    memset(set, 0, len);
    bool present = pbts_prng_below(prng, 2) == 1;
    for (uint32_t at = 0; at < piece_count; present = !present) {
        uint32_t run = 1 + pbts_prng_below(prng, pbts_prng_below(prng, 8) ? 5 : 300);
        for (uint32_t i = 0; i < run && at < piece_count; i++, at++)
            if (present) pbts_piece_set_add(set, at);
    }
    return len;
}

static void sets_survive_the_wire_in_their_shorter_form(void **state) {
    pbts_prng prng = pbts_prng_seeded(4);
    size_t as_runs = 0, as_bitmap = 0;
    for (unsigned round = 0; round < 3000; round++) {
        uint8_t set[300], found[300], buffer[300], body[512];
        uint32_t piece_count = 1 + pbts_prng_below(&prng, 2000);
        size_t len = random_set(set, piece_count, &prng);
        pbts_peer_pbts_message m = { .kind = PBTS_PEER_MSG_RECEIPT,
                                     RECEIPT(PBTS_FORM_CUMULATIVE, .piece_index = 0) };
        uint8_t *copy = exact_copy((pbts_span){ set, len });
        m.receipt.pieces = pbts_peer_pieces_shortest((pbts_span){ copy, len }, buffer);
        m.receipt.signature = signature();
        assert_true(m.receipt.pieces.bytes.len < len + (m.receipt.pieces.is_runs ? 0 : 1));
        (*(m.receipt.pieces.is_runs ? &as_runs : &as_bitmap))++;
        pbts_writer writer = pbts_writer_over(body, sizeof body);
        pbts_peer_pbts_encode(&writer, &m);
        pbts_peer_pbts_message back;
        assert_int_equal(pbts_peer_pbts_decode(&back, pbts_writer_span(&writer), piece_count),
                         PBTS_OK);
        memset(found, 0x5A, sizeof found);
        pbts_peer_pieces_expand(found, piece_count, &back.receipt.pieces);
        assert_memory_equal(found, set, len);
        assert_int_equal(found[len], 0x5A);
        free(copy);
    }
    assert_true(as_runs > 500 && as_bitmap > 50);
}

/* Any runs at all: they are taken when, written out piece by piece, they are a set of the torrent.
 */
static void random_runs_are_judged_as_a_naive_twin_does(void **state) {
    pbts_prng prng = pbts_prng_seeded(8);
    size_t taken = 0;
    for (unsigned round = 0; round < 50000; round++) {
        uint32_t piece_count = 1 + pbts_prng_below(&prng, 60), at = 0, last = 0;
        size_t set_len = pbts_piece_set_len(piece_count);
        char field[64];
        uint8_t runs[8];
        size_t count = 1 + pbts_prng_below(&prng, 6);
        bool good = count <= set_len;
        for (size_t i = 0; i < count; i++) {
            runs[i] = (uint8_t)pbts_prng_below(&prng, 40);
            if (runs[i] == 0 && i > 0) good = false;
            at += runs[i];
            if (i % 2 == 1) last = at;
        }
        if (at == 0 || (at + 7) / 8 != set_len || last > piece_count) good = false;
        int head = snprintf(field, sizeof field, "1:c%zu:", count);
        memcpy(field + head, runs, count);
        pbts_status found = set_status(1, field, (size_t)head + count, piece_count);
        assert_int_equal(found == PBTS_OK, good);
        taken += good;
    }
    assert_true(taken > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_is_these_bytes_both_ways),
        cmocka_unit_test(a_limit_is_said_when_there_is_one),
        cmocka_unit_test(a_ticket_has_all_its_keys),
        cmocka_unit_test(only_known_forms_are_said),
        cmocka_unit_test(a_ticket_is_read_as_the_tracker_gives_it),
        cmocka_unit_test(a_later_version_may_say_more),
        cmocka_unit_test(bad_hellos_are_refused),
        cmocka_unit_test(a_hello_may_bring_a_membership),
        cmocka_unit_test(a_hello_has_at_most_2_kib),
        cmocka_unit_test(hellos_are_total_under_truncation_and_damage),
        cmocka_unit_test(messages_are_these_bytes_both_ways),
        cmocka_unit_test(a_piece_receipt_is_a_signature_and_a_few_bytes),
        cmocka_unit_test(messages_are_total_under_truncation_and_damage),
        cmocka_unit_test(sets_fit_the_torrent),
        cmocka_unit_test(bad_messages_are_refused),
        cmocka_unit_test(a_refusal_has_at_most_200_characters),
        cmocka_unit_test(the_largest_set_fits_a_message),
        cmocka_unit_test(sets_survive_the_wire_in_their_shorter_form),
        cmocka_unit_test(random_runs_are_judged_as_a_naive_twin_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
