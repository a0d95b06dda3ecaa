/* Links under random histories: blocks and pieces in any order, connections that break, messages
 * that get lost, doubled or damaged, and receipts that are lies. A twin that keeps a plain array of
 * what was served and stored says after every step how much more may be served. */
#include "link_kit.h"

#include "peer/book.h"

enum { PIECES = 14, STEPS = 400 };

typedef struct {
    kit *k;
    pbts_prng prng;
    pbts_book *books[2];
    uint32_t lies; /* in a thousand steps that could be one; 0: honest */
    /* As a plain program would count it. */
    uint64_t served_bytes, worth_bytes;                  /* in all */
    uint64_t billed_bytes, paid_bytes, exposure_bytes;   /* of this connection */
    uint32_t here[PIECES];                               /* served on this connection */
    bool before[PIECES];                                 /* served on an earlier one, unpaid */
    bool stored_here[PIECES], stored[PIECES];            /* a receipt is stored */
    bool received[PIECES], shared[PIECES], seen[PIECES]; /* at the receiver */
    uint64_t left_bytes;
    size_t receipts;
} history;

static uint32_t below(history *h, uint32_t bound) {
    return pbts_prng_below(&h->prng, bound);
}

static uint64_t twin_may_serve(const history *h) {
    uint64_t max = h->k->members[0].terms.exposure_max_bytes;
    pbts_exposure exposure = pbts_exposure_new(KIT_PIECE, max);
    exposure.paid_bytes = h->exposure_bytes;
    uint64_t total = 0;
    for (uint32_t i = 0; i < PIECES; i++) total += kit_size(h->k, i);
    uint64_t left = total > h->paid_bytes ? total - h->paid_bytes : 0;
    if (h->left_bytes < left) left = h->left_bytes;
    uint64_t limit = pbts_exposure_limit(&exposure, left), most = exposure.max_bytes;
    bool whole = false;
    for (uint32_t i = 0; i < PIECES; i++) {
        whole = whole || (h->here[i] >= kit_size(h->k, i) && !h->stored_here[i]);
    }
    if (!whole) {
        limit += KIT_PIECE;
        most += KIT_PIECE;
    }
    uint64_t lent = h->billed_bytes > h->paid_bytes ? h->billed_bytes - h->paid_bytes : 0;
    uint64_t owed = h->served_bytes > h->worth_bytes ? h->served_bytes - h->worth_bytes : 0;
    uint64_t a = limit > lent ? limit - lent : 0, b = most > owed ? most - owed : 0;
    return a < b ? a : b;
}

/* ---- what may happen ---- */

static void serve(history *h) {
    uint32_t piece = below(h, PIECES), block = 1 + below(h, 16384);
    uint64_t may = pbts_link_may_serve_bytes(kit_link(h->k, 0));
    if (below(h, 4) != 0) { /* mostly what a client would do: the rest of a piece in blocks */
        while (piece > 0 && h->here[piece - 1] < kit_size(h->k, piece - 1)) piece--;
        if (h->here[piece] < kit_size(h->k, piece)) block = kit_size(h->k, piece) - h->here[piece];
        if (block > 16384) block = 16384;
    }
    if (block > may) block = (uint32_t)may;
    if (block == 0) return;
    pbts_link_served(kit_link(h->k, 0), piece, block, h->k->now);
    h->served_bytes += block;
    h->billed_bytes += block;
    /* Once its receipt is on the way, more of the piece is on no bill. */
    h->here[piece] += block;
}

static void arrive(history *h) {
    uint32_t piece = below(h, PIECES);
    if (h->seen[piece] || h->here[piece] == 0) return;
    bool whole = h->here[piece] >= kit_size(h->k, piece);
    if (whole && below(h, 8) != 0) {
        h->seen[piece] = true;
        h->received[piece] =
            pbts_link_piece_received(kit_link(h->k, 1), piece, h->k->now) == PBTS_OK;
    } else if (!whole && below(h, 8) == 0) {
        h->seen[piece] = h->shared[piece] = true;
        pbts_link_piece_shared(kit_link(h->k, 1), piece, h->here[piece], h->k->now);
    }
}

