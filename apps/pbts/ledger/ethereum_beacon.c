#include "ethereum_beacon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain_preset.h"
#include "ethereum_access.h"
#include "exit_codes.h"
#include "files.h"
#include "say.h"

#define STATE_MAGIC "PBTSLC01" /* eth/light_state.c */

enum {
    CONFIG_FILE_MAX = 64 * 1024,
    HEAD_AGE_MAX_S = 3600, /* an older head is none: finality takes a quarter of that */
};

/* ---- what the light client knows ---- */

static pbts_status load(void *host, pbts_writer *out) {
    const ethereum_beacon *beacon = host;
    uint8_t bytes[4096];
    size_t len;
    FILE *file = fopen(beacon->state, "rbe");
    if (file == NULL) return PBTS_NOT_FOUND;
    while (pbts_writer_status(out) == PBTS_OK && (len = fread(bytes, 1, sizeof bytes, file)) > 0)
        pbts_write_bytes(out, (pbts_span){ bytes, len });
    (void)fclose(file);
    return pbts_writer_status(out);
}

static pbts_status save(void *host, pbts_span state) {
    const ethereum_beacon *beacon = host;
    int code = file_replace(beacon->state, state, 0600, STATE_MAGIC, "state of a light client");
    return code == PBTS_EXIT_OK ? PBTS_OK : PBTS_IO;
}

/* ---- the options ---- */

static int cut_urls(ethereum_beacon *beacon, pbts_chain_beacon_config *config) {
    char *rest = NULL;
    beacon->list = strdup(beacon->urls);
    if (beacon->list == NULL) return say_no_memory();
    for (char *url = strtok_r(beacon->list, ", ", &rest); url != NULL;
         url = strtok_r(NULL, ", ", &rest)) {
        if (config->urls_len == PBTS_LIGHT_SERVERS_MAX)
            return say_fail(PBTS_EXIT_USAGE, "--beacon: at most %d nodes", PBTS_LIGHT_SERVERS_MAX);
        if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
            return say_fail(PBTS_EXIT_USAGE, "--beacon %s: should begin with http:// or https://",
                            url);
        config->urls[config->urls_len++] = url;
    }
    return config->urls_len > 0 ? PBTS_EXIT_OK
                                : say_fail(PBTS_EXIT_USAGE, "--beacon: names no node");
}

static int read_config_file(pbts_chain_preset *out, const char *path) {
    uint8_t *text;
    size_t len;
    const char *problem;
    int code = file_read(&text, &len, path, CONFIG_FILE_MAX);
    if (code != PBTS_EXIT_OK) return code;
    if (pbts_chain_preset_read(out, &problem, (pbts_span){ text, len }) != PBTS_OK)
        code = say_fail(PBTS_EXIT_USAGE, "--preset %s: missing or wrong: %s", path, problem);
    free(text);
    return code;
}

static int read_preset(pbts_chain_preset *out, const char *name) {
    if (strchr(name, '/') != NULL) return read_config_file(out, name);
    if (pbts_chain_preset_find(out, name) == PBTS_OK) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE,
                    "--preset %s: should be mainnet, sepolia, hoodi, or the path of a "
                    "config.yaml, with /",
                    name);
}

int ethereum_beacon_read(ethereum_beacon *beacon, pbts_chain_config *config, uint64_t *chain_id) {
    pbts_chain_preset preset;
    bool is_alone = beacon->trusted_root != NULL || beacon->preset != NULL || beacon->state != NULL;
    if (beacon->urls == NULL)
        return is_alone
                   ? say_fail(PBTS_EXIT_USAGE, "--trusted-root, --preset and --light-state are "
                                               "of use with --beacon only")
                   : PBTS_EXIT_OK;
    if (beacon->trusted_root == NULL)
        return say_fail(PBTS_EXIT_USAGE,
                        "--beacon needs --trusted-root: the root of a finalized beacon block of "
                        "the last days, from somebody you trust");
    int code =
        ethereum_hash_parse(config->beacon.trusted_root, "trusted-root", beacon->trusted_root);
    if (code == PBTS_EXIT_OK)
        code = read_preset(&preset, beacon->preset != NULL ? beacon->preset : "mainnet");
    if (code == PBTS_EXIT_OK) code = cut_urls(beacon, &config->beacon);
    if (code != PBTS_EXIT_OK) return code;
    config->beacon.network = preset.network;
    config->beacon.keep_evidence = beacon->keep_evidence;
    config->age_max_s = HEAD_AGE_MAX_S;
    if (beacon->state != NULL) config->beacon.keep = (pbts_chain_keep){ beacon, load, save };
    *chain_id = preset.chain_id;
    return PBTS_EXIT_OK;
}

void ethereum_beacon_end(ethereum_beacon *beacon) {
    free(beacon->list);
    beacon->list = NULL;
}
