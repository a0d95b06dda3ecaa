#include "ethereum_access.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/secret.h"
#include "codec/text.h"
#include "eth/factory_code.h"
#include "exit_codes.h"
#include "files.h"
#include "ledger_claims.h"
#include "options.h"
#include "say.h"

enum {
    DEPTH_MAX = 100000,
    TIMEOUT_S = 30,
    TIMEOUT_MAX_S = 3600,
    KEY_FILE_MAX = 128,
    ETHER_DIGITS = 18
};

/* ---- endpoints ---- */

static int number_of(uint64_t *out, const char *name, const char *text, uint64_t max) {
    if (options_number(out, text, max)) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--%s %s: should be a number up to %llu", name, text,
                    (unsigned long long)max);
}

/* Cuts `list` at its commas; blanks around them do not matter. */
static int split(pbts_chain_config *config, char *list) {
    char *rest = NULL;
    for (char *url = strtok_r(list, ", ", &rest); url != NULL; url = strtok_r(NULL, ", ", &rest)) {
        if (config->urls_len == PBTS_ENDPOINTS_MAX)
            return say_fail(PBTS_EXIT_USAGE, "--rpc: at most %d servers", PBTS_ENDPOINTS_MAX);
        if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
            return say_fail(PBTS_EXIT_USAGE, "--rpc %s: should begin with http:// or https://",
                            url);
        config->urls[config->urls_len++] = url;
    }
    return config->urls_len > 0 ? PBTS_EXIT_OK
                                : say_fail(PBTS_EXIT_USAGE, "--rpc: names no server");
}

static int read_numbers(ethereum_access *access, pbts_chain_config *config) {
    uint64_t quorum = config->urls_len / 2 + 1, depth = 0, timeout_s = TIMEOUT_S;
    int code = PBTS_EXIT_OK;
    if (access->quorum != NULL) code = number_of(&quorum, "quorum", access->quorum, UINT32_MAX);
    if (code == PBTS_EXIT_OK && (quorum == 0 || quorum > config->urls_len))
        code = say_fail(PBTS_EXIT_USAGE, "--quorum %s: should be 1 to the number of servers, %u",
                        access->quorum, config->urls_len);
    if (code == PBTS_EXIT_OK && access->chain_id_text != NULL)
        code = number_of(&access->chain_id, "chain-id", access->chain_id_text, UINT64_MAX);
    if (code == PBTS_EXIT_OK && access->depth_text != NULL)
        code = number_of(&depth, "depth", access->depth_text, DEPTH_MAX);
    if (code == PBTS_EXIT_OK && access->timeout != NULL)
        code = number_of(&timeout_s, "timeout", access->timeout, TIMEOUT_MAX_S);
    config->patience_ms = (uint32_t)(timeout_s > 0 ? timeout_s : 1) * 1000;
    config->quorum = access->quorum_len = (uint32_t)quorum;
    access->endpoints = config->urls_len;
    access->depth_blocks = (uint32_t)depth;
    return code;
}

static int open_chain(ethereum_access *access, const pbts_chain_config *config) {
    pbts_status status = pbts_chain_open(&access->chain, config);
    return status == PBTS_OK ? PBTS_EXIT_OK
                             : say_fail(PBTS_EXIT_IO, "--rpc: %s", pbts_status_text(status));
}

static int ask_chain_id(ethereum_access *access, pbts_chain_config *config) {
    int code = open_chain(access, config);
    if (code != PBTS_EXIT_OK) return code;
    pbts_status status = pbts_chain_ask_id(access->chain, &access->chain_id);
    if (status != PBTS_OK) return ethereum_fail(access, "which chain it is", status);
    pbts_chain_close(access->chain);
    access->chain = NULL;
    return PBTS_EXIT_OK;
}

/* From the light client's network, which --chain-id may not contradict; else from the servers. */
static int find_chain_id(ethereum_access *access, pbts_chain_config *config) {
    uint64_t chain_id = access->chain_id;
    int code = ethereum_beacon_read(&access->beacon, config, &chain_id);
    if (code != PBTS_EXIT_OK) return code;
    if (config->beacon.urls_len == 0)
        return access->chain_id_text != NULL ? PBTS_EXIT_OK : ask_chain_id(access, config);
    if (access->chain_id_text != NULL && access->chain_id != chain_id)
        return say_fail(PBTS_EXIT_USAGE, "--chain-id %s: --preset is of chain %llu",
                        access->chain_id_text, (unsigned long long)chain_id);
    access->chain_id = chain_id;
    access->quorum_len = 0;
    return PBTS_EXIT_OK;
}

