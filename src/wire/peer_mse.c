/* Both ends of the handshake as one machine of steps. A step names how many bytes it wants; they
 * are gathered and the step is taken, so that a byte that is not the handshake's is never touched.
 *
 *   initiator: KEY -> SYNC (on E(VC)) -> SELECT -> PAD -> done
 *   responder: DETECT -> KEY -> SYNC (on H("req1" S)) -> TORRENT -> PROVIDE -> PAD -> INITIAL ->
 * done
 */
#include "wire/peer_mse.h"

#include "base/assert.h"
#include "base/secret.h"
#include "hash/dh.h"
#include "hash/sha.h"
#include "wire/bytes.h"
#include "wire/peer_message.h"

enum {
    VC_LEN = 8,
    SELECT_LEN = 4 + 2,           /* method, length of PadD */
    PROVIDE_LEN = VC_LEN + 4 + 2, /* VC, methods, length of PadC */
    RC4_DROPPED_LEN = 1024,
    SYNC_LEN_MAX = PBTS_MSE_PAD_MAX + PBTS_SHA1_LEN, /* padding, then the longer mark */
    /* All that one end ever sends, so that nothing depends on when it is fetched: the initiator's
     * key, two hashes, methods, two lengths and IA. */
    SENDING_LEN_MAX = PBTS_DH_LEN + PBTS_MSE_PAD_MAX + 2 * PBTS_SHA1_LEN + PROVIDE_LEN + 2 +
                      PBTS_MSE_INITIAL_LEN_MAX,
};

typedef enum {
    STEP_DETECT,
    STEP_KEY,
    STEP_SYNC,
    STEP_TORRENT,
    STEP_PROVIDE,
    STEP_SELECT,
    STEP_PAD,
    STEP_INITIAL,
    STEP_END,
} mse_step;

/* Invariant: gathered_len <= wanted_len <= sizeof gathered, or step is STEP_END. */
struct pbts_mse {
    const pbts_mse_config *config;
    const pbts_mse_torrent *torrents;
    size_t torrent_count;
    const pbts_mse_torrent *torrent; /* the connection's, once known */
    bool is_initiator;
    pbts_mse_state state;
    pbts_status failure; /* PBTS_OK, or why it FAILED */
    mse_step step;
    pbts_dh_secret secret;
    uint8_t shared[PBTS_DH_LEN];
    pbts_rc4 incoming, outgoing;
    unsigned method;             /* what was selected */
    unsigned offered;            /* responder: what the other end can do */
    uint8_t mark[PBTS_SHA1_LEN]; /* what ends the other's padding */
    size_t mark_len;
    size_t gathered_len, wanted_len;
    uint8_t gathered[PBTS_MSE_INITIAL_LEN_MAX];
    size_t initial_len; /* initiator: in `initial`, to send. Responder: in `gathered` */
    uint8_t initial[PBTS_MSE_INITIAL_LEN_MAX];
    pbts_writer output; /* over `sending`; len 0: nothing to send */
    uint8_t sending[SENDING_LEN_MAX];
};
_Static_assert((int)PBTS_MSE_INITIAL_LEN_MAX >= (int)SYNC_LEN_MAX, "the longest step fits");

/* -- hashes -------------------------------------------------------------------------------- */

/* SHA-1 over a tag of four letters and up to two more fields. */
static void tagged_hash(uint8_t out[static PBTS_SHA1_LEN], const char *tag, pbts_span first,
                        pbts_span second) {
    pbts_sha1_state state;
    pbts_sha1_init(&state);
    pbts_sha1_update(&state, pbts_span_text(tag));
    pbts_sha1_update(&state, first);
    pbts_sha1_update(&state, second);
    pbts_sha1_final(&state, out);
    pbts_wipe(&state, sizeof state);
}

static const pbts_span NOTHING = { NULL, 0 };

pbts_mse_torrent pbts_mse_torrent_of(const uint8_t infohash[static PBTS_INFOHASH_LEN]) {
    pbts_mse_torrent torrent;
    pbts_span key = { infohash, PBTS_INFOHASH_LEN };
    memcpy(torrent.infohash, infohash, PBTS_INFOHASH_LEN);
    tagged_hash(torrent.req2_hash, "req2", key, NOTHING);
    return torrent;
}

/* H("req3" S) mixed into H("req2" SKEY), or out of it. */
static void mask_req2(uint8_t hash[static PBTS_SHA1_LEN], const pbts_mse *mse) {
    uint8_t mask[PBTS_SHA1_LEN];
    tagged_hash(mask, "req3", PBTS_SPAN_OF(mse->shared), NOTHING);
    for (size_t i = 0; i < PBTS_SHA1_LEN; i++) hash[i] ^= mask[i];
}

