/* Keys, torrents, and words. */
#include "api/api_parts.h"
#include "base/assert.h"
#include "base/secret.h"

const char *libpbts_version(void) {
    return PBTS_VERSION;
}

libpbts_result pbts_api_result(pbts_status status) {
    switch (status) {
    case PBTS_OK: return LIBPBTS_OK;
    case PBTS_NO_MEMORY: return LIBPBTS_NO_MEMORY;
    case PBTS_LIMIT: return LIBPBTS_LIMIT;
    case PBTS_DENIED: return LIBPBTS_DENIED;
    case PBTS_NOT_FOUND: return LIBPBTS_NOT_FOUND;
    case PBTS_EXISTS: return LIBPBTS_EXISTS;
    case PBTS_NO_SPACE: return LIBPBTS_NO_SPACE;
    case PBTS_CORRUPT: return LIBPBTS_CORRUPT;
    case PBTS_IO: return LIBPBTS_NO_RANDOM; /* the only system call behind this library */
    default: return LIBPBTS_MALFORMED;
    }
}

const char *libpbts_result_text(libpbts_result result) {
    static const char *const texts[] = {
        [LIBPBTS_OK] = "success",
        [LIBPBTS_NO_MEMORY] = "allocation failed",
        [LIBPBTS_MALFORMED] = "input breaks the format",
        [LIBPBTS_LIMIT] = "input exceeds a stated limit",
        [LIBPBTS_DENIED] = "not in this state",
        [LIBPBTS_NOT_FOUND] = "no such thing",
        [LIBPBTS_EXISTS] = "already exists",
        [LIBPBTS_NO_SPACE] = "the buffer is too small",
        [LIBPBTS_CORRUPT] = "stored data fails its check",
        [LIBPBTS_NO_RANDOM] = "the system gives no random numbers",
    };
    bool known = (unsigned)result < sizeof texts / sizeof texts[0];
    return known ? texts[result] : "unknown result";
}

/* ---- keys ---- */

static libpbts_result key_new(libpbts_key **out, const pbts_bls_secret *secret) {
    libpbts_key *key = pbts_alloc(pbts_mem_system(), sizeof *key);
    if (key == NULL) return LIBPBTS_NO_MEMORY;
    key->secret = *secret;
    pbts_bls_public_of(&key->key, &key->secret);
    *out = key;
    return LIBPBTS_OK;
}

libpbts_result libpbts_key_generate(libpbts_key **out) {
    pbts_bls_secret secret;
    pbts_status status = pbts_bls_generate(&secret, pbts_random_system());
    if (status != PBTS_OK) return pbts_api_result(status);
    libpbts_result result = key_new(out, &secret);
    pbts_wipe(&secret, sizeof secret);
    return result;
}

libpbts_result libpbts_key_load(libpbts_key **out, const uint8_t bytes[LIBPBTS_SECRET_LEN]) {
    pbts_bls_secret secret;
    memcpy(secret.bytes, bytes, sizeof secret.bytes);
    libpbts_result result = pbts_api_result(pbts_bls_secret_check(&secret));
    if (result == LIBPBTS_OK) result = key_new(out, &secret);
    pbts_wipe(&secret, sizeof secret);
    return result;
}

void libpbts_key_free(libpbts_key *key) {
    if (key == NULL) return;
    pbts_wipe(key, sizeof *key);
    pbts_release(pbts_mem_system(), key);
}

void libpbts_key_secret(const libpbts_key *key, uint8_t out[LIBPBTS_SECRET_LEN]) {
    memcpy(out, key->secret.bytes, sizeof key->secret.bytes);
}

void libpbts_key_public(const libpbts_key *key, uint8_t out[LIBPBTS_PUBLIC_LEN]) {
    memcpy(out, key->key.bytes, sizeof key->key.bytes);
}

static void sign(uint8_t signature[LIBPBTS_SIGNATURE_LEN], const libpbts_key *key,
                 pbts_bls_purpose purpose, const pbts_writer *message) {
    pbts_bls_signature out;
    assert(!message->failed);
    pbts_bls_sign(&out, &key->secret, purpose, pbts_writer_span(message));
    memcpy(signature, out.bytes, sizeof out.bytes);
}

libpbts_result libpbts_key_sign_register(const libpbts_key *key,
                                         uint8_t signature[LIBPBTS_SIGNATURE_LEN],
                                         const uint8_t instance[LIBPBTS_INSTANCE_LEN],
                                         const char *uid) {
    uint8_t bytes[PBTS_MESSAGE_MAX];
    pbts_writer message = pbts_writer_over(bytes, sizeof bytes);
    if (!pbts_uid_is_valid(pbts_span_text(uid))) return LIBPBTS_MALFORMED;
    pbts_message_register(&message, instance, &key->key, pbts_span_text(uid));
    sign(signature, key, PBTS_BLS_REGISTER, &message);
    return LIBPBTS_OK;
}

void libpbts_key_sign_announce(const libpbts_key *key, uint8_t signature[LIBPBTS_SIGNATURE_LEN],
                               const uint8_t instance[LIBPBTS_INSTANCE_LEN],
                               const uint8_t infohash[LIBPBTS_INFOHASH_LEN], int event,
                               uint64_t unix_s) {
    uint8_t bytes[PBTS_MESSAGE_MAX];
    pbts_writer message = pbts_writer_over(bytes, sizeof bytes);
    assert(event >= 0 && event <= UINT8_MAX);
    pbts_message_announce(&message, instance, &key->key, infohash, (uint8_t)event, unix_s);
    sign(signature, key, PBTS_BLS_ANNOUNCE, &message);
}

/* ---- torrents ---- */

libpbts_result libpbts_torrent_parse(libpbts_torrent **out, const void *bytes, size_t len) {
    libpbts_torrent *torrent = pbts_alloc(pbts_mem_system(), sizeof *torrent);
    if (torrent == NULL) return LIBPBTS_NO_MEMORY;
    pbts_status status =
        pbts_metainfo_parse(&torrent->meta, NULL, pbts_mem_system(), pbts_api_span(bytes, len));
    if (status != PBTS_OK) {
        pbts_release(pbts_mem_system(), torrent);
        return pbts_api_result(status);
    }
    torrent->torrent.meta = torrent->meta;
    memcpy(torrent->torrent.infohash, pbts_metainfo_infohash(torrent->meta), PBTS_INFOHASH_LEN);
    *out = torrent;
    return LIBPBTS_OK;
}

void libpbts_torrent_free(libpbts_torrent *torrent) {
    if (torrent == NULL) return;
    pbts_metainfo_free(torrent->meta);
    pbts_release(pbts_mem_system(), torrent);
}

void libpbts_torrent_infohash(const libpbts_torrent *torrent, uint8_t out[LIBPBTS_INFOHASH_LEN]) {
    memcpy(out, torrent->torrent.infohash, sizeof torrent->torrent.infohash);
}

uint32_t libpbts_torrent_pieces(const libpbts_torrent *torrent) {
    return pbts_metainfo_piece_count(torrent->meta);
}

uint32_t libpbts_torrent_piece_bytes(const libpbts_torrent *torrent, uint32_t piece) {
    assert(piece < pbts_metainfo_piece_count(torrent->meta));
    return pbts_metainfo_piece_bytes(torrent->meta, piece);
}
