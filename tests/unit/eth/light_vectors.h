/* What the tests of the light client share: published vectors, their formats, and a client on them.
 *
 * The vectors are data, not part of the repository: $PBTS_TEST_DATA, by default ../shared/data
 * beside it. What is missing is reported as skipped. */
#ifndef PBTS_TEST_ETH_LIGHT_VECTORS_H
#define PBTS_TEST_ETH_LIGHT_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "codec/text.h"
#include "eth/light_client.h"

enum { VECTOR_PATH_MAX = 1024, GENESIS_S = 1000000 };

#define JEWEL "eth/mainnet-jewel/eth_getStorageAt_electra/"
#define JEWEL_CALL "eth/mainnet-jewel/eth_call_electra/"
#define CAPELLA "eth/lc-mainnet-capella/"
#define BELLATRIX "eth/lc-mainnet-bellatrix/"
#define SPEC "eth/lc-spec-minimal/deneb/"
#define LCP "eth/lc-spec-minimal/bellatrix-lcp/"

static inline bool open_vector(FILE **out, const char *name) {
    char path[VECTOR_PATH_MAX];
    const char *folder = getenv("PBTS_TEST_DATA");
    const char *tests = strstr(__FILE__, "tests/unit/eth/");
    assert_non_null(tests);
    int len = folder != NULL ? snprintf(path, sizeof path, "%s/%s", folder, name)
                             : snprintf(path, sizeof path, "%.*s../shared/data/%s",
                                        (int)(tests - __FILE__), __FILE__, name);
    assert_in_range(len, 1, sizeof path - 1);
    *out = fopen(path, "rb");
    if (*out == NULL) print_message("skipped: no %s\n", path);
    return *out != NULL;
}

/* A whole file, exactly as long as its bytes; released by the caller. Skips the test without it. */
static inline pbts_span load_vector(const char *name) {
    FILE *file;
    if (!open_vector(&file, name)) skip();
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long len = ftell(file);
    assert_true(len > 0);
    rewind(file);
    uint8_t *bytes = malloc((size_t)len);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)len, file), len);
    (void)fclose(file);
    return (pbts_span){ bytes, (size_t)len };
}

static inline void drop(pbts_span bytes) {
    free((void *)(uintptr_t)bytes.data);
}

static inline json_t *load_json(const char *name) {
    pbts_span text = load_vector(name);
    json_t *json = json_loadb((const char *)text.data, text.len, JSON_DECODE_ANY, NULL);
    drop(text);
    assert_non_null(json);
    return json;
}

/* json_object_get along names separated by dots. */
static inline json_t *json_at(json_t *json, const char *path) {
    char name[80];
    while (*path != '\0') {
        size_t len = strcspn(path, ".");
        assert_true(len < sizeof name);
        memcpy(name, path, len);
        name[len] = '\0';
        json = json_object_get(json, name);
        assert_non_null(json);
        path += len + (path[len] == '.');
    }
    return json;
}

static inline void unhex(uint8_t *out, size_t len, const char *text) {
    assert_non_null(text);
    if (strncmp(text, "0x", 2) == 0) text += 2;
    assert_int_equal(pbts_hex_decode_exact(out, len, pbts_span_text(text)), PBTS_OK);
}

static inline pbts_ssz_chunk chunk_of(const char *hex) {
    pbts_ssz_chunk chunk;
    unhex(chunk.bytes, sizeof chunk.bytes, hex);
    return chunk;
}

static inline pbts_ssz_chunk chunk_at(json_t *json, const char *path) {
    return chunk_of(json_string_value(json_at(json, path)));
}

static inline uint64_t uint_at(json_t *json, const char *path) {
    const json_t *value = json_at(json, path);
    if (json_is_integer(value)) return (uint64_t)json_integer_value(value);
    return strtoull(json_string_value(value), NULL, 10);
}

static inline void assert_chunk(pbts_ssz_chunk found, pbts_ssz_chunk want) {
    assert_memory_equal(found.bytes, want.bytes, sizeof want.bytes);
}

/* ---- raw blocks of snappy: format_description.txt of google/snappy ---- */

static inline void snappy_copy(uint8_t *out, size_t *at, size_t len, size_t back, size_t end) {
    assert_true(back > 0 && back <= *at && len <= end - *at);
    for (size_t i = 0; i < len; i++, (*at)++) out[*at] = out[*at - back];
}

