#include "data_dir.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/secret.h"
#include "base/secret_memory.h"
#include "codec/text.h"
#include "ethereum/ethereum.h"
#include "hash/sha.h"
#include "key_source.h"
#include "referrer.h"
#include "secret_file.h"
#include "store_keys.h"

enum { TOKEN_BYTES = 32 };

static pbts_status make_directory(struct app *app, const char *path) {
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return PBTS_OK;
    return secret_file_complain(app, "data_failed", path, strerror(errno));
}

/* ---- the administrator's token: a password, not a key; only its hash is kept here ---- */

static void take_token(struct app *app, pbts_span token) {
    pbts_sha256(app->admin_token_hash, token);
    app->has_admin = true;
}

static pbts_status make_token(struct app *app, const char *path) {
    uint8_t bytes[TOKEN_BYTES], line[ADMIN_TOKEN_LEN + 1];
    pbts_writer writer = pbts_writer_over(line, sizeof line);
    PBTS_TRY(pbts_random_fill(pbts_random_system(), bytes, sizeof bytes));
    pbts_hex_encode(&writer, PBTS_SPAN_OF(bytes));
    take_token(app, (pbts_span){ line, ADMIN_TOKEN_LEN });
    pbts_write_u8(&writer, '\n');
    pbts_status status = secret_file_write(app, path, pbts_writer_span(&writer));
    pbts_wipe(bytes, sizeof bytes);
    pbts_wipe(line, sizeof line);
    return status;
}

static pbts_status read_token(struct app *app, const char *path) {
    uint8_t line[ADMIN_TOKEN_LEN + 1], bytes[TOKEN_BYTES];
    size_t len;
    pbts_status status = secret_file_read(app, line, &len, sizeof line, path);
    if (status == PBTS_NOT_FOUND) return make_token(app, path);
    if (status != PBTS_OK) return status;
    bool good =
        (len == ADMIN_TOKEN_LEN || (len > ADMIN_TOKEN_LEN && line[len - 1] == '\n')) &&
        pbts_hex_decode_exact(bytes, sizeof bytes, (pbts_span){ line, ADMIN_TOKEN_LEN }) == PBTS_OK;
    if (good) take_token(app, (pbts_span){ line, ADMIN_TOKEN_LEN });
    pbts_wipe(bytes, sizeof bytes);
    pbts_wipe(line, sizeof line);
    return good ? PBTS_OK
                : secret_file_give_up(app, "data_failed", path, "is not one line of 64 hex digits");
}

/* With a hash in the configuration there is no file, and without either no administrator. */
static pbts_status load_token(struct app *app, const struct key_source *source) {
    char path[CONFIG_TEXT_MAX + 32];
    PBTS_TRY(pbts_random_fill(pbts_random_system(), app->limit_seed, sizeof app->limit_seed));
    if (app->config.admin_token_hash[0] != '\0') {
        app->has_admin = true;
        return pbts_hex_decode_exact(app->admin_token_hash, sizeof app->admin_token_hash,
                                     pbts_span_text(app->config.admin_token_hash));
    }
    if (!source->is_local) {
        LOG(&app->log, LOG_WARN, "admin_none",
            LOG_TEXT("advice", "set admin_token_hash: nobody can administer this tracker"));
        return PBTS_OK;
    }
    secret_file_path(app, path, "admin.token");
    return read_token(app, path);
}

/* ---- keys ---- */

static pbts_status load_keys(struct app *app, const struct key_source *source) {
    bool locked = false;
    pbts_key_trk *root = pbts_secret_new(sizeof *root, NULL);
    app->keys = pbts_secret_new(sizeof *app->keys, &locked);
    pbts_status status = root != NULL && app->keys != NULL ? PBTS_OK : PBTS_NO_MEMORY;
    if (status == PBTS_OK && !locked)
        LOG(&app->log, LOG_WARN, "keys_not_locked",
            LOG_TEXT("advice", "keys may be swapped out: raise RLIMIT_MEMLOCK (ulimit -l)"));
    if (status == PBTS_OK) status = key_source_read(app, source, root);
    if (status == PBTS_OK) status = pbts_tracker_keys_derive(app->keys, root);
    pbts_secret_free(root);
    return status == PBTS_OK ? store_keys_open(app, source) : status;
}

