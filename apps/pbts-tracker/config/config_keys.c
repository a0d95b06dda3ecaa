/* Every key of the configuration. The order is that of --help. */
#include <stddef.h>

#include "config_value.h"

#define FIELD(name) offsetof(struct config, name)
#define POLICY(name) offsetof(struct config, live.policy.name)
#define U32_MAX UINT32_MAX
#define EIB ((uint64_t)1 << 60)

/* clang-format off */
const struct config_key CONFIG_KEYS[] = {
    { "data", "directory", "data", "where the tracker keeps its state", CONFIG_PATH, FIELD(data), 1, 0, 0, 0, false },
    { "listen", "addresses", "0.0.0.0, [::]", "addresses to listen on, TCP and UDP", CONFIG_ADDRS, FIELD(listen), 1, 0, 0, 0, false },
    { "port", "port", "8000", "HTTP and UDP port; 0: any free one", CONFIG_PORT, FIELD(port), 0, 65535, 0, 0, false },
    { "https_port", "port", "0", "HTTPS port; 0: no HTTPS", CONFIG_PORT, FIELD(https_port), 0, 65535, 0, 0, false },
    { "tls_cert", "file", "", "certificate chain for HTTPS (PEM)", CONFIG_PATH, FIELD(tls_cert), 0, 0, 0, 0, false },
    { "tls_key", "file", "", "private key for HTTPS (PEM)", CONFIG_PATH, FIELD(tls_key), 0, 0, 0, 0, false },
    { "workers", "threads", "0", "threads that answer announces; 0: one per core", CONFIG_NUMBER, FIELD(workers), 0, CONFIG_WORKERS_MAX, 0, 0, false },
    { "rest_threads", "threads", "0", "threads of the REST server; 0: one per core", CONFIG_NUMBER, FIELD(rest_threads), 0, 256, 0, 0, false },
    { "public_url", "URL", "", "how users reach the tracker; empty: from the first address and port", CONFIG_URL, FIELD(public_url), 0, 0, 0, 0, false },
    { "access", "private|open", "private", "open: announces need no passkey (torrents must be registered all the same)", CONFIG_CHOICE, POLICY(open_access), 0, 0, "private", "open", true },
    { "registration", "admin|open", "open", "who may register users", CONFIG_CHOICE, POLICY(open_registration), 0, 0, "admin", "open", true },
    { "min_ratio", "ratio", "0.5", "below it no download starts; 0: no ratio rule", CONFIG_MILLI, POLICY(min_ratio_milli), 0, 1000000, 0, 0, true },
    { "init_credit_bytes", "bytes", "1G", "upload granted to a new user", CONFIG_SIZE, POLICY(init_credit_bytes), 0, EIB, 0, 0, true },
    { "overdraft_bytes", "bytes", "1G", "how far below its ratio a user may run before its senders' credit is held", CONFIG_SIZE, POLICY(overdraft_bytes), 0, EIB, 0, 0, true },
    { "deficit_max_bytes", "bytes", "1T", "what a user may owe at most, whatever its ratio; 0: no limit", CONFIG_SIZE, POLICY(deficit_max_bytes), 0, EIB, 0, 0, true },
    { "interval_s", "seconds", "1800", "how often clients announce", CONFIG_NUMBER, POLICY(interval_s), 10, 8 * 3600, 0, 0, false },
    { "min_interval_s", "seconds", "900", "how often clients may announce at most", CONFIG_NUMBER, POLICY(min_interval_s), 1, 8 * 3600, 0, 0, true },
    { "numwant_default", "peers", "50", "peers in an answer when the client does not say", CONFIG_NUMBER, POLICY(numwant_default), 0, PBTS_NUMWANT_MAX, 0, 0, true },
    { "numwant_max", "peers", "200", "peers in an answer at most (also MAX_PEERS in the environment)", CONFIG_NUMBER, POLICY(numwant_max), 1, PBTS_NUMWANT_MAX, 0, 0, true },
    { "peers_per_user_max", "peers", "8", "peers of one user in one torrent", CONFIG_NUMBER, POLICY(peers_per_user_max), 1, 64, 0, 0, false },
    { "torrents_per_user_max", "torrents", "10000", "torrents that a user may share at once", CONFIG_NUMBER, POLICY(torrents_per_user_max), 1, U32_MAX, 0, 0, true },
    { "uploads_per_user_max", "torrents", "10000", "torrents that a user may register", CONFIG_NUMBER, POLICY(uploads_per_user_max), 0, U32_MAX, 0, 0, true },
    { "peer_lists_per_hour", "answers", "6000", "answers with peers that a user gets in an hour; 0: no limit", CONFIG_NUMBER, POLICY(peer_lists_per_hour), 0, U32_MAX, 0, 0, true },
    { "client_deny", "prefixes", "", "peer-id prefixes of clients that are refused", CONFIG_PREFIXES, POLICY(client_deny), 0, 0, 0, 0, true },
    { "address_cpu_ms", "ms a minute", "6000", "CPU time for checking what strangers at one address sign, registrations included; 0: no limit", CONFIG_NUMBER, FIELD(live.address_cpu_ms), 0, CONFIG_CPU_MS_MAX, 0, 0, true },
    { "user_cpu_ms", "ms a minute", "12000", "CPU time for checking what one user signs, reports included; 0: no limit", CONFIG_NUMBER, FIELD(live.user_cpu_ms), 0, CONFIG_CPU_MS_MAX, 0, 0, true },
    { "trusted_proxies", "ranges", "", "whose X-Forwarded-For and PROXY headers count", CONFIG_RANGES, FIELD(live.trusted_proxies), 0, 0, 0, 0, true },
    { "proxy_protocol", "yes|no", "no", "trusted proxies may begin a connection with a PROXY v2 header", CONFIG_BOOL, FIELD(proxy_protocol), 0, 0, 0, 0, false },
    { "metrics_allow", "ranges", "", "who may read /metrics; empty: everybody", CONFIG_RANGES, FIELD(live.metrics_allow), 0, 0, 0, 0, true },
    { "dev_endpoints", "yes|no", "no", "/keygen and /attest for loopback clients; for development only", CONFIG_BOOL, FIELD(dev_endpoints), 0, 0, 0, 0, false },
    { "store_max_bytes", "bytes", "16G", "how large the store's file may grow", CONFIG_SIZE, FIELD(store_max_bytes), 1 << 20, (uint64_t)1 << 44, 0, 0, false },
    { "log_format", "kv|json", "kv", "key=value or JSON lines, on standard error", CONFIG_CHOICE, FIELD(log_json), 0, 0, "kv", "json", false },
    { "log_level", "level", "info", "debug, info, warn or error", CONFIG_LEVEL, FIELD(live.log_level), 0, 0, 0, 0, true },
    { "connections_max", "connections", "20000", "TCP connections of all workers together", CONFIG_NUMBER, FIELD(connections_max), 16, 4000000, 0, 0, false },
    { "idle_timeout_s", "seconds", "60", "how long a connection may be silent between requests", CONFIG_NUMBER, FIELD(idle_timeout_s), 1, 3600, 0, 0, false },
    { "referrer", "file", "", "the predecessor's ledger export, read at the first start only", CONFIG_PATH, FIELD(referrer), 0, 0, 0, 0, false },
    { "referrer_claims", "file", "", "the claims of the same export: its receipts of that time count, once", CONFIG_PATH, FIELD(referrer_claims), 0, 0, 0, 0, false },
};
/* clang-format on */
const size_t CONFIG_KEY_COUNT = sizeof CONFIG_KEYS / sizeof CONFIG_KEYS[0];

const struct config_key *config_key_find(const char *key) {
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        if (strcmp(CONFIG_KEYS[i].key, key) == 0) return &CONFIG_KEYS[i];
    return NULL;
}

bool config_key_is_list(const struct config_key *key) {
    return key->type == CONFIG_ADDRS || key->type == CONFIG_RANGES || key->type == CONFIG_PREFIXES;
}