static void start_cipher(pbts_rc4 *cipher, const char *tag, const pbts_mse *mse) {
    uint8_t key[PBTS_SHA1_LEN];
    tagged_hash(key, tag, PBTS_SPAN_OF(mse->shared), PBTS_SPAN_OF(mse->torrent->infohash));
    pbts_rc4_init(cipher, PBTS_SPAN_OF(key));
    pbts_rc4_skip(cipher, RC4_DROPPED_LEN);
    pbts_wipe(key, sizeof key);
}

static void start_ciphers(pbts_mse *mse) {
    start_cipher(&mse->outgoing, mse->is_initiator ? "keyA" : "keyB", mse);
    start_cipher(&mse->incoming, mse->is_initiator ? "keyB" : "keyA", mse);
}

static void decrypt_gathered(pbts_mse *mse) {
    pbts_rc4_crypt(&mse->incoming, mse->gathered, mse->gathered, mse->gathered_len);
}

/* -- making -------------------------------------------------------------------------------- */

static void want(pbts_mse *mse, mse_step step, size_t len) {
    mse->step = step;
    mse->gathered_len = 0;
    mse->wanted_len = len;
}

static void end(pbts_mse *mse, pbts_mse_state state) {
    mse->state = state;
    mse->step = STEP_END;
}

/* Our public key and padding of a random length. */
static pbts_status write_key(pbts_mse *mse) {
    uint8_t public_key[PBTS_DH_LEN], length[4], pad[PBTS_MSE_PAD_MAX];
    PBTS_TRY(pbts_random_fill(mse->config->random, mse->secret.bytes, sizeof mse->secret.bytes));
    PBTS_TRY(pbts_random_fill(mse->config->random, length, sizeof length));
    PBTS_TRY(pbts_random_fill(mse->config->random, pad, sizeof pad));
    PBTS_TRY(pbts_dh_public(public_key, &mse->secret));
    size_t pad_len = pbts_be32_at(length) % (PBTS_MSE_PAD_MAX + 1);
    pbts_write_bytes(&mse->output, PBTS_SPAN_OF(public_key));
    pbts_write_bytes(&mse->output, (pbts_span){ pad, pad_len });
    return PBTS_OK;
}

static pbts_mse *make(const pbts_mse_config *config, bool is_initiator) {
    assert((config->methods & (PBTS_MSE_PLAINTEXT | PBTS_MSE_RC4)) != 0);
    pbts_mse *mse = pbts_alloc(config->mem, sizeof *mse);
    if (mse == NULL) return NULL;
    mse->config = config;
    mse->is_initiator = is_initiator;
    mse->output = pbts_writer_over(mse->sending, sizeof mse->sending);
    return mse;
}

pbts_status pbts_mse_new_initiator(pbts_mse **out, const pbts_mse_config *config,
                                   const pbts_mse_torrent *torrent, pbts_span initial) {
    assert(initial.len <= PBTS_MSE_INITIAL_LEN_MAX);
    pbts_mse *mse = make(config, true);
    if (mse == NULL) return PBTS_NO_MEMORY;
    mse->torrent = torrent;
    mse->initial_len = initial.len;
    if (initial.len > 0) memcpy(mse->initial, initial.data, initial.len);
    want(mse, STEP_KEY, PBTS_DH_LEN);
    pbts_status status = write_key(mse);
    if (status == PBTS_OK)
        *out = mse;
    else
        pbts_mse_free(mse);
    return status;
}

pbts_status pbts_mse_new_responder(pbts_mse **out, const pbts_mse_config *config,
                                   const pbts_mse_torrent *torrents, size_t count) {
    pbts_mse *mse = make(config, false);
    if (mse == NULL) return PBTS_NO_MEMORY;
    mse->torrents = torrents;
    mse->torrent_count = count;
    want(mse, STEP_DETECT, 1);
    *out = mse;
    return PBTS_OK;
}

void pbts_mse_free(pbts_mse *mse) {
    if (mse == NULL) return;
    pbts_mem *mem = mse->config->mem;
    pbts_wipe(mse, sizeof *mse);
    pbts_release(mem, mse);
}

/* -- both ends ----------------------------------------------------------------------------- */

/* A handshake's first bytes are more likely those of "BitTorrent protocol" in the clear than a
 * public key that begins so. */
static pbts_status take_detect(pbts_mse *mse) {
    static const char LEGACY[] = "\x13"
                                 "BitTorrent protocol";
    if (memcmp(mse->gathered, LEGACY, mse->gathered_len) != 0) {
        mse->step = STEP_KEY; /* what was gathered is its beginning */
        mse->wanted_len = PBTS_DH_LEN;
        return PBTS_OK;
    }
    mse->wanted_len = mse->gathered_len + 1;
    if (mse->gathered_len < PBTS_PEER_HANDSHAKE_PREFIX_LEN) return PBTS_OK;
    if (!mse->config->takes_legacy) return PBTS_DENIED;
    mse->initial_len = mse->gathered_len;
    end(mse, PBTS_MSE_LEGACY);
    return PBTS_OK;
}

