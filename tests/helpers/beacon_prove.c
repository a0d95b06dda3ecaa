/* Proves one storage slot of one account for the end-to-end tests, from a trusted beacon block on.
 *
 *   beacon_prove --beacon URL,URL… --rpc URL,URL… --trusted-root 0x… --address 0x… --slot 0x…
 *                [--preset NAME|FILE] [--final] [--keep FILE] [--age-max S] [--trust-age-max S]
 *                [--recorded-time UNIX] [--patience MS] [--blocks N] [--evidence]
 *
 * Prints "block NUMBER HASH STATE_ROOT TIME" and "value HEX", and exits with 0; or "failed WHERE
 * STATUS: PROBLEM", with 1. With --evidence also "evidence UPDATES BYTES", or "evidence none".
 * --blocks asks for the block N times, one second apart. Without
 * --recorded-time the time is the clock's, and the slot's block is asked for with its header.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chain/chain.h"
#include "chain/chain_preset.h"
#include "codec/text.h"

typedef struct {
    pbts_chain_config config;
    pbts_eth_address address;
    pbts_u256 slot;
    uint32_t depth, blocks;
    const char *file;
} task;

static void die(const char *what) {
    (void)fprintf(stderr, "beacon_prove: %s\n", what);
    exit(2);
}

/* ---- what is kept ---- */

static pbts_status load(void *host, pbts_writer *out) {
    uint8_t bytes[4096];
    size_t len;
    FILE *file = fopen(host, "rb");
    if (file == NULL) return PBTS_NOT_FOUND;
    while ((len = fread(bytes, 1, sizeof bytes, file)) > 0)
        pbts_write_bytes(out, (pbts_span){ bytes, len });
    (void)fclose(file);
    return pbts_writer_status(out);
}

static pbts_status save(void *host, pbts_span state) {
    FILE *file = fopen(host, "wb");
    if (file == NULL) return PBTS_IO;
    bool good = fwrite(state.data, 1, state.len, file) == state.len;
    return fclose(file) == 0 && good ? PBTS_OK : PBTS_IO;
}

/* ---- options ---- */

static void hex(uint8_t *out, size_t len, const char *text) {
    if (strncmp(text, "0x", 2) == 0) text += 2;
    if (pbts_hex_decode_exact(out, len, pbts_span_text(text)) != PBTS_OK) die("bad hex");
}

static uint32_t urls(const char **out, uint32_t max, char *list) {
    uint32_t len = 0;
    char *rest = NULL;
    for (char *url = strtok_r(list, ",", &rest); url != NULL; url = strtok_r(NULL, ",", &rest)) {
        if (len == max) die("too many URLs");
        out[len++] = url;
    }
    return len;
}

/* A name, or the file of a network of one's own. */
static pbts_chain_preset read_preset(const char *name) {
    static uint8_t text[65536];
    pbts_chain_preset preset;
    const char *problem;
    if (pbts_chain_preset_find(&preset, name) == PBTS_OK) return preset;
    FILE *file = fopen(name, "rb");
    if (file == NULL) die("no such preset");
    size_t len = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    if (pbts_chain_preset_read(&preset, &problem, (pbts_span){ text, len }) != PBTS_OK)
        die(problem);
    return preset;
}

