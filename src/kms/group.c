#include "kms/group.h"

#include "base/assert.h"
#include "base/secret.h"
#include "codec/bencode.h"

pbts_status pbts_kms_group_init(pbts_kms_group *out, size_t threshold, const pbts_bls_public *keys,
                                size_t nodes) {
    pbts_kms_group group = { .nodes = nodes, .threshold = threshold };
    uint8_t counts[2] = { (uint8_t)threshold, (uint8_t)nodes };
    pbts_sha256_state state;
    if (threshold < 1 || nodes > PBTS_KMS_NODES_MAX || nodes + 1 < 2 * threshold) return PBTS_LIMIT;
    pbts_sha256_init(&state);
    pbts_sha256_update(&state, pbts_span_text("pbts-kms-group-v1"));
    pbts_sha256_update(&state, PBTS_SPAN_OF(counts));
    for (size_t i = 0; i < nodes; i++) {
        for (size_t j = 0; j < i; j++) {
            if (memcmp(&keys[i], &keys[j], sizeof keys[i]) == 0) return PBTS_EXISTS;
        }
        PBTS_TRY(pbts_bls_public_decode(&group.points[i], &keys[i]));
        group.keys[i] = keys[i];
        pbts_sha256_update(&state, PBTS_SPAN_OF(keys[i].bytes));
    }
    pbts_sha256_final(&state, group.digest);
    *out = group;
    return PBTS_OK;
}

/* q nodes and q nodes have 2q - n in common, which must be more than t - 1. */
size_t pbts_kms_group_quorum(const pbts_kms_group *group) {
    return (group->nodes + group->threshold - 1) / 2 + 1;
}

size_t pbts_kms_group_number(const pbts_kms_group *group, const pbts_bls_public *key) {
    for (size_t i = 0; i < group->nodes; i++) {
        if (memcmp(&group->keys[i], key, sizeof *key) == 0) return i + 1;
    }
    return 0;
}

/* ---- what is public ---- */

static void write_public(pbts_writer *writer, const pbts_bls_public_point *point) {
    pbts_bls_public bytes;
    pbts_bls_public_encode(&bytes, point);
    pbts_write_bytes(writer, PBTS_SPAN_OF(bytes.bytes));
}

void pbts_kms_public_digest(uint8_t out[static PBTS_KMS_HASH_LEN], const pbts_kms_public *public,
                            size_t nodes) {
    uint8_t buffer[32 + 8 + (PBTS_KMS_NODES_MAX + 1) * PBTS_BLS_PUBLIC_LEN];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    pbts_write_text(&writer, "pbts-kms-public-v1");
    pbts_write_u64(&writer, public->epoch);
    write_public(&writer, &public->group);
    for (size_t i = 0; i < nodes; i++) write_public(&writer, &public->shares[i]);
    pbts_sha256(out, pbts_writer_span(&writer));
}

/* t points fix the polynomial; each further one must be on it: it and any t - 1 of the first give
 * the same P. */
pbts_status pbts_kms_public_check(const pbts_kms_public *public, size_t nodes, size_t threshold) {
    size_t t = threshold;
    for (size_t last = t - 1; last < nodes; last++) {
        pbts_bls_public_point points[PBTS_KMS_NODES_MAX], found;
        uint8_t xs[PBTS_KMS_NODES_MAX];
        for (size_t i = 0; i < t; i++) {
            size_t node = i == t - 1 ? last : i;
            points[i] = public->shares[node];
            xs[i] = (uint8_t)(node + 1);
        }
        if (pbts_bls_public_interpolate(&found, points, xs, t) != PBTS_OK ||
            !pbts_bls_public_equal(&found, &public->group))
            return PBTS_CORRUPT;
    }
    return PBTS_OK;
}

/* ---- as it is kept ---- */

static void write_point(pbts_writer *writer, const pbts_bls_public_point *point) {
    pbts_bls_public bytes;
    pbts_bls_public_encode(&bytes, point);
    pbts_bencode_string(writer, PBTS_SPAN_OF(bytes.bytes));
}