static const char *reason_of(pbts_status status) {
    switch (status) {
    case PBTS_DENIED: return "another process has it open";
    case PBTS_CORRUPT: return "its data fails a check; restore it from a backup";
    case PBTS_FULL: return "the disk or store_max_bytes is full";
    case PBTS_IO: return strerror(errno);
    default: return pbts_status_text(status);
    }
}

static pbts_status open_store(struct app *app) {
    char path[CONFIG_TEXT_MAX + 32];
    pbts_store_config config = { .size_max_bytes = app->config.store_max_bytes };
    secret_file_path(app, path, "store");
    PBTS_TRY(make_directory(app, path));
    pbts_status status = pbts_store_open(&app->store, path, &config);
    if (status != PBTS_OK) (void)secret_file_complain(app, "store_failed", path, reason_of(status));
    return status;
}

/* One instance keeps to one kind of ledger. */
static pbts_status check_kind(struct app *app) {
    if (app->config.ledger_ethereum) return ethereum_check(app);
    if (!pbts_tracker_is_mirrored(app->tracker)) return PBTS_OK;
    return secret_file_give_up(app, "ledger_wrong", app->config.data,
                               "the data belong to an instance on Ethereum: set ledger = ethereum");
}

/* An instance in the empty store. One that was cut short leaves a key and an empty store, and is
 * simply done again. */
static pbts_status set_up(struct app *app, pbts_tracker_config *config) {
    bool on_chain = app->config.ledger_ethereum;
    LOG(&app->log, LOG_INFO, "setup", LOG_TEXT("data", app->config.data));
    pbts_status status = on_chain ? ethereum_setup(app, config) : referrer_setup(app, config);
    if (status == PBTS_OK) return PBTS_OK;
    /* What the chain and the files of a predecessor were asked for they have said themselves. */
    bool is_said =
        on_chain ? status == PBTS_CORRUPT || status == PBTS_IO : status == PBTS_MALFORMED;
    (void)secret_file_complain(
        app, "setup_failed", app->config.data,
        is_said ? "see above; there is no instance yet, and nothing to be restored: the "
                  "next start tries again"
                : reason_of(status));
    return status;
}

/* Open the instance; when the store has none yet, set one up. */
static pbts_status open_tracker(struct app *app) {
    pbts_tracker_config config = { .mem = pbts_mem_system(),
                                   .random = pbts_random_system(),
                                   .store = app->store,
                                   .lock = app_lock_seam(app),
                                   .policy = app->config.live.policy,
                                   .owner = app->keys->owner,
                                   .passkey_root = app->keys->passkey_root };
    bool is_set_up = true;
    pbts_status status = pbts_tracker_open(&app->tracker, &config, app_now());
    if (status == PBTS_NOT_FOUND) {
        status = set_up(app, &config);
        is_set_up = status == PBTS_OK;
        if (is_set_up) status = pbts_tracker_open(&app->tracker, &config, app_now());
    }
    pbts_wipe(&config.owner, sizeof config.owner);
    if (!is_set_up) return status;
    if (status == PBTS_OK) return check_kind(app);
    (void)secret_file_complain(app, "instance_failed", app->config.data, reason_of(status));
    return status;
}

pbts_status data_dir_open(struct app *app) {
    const struct key_source *source = key_source_find(app->config.key_source);
    assert(source != NULL);
    PBTS_TRY(make_directory(app, app->config.data));
    PBTS_TRY(open_store(app)); /* first: it keeps a second daemon out */
    pbts_status status = load_token(app, source);
    if (status == PBTS_OK) status = load_keys(app, source);
    if (status == PBTS_OK) status = open_tracker(app);
    if (status != PBTS_OK) data_dir_close(app);
    return status;
}

void data_dir_close(struct app *app) {
    pbts_tracker_free(app->tracker);
    pbts_store_close(app->store);
    pbts_secret_free(app->keys);
    app->tracker = NULL;
    app->store = NULL;
    app->keys = NULL;
    app->has_admin = false;
}