static inline pbts_span unsnappy(pbts_span in) {
    size_t len = 0, at = 0, i = 0, shift = 0;
    do {
        assert_true(i < in.len && shift < 32);
        len |= (size_t)(in.data[i] & 0x7F) << shift;
        shift += 7;
    } while (in.data[i++] & 0x80);
    uint8_t *out = malloc(len);
    assert_non_null(out);
    while (i < in.len) {
        uint8_t tag = in.data[i++];
        size_t count = (size_t)(tag >> 2) + 1;
        if ((tag & 3) == 0) {
            if (count > 60) {
                size_t bytes = count - 60;
                count = 1;
                for (size_t k = 0; k < bytes; k++) count += (size_t)in.data[i + k] << (8 * k);
                i += bytes;
            }
            assert_true(count <= in.len - i && count <= len - at);
            memcpy(out + at, in.data + i, count);
            at += count;
            i += count;
        } else if ((tag & 3) == 1) {
            snappy_copy(out, &at, (size_t)(tag >> 2 & 7) + 4, (size_t)(tag >> 5) << 8 | in.data[i],
                        len);
            i += 1;
        } else {
            assert_int_equal(tag & 3, 2);
            snappy_copy(out, &at, count, (size_t)in.data[i + 1] << 8 | in.data[i], len);
            i += 2;
        }
    }
    assert_int_equal(at, len);
    return (pbts_span){ out, len };
}

static inline pbts_span load_snappy(const char *folder, const char *name) {
    char path[VECTOR_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s%s.ssz_snappy", folder, name);
    pbts_span packed = load_vector(path), bytes = unsnappy(packed);
    drop(packed);
    return bytes;
}

/* ---- networks and clients ---- */

/* configs/minimal.yaml with every fork up to `last` from genesis on. */
static inline pbts_beacon_network minimal_network(pbts_beacon_fork last) {
    pbts_beacon_network network = { .genesis_time_s = GENESIS_S,
                                    .seconds_per_slot = 6,
                                    .slots_per_epoch = 8,
                                    .epochs_per_period = 8,
                                    .committee_size = 32 };
    for (int i = 0; i < PBTS_BEACON_FORKS; i++) {
        network.forks[i].epoch = i <= (int)last ? 0 : PBTS_BEACON_NEVER;
        network.forks[i].version[0] = (uint8_t)i;
        network.forks[i].version[3] = 1;
    }
    return network;
}

static inline uint64_t at_slot(const pbts_beacon_network *network, uint64_t slot) {
    return pbts_beacon_slot_time_s(network, slot);
}

static inline pbts_light_client *new_client(const pbts_beacon_network *network,
                                            pbts_ssz_chunk trusted_root, uint32_t servers) {
    pbts_light_client *client;
    pbts_light_config config = { .mem = pbts_mem_system(),
                                 .network = network,
                                 .age_max_s = PBTS_LIGHT_AGE_MAX_S,
                                 .optimistic_min = 1,
                                 .server_count = servers,
                                 .poll_s = network->seconds_per_slot };
    memcpy(config.trusted_root, trusted_root.bytes, sizeof config.trusted_root);
    assert_int_equal(pbts_light_client_new(&client, &config), PBTS_OK);
    return client;
}

/* Decode exactly sized copies and hand them in. */
static inline pbts_status give_bootstrap(pbts_light_client *client,
                                         const pbts_beacon_network *network, pbts_span ssz,
                                         uint64_t now_s) {
    pbts_light_bootstrap *bootstrap = malloc(sizeof *bootstrap);
    pbts_status status = pbts_light_bootstrap_decode_ssz(bootstrap, network, ssz);
    if (status == PBTS_OK) status = pbts_light_client_bootstrap(client, bootstrap, now_s);
    free(bootstrap);
    return status;
}

static inline pbts_status give_update(pbts_light_client *client, const pbts_beacon_network *network,
                                      pbts_light_container container, pbts_span ssz,
                                      uint64_t now_s) {
    pbts_light_update *update = malloc(sizeof *update);
    pbts_status status = pbts_light_update_decode_ssz(update, network, container, ssz);
    if (status == PBTS_OK) status = pbts_light_client_update(client, update, now_s);
    free(update);
    return status;
}

#endif