/* The initiator's third message; from here on both ciphers run. */
static void write_third(pbts_mse *mse) {
    uint8_t hash[PBTS_SHA1_LEN];
    tagged_hash(hash, "req1", PBTS_SPAN_OF(mse->shared), NOTHING);
    pbts_write_bytes(&mse->output, PBTS_SPAN_OF(hash));
    memcpy(hash, mse->torrent->req2_hash, sizeof hash);
    mask_req2(hash, mse);
    pbts_write_bytes(&mse->output, PBTS_SPAN_OF(hash));

    uint8_t *encrypted = mse->output.data + mse->output.len;
    pbts_write_u64(&mse->output, 0); /* VC */
    pbts_write_u32(&mse->output, mse->config->methods & (PBTS_MSE_PLAINTEXT | PBTS_MSE_RC4));
    pbts_write_u16(&mse->output, 0); /* PadC */
    pbts_write_u16(&mse->output, (uint16_t)mse->initial_len);
    pbts_write_bytes(&mse->output, (pbts_span){ mse->initial, mse->initial_len });
    assert(pbts_writer_status(&mse->output) == PBTS_OK);
    size_t len = (size_t)(mse->output.data + mse->output.len - encrypted);
    pbts_rc4_crypt(&mse->outgoing, encrypted, encrypted, len);
}

/* The other's public key. What ends its padding is known now. */
static pbts_status take_key(pbts_mse *mse) {
    if (!mse->is_initiator) PBTS_TRY(write_key(mse));
    PBTS_TRY(pbts_dh_shared(mse->shared, &mse->secret, mse->gathered));
    if (mse->is_initiator) {
        start_ciphers(mse);
        write_third(mse);
        memset(mse->mark, 0, VC_LEN);
        pbts_rc4_crypt(&mse->incoming, mse->mark, mse->mark, VC_LEN);
        mse->mark_len = VC_LEN;
    } else {
        tagged_hash(mse->mark, "req1", PBTS_SPAN_OF(mse->shared), NOTHING);
        mse->mark_len = PBTS_SHA1_LEN;
    }
    want(mse, STEP_SYNC, mse->mark_len);
    return PBTS_OK;
}

static pbts_status take_sync(pbts_mse *mse) {
    size_t pad_len = mse->gathered_len - mse->mark_len;
    if (memcmp(mse->gathered + pad_len, mse->mark, mse->mark_len) == 0) {
        if (mse->is_initiator)
            want(mse, STEP_SELECT, SELECT_LEN);
        else
            want(mse, STEP_TORRENT, PBTS_SHA1_LEN);
        return PBTS_OK;
    }
    if (pad_len == PBTS_MSE_PAD_MAX) return PBTS_LIMIT;
    mse->wanted_len++;
    return PBTS_OK;
}

/* -- initiator ----------------------------------------------------------------------------- */

static pbts_status take_select(pbts_mse *mse) {
    decrypt_gathered(mse);
    uint32_t method = pbts_be32_at(mse->gathered);
    uint16_t pad_len = pbts_be16_at(mse->gathered + 4);
    if (method != PBTS_MSE_PLAINTEXT && method != PBTS_MSE_RC4) return PBTS_MALFORMED;
    if ((method & mse->config->methods) == 0) return PBTS_DENIED;
    if (pad_len > PBTS_MSE_PAD_MAX) return PBTS_LIMIT;
    mse->method = method;
    want(mse, STEP_PAD, pad_len);
    return PBTS_OK;
}

/* -- responder ----------------------------------------------------------------------------- */

static pbts_status take_torrent(pbts_mse *mse) {
    mask_req2(mse->gathered, mse);
    for (size_t i = 0; i < mse->torrent_count && mse->torrent == NULL; i++) {
        if (memcmp(mse->torrents[i].req2_hash, mse->gathered, PBTS_SHA1_LEN) == 0)
            mse->torrent = &mse->torrents[i];
    }
    if (mse->torrent == NULL) return PBTS_NOT_FOUND;
    start_ciphers(mse);
    want(mse, STEP_PROVIDE, PROVIDE_LEN);
    return PBTS_OK;
}

static pbts_status take_provide(pbts_mse *mse) {
    static const uint8_t VC[VC_LEN] = { 0 };
    decrypt_gathered(mse);
    if (memcmp(mse->gathered, VC, VC_LEN) != 0) return PBTS_MALFORMED;
    mse->offered = pbts_be32_at(mse->gathered + VC_LEN) & mse->config->methods &
                   (PBTS_MSE_PLAINTEXT | PBTS_MSE_RC4);
    uint16_t pad_len = pbts_be16_at(mse->gathered + VC_LEN + 4);
    if (mse->offered == 0) return PBTS_DENIED;
    if (pad_len > PBTS_MSE_PAD_MAX) return PBTS_LIMIT;
    want(mse, STEP_PAD, pad_len + 2u); /* and the length of IA */
    return PBTS_OK;
}

