#include "data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "codec/text.h"
#include "referrer.h"

enum { SECRET_LEN = 32, HEX_LEN = 2 * SECRET_LEN };

static const char KEY_FILE[] = "tracker.key";

static pbts_status complain(struct app *app, const char *what, const char *path, const char *why) {
    LOG(&app->log, LOG_ERROR, what, LOG_TEXT("path", path), LOG_TEXT("reason", why));
    return PBTS_IO;
}

static pbts_status make_directory(struct app *app, const char *path) {
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return PBTS_OK;
    return complain(app, "data_failed", path, strerror(errno));
}

static void path_of(struct app *app, char out[static CONFIG_TEXT_MAX + 32], const char *name) {
    snprintf(out, CONFIG_TEXT_MAX + 32, "%s/%s", app->config.data, name);
}

static bool sync_directory(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return good;
}

/* A new file that nobody else may read, on disk with its directory entry. It gets its name when it
 * is whole: a start that is cut short here leaves no half secret behind. */
static pbts_status write_new(struct app *app, const char *path, const char *text, size_t len) {
    char draft[CONFIG_TEXT_MAX + 40];
    snprintf(draft, sizeof draft, "%s.new", path);
    (void)unlink(draft); /* of such a start */
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return complain(app, "data_failed", draft, strerror(errno));
    bool good = write(fd, text, len) == (ssize_t)len && fsync(fd) == 0;
    close(fd);
    good = good && rename(draft, path) == 0 && sync_directory(app->config.data);
    if (good) return PBTS_OK;
    unlink(draft);
    return complain(app, "data_failed", path, "could not be written");
}

/* As complain, of what starting again will not mend: a person has to put it right. */
static pbts_status give_up(struct app *app, const char *what, const char *path, const char *why) {
    (void)complain(app, what, path, why);
    return PBTS_CORRUPT;
}

/* The hex line of a secret file. PBTS_NOT_FOUND when there is no such file. */
static pbts_status read_hex(struct app *app, char hex[static HEX_LEN + 1], const char *path) {
    char line[HEX_LEN + 2];
    uint8_t bytes[SECRET_LEN];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return PBTS_NOT_FOUND;
    if (fd < 0) return complain(app, "data_failed", path, strerror(errno));
    struct stat stat;
    ssize_t got = read(fd, line, sizeof line);
    bool known = fstat(fd, &stat) == 0;
    close(fd);
    if (known && (stat.st_mode & 077) != 0)
        LOG(&app->log, LOG_WARN, "secret_readable", LOG_TEXT("path", path),
            LOG_TEXT("advice", "chmod 600: others on this machine can read it"));
    bool good = got >= HEX_LEN && (got == HEX_LEN || line[HEX_LEN] == '\n') &&
                pbts_hex_decode_exact(bytes, sizeof bytes,
                                      (pbts_span){ (uint8_t *)line, HEX_LEN }) == PBTS_OK;
    pbts_wipe(bytes, sizeof bytes);
    if (good) {
        memcpy(hex, line, HEX_LEN);
        hex[HEX_LEN] = '\0';
    }
    pbts_wipe(line, sizeof line);
    return good ? PBTS_OK : give_up(app, "data_failed", path, "is not one line of 64 hex digits");
}

static pbts_status write_hex(struct app *app, const char *path,
                             const uint8_t bytes[static SECRET_LEN]) {
    uint8_t line[HEX_LEN + 1];
    pbts_writer writer = pbts_writer_over(line, sizeof line);
    pbts_hex_encode(&writer, (pbts_span){ bytes, SECRET_LEN });
    pbts_write_u8(&writer, '\n');
    pbts_status status = write_new(app, path, (char *)line, sizeof line);
    pbts_wipe(line, sizeof line);
    return status;
}

static pbts_status load_token(struct app *app) {
    char path[CONFIG_TEXT_MAX + 32];
    uint8_t token[SECRET_LEN];
    path_of(app, path, "admin.token");
    pbts_status status = read_hex(app, app->admin_token, path);
    if (status != PBTS_NOT_FOUND) return status;
    PBTS_TRY(pbts_random_fill(pbts_random_system(), token, sizeof token));
    status = write_hex(app, path, token);
    pbts_wipe(token, sizeof token);
    if (status == PBTS_OK) status = read_hex(app, app->admin_token, path);
    return status;
}

