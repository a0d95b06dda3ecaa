/* config_value.h - private to config*.c: the table of keys, and values as text. */
#ifndef PBTS_TRACKER_CONFIG_VALUE_H
#define PBTS_TRACKER_CONFIG_VALUE_H

#include "config.h"

enum config_type {
    CONFIG_PATH,     /* char[CONFIG_TEXT_MAX] */
    CONFIG_HEX,      /* char[CONFIG_TEXT_MAX]: `max` hexadecimal digits, or none */
    CONFIG_URL,      /* char[256] */
    CONFIG_PORT,     /* uint16_t */
    CONFIG_NUMBER,   /* uint32_t */
    CONFIG_SIZE,     /* uint64_t, K M G T suffixes */
    CONFIG_BOOL,     /* bool: yes, no */
    CONFIG_CHOICE,   /* bool: the first of two words is false */
    CONFIG_TEE,      /* uint32_t: a pbts_tee_kind */
    CONFIG_LEVEL,    /* enum config_log_level */
    CONFIG_MILLI,    /* uint32_t: a decimal number in thousandths */
    CONFIG_ADDRS,    /* listen addresses */
    CONFIG_NODES,    /* nodes of the DHT */
    CONFIG_RANGES,   /* struct config_ranges */
    CONFIG_PREFIXES, /* client_deny of the policy */
};

struct config_key {
    const char *key, *unit, *fallback, *help;
    enum config_type type;
    size_t offset; /* in struct config */
    uint64_t min, max;
    const char *no, *yes; /* CONFIG_CHOICE */
    bool may_change;      /* while running */
};

extern const struct config_key CONFIG_KEYS[];
extern const size_t CONFIG_KEY_COUNT;

const struct config_key *config_key_find(const char *key); /* NULL when unknown */
/* Whether a value may go on in indented lines of the file, and whether it is a list then. */
bool config_key_goes_on(const struct config_key *key);
bool config_key_is_list(const struct config_key *key);
/* Parse `text` into its field. False: `expected` is what would be right, nothing changed. */
bool config_value_parse(struct config *config, const struct config_key *key, const char *text,
                        char expected[static CONFIG_ERROR_MAX]);
void config_value_format(const struct config *config, const struct config_key *key,
                         char out[static CONFIG_TEXT_MAX]);

#endif