static void damage(history *h, kit_end *end) {
    if (end->count == 0) return;
    uint32_t at = below(h, (uint32_t)end->count);
    switch (below(h, 4)) {
    case 0: /* lost */
        free(end->queue[at].bytes);
        end->count--;
        memmove(&end->queue[at], &end->queue[at + 1], (end->count - at) * sizeof end->queue[0]);
        break;
    case 1: /* doubled */
        kit_push(end, (pbts_span){ end->queue[at].bytes, end->queue[at].len });
        break;
    case 2: /* a bit */
        end->queue[at].bytes[below(h, (uint32_t)end->queue[at].len)] ^=
            (uint8_t)(1u << below(h, 8));
        break;
    default: /* cut */ end->queue[at].len = below(h, (uint32_t)end->queue[at].len + 1); break;
    }
}

static void lie(history *h) {
    uint8_t set[KIT_SET_MAX] = { 0 };
    uint32_t pieces = 1 + below(h, 4);
    for (uint32_t i = 0; i < pieces; i++) pbts_piece_set_add(set, below(h, PIECES));
    pbts_receipt_form form = (pbts_receipt_form)(1 + below(h, 3));
    const pbts_bls_secret *secret = &h->k->members[below(h, 8) == 0 ? 2 : 1].secret;
    kit_sign(h->k, form, kit_epoch(h->k) + (below(h, 8) == 0), set, secret);
}

static void begin_connection(history *h) {
    memset(h->here, 0, sizeof h->here);
    memset(h->stored_here, 0, sizeof h->stored_here);
    h->billed_bytes = h->paid_bytes = h->exposure_bytes = 0;
    h->left_bytes = pbts_metainfo_total_bytes(h->k->meta);
    kit_open(h->k);
    kit_hello(h->k, 0);
    kit_hello(h->k, 1);
    kit_talk(h->k);
}

/* What the records that were stored since the last look are worth. */
static void look_at_records(history *h) {
    const kit_end *end = &h->k->ends[0];
    for (; h->receipts < end->record_count; h->receipts++) {
        for (uint32_t i = 0; i < PIECES; i++) {
            if (!pbts_piece_set_has(end->records[h->receipts].set, i)) continue;
            if (h->stored_here[i]) continue;             /* a set that grew */
            assert_true(h->here[i] > 0 || h->before[i]); /* nothing that was not served */
            h->stored_here[i] = true;
            uint32_t worth = h->stored[i] ? 0 : kit_size(h->k, i);
            h->stored[i] = true;
            h->before[i] = false;
            h->worth_bytes += worth;
            h->exposure_bytes += worth;
            if (h->here[i] > 0) h->paid_bytes += worth;
        }
    }
}

static void end_connection(history *h) {
    pbts_link_end(kit_link(h->k, 0));
    kit_store(h->k, 0);
    look_at_records(h);
    for (uint32_t i = 0; i < PIECES; i++) {
        h->before[i] = h->before[i] || (h->here[i] > 0 && !h->stored_here[i]);
        h->seen[i] = h->stored[i];
    }
    kit_disconnect(h->k);
}

static void check(history *h) {
    look_at_records(h);
    uint64_t max = h->k->members[0].terms.exposure_max_bytes;
    assert_true(h->k->ends[0].stored_bytes == h->worth_bytes);
    assert_true(h->served_bytes <= h->worth_bytes + max + KIT_PIECE);
    if (pbts_link_state_of(kit_link(h->k, 0)) == PBTS_LINK_READY) {
        assert_true(pbts_link_may_serve_bytes(kit_link(h->k, 0)) == twin_may_serve(h));
    }
    pbts_book_stats stats;
    pbts_book_stats_read(h->books[0], &stats);
    uint64_t owed = h->served_bytes > h->worth_bytes ? h->served_bytes - h->worth_bytes : 0;
    assert_true(stats.owed_to_us_bytes == owed);
}