int ethereum_open(ethereum_access *access) {
    pbts_chain_config config = { .ca = access->ca, .age_max_s = UINT64_MAX };
    char *list = strdup(access->rpc);
    if (list == NULL) return say_no_memory();
    int code = split(&config, list);
    if (code == PBTS_EXIT_OK) code = read_numbers(access, &config);
    if (code == PBTS_EXIT_OK) code = find_chain_id(access, &config);
    config.chain_id = access->chain_id;
    if (code == PBTS_EXIT_OK) code = open_chain(access, &config);
    ethereum_beacon_end(&access->beacon);
    free(list);
    return code;
}

void ethereum_close(ethereum_access *access) {
    pbts_chain_close(access->chain);
    access->chain = NULL;
}

int ethereum_fail(const ethereum_access *access, const char *what, pbts_status status) {
    const char *problem = access->chain != NULL ? pbts_chain_problem(access->chain) : "";
    bool is_refused = pbts_status_class(status) == PBTS_REJECT;
    return say_fail(is_refused ? PBTS_EXIT_REFUSED : PBTS_EXIT_IO, "%s: %s", what,
                    problem[0] != '\0' ? problem : pbts_status_text(status));
}

/* ---- text ---- */

static bool read_hex(uint8_t *out, size_t len, const char *text) {
    return pbts_hex_decode_exact(out, len, pbts_span_text(text)) == PBTS_OK;
}

int ethereum_address_parse(pbts_eth_address *out, const char *name, const char *text) {
    if (strncmp(text, "0x", 2) == 0 && read_hex(out->bytes, sizeof out->bytes, text + 2))
        return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--%s %s: should be an address, 0x and 40 hexadecimal digits",
                    name, text);
}

int ethereum_hash_parse(uint8_t out[static 32], const char *name, const char *text) {
    const char *digits = strncmp(text, "0x", 2) == 0 ? text + 2 : text;
    if (read_hex(out, 32, digits)) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "--%s %s: should be a hash, 0x and 64 hexadecimal digits",
                    name, text);
}

static void write_hex(char *out, size_t size, pbts_span bytes) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, size);
    pbts_write_text(&writer, "0x");
    pbts_hex_encode(&writer, bytes);
    pbts_write_u8(&writer, 0);
}

void ethereum_address_text(char out[static ETHEREUM_ADDRESS_TEXT],
                           const pbts_eth_address *address) {
    write_hex(out, ETHEREUM_ADDRESS_TEXT, PBTS_SPAN_OF(address->bytes));
}

void ethereum_hash_text(char out[static ETHEREUM_HASH_TEXT], const uint8_t hash[static 32]) {
    write_hex(out, ETHEREUM_HASH_TEXT, (pbts_span){ hash, 32 });
}

/* Divide by ten in place; the remainder is the lowest digit. */
static unsigned next_digit(pbts_u256 *value) {
    unsigned left = 0;
    for (size_t i = 0; i < sizeof value->bytes; i++) {
        left = left * 256 + value->bytes[i];
        value->bytes[i] = (uint8_t)(left / 10);
        left %= 10;
    }
    return left;
}