void pbts_kms_key_encode(pbts_writer *writer, const pbts_kms_key *key,
                         const pbts_kms_group *group) {
    pbts_write_text(writer, "d");
    pbts_bencode_text(writer, "e");
    pbts_bencode_uint(writer, key->public.epoch);
    pbts_bencode_text(writer, "g");
    pbts_bencode_string(writer, PBTS_SPAN_OF(group->digest));
    pbts_bencode_text(writer, "n");
    pbts_write_text(writer, "l");
    for (size_t i = 0; i < group->nodes; i++) write_point(writer, &key->public.shares[i]);
    pbts_write_text(writer, "e");
    pbts_bencode_text(writer, "p");
    write_point(writer, &key->public.group);
    if (key->has_share) {
        pbts_bencode_text(writer, "s");
        pbts_bencode_string(writer, PBTS_SPAN_OF(key->share.bytes));
    }
    pbts_write_text(writer, "e");
}

static pbts_status read_point(pbts_bls_public_point *out, pbts_span bytes) {
    pbts_bls_public encoded;
    if (bytes.len != sizeof encoded.bytes) return PBTS_CORRUPT;
    memcpy(encoded.bytes, bytes.data, bytes.len);
    return pbts_bls_public_decode(out, &encoded) == PBTS_OK ? PBTS_OK : PBTS_CORRUPT;
}

static pbts_status read_shares(pbts_kms_public *out, const pbts_bvalue *dict, size_t nodes) {
    pbts_bvalue list, item;
    if (!pbts_bdict_find_typed(dict, "n", PBTS_BLIST, &list)) return PBTS_CORRUPT;
    pbts_biter items = pbts_bvalue_items(&list);
    for (size_t i = 0; i < nodes; i++) {
        if (!pbts_biter_next(&items, &item) || item.type != PBTS_BSTRING) return PBTS_CORRUPT;
        PBTS_TRY(read_point(&out->shares[i], item.string));
    }
    return pbts_biter_next(&items, &item) ? PBTS_CORRUPT : PBTS_OK;
}

static pbts_status read_share(pbts_kms_key *out, const pbts_bvalue *dict, size_t number) {
    pbts_bls_public_point point;
    pbts_span bytes;
    out->has_share = pbts_bdict_find_string(dict, "s", &bytes);
    if (!out->has_share) return PBTS_OK;
    if (bytes.len != sizeof out->share.bytes) return PBTS_CORRUPT;
    memcpy(out->share.bytes, bytes.data, bytes.len);
    if (pbts_bls_secret_check(&out->share) != PBTS_OK) return PBTS_CORRUPT;
    pbts_bls_public_point_of(&point, &out->share);
    return pbts_bls_public_equal(&point, &out->public.shares[number - 1]) ? PBTS_OK : PBTS_CORRUPT;
}

static pbts_status read_key(pbts_kms_key *out, const pbts_kms_group *group, size_t number,
                            pbts_span bytes) {
    pbts_bvalue dict;
    pbts_span text;
    if (pbts_bencode_parse(&dict, bytes) != PBTS_OK || dict.type != PBTS_BDICT) return PBTS_CORRUPT;
    if (!pbts_bdict_find_uint(&dict, "e", &out->public.epoch) || out->public.epoch == 0 ||
        !pbts_bdict_find_string(&dict, "g", &text) ||
        !pbts_span_equal(text, PBTS_SPAN_OF(group->digest)) ||
        !pbts_bdict_find_string(&dict, "p", &text))
        return PBTS_CORRUPT;
    PBTS_TRY(read_point(&out->public.group, text));
    PBTS_TRY(read_shares(&out->public, &dict, group->nodes));
    PBTS_TRY(pbts_kms_public_check(&out->public, group->nodes, group->threshold));
    return read_share(out, &dict, number);
}

pbts_status pbts_kms_key_decode(pbts_kms_key *out, const pbts_kms_group *group, size_t number,
                                pbts_span bytes) {
    pbts_kms_key key;
    assert(number >= 1 && number <= group->nodes);
    memset(&key, 0, sizeof key);
    pbts_status status = read_key(&key, group, number, bytes);
    if (status == PBTS_OK) *out = key;
    pbts_wipe(&key, sizeof key);
    return status;
}
