/* Values of the configuration: from text, and back to it. */
#include "config_value.h"

#include <inttypes.h>
#include <stdio.h>

#define EXPECT(...) (snprintf(expected, CONFIG_ERROR_MAX, __VA_ARGS__), false)

static const char *const LEVELS[] = { "debug", "info", "warn", "error" };

bool config_ranges_contain(const struct config_ranges *ranges, const pbts_addr *addr) {
    for (size_t i = 0; i < ranges->count; i++)
        if (pbts_addr_range_contains(&ranges->range[i], addr)) return true;
    return false;
}

static void *field_of(struct config *config, const struct config_key *key) {
    return (uint8_t *)config + key->offset;
}

/* Digits only, at most `max`; `rest` is what follows them. */
static bool read_digits(uint64_t *out, const char **rest, const char *text, uint64_t max) {
    uint64_t value = 0;
    const char *next = text;
    for (; *next >= '0' && *next <= '9'; next++) {
        uint64_t digit = (uint64_t)(*next - '0');
        if (value > (max - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    *rest = next;
    return next != text;
}

static bool parse_number(uint64_t *out, const struct config_key *key, const char *text) {
    const char *rest;
    uint64_t value;
    if (!read_digits(&value, &rest, text, UINT64_MAX) || *rest != '\0') return false;
    if (value < key->min || value > key->max) return false;
    *out = value;
    return true;
}

static bool parse_size(uint64_t *out, const struct config_key *key, const char *text) {
    static const char suffixes[] = "KMGT";
    const char *rest;
    uint64_t value;
    if (!read_digits(&value, &rest, text, UINT64_MAX)) return false;
    if (*rest != '\0') {
        char upper = (char)(*rest >= 'a' ? *rest - 32 : *rest);
        const char *found = strchr(suffixes, upper);
        if (found == NULL || rest[1] != '\0') return false;
        unsigned shift = 10 * ((unsigned)(found - suffixes) + 1);
        if (value > UINT64_MAX >> shift) return false;
        value <<= shift;
    }
    if (value < key->min || value > key->max) return false;
    *out = value;
    return true;
}

static bool parse_milli(uint32_t *out, const struct config_key *key, const char *text) {
    const char *rest;
    uint64_t whole, thousandths = 0;
    if (!read_digits(&whole, &rest, text, key->max)) return false;
    if (*rest == '.') {
        const char *digits = rest + 1;
        if (!read_digits(&thousandths, &rest, digits, 999) || rest - digits > 3) return false;
        for (long width = rest - digits; width < 3; width++) thousandths *= 10;
    }
    if (*rest != '\0' || whole * 1000 + thousandths > key->max) return false;
    *out = (uint32_t)(whole * 1000 + thousandths);
    return true;
}

/* The next item of a comma list, trimmed; false at its end. An empty item is an item. */
static bool next_item(pbts_span *item, const char **list) {
    const char *text = *list;
    if (text == NULL) return false;
    const char *end = strchr(text, ',');
    *list = end == NULL ? NULL : end + 1;
    if (end == NULL) end = text + strlen(text);
    while (text < end && (*text == ' ' || *text == '\t')) text++;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t')) end--;
    *item = (pbts_span){ (const uint8_t *)text, (size_t)(end - text) };
    return true;
}

static bool parse_addrs(struct config *config, const char *text) {
    pbts_addr found[CONFIG_LISTEN_MAX] = { 0 };
    size_t count = 0;
    pbts_span item;
    for (const char *list = text; next_item(&item, &list); count++) {
        if (count == CONFIG_LISTEN_MAX) return false;
        if (pbts_addr_parse(&found[count], item) != PBTS_OK) return false;
    }
    memcpy(config->listen, found, count * sizeof found[0]);
    config->listen_count = count;
    return true;
}

static bool parse_nodes(struct config *config, const char *text) {
    pbts_addr found[CONFIG_NODES_MAX] = { 0 };
    size_t count = 0;
    pbts_span item;
    for (const char *list = *text == '\0' ? NULL : text; next_item(&item, &list); count++) {
        if (count == CONFIG_NODES_MAX) return false;
        if (pbts_addr_parse_endpoint(&found[count], item) != PBTS_OK) return false;
    }
    memcpy(config->dht_nodes, found, sizeof found);
    config->dht_nodes_count = count;
    return true;
}

static bool parse_ranges(struct config_ranges *out, const char *text) {
    struct config_ranges found = { .count = 0 };
    pbts_span item;
    for (const char *list = *text == '\0' ? NULL : text; next_item(&item, &list); found.count++) {
        if (found.count == CONFIG_RANGES_MAX) return false;
        if (pbts_addr_range_parse(&found.range[found.count], item) != PBTS_OK) return false;
    }
    *out = found;
    return true;
}

static bool parse_prefixes(pbts_policy *policy, const char *text) {
    pbts_policy found = *policy;
    pbts_span item;
    found.client_deny_count = 0;
    for (const char *list = *text == '\0' ? NULL : text; next_item(&item, &list);) {
        if (found.client_deny_count == PBTS_CLIENT_DENY_MAX) return false;
        if (item.len < 1 || item.len > 8) return false;
        found.client_deny[found.client_deny_count].len = (uint8_t)item.len;
        memset(found.client_deny[found.client_deny_count].prefix, 0, 8);
        memcpy(found.client_deny[found.client_deny_count].prefix, item.data, item.len);
        found.client_deny_count++;
    }
    *policy = found;
    return true;
}

static bool parse_words(bool *out, const char *text, const char *no, const char *yes) {
    if (strcmp(text, no) != 0 && strcmp(text, yes) != 0) return false;
    *out = strcmp(text, yes) == 0;
    return true;
}

static bool parse_level(enum config_log_level *out, const char *text) {
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(text, LEVELS[i]) != 0) continue;
        *out = (enum config_log_level)i;
        return true;
    }
    return false;
}

static bool parse_tee(uint32_t *out, const char *text) {
    for (unsigned i = 0; i < PBTS_TEE_KINDS; i++) {
        if (strcmp(text, pbts_tee_kind_text((pbts_tee_kind)i)) != 0) continue;
        *out = i;
        return true;
    }
    return false;
}

static bool parse_text(char *out, size_t capacity, uint64_t min, const char *text) {
    size_t len = strlen(text);
    if (len < min || len >= capacity) return false;
    memcpy(out, text, len + 1);
    return true;
}

/* `digits` of them, or none: it is not set. */
static bool parse_hex(char *out, uint64_t digits, const char *text) {
    size_t len = strlen(text);
    if (len != 0 && (len != digits || strspn(text, "0123456789abcdefABCDEF") != len)) return false;
    return parse_text(out, CONFIG_TEXT_MAX, 0, text);
}

bool config_value_parse(struct config *config, const struct config_key *key, const char *text,
                        char expected[static CONFIG_ERROR_MAX]) {
    void *field = field_of(config, key);
    uint64_t number;
    switch (key->type) {
    case CONFIG_PATH:
        return parse_text(field, CONFIG_TEXT_MAX, key->min, text) ||
               EXPECT("a path of %d to %d characters", (int)key->min, CONFIG_TEXT_MAX - 1);
    case CONFIG_HEX:
        return parse_hex(field, key->max, text) ||
               EXPECT("%" PRIu64 " hexadecimal digits", key->max);
    case CONFIG_URL:
        if (*text != '\0' && strncmp(text, "http://", 7) != 0 && strncmp(text, "https://", 8) != 0)
            return EXPECT("http://... or https://...");
        return parse_text(field, 256, 0, text) || EXPECT("at most 255 characters");
    case CONFIG_PORT:
    case CONFIG_NUMBER:
        if (!parse_number(&number, key, text))
            return EXPECT("a number from %" PRIu64 " to %" PRIu64, key->min, key->max);
        if (key->type == CONFIG_PORT)
            *(uint16_t *)field = (uint16_t)number;
        else
            *(uint32_t *)field = (uint32_t)number;
        return true;
    case CONFIG_SIZE:
        return parse_size(field, key, text) || EXPECT("bytes from %" PRIu64 " to %" PRIu64
                                                      ", or with K, M, G or T (powers of 1024)",
                                                      key->min, key->max);
    case CONFIG_MILLI:
        return parse_milli(field, key, text) ||
               EXPECT("a number from 0 to %" PRIu64 " with up to three decimals", key->max / 1000);
    case CONFIG_BOOL: return parse_words(field, text, "no", "yes") || EXPECT("yes or no");
    case CONFIG_CHOICE:
        return parse_words(field, text, key->no, key->yes) || EXPECT("%s or %s", key->no, key->yes);
    case CONFIG_TEE: return parse_tee(field, text) || EXPECT("none, tdx, sev, dstack or simulator");
    case CONFIG_LEVEL: return parse_level(field, text) || EXPECT("debug, info, warn or error");
    case CONFIG_ADDRS:
        return parse_addrs(config, text) ||
               EXPECT("1 to %d addresses like 0.0.0.0, [::]", CONFIG_LISTEN_MAX);
    case CONFIG_NODES:
        return parse_nodes(config, text) ||
               EXPECT("up to %d nodes like 192.0.2.1:6881, [2001:db8::1]:6881", CONFIG_NODES_MAX);
    case CONFIG_RANGES:
        return parse_ranges(field, text) ||
               EXPECT("up to %d ranges like 10.0.0.0/8, ::1", CONFIG_RANGES_MAX);
    case CONFIG_PREFIXES:
        return parse_prefixes(&config->live.policy, text) ||
               EXPECT("up to %d prefixes of 1 to 8 characters like -XL0012, -TR1",
                      PBTS_CLIENT_DENY_MAX);
    }
    return false;
}

static void format_addr_list(const pbts_addr *addrs, size_t count, char *out, size_t capacity) {
    size_t len = 0;
    for (size_t i = 0; i < count && len < capacity; i++) {
        char text[PBTS_ADDR_TEXT_MAX];
        pbts_addr_format(text, &addrs[i]);
        len += (size_t)snprintf(out + len, capacity - len, "%s%s", i > 0 ? ", " : "", text);
    }
}

static void format_nodes(const struct config *config, char *out, size_t capacity) {
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < config->dht_nodes_count && len < capacity; i++) {
        char text[PBTS_ENDPOINT_TEXT_MAX];
        pbts_addr_format_endpoint(text, &config->dht_nodes[i]);
        len += (size_t)snprintf(out + len, capacity - len, "%s%s", i > 0 ? ", " : "", text);
    }
}