/* The responder's last message. */
static void write_fourth(pbts_mse *mse) {
    bool both = mse->offered == (PBTS_MSE_PLAINTEXT | PBTS_MSE_RC4);
    mse->method = both ? mse->config->preferred : mse->offered;
    assert(mse->method == PBTS_MSE_PLAINTEXT || mse->method == PBTS_MSE_RC4);
    uint8_t *encrypted = mse->output.data + mse->output.len;
    pbts_write_u64(&mse->output, 0); /* VC */
    pbts_write_u32(&mse->output, mse->method);
    pbts_write_u16(&mse->output, 0); /* PadD */
    assert(pbts_writer_status(&mse->output) == PBTS_OK);
    pbts_rc4_crypt(&mse->outgoing, encrypted, encrypted, VC_LEN + SELECT_LEN);
}

static pbts_status take_initial(pbts_mse *mse) {
    decrypt_gathered(mse);
    mse->initial_len = mse->gathered_len;
    write_fourth(mse);
    end(mse, PBTS_MSE_DONE);
    return PBTS_OK;
}

static pbts_status take_pad(pbts_mse *mse) {
    decrypt_gathered(mse);
    if (mse->is_initiator) {
        mse->initial_len = 0;
        end(mse, PBTS_MSE_DONE);
        return PBTS_OK;
    }
    uint16_t initial_len = pbts_be16_at(mse->gathered + mse->gathered_len - 2);
    if (initial_len > PBTS_MSE_INITIAL_LEN_MAX) return PBTS_LIMIT;
    want(mse, STEP_INITIAL, initial_len);
    return PBTS_OK;
}

/* -- the machine --------------------------------------------------------------------------- */

static pbts_status take_step(pbts_mse *mse) {
    switch (mse->step) {
    case STEP_DETECT: return take_detect(mse);
    case STEP_KEY: return take_key(mse);
    case STEP_SYNC: return take_sync(mse);
    case STEP_TORRENT: return take_torrent(mse);
    case STEP_PROVIDE: return take_provide(mse);
    case STEP_SELECT: return take_select(mse);
    case STEP_PAD: return take_pad(mse);
    case STEP_INITIAL: return take_initial(mse);
    case STEP_END: break;
    }
    assert(!"a handshake that ended takes no step");
    return PBTS_MALFORMED;
}

/* Take what the step misses from the front of `bytes`; whether it has all now. */
static bool gather(pbts_mse *mse, pbts_span *bytes) {
    size_t missing = mse->wanted_len - mse->gathered_len;
    size_t len = bytes->len < missing ? bytes->len : missing;
    if (len > 0) {
        memcpy(mse->gathered + mse->gathered_len, bytes->data, len);
        mse->gathered_len += len;
        *bytes = (pbts_span){ bytes->data + len, bytes->len - len };
    }
    return len == missing;
}

pbts_status pbts_mse_receive(pbts_mse *mse, size_t *used_len, pbts_span bytes) {
    pbts_span rest = bytes;
    pbts_status status = mse->failure; /* PBTS_OK so far, or for good what it was */
    while (status == PBTS_OK && mse->step != STEP_END && gather(mse, &rest)) {
        status = take_step(mse);
    }
    if (status == PBTS_OK) {
        *used_len = bytes.len - rest.len;
        return PBTS_OK;
    }
    mse->failure = status;
    mse->output.len = 0;
    end(mse, PBTS_MSE_FAILED);
    return status;
}

pbts_mse_state pbts_mse_state_of(const pbts_mse *mse) {
    return mse->state;
}

bool pbts_mse_next_send(pbts_mse *mse, pbts_span *out) {
    if (mse->output.len == 0) return false;
    *out = pbts_writer_span(&mse->output);
    mse->output.len = 0; /* the bytes stay until something is written again */
    return true;
}

void pbts_mse_finish(const pbts_mse *mse, pbts_mse_result *out) {
    assert(mse->state == PBTS_MSE_DONE);
    out->method = mse->method;
    out->infohash = mse->torrent->infohash;
    if (mse->method != PBTS_MSE_RC4) return;
    out->incoming = mse->incoming;
    out->outgoing = mse->outgoing;
}

pbts_span pbts_mse_initial(const pbts_mse *mse) {
    assert(mse->state == PBTS_MSE_DONE || mse->state == PBTS_MSE_LEGACY);
    return (pbts_span){ mse->gathered, mse->initial_len };
}
