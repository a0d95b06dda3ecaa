/* config.h - the daemon's configuration: defaults < pbts-tracker.conf < PBTS_* environment < flags.
 *
 * One table (config_keys.c) names every key with its unit, default, help and parser. A bad value is
 * an error that says where it stands and what would be right; nothing is guessed.
 */
#ifndef PBTS_TRACKER_CONFIG_H
#define PBTS_TRACKER_CONFIG_H

#include "base/addr.h"
#include "tee/tee.h"
#include "tracker/tracker.h"

enum {
    CONFIG_LISTEN_MAX = 16,
    CONFIG_RANGES_MAX = 64,
    CONFIG_WORKERS_MAX = 64,
    CONFIG_NODES_MAX = 16,
    CONFIG_CPU_MS_MAX = 60 * 60 * 1000, /* a minute of 60 cores */
    CONFIG_TEXT_MAX = 1024,             /* one value, with NUL */
    CONFIG_ERROR_MAX = 512,
};

struct config_ranges {
    pbts_addr_range range[CONFIG_RANGES_MAX];
    size_t count;
};
bool config_ranges_contain(const struct config_ranges *ranges, const pbts_addr *addr);

enum config_log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* What may change while the daemon runs. */
struct config_live {
    pbts_policy policy;         /* the tracker has its own copy; set both with app_reload */
    bool min_interval_is_given; /* else it follows interval_s */
    struct config_ranges trusted_proxies, metrics_allow;
    enum config_log_level log_level;
    uint32_t address_cpu_ms, user_cpu_ms; /* a minute, see work.h; 0: no limit */
};

struct config {
    char data[CONFIG_TEXT_MAX]; /* directory */
    char file[CONFIG_TEXT_MAX]; /* the configuration file that was read; empty: none */
    pbts_addr listen[CONFIG_LISTEN_MAX];
    size_t listen_count;
    bool listen_is_default;    /* an address family that the machine lacks is skipped */
    uint16_t port, https_port; /* port 0: any free one; https_port 0: no HTTPS */
    char tls_cert[CONFIG_TEXT_MAX], tls_key[CONFIG_TEXT_MAX]; /* both empty: self-signed */
    char key_source[CONFIG_TEXT_MAX], admin_token_hash[CONFIG_TEXT_MAX];
    uint32_t key_wait_s;
    char kms_members[CONFIG_TEXT_MAX], kms_public[CONFIG_TEXT_MAX], kms_lineage[CONFIG_TEXT_MAX];
    uint32_t kms_threshold, kms_generation, kms_timeout_s;
    bool kms_pinned;                /* kms_mode = pinned */
    uint32_t workers, rest_threads; /* 0: one per core */
    char public_url[256];
    bool proxy_protocol, dev_endpoints, log_json;
    pbts_addr dht_nodes[CONFIG_NODES_MAX]; /* where users' DHT begins, for the files they fetch */
    size_t dht_nodes_count;
    uint64_t store_max_bytes;
    uint32_t connections_max, idle_timeout_s;
    char referrer[CONFIG_TEXT_MAX], referrer_claims[CONFIG_TEXT_MAX];
    bool ledger_ethereum; /* else local */
    char chain_rpc[CONFIG_TEXT_MAX], chain_ca[CONFIG_TEXT_MAX];
    char chain_beacon[CONFIG_TEXT_MAX], chain_trusted_root[CONFIG_TEXT_MAX];
    char chain_preset[CONFIG_TEXT_MAX]; /* a name, or a file */
    char chain_contract[CONFIG_TEXT_MAX], referrer_contract[CONFIG_TEXT_MAX];
    char chain_code_hash[CONFIG_TEXT_MAX];
    uint32_t chain_id, chain_quorum, chain_depth, chain_first_block; /* quorum 0: a majority */
    uint32_t chain_age_max_s, chain_interval_s, chain_poll_ms;
    bool chain_root; /* chain_mode = root */
    uint32_t chain_max_fee_gwei, chain_max_tip_gwei, chain_batch_rows;
    uint32_t tee; /* pbts_tee_kind */
    char tee_path[CONFIG_TEXT_MAX], tee_collateral[CONFIG_TEXT_MAX], tee_policy[CONFIG_TEXT_MAX];
    struct config_live live;
};

enum config_result { CONFIG_RUN, CONFIG_CHECKED, CONFIG_SHOWN, CONFIG_BAD };

/* A configuration as text: who set each key, later ones win. Opaque to all but config*.c. */
struct config_key;

void config_defaults(struct config *config);
/* Apply one "key" "value". False with a sentence in `error`. `where`: "file x, line 3", "flag
 * --port". */
bool config_set(struct config *config, char error[static CONFIG_ERROR_MAX], const char *where,
                const char *key, const char *value);
/* Apply the text of a configuration file (key = value lines); a pure function of its bytes. */
bool config_apply_text(struct config *config, char error[static CONFIG_ERROR_MAX],
                       const char *file_name, pbts_span text);
/* min_interval_s where nobody gave it: as by default, but at most half of interval_s. To be called
 * again when that changes. */
void config_follow_interval(struct config_live *live);
/* Checks between keys, after all were set. */
bool config_finish(struct config *config, char error[static CONFIG_ERROR_MAX]);
/* All sources in order. CONFIG_SHOWN: --help or --version was printed. CONFIG_BAD: error was
 * printed. */
enum config_result config_load(struct config *config, int argc, char **argv, char **environment);
/* Read the same sources again, quietly (SIGHUP). */
bool config_reload(struct config *config, char error[static CONFIG_ERROR_MAX], int argc,
                   char **argv, char **environment);
/* The next variable that begins as ours do (PBTS_) but names no key: most likely a slip of the pen.
 * `name` is borrowed from the environment and without its value; `at` begins at 0. False: no more.
 */
bool config_unknown_variable(pbts_span *name, size_t *at, char **environment);
void config_print_help(const char *program);

/* Walk the keys with their present values (GET /config); false past the last one. */
bool config_key_at(const struct config *config, size_t index, const char **key, const char **unit,
                   bool *may_change, char value[static CONFIG_TEXT_MAX]);
/* Whether a key may change at run time; false for unknown ones too. */
bool config_may_change(const char *key);

#endif