static void format_ranges(const struct config_ranges *ranges, char *out, size_t capacity) {
    size_t len = 0;
    for (size_t i = 0; i < ranges->count && len < capacity; i++) {
        char text[PBTS_ADDR_TEXT_MAX];
        pbts_addr_format(text, &ranges->range[i].network);
        len += (size_t)snprintf(out + len, capacity - len, "%s%s/%u", i > 0 ? ", " : "", text,
                                ranges->range[i].prefix_bits);
    }
}

static void format_prefixes(const pbts_policy *policy, char *out, size_t capacity) {
    size_t len = 0;
    for (uint32_t i = 0; i < policy->client_deny_count && len < capacity; i++)
        len += (size_t)snprintf(out + len, capacity - len, "%s%.*s", i > 0 ? ", " : "",
                                policy->client_deny[i].len,
                                (const char *)policy->client_deny[i].prefix);
}

void config_value_format(const struct config *config, const struct config_key *key,
                         char out[static CONFIG_TEXT_MAX]) {
    const void *field = (const uint8_t *)config + key->offset;
    out[0] = '\0';
    switch (key->type) {
    case CONFIG_PATH:
    case CONFIG_HEX:
    case CONFIG_URL: snprintf(out, CONFIG_TEXT_MAX, "%s", (const char *)field); return;
    case CONFIG_PORT: snprintf(out, CONFIG_TEXT_MAX, "%u", *(const uint16_t *)field); return;
    case CONFIG_NUMBER: snprintf(out, CONFIG_TEXT_MAX, "%u", *(const uint32_t *)field); return;
    case CONFIG_SIZE: snprintf(out, CONFIG_TEXT_MAX, "%" PRIu64, *(const uint64_t *)field); return;
    case CONFIG_MILLI: {
        uint32_t milli = *(const uint32_t *)field;
        snprintf(out, CONFIG_TEXT_MAX, "%u.%03u", milli / 1000, milli % 1000);
        return;
    }
    case CONFIG_BOOL:
        snprintf(out, CONFIG_TEXT_MAX, "%s", *(const bool *)field ? "yes" : "no");
        return;
    case CONFIG_CHOICE:
        snprintf(out, CONFIG_TEXT_MAX, "%s", *(const bool *)field ? key->yes : key->no);
        return;
    case CONFIG_TEE:
        snprintf(out, CONFIG_TEXT_MAX, "%s",
                 pbts_tee_kind_text((pbts_tee_kind)(*(const uint32_t *)field)));
        return;
    case CONFIG_LEVEL:
        snprintf(out, CONFIG_TEXT_MAX, "%s", LEVELS[*(const enum config_log_level *)field]);
        return;
    case CONFIG_ADDRS:
        format_addr_list(config->listen, config->listen_count, out, CONFIG_TEXT_MAX);
        return;
    case CONFIG_NODES: format_nodes(config, out, CONFIG_TEXT_MAX); return;
    case CONFIG_RANGES: format_ranges(field, out, CONFIG_TEXT_MAX); return;
    case CONFIG_PREFIXES: format_prefixes(&config->live.policy, out, CONFIG_TEXT_MAX); return;
    }
}
