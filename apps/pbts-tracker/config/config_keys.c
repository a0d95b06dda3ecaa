/* Every key of the configuration. The order is that of --help. */
#include <stddef.h>

#include "config_value.h"
#include "eth/endpoints.h"
#include "kms/group.h"

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
    { "tls_cert", "file", "", "certificate chain for HTTPS (PEM); without it and tls_key: self-signed", CONFIG_PATH, FIELD(tls_cert), 0, 0, 0, 0, false },
    { "tls_key", "file", "", "private key for HTTPS (PEM)", CONFIG_PATH, FIELD(tls_key), 0, 0, 0, 0, false },
    { "key_source", "file|dstack|kms", "file", "where the tracker's key comes from; file: tracker.key in the data directory; dstack: its agent, at tee_path; kms: a key service, for evidence of tee", CONFIG_PATH, FIELD(key_source), 1, 0, 0, 0, false },
    { "key_wait_s", "seconds", "600", "how long the start waits for a key_source that cannot deliver yet", CONFIG_NUMBER, FIELD(key_wait_s), 0, 7 * 24 * 3600, 0, 0, false },
    { "kms_members", "file", "", "the key service's nodes, with the pins of their TLS keys: NUMBER URL KEY PIN, as they have it", CONFIG_PATH, FIELD(kms_members), 0, 0, 0, 0, false },
    { "kms_public", "key", "", "the key service's public key P, 192 hexadecimal digits, from `pbts-kms status`", CONFIG_HEX, FIELD(kms_public), 0, 192, 0, 0, false },
    { "kms_threshold", "nodes", "0", "how many nodes give a key", CONFIG_NUMBER, FIELD(kms_threshold), 0, PBTS_KMS_NODES_MAX, 0, 0, false },
    { "kms_lineage", "hash", "", "which family of trackers this is, 64 hexadecimal digits: all of it have the same key", CONFIG_HEX, FIELD(kms_lineage), 0, 64, 0, 0, false },
    { "kms_generation", "number", "0", "which of the lineage's keys", CONFIG_NUMBER, FIELD(kms_generation), 0, U32_MAX, 0, 0, false },
    { "kms_mode", "gate|pinned", "gate", "gate: every measurement that the nodes allow has the same key; pinned: each its own", CONFIG_CHOICE, FIELD(kms_pinned), 0, 0, "gate", "pinned", false },
    { "kms_timeout_s", "seconds", "20", "how long a node that is silent is waited for", CONFIG_NUMBER, FIELD(kms_timeout_s), 1, 60, 0, 0, false },
    { "admin_token_hash", "hash", "", "SHA-256 of the administrator's token (64 characters), in place of admin.token", CONFIG_PATH, FIELD(admin_token_hash), 0, 0, 0, 0, false },
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
    { "min_interval_s", "seconds", "900", "how often clients may announce at most; not given: never more than half of interval_s", CONFIG_NUMBER, POLICY(min_interval_s), 1, 8 * 3600, 0, 0, true },
    { "numwant_default", "peers", "50", "peers in an answer when the client does not say", CONFIG_NUMBER, POLICY(numwant_default), 0, PBTS_NUMWANT_MAX, 0, 0, true },
    { "numwant_max", "peers", "200", "peers in an answer at most (also MAX_PEERS in the environment)", CONFIG_NUMBER, POLICY(numwant_max), 1, PBTS_NUMWANT_MAX, 0, 0, true },
    { "peers_per_user_max", "peers", "8", "peers of one user in one torrent", CONFIG_NUMBER, POLICY(peers_per_user_max), 1, 64, 0, 0, false },
    { "torrents_per_user_max", "torrents", "10000", "torrents that a user may share at once", CONFIG_NUMBER, POLICY(torrents_per_user_max), 1, U32_MAX, 0, 0, true },
    { "uploads_per_user_max", "torrents", "10000", "torrents that a user may register; each 64 KiB of .torrent count as one", CONFIG_NUMBER, POLICY(uploads_per_user_max), 0, U32_MAX, 0, 0, true },
    { "peer_lists_per_hour", "answers", "6000", "answers with peers that a user gets in an hour; 0: no limit", CONFIG_NUMBER, POLICY(peer_lists_per_hour), 0, U32_MAX, 0, 0, true },
    { "client_deny", "prefixes", "", "peer-id prefixes of clients that are refused", CONFIG_PREFIXES, POLICY(client_deny), 0, 0, 0, 0, true },
    { "address_cpu_ms", "ms a minute", "6000", "CPU time for checking what strangers at one address sign, registrations included; 0: no limit", CONFIG_NUMBER, FIELD(live.address_cpu_ms), 0, CONFIG_CPU_MS_MAX, 0, 0, true },
    { "user_cpu_ms", "ms a minute", "12000", "CPU time for checking what one user signs, reports included; 0: no limit", CONFIG_NUMBER, FIELD(live.user_cpu_ms), 0, CONFIG_CPU_MS_MAX, 0, 0, true },
    { "trusted_proxies", "ranges", "", "whose X-Forwarded-For and PROXY headers count", CONFIG_RANGES, FIELD(live.trusted_proxies), 0, 0, 0, 0, true },
    { "proxy_protocol", "yes|no", "no", "trusted proxies may begin a connection with a PROXY v2 header", CONFIG_BOOL, FIELD(proxy_protocol), 0, 0, 0, 0, false },
    { "metrics_allow", "ranges", "", "who may read /metrics; empty: everybody", CONFIG_RANGES, FIELD(live.metrics_allow), 0, 0, 0, 0, true },
    { "dev_endpoints", "yes|no", "no", "/keygen and /attest for loopback clients; for development only", CONFIG_BOOL, FIELD(dev_endpoints), 0, 0, 0, 0, false },
    { "dht_nodes", "nodes", "", "where users' DHT begins: into the .torrent files that they fetch", CONFIG_NODES, FIELD(dht_nodes), 0, 0, 0, 0, false },
    { "store_max_bytes", "bytes", "16G", "how large the store's file may grow", CONFIG_SIZE, FIELD(store_max_bytes), 1 << 20, (uint64_t)1 << 44, 0, 0, false },
    { "log_format", "kv|json", "kv", "key=value or JSON lines, on standard error", CONFIG_CHOICE, FIELD(log_json), 0, 0, "kv", "json", false },
    { "log_level", "level", "info", "debug, info, warn or error", CONFIG_LEVEL, FIELD(live.log_level), 0, 0, 0, 0, true },
    { "connections_max", "connections", "20000", "TCP connections of all workers together", CONFIG_NUMBER, FIELD(connections_max), 16, 4000000, 0, 0, false },
    { "idle_timeout_s", "seconds", "60", "how long a connection may be silent between requests", CONFIG_NUMBER, FIELD(idle_timeout_s), 1, 3600, 0, 0, false },
    { "referrer", "file", "", "the predecessor's ledger export, read at the first start only", CONFIG_PATH, FIELD(referrer), 0, 0, 0, 0, false },
    { "referrer_claims", "file", "", "the claims of the same export: its receipts of that time count, once", CONFIG_PATH, FIELD(referrer_claims), 0, 0, 0, 0, false },
    { "ledger", "local|ethereum", "local", "where accounts outlive this machine; ethereum: a contract follows the local ledger", CONFIG_CHOICE, FIELD(ledger_ethereum), 0, 0, "local", "ethereum", false },
    { "chain_rpc", "URLs", "", "JSON-RPC servers of the chain, 1 to 16, with commas", CONFIG_PATH, FIELD(chain_rpc), 0, 0, 0, 0, false },
    { "chain_ca", "file", "", "certificates to trust at the servers (PEM); empty: the system's", CONFIG_PATH, FIELD(chain_ca), 0, 0, 0, 0, false },
    { "chain_id", "number", "1", "the chain's id; 1: Ethereum mainnet", CONFIG_NUMBER, FIELD(chain_id), 1, U32_MAX, 0, 0, false },
    { "chain_contract", "address", "", "the Reputation contract, made by `pbts ledger deploy`", CONFIG_PATH, FIELD(chain_contract), 0, 0, 0, 0, false },
    { "chain_code_hash", "hash", "", "of the contract's code, and of its referrer's; none: of the one that this tracker was made with", CONFIG_PATH, FIELD(chain_code_hash), 0, 0, 0, 0, false },
    { "chain_mode", "slots|root", "slots", "a slot for each account, or one root for all; the first batch fixes it", CONFIG_CHOICE, FIELD(chain_root), 0, 0, "slots", "root", false },
    { "chain_first_block", "block", "0", "where the contract was made, to find its users sooner", CONFIG_NUMBER, FIELD(chain_first_block), 0, U32_MAX, 0, 0, false },
    { "chain_quorum", "servers", "0", "how many must name the same block to be believed; 0: more than half", CONFIG_NUMBER, FIELD(chain_quorum), 0, PBTS_ENDPOINTS_MAX, 0, 0, false },
    { "chain_beacon", "URLs", "", "beacon nodes, 1 to 32, with commas: a light client says which blocks count, no quorum", CONFIG_PATH, FIELD(chain_beacon), 0, 0, 0, 0, false },
    { "chain_trusted_root", "hash", "", "of a finalized beacon block of the last days, from somebody you trust; for chain_beacon", CONFIG_PATH, FIELD(chain_trusted_root), 0, 0, 0, 0, false },
    { "chain_preset", "network", "mainnet", "of chain_beacon: mainnet, sepolia, hoodi, or a network's config.yaml (a path with /)", CONFIG_PATH, FIELD(chain_preset), 0, 0, 0, 0, false },
    { "chain_depth", "blocks", "64", "a batch this deep is confirmed", CONFIG_NUMBER, FIELD(chain_depth), 1, 100000, 0, 0, false },
    { "chain_age_max_s", "seconds", "3600", "older blocks are not believed; 0: any age, for chains that stand still", CONFIG_NUMBER, FIELD(chain_age_max_s), 0, U32_MAX, 0, 0, false },
    { "chain_interval_s", "seconds", "600", "between rounds: each brings all who changed to the contract, in as many batches as it takes", CONFIG_NUMBER, FIELD(chain_interval_s), 0, 7 * 24 * 3600, 0, 0, false },
    { "chain_poll_ms", "ms", "12000", "between looks at the chain while a batch is under way", CONFIG_NUMBER, FIELD(chain_poll_ms), 10, 3600 * 1000, 0, 0, false },
    { "chain_max_fee_gwei", "gwei", "100", "offered per gas at most; above it batches wait", CONFIG_NUMBER, FIELD(chain_max_fee_gwei), 1, 1000000, 0, 0, false },
    { "chain_max_tip_gwei", "gwei", "2", "of that for the block's proposer at most", CONFIG_NUMBER, FIELD(chain_max_tip_gwei), 1, 1000000, 0, 0, false },
    { "chain_batch_rows", "users", "0", "in a batch at most; 0: as many as fit", CONFIG_NUMBER, FIELD(chain_batch_rows), 0, 2000, 0, 0, false },
    { "referrer_contract", "address", "", "the predecessor's contract, when chain_contract names it as its referrer", CONFIG_PATH, FIELD(referrer_contract), 0, 0, 0, 0, false },
    { "tee", "none|tdx|sev|dstack|simulator", "none", "what gives evidence of the machine that this runs on; simulator: none that proves anything", CONFIG_TEE, FIELD(tee), 0, 0, 0, 0, false },
    { "tee_path", "path", "", "configfs-tsm's folder, or the socket of dstack's agent; empty: the usual one", CONFIG_PATH, FIELD(tee_path), 0, 0, 0, 0, false },
    { "tee_collateral", "directory", "", "what Intel says of platforms, for /verify-attestation; files as for `pbts tee verify`; read again at SIGHUP", CONFIG_PATH, FIELD(tee_collateral), 0, 0, 0, 0, false },
    { "tee_policy", "file", "", "what /verify-attestation demands of a guest; read again at SIGHUP", CONFIG_PATH, FIELD(tee_policy), 0, 0, 0, 0, false },
};
/* clang-format on */
const size_t CONFIG_KEY_COUNT = sizeof CONFIG_KEYS / sizeof CONFIG_KEYS[0];

const struct config_key *config_key_find(const char *key) {
    for (size_t i = 0; i < CONFIG_KEY_COUNT; i++)
        if (strcmp(CONFIG_KEYS[i].key, key) == 0) return &CONFIG_KEYS[i];
    return NULL;
}

bool config_key_is_list(const struct config_key *key) {
    return key->type == CONFIG_ADDRS || key->type == CONFIG_NODES || key->type == CONFIG_RANGES ||
           key->type == CONFIG_PREFIXES;
}

bool config_key_goes_on(const struct config_key *key) {
    return key->type == CONFIG_HEX || config_key_is_list(key);
}