static void take_option(task *t, const char *name, char *value) {
    pbts_chain_config *config = &t->config;
    pbts_chain_preset preset;
    if (strcmp(name, "--beacon") == 0) {
        config->beacon.urls_len = urls(config->beacon.urls, PBTS_LIGHT_SERVERS_MAX, value);
    } else if (strcmp(name, "--rpc") == 0) {
        config->urls_len = urls(config->urls, PBTS_ENDPOINTS_MAX, value);
    } else if (strcmp(name, "--trusted-root") == 0) {
        hex(config->beacon.trusted_root, sizeof config->beacon.trusted_root, value);
    } else if (strcmp(name, "--address") == 0) {
        hex(t->address.bytes, sizeof t->address.bytes, value);
    } else if (strcmp(name, "--slot") == 0) {
        hex(t->slot.bytes, sizeof t->slot.bytes, value);
    } else if (strcmp(name, "--preset") == 0) {
        preset = read_preset(value);
        config->beacon.network = preset.network;
        config->chain_id = preset.chain_id;
    } else if (strcmp(name, "--keep") == 0) {
        config->beacon.keep = (pbts_chain_keep){ value, load, save };
    } else if (strcmp(name, "--age-max") == 0) {
        config->age_max_s = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--trust-age-max") == 0) {
        config->beacon.trust_age_max_s = strtoull(value, NULL, 10);
    } else if (strcmp(name, "--recorded-time") == 0) {
        config->beacon.recorded_unix_s = strtoull(value, NULL, 10);
        config->beacon.skip_headers = true; /* none was recorded */
    } else if (strcmp(name, "--patience") == 0) {
        config->patience_ms = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "--blocks") == 0) {
        t->blocks = (uint32_t)strtoul(value, NULL, 10);
    } else {
        die("no such option");
    }
}

/* ---- the work ---- */

static void print(const char *before, const uint8_t *bytes, size_t len) {
    (void)fputs(before, stdout);
    for (size_t i = 0; i < len; i++) (void)printf("%02x", bytes[i]);
}

static int fail(const pbts_chain *chain, const char *where, pbts_status status) {
    (void)printf("failed %s %s: %s\n", where, pbts_status_name(status), pbts_chain_problem(chain));
    return 1;
}

static void print_evidence(pbts_chain *chain, const pbts_trusted_block *block) {
    pbts_portable_evidence evidence;
    if (pbts_chain_evidence(chain, &evidence, block) != PBTS_OK) {
        (void)puts("evidence none");
        return;
    }
    (void)printf("evidence %u %zu\n", (unsigned)evidence.updates_len,
                 evidence.bootstrap.len + evidence.updates.len);
}

static int prove(const task *t, pbts_chain *chain) {
    pbts_trusted_block block;
    pbts_eth_account account;
    pbts_u256 value;
    for (uint32_t i = 0; i < t->blocks; i++) {
        const struct timespec pause = { .tv_sec = i > 0 };
        (void)nanosleep(&pause, NULL);
        pbts_status status = pbts_chain_block(chain, &block, t->depth);
        if (status != PBTS_OK) return fail(chain, "block", status);
    }
    (void)printf("block %llu", (unsigned long long)block.block_number);
    print(" ", block.block_hash.bytes, sizeof block.block_hash.bytes);
    print(" ", block.state_root.bytes, sizeof block.state_root.bytes);
    (void)printf(" %llu\n", (unsigned long long)block.timestamp_s);
    if (t->config.beacon.keep_evidence) print_evidence(chain, &block);
    pbts_status status =
        pbts_chain_read_words(chain, &account, &value, NULL, &block, &t->address, &t->slot, 1);
    if (status != PBTS_OK) return fail(chain, "read", status);
    print("value ", value.bytes, sizeof value.bytes);
    (void)putchar('\n');
    return 0;
}

int main(int argc, char **argv) {
    static task t = { .blocks = 1,
                      .config = { .chain_id = 1, .age_max_s = 3600, .patience_ms = 40000 } };
    pbts_chain *chain;
    t.config.beacon.network = PBTS_BEACON_MAINNET;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--final") == 0) {
            t.depth = 1;
        } else if (strcmp(argv[i], "--evidence") == 0) {
            t.config.beacon.keep_evidence = true;
        } else if (i + 1 < argc) {
            take_option(&t, argv[i], argv[i + 1]);
            i++;
        } else {
            die("an option without value");
        }
    }
    pbts_status status = pbts_chain_open(&chain, &t.config);
    if (status != PBTS_OK) die(pbts_status_text(status));
    int code = prove(&t, chain);
    pbts_chain_close(chain);
    return code;
}
