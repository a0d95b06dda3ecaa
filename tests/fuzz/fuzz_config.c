/* Any bytes as a configuration file: a configuration or an error that names its line. */
#include "base/assert.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken can be written and read again, and means the same. */
static void check_round_trip(const struct config *config) {
    static struct config again;
    const char *key, *unit;
    bool may_change;
    char value[CONFIG_TEXT_MAX], second[CONFIG_TEXT_MAX], error[CONFIG_ERROR_MAX];
    again = *config;
    for (size_t i = 0; config_key_at(config, i, &key, &unit, &may_change, value); i++) {
        if (strlen(value) >= CONFIG_TEXT_MAX - 1) continue; /* a list cut to fit */
        if (!config_set(&again, error, "again", key, value)) {
            assert(value[0] == '\0' || strchr(value, ',') != NULL);
            continue;
        }
        (void)config_key_at(&again, i, &key, &unit, &may_change, second);
        assert(strcmp(value, second) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct config config, before;
    char error[CONFIG_ERROR_MAX];
    config_defaults(&config);
    before = config;
    if (config_apply_text(&config, error, "file", (pbts_span){ data, size })) {
        check_round_trip(&config);
        (void)config_finish(&config, error);
    } else {
        assert(strncmp(error, "file, line ", 11) == 0);
        assert(memcmp(&config, &before, sizeof config) == 0);
    }
    return 0;
}
