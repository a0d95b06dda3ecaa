#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../app.h"
#include "chain/chain_preset.h"
#include "codec/text.h"
#include "ethereum.h"
#include "ethereum_parts.h"

enum { PRESET_FILE_MAX = 64 * 1024 };

static bool complain(struct app *app, const char *key, const char *reason) {
    LOG(&app->log, LOG_ERROR, "configuration_failed", LOG_TEXT("key", key),
        LOG_TEXT("reason", reason));
    return false;
}

static bool read_address(pbts_eth_address *out, const char *text) {
    return strlen(text) == 2 + 2 * sizeof out->bytes && memcmp(text, "0x", 2) == 0 &&
           pbts_hex_decode_exact(out->bytes, sizeof out->bytes, pbts_span_text(text + 2)) ==
               PBTS_OK;
}

/* "a, b c": texts without blanks and commas, cut out of `list`. False: more than `max`. */
static bool cut_urls(const char **out, uint32_t *out_len, uint32_t max, char *list) {
    char *rest = NULL;
    for (char *url = strtok_r(list, ", \t", &rest); url != NULL;
         url = strtok_r(NULL, ", \t", &rest)) {
        if (*out_len == max) return false;
        out[(*out_len)++] = url;
    }
    return true;
}

/* ---- the light client ---- */

static bool read_preset_file(pbts_chain_preset *out, struct app *app, const char *path) {
    static const char *const CANNOT = "this file cannot be read, or is longer than 64 KiB";
    char reason[128];
    const char *problem = "";
    uint8_t *text = malloc(PRESET_FILE_MAX + 1);
    FILE *file = fopen(path, "rbe");
    size_t len = file != NULL && text != NULL ? fread(text, 1, PRESET_FILE_MAX + 1, file) : 0;
    bool is_read = len > 0 && len <= PRESET_FILE_MAX && ferror(file) == 0;
    bool is_good =
        is_read && pbts_chain_preset_read(out, &problem, (pbts_span){ text, len }) == PBTS_OK;
    if (file != NULL) (void)fclose(file);
    free(text);
    if (is_good) return true;
    (void)snprintf(reason, sizeof reason, "in this file is missing or wrong: %s", problem);
    return complain(app, "chain_preset", is_read ? reason : CANNOT);
}

static bool read_preset(pbts_chain_preset *out, struct app *app) {
    const struct config *config = &app->config;
    bool is_file = strchr(config->chain_preset, '/') != NULL;
    if (is_file && !read_preset_file(out, app, config->chain_preset)) return false;
    if (!is_file && pbts_chain_preset_find(out, config->chain_preset) != PBTS_OK)
        return complain(app, "chain_preset",
                        "should be mainnet, sepolia, hoodi, or the path of a config.yaml, with /");
    return out->chain_id == config->chain_id ||
           complain(app, "chain_preset", "is of another chain than chain_id");
}

static bool read_hash(uint8_t out[static 32], const char *text) {
    const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;
    return pbts_hex_decode_exact(out, 32, pbts_span_text(digits)) == PBTS_OK;
}

static bool read_beacon(struct ethereum_config *out, struct app *app) {
    const struct config *config = &app->config;
    pbts_chain_beacon_config *beacon = &out->chain.beacon;
    pbts_chain_preset preset;
    (void)snprintf(out->beacon_urls, sizeof out->beacon_urls, "%s", config->chain_beacon);
    if (!cut_urls(beacon->urls, &beacon->urls_len, PBTS_LIGHT_SERVERS_MAX, out->beacon_urls))
        return complain(app, "chain_beacon", "there may be up to 32 URLs of beacon nodes");
    if (beacon->urls_len == 0)
        return config->chain_trusted_root[0] == '\0' ||
               complain(app, "chain_trusted_root", "is of no use without chain_beacon");
    if (!read_hash(beacon->trusted_root, config->chain_trusted_root))
        return complain(app, "chain_trusted_root",
                        "chain_beacon needs 0x and 64 hex digits here: the root of a finalized "
                        "beacon block of the last days, from somebody you trust");
    if (!read_preset(&preset, app)) return false;
    beacon->network = preset.network;
    beacon->keep = ethereum_light_keep(app);
    return true;
}

/* ---- all ---- */

bool ethereum_config_read(struct ethereum_config *out, struct app *app) {
    const struct config *config = &app->config;
    *out = (struct ethereum_config){ .chain.chain_id = config->chain_id };
    (void)snprintf(out->urls, sizeof out->urls, "%s", config->chain_rpc);
    if (!cut_urls(out->chain.urls, &out->chain.urls_len, PBTS_ENDPOINTS_MAX, out->urls) ||
        out->chain.urls_len == 0)
        return complain(app, "chain_rpc", "one to sixteen URLs of JSON-RPC servers are needed");
    if (!read_address(&out->contract, config->chain_contract))
        return complain(app, "chain_contract",
                        "should be 0x and 40 hex digits; `pbts ledger deploy` makes a contract");
    out->has_referrer = config->referrer_contract[0] != '\0';
    if (out->has_referrer && !read_address(&out->referrer, config->referrer_contract))
        return complain(app, "referrer_contract", "should be 0x and 40 hex digits");
    if (config->chain_code_hash[0] != '\0' &&
        !read_hash(out->chain.code_hash.bytes, config->chain_code_hash))
        return complain(app, "chain_code_hash", "should be 0x and 64 hex digits");
    out->chain.quorum = config->chain_quorum;
    if (out->chain.quorum == 0) out->chain.quorum = out->chain.urls_len / 2 + 1;
    if (out->chain.quorum > out->chain.urls_len)
        return complain(app, "chain_quorum", "is more than there are servers in chain_rpc");
    out->chain.age_max_s = config->chain_age_max_s > 0 ? config->chain_age_max_s : UINT64_MAX;
    if (config->chain_ca[0] != '\0') out->chain.ca = config->chain_ca;
    return read_beacon(out, app);
}
