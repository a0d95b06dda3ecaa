#include "chain/chain_preset.h"

#include "codec/text.h"

/* ---- those that are known ---- */

pbts_status pbts_chain_preset_find(pbts_chain_preset *out, const char *name) {
    const struct {
        const char *name;
        const pbts_beacon_network *network;
        uint64_t chain_id;
    } known[] = {
        { "mainnet", &PBTS_BEACON_MAINNET, 1 },
        { "sepolia", &PBTS_BEACON_SEPOLIA, 11155111 },
        { "hoodi", &PBTS_BEACON_HOODI, 560048 },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) != 0) continue;
        *out = (pbts_chain_preset){ *known[i].network, known[i].chain_id };
        return PBTS_OK;
    }
    return PBTS_NOT_FOUND;
}

/* ---- config.yaml ---- */

typedef enum { NUMBER, VERSION, ROOT, PRESET } value_kind;

typedef struct {
    const char *key;
    value_kind kind;
    bool is_needed;
    void *out; /* uint64_t, or bytes */
} setting;

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\'' || c == '"';
}

/* Without blanks and quotes around it. */
static pbts_span trim(pbts_span text) {
    while (text.len > 0 && is_blank(text.data[0]))
        text = (pbts_span){ text.data + 1, text.len - 1 };
    while (text.len > 0 && is_blank(text.data[text.len - 1])) text.len--;
    return text;
}

/* Up to `end`, or all; *text is what follows it. */
static pbts_span cut(pbts_span *text, uint8_t end) {
    const uint8_t *at = text->len > 0 ? memchr(text->data, end, text->len) : NULL;
    pbts_span head = { text->data, at != NULL ? (size_t)(at - text->data) : text->len };
    size_t used = at != NULL ? head.len + 1 : head.len;
    *text = (pbts_span){ used > 0 ? text->data + used : text->data, text->len - used };
    return head;
}

static bool read_number(uint64_t *out, pbts_span text) {
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *out = value;
    return text.len > 0;
}

static bool read_bytes(uint8_t *out, size_t len, pbts_span text) {
    if (text.len < 2 || memcmp(text.data, "0x", 2) != 0) return false;
    return pbts_hex_decode_exact(out, len, (pbts_span){ text.data + 2, text.len - 2 }) == PBTS_OK;
}

static bool read_preset(pbts_beacon_network *network, pbts_span text) {
    bool is_minimal = pbts_span_is(text, "minimal");
    if (!is_minimal && !pbts_span_is(text, "mainnet")) return false;
    network->slots_per_epoch = is_minimal ? 8 : 32;
    network->epochs_per_period = is_minimal ? 8 : 256;
    network->committee_size = is_minimal ? 32 : 512;
    return true;
}

static bool read_value(const setting *entry, pbts_span text) {
    switch (entry->kind) {
    case NUMBER: return read_number(entry->out, text);
    case VERSION: return read_bytes(entry->out, PBTS_BEACON_VERSION_LEN, text);
    case ROOT: return read_bytes(entry->out, PBTS_SSZ_CHUNK_LEN, text);
    case PRESET: return read_preset(entry->out, text);
    }
    return false;
}

/* The key's line, the only one. */
static bool find(pbts_span *value, bool *is_there, pbts_span text, const char *key) {
    *is_there = false;
    while (text.len > 0) {
        pbts_span line = cut(&text, '\n');
        line = cut(&line, '#');
        pbts_span name = cut(&line, ':');
        if (!pbts_span_is(trim(name), key)) continue;
        if (*is_there) return false;
        *is_there = true;
        *value = trim(line);
    }
    return true;
}

static bool read_field(const setting *entry, pbts_span text) {
    pbts_span value;
    bool is_there;
    if (!find(&value, &is_there, text, entry->key)) return false;
    return is_there ? read_value(entry, value) : !entry->is_needed;
}

pbts_status pbts_chain_preset_read(pbts_chain_preset *out, const char **problem, pbts_span text) {
    *out = (pbts_chain_preset){ 0 };
    pbts_beacon_network *network = &out->network;
    pbts_beacon_fork_entry *forks = network->forks;
    uint64_t slot_s = 0;
    const setting settings[] = {
        { "PRESET_BASE", PRESET, false, network },
        { "SECONDS_PER_SLOT", NUMBER, true, &slot_s },
        { "DEPOSIT_CHAIN_ID", NUMBER, true, &out->chain_id },
        { "GENESIS_TIME", NUMBER, true, &network->genesis_time_s },
        { "GENESIS_VALIDATORS_ROOT", ROOT, true, network->genesis_validators_root },
        { "GENESIS_FORK_VERSION", VERSION, true, forks[PBTS_BEACON_PHASE0].version },
        { "ALTAIR_FORK_VERSION", VERSION, false, forks[PBTS_BEACON_ALTAIR].version },
        { "ALTAIR_FORK_EPOCH", NUMBER, false, &forks[PBTS_BEACON_ALTAIR].epoch },
        { "BELLATRIX_FORK_VERSION", VERSION, false, forks[PBTS_BEACON_BELLATRIX].version },
        { "BELLATRIX_FORK_EPOCH", NUMBER, false, &forks[PBTS_BEACON_BELLATRIX].epoch },
        { "CAPELLA_FORK_VERSION", VERSION, false, forks[PBTS_BEACON_CAPELLA].version },
        { "CAPELLA_FORK_EPOCH", NUMBER, false, &forks[PBTS_BEACON_CAPELLA].epoch },
        { "DENEB_FORK_VERSION", VERSION, false, forks[PBTS_BEACON_DENEB].version },
        { "DENEB_FORK_EPOCH", NUMBER, false, &forks[PBTS_BEACON_DENEB].epoch },
        { "ELECTRA_FORK_VERSION", VERSION, false, forks[PBTS_BEACON_ELECTRA].version },
        { "ELECTRA_FORK_EPOCH", NUMBER, false, &forks[PBTS_BEACON_ELECTRA].epoch },
        { "FULU_FORK_VERSION", VERSION, false, forks[PBTS_BEACON_FULU].version },
        { "FULU_FORK_EPOCH", NUMBER, false, &forks[PBTS_BEACON_FULU].epoch },
    };
    (void)read_preset(network, pbts_span_text("mainnet"));
    for (int i = 1; i < PBTS_BEACON_FORKS; i++) forks[i].epoch = PBTS_BEACON_NEVER;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (read_field(&settings[i], text)) continue;
        *problem = settings[i].key;
        return PBTS_MALFORMED;
    }
    network->seconds_per_slot = slot_s <= UINT32_MAX ? (uint32_t)slot_s : 0;
    if (pbts_beacon_network_check(network) == PBTS_OK) return PBTS_OK;
    *problem = "the order of the forks, or SECONDS_PER_SLOT";
    return PBTS_MALFORMED;
}