static pbts_status has_ledger(struct app *app, bool *out) {
    pbts_ledger_params params;
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, app->store, false));
    pbts_status status = pbts_ledger_params_read(txn, &params);
    pbts_txn_abort(txn);
    *out = status == PBTS_OK;
    return status == PBTS_NOT_FOUND ? PBTS_OK : status;
}

/* A key is made for an empty store only: no other key can go on with a ledger. */
static pbts_status make_key(struct app *app, pbts_bls_secret *key, const char *path) {
    bool owned = false;
    PBTS_TRY(has_ledger(app, &owned));
    if (owned)
        return give_up(
            app, "key_missing", path,
            "the ledger in store/ belongs to this key, and no other can sign for it: put "
            "tracker.key back from the backup; nothing was changed");
    PBTS_TRY(pbts_bls_generate(key, pbts_random_system()));
    return write_hex(app, path, key->bytes);
}

static pbts_status load_key(struct app *app, pbts_bls_secret *key) {
    char path[CONFIG_TEXT_MAX + 32], hex[HEX_LEN + 1];
    path_of(app, path, KEY_FILE);
    pbts_status status = read_hex(app, hex, path);
    if (status == PBTS_NOT_FOUND) return make_key(app, key, path);
    if (status != PBTS_OK) return status;
    status = pbts_hex_decode_exact(key->bytes, sizeof key->bytes, pbts_span_text(hex));
    pbts_wipe(hex, sizeof hex);
    if (status == PBTS_OK) status = pbts_bls_secret_check(key);
    return status == PBTS_OK ? status : give_up(app, "data_failed", path, "is no secret key");
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
    path_of(app, path, "store");
    PBTS_TRY(make_directory(app, path));
    pbts_status status = pbts_store_open(&app->store, path, &config);
    if (status != PBTS_OK) (void)complain(app, "store_failed", path, reason_of(status));
    return status;
}

/* Open the instance; when the store has none yet, set one up. A setup that was cut short leaves a
 * key and an empty store, and is simply done again. */
static pbts_status open_tracker(struct app *app, const pbts_bls_secret *key) {
    pbts_tracker_config config = { .mem = pbts_mem_system(),
                                   .random = pbts_random_system(),
                                   .store = app->store,
                                   .lock = app_lock_seam(app),
                                   .policy = app->config.live.policy,
                                   .owner = *key };
    pbts_status status = pbts_tracker_open(&app->tracker, &config, app_now());
    if (status == PBTS_NOT_FOUND) {
        LOG(&app->log, LOG_INFO, "setup", LOG_TEXT("data", app->config.data));
        status = referrer_setup(app, &config);
        if (status == PBTS_OK) status = pbts_tracker_open(&app->tracker, &config, app_now());
    }
    pbts_wipe(&config.owner, sizeof config.owner);
    if (status == PBTS_OK) return status;
    if (status != PBTS_DENIED) {
        (void)complain(app, "instance_failed", app->config.data, reason_of(status));
        return status;
    }
    char path[CONFIG_TEXT_MAX + 32];
    path_of(app, path, KEY_FILE);
    return give_up(app, "key_wrong", path,
                   "the ledger in store/ belongs to another key: put its own tracker.key back from "
                   "the backup; nothing was changed");
}

pbts_status data_dir_open(struct app *app) {
    pbts_bls_secret key;
    PBTS_TRY(make_directory(app, app->config.data));
    PBTS_TRY(open_store(app)); /* first: it keeps a second daemon out */
    pbts_status status = load_token(app);
    if (status == PBTS_OK) status = load_key(app, &key);
    if (status == PBTS_OK) status = open_tracker(app, &key);
    pbts_wipe(&key, sizeof key);
    if (status != PBTS_OK) data_dir_close(app);
    return status;
}

void data_dir_close(struct app *app) {
    pbts_tracker_free(app->tracker);
    pbts_store_close(app->store);
    app->tracker = NULL;
    app->store = NULL;
    pbts_wipe(app->admin_token, sizeof app->admin_token);
}