static void pass(history *h) {
    kit_pass(h->k, below(h, 3) == 0 ? below(h, 20000) : below(h, 200));
    if (below(h, 40) == 0) {
        kit_talk(h->k); /* what is on its way for longer than the clocks may differ is refused */
        h->k->now.unix_s += 1800;
    }
    if (below(h, 4) == 0) {
        h->left_bytes = below(h, PIECES * KIT_PIECE);
        pbts_link_set_other_left(kit_link(h->k, 0), h->left_bytes);
        pbts_link_set_own_left(kit_link(h->k, 1), h->left_bytes);
    }
}

static void step(history *h) {
    uint32_t what = below(h, 100);
    kit *k = h->k;
    if (what < 40) {
        serve(h);
    } else if (what < 60) {
        arrive(h);
    } else if (what < 75) {
        unsigned from = below(h, 2);
        kit_say(k, from);
        if (below(h, 1000) < h->lies) damage(h, &k->ends[from]);
        for (uint32_t n = below(h, 6); n > 0 && kit_hear(k, from); n--) {
        }
    } else if (what < 85) {
        pass(h);
    } else if (what < 94) {
        kit_store(k, 0);
    } else if (what < 96) {
        if (below(h, 1000) < h->lies) lie(h);
    } else if (what < 97) {
        end_connection(h);
        begin_connection(h);
    }
}

static bool is_over(const history *h) {
    return pbts_link_state_of(kit_link(h->k, 0)) == PBTS_LINK_REFUSED ||
           pbts_link_state_of(kit_link(h->k, 1)) == PBTS_LINK_REFUSED;
}

static history *begin(uint64_t seed, uint32_t lies) {
    history *h = calloc(1, sizeof *h);
    assert_non_null(h);
    h->k = kit_new_of(PIECES, PBTS_TORRENT_V1, seed);
    h->prng = pbts_prng_seeded(seed);
    h->lies = lies;
    for (unsigned i = 0; i < 2; i++) {
        pbts_link_terms *terms = &h->k->members[i].terms;
        assert_int_equal(pbts_book_new(&h->books[i], pbts_mem_system()), PBTS_OK);
        terms->book = h->books[i];
        terms->form_given = (pbts_receipt_form)(1 + below(h, 4));
        terms->schedule = below(h, 4) == 0 ? PBTS_SCHEDULE_PAPER : PBTS_SCHEDULE_EXPOSURE;
        terms->exposure_max_bytes = (1 + below(h, 8)) * KIT_PIECE;
        terms->batch_pieces = 1 + below(h, 5);
        if (lies == 0) terms->receipt_timeout_ms = 3600 * 1000; /* we let messages lie about */
    }
    begin_connection(h);
    return h;
}

static void end(history *h) {
    kit_free(h->k);
    for (unsigned i = 0; i < 2; i++) pbts_book_free(h->books[i]);
    free(h);
}

/* Every piece that came is paid for in the end, on whatever connection. */
static void settle_all(history *h) {
    for (int i = 0; i < 4; i++) {
        end_connection(h);
        begin_connection(h);
        pbts_link_sign_all(kit_link(h->k, 1));
        kit_settle(h->k);
        check(h);
    }
    for (uint32_t i = 0; i < PIECES; i++) {
        if (h->received[i] && !h->shared[i]) assert_true(h->stored[i]);
    }
}

static void honest_peers_never_refuse_and_pay_for_everything(void **state) {
    for (uint64_t seed = 1; seed <= 60; seed++) {
        history *h = begin(seed, 0);
        for (int i = 0; i < STEPS; i++) {
            step(h);
            check(h);
            assert_false(is_over(h));
        }
        settle_all(h);
        assert_false(is_over(h));
        end(h);
    }
}

static void liars_get_no_more_than_the_limit(void **state) {
    unsigned refused = 0;
    for (uint64_t seed = 1000; seed < 1300; seed++) {
        history *h = begin(seed, 1 << (seed % 10));
        int i = 0;
        for (; i < STEPS && !is_over(h); i++) {
            step(h);
            check(h);
        }
        refused += is_over(h);
        pbts_link_end(kit_link(h->k, 0));
        kit_store(h->k, 0);
        check(h);
        end(h);
    }
    assert_true(refused > 100 && refused < 300); /* both ways of ending were seen */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_peers_never_refuse_and_pay_for_everything),
        cmocka_unit_test(liars_get_no_more_than_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