void ethereum_ether_text(char out[static ETHEREUM_ETHER_TEXT], const pbts_u256 *wei) {
    char digits[ETHEREUM_ETHER_TEXT] = { 0 };
    pbts_u256 left = *wei;
    size_t len = 0, at = 0, first = 0;
    while (len <= ETHER_DIGITS || !pbts_u256_is_zero(&left))
        digits[len++] = (char)('0' + next_digit(&left));
    while (first < ETHER_DIGITS && digits[first] == '0') first++;
    for (size_t i = len; i-- > first;) {
        if (i == ETHER_DIGITS - 1) out[at++] = '.';
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

/* ---- keys ---- */

static int check_private(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return say_errno(path);
    if ((info.st_mode & 077) != 0)
        return say_fail(PBTS_EXIT_IO, "%s: others may read this key; chmod 600 it", path);
    return PBTS_EXIT_OK;
}

static int read_key_file(pbts_secp256k1_secret *out, const char *path) {
    uint8_t *text;
    size_t len;
    int code = check_private(path);
    if (code == PBTS_EXIT_OK) code = file_read(&text, &len, path, KEY_FILE_MAX);
    if (code != PBTS_EXIT_OK) return code;
    pbts_span line = { text, len };
    while (line.len > 0 && strchr("\r\n ", line.data[line.len - 1]) != NULL) line.len--;
    if (line.len > 2 && memcmp(line.data, "0x", 2) == 0)
        line = (pbts_span){ text + 2, line.len - 2 };
    pbts_status status = pbts_hex_decode_exact(out->bytes, sizeof out->bytes, line);
    if (status == PBTS_OK) status = pbts_secp256k1_secret_check(out);
    pbts_wipe(text, len);
    free(text);
    return status == PBTS_OK
               ? PBTS_EXIT_OK
               : say_fail(PBTS_EXIT_IO, "%s: this is no Ethereum key (64 hexadecimal digits)",
                          path);
}

static int derive_key(pbts_secp256k1_secret *out, const char *path) {
    ledger_key tracker;
    int code = ledger_key_read_file(&tracker, path);
    if (code != PBTS_EXIT_OK) return code;
    *out = tracker.keys.ethereum;
    pbts_wipe(&tracker, sizeof tracker);
    return PBTS_EXIT_OK;
}

int ethereum_key_read(pbts_secp256k1_secret *out, pbts_eth_address *address,
                      const char *tracker_key, const char *key_file) {
    pbts_secp256k1_signer *signer = NULL;
    if (tracker_key == NULL && key_file == NULL)
        return say_fail(PBTS_EXIT_USAGE, "which key: --key tracker.key, or --eth-key FILE? see "
                                         "\"pbts ledger address --help\"");
    int code = key_file != NULL ? read_key_file(out, key_file) : derive_key(out, tracker_key);
    if (code != PBTS_EXIT_OK) return code;
    if (pbts_secp256k1_signer_new(&signer, pbts_mem_system(), pbts_random_system()) != PBTS_OK) {
        pbts_wipe(out, sizeof *out);
        return say_no_memory();
    }
    *address = pbts_eth_address_of_secret(signer, out);
    pbts_secp256k1_signer_free(signer);
    return PBTS_EXIT_OK;
}

/* ---- contracts ---- */

pbts_status ethereum_contract(const ethereum_access *access, pbts_reputation_state *out,
                              const pbts_trusted_block *block, const pbts_eth_address *contract) {
    pbts_u256 keys[PBTS_REPUTATION_FIXED_SLOTS], values[PBTS_REPUTATION_FIXED_SLOTS];
    pbts_eth_account account;
    for (uint64_t i = 0; i < PBTS_REPUTATION_FIXED_SLOTS; i++) keys[i] = pbts_u256_from_u64(i);
    PBTS_TRY(pbts_chain_read_words(access->chain, &account, values, NULL, block, contract, keys,
                                   PBTS_REPUTATION_FIXED_SLOTS));
    if (!account.present || pbts_eth_hash_equal(&account.code_hash, &PBTS_ETH_EMPTY_CODE))
        return PBTS_NOT_FOUND;
    if (memcmp(account.code_hash.bytes, pbts_eth_reputation_code_hash(), PBTS_ETH_CODE_HASH_LEN) !=
        0)
        return PBTS_DENIED;
    return pbts_reputation_state_unpack(out, values);
}

int ethereum_contract_fail(const ethereum_access *access, const pbts_eth_address *contract,
                           pbts_status status) {
    char text[ETHEREUM_ADDRESS_TEXT];
    ethereum_address_text(text, contract);
    if (status == PBTS_NOT_FOUND)
        return say_fail(PBTS_EXIT_REFUSED, "%s: there is no contract at this address", text);
    if (status == PBTS_DENIED || status == PBTS_MALFORMED)
        return say_fail(PBTS_EXIT_REFUSED, "%s: this is no Reputation contract", text);
    return ethereum_fail(access, text, status);
}

void ethereum_pause(uint32_t ms) {
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}
