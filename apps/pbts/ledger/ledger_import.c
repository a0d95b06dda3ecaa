/* ledger_import.c - `pbts ledger import`: a data folder from exports, for a tracker whose machine
 * is gone. Everything is made under DIR/import.part and moved up when it is whole and on disk. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"
#include "ledger_chain.h"
#include "ledger_claims.h"
#include "ledger_commands.h"
#include "ledger_walk.h"
#include "options.h"
#include "say.h"
#include "tracker/tracker.h"

enum { KEY_LINE_LEN = 65, PATH_LEN = 4096 };

typedef struct {
    const char *data, *key, *ledger, *claims, *referrer;
} import_options;

typedef struct {
    const import_options *options;
    ledger_chain chain, referrer;
    ledger_claims claims;
    ledger_key tracker_key;
    char part[PATH_LEN], part_store[PATH_LEN], part_key[PATH_LEN];
    char store[PATH_LEN], key[PATH_LEN];
} importing;

/* --- input --------------------------------------------------------------------------------- */

static int read_key(importing *i) {
    pbts_bls_public own;
    int code = ledger_key_read_file(&i->tracker_key, i->options->key);
    if (code != LEDGER_OK) return code;
    pbts_bls_public_of(&own, &i->tracker_key.keys.owner);
    if (memcmp(own.bytes, i->chain.file.params.owner.bytes, sizeof own.bytes) == 0)
        return LEDGER_OK;
    return ledger_fail(LEDGER_BAD, i->options->key, "this is not the key of the ledger's owner");
}

static int read_referrer(importing *i) {
    const pbts_ledger_params *params = &i->chain.file.params;
    const char *path = i->options->referrer;
    if (!params->has_referrer && path != NULL)
        return ledger_fail(LEDGER_BAD, path, "this instance has no predecessor");
    if (!params->has_referrer) return LEDGER_OK;
    if (path == NULL)
        return ledger_fail(LEDGER_USAGE, "import",
                           "this instance has a predecessor; give its export with --referrer");
    int code = ledger_chain_open(&i->referrer, path);
    if (code != LEDGER_OK) return code;
    if (memcmp(i->referrer.file.params.iid, params->referrer_iid, sizeof params->referrer_iid) != 0)
        return ledger_fail(LEDGER_BAD, path, "this is the ledger of another predecessor");
    if (i->referrer.file.head.epoch >= params->referrer_last_epoch) return LEDGER_OK;
    return ledger_fail(LEDGER_BAD, path, "it ends before the successor took over; export it again");
}

static int read_all(importing *i) {
    int code = ledger_chain_open(&i->chain, i->options->ledger);
    if (code == LEDGER_OK) code = read_key(i);
    if (code == LEDGER_OK && i->options->claims != NULL)
        code = ledger_claims_open(&i->claims, i->options->claims, &i->chain);
    return code == LEDGER_OK ? read_referrer(i) : code;
}

/* --- output -------------------------------------------------------------------------------- */

static bool path_of(char out[static PATH_LEN], const char *folder, const char *name) {
    int len = snprintf(out, PATH_LEN, "%s/%s", folder, name);
    return len > 0 && len < PATH_LEN;
}

static bool paths_make(importing *i) {
    return path_of(i->part, i->options->data, "import.part") &&
           path_of(i->part_store, i->part, "store") && path_of(i->part_key, i->part, "key") &&
           path_of(i->store, i->options->data, "store") &&
           path_of(i->key, i->options->data, "tracker.key");
}

/* Make the folder, or see that it is empty. */
static int claim_folder(const char *path) {
    if (mkdir(path, 0700) == 0) return LEDGER_OK;
    if (errno != EEXIST) return ledger_fail(LEDGER_IO, path, strerror(errno));
    DIR *folder = opendir(path);
    if (folder == NULL) return ledger_fail(LEDGER_IO, path, strerror(errno));
    const struct dirent *item;
    bool empty = true;
    while (empty && (item = readdir(folder)) != NULL)
        empty = strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0;
    (void)closedir(folder);
    return empty ? LEDGER_OK : ledger_fail(LEDGER_IO, path, "is not empty; give a new folder");
}

static int write_key(importing *i) {
    uint8_t line[PBTS_KEY_FILE_LEN_MAX];
    pbts_writer writer = pbts_writer_over(line, sizeof line);
    int fd = open(i->part_key, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return ledger_fail(LEDGER_IO, i->part_key, strerror(errno));
    pbts_key_trk_format(&writer, &i->tracker_key.root);
    bool good = write(fd, line, writer.len) == (ssize_t)writer.len && fsync(fd) == 0;
    int why = errno;
    pbts_wipe(line, sizeof line);
    (void)close(fd);
    return good ? LEDGER_OK : ledger_fail(LEDGER_IO, i->part_key, strerror(why));
}

static pbts_status put_all(importing *i, pbts_txn *txn) {
    bool has_claims = i->options->claims != NULL;
    PBTS_TRY(pbts_ledger_file_restore(txn, &i->chain.file));
    if (i->chain.file.params.has_referrer)
        PBTS_TRY(pbts_ledger_file_put_referrer(txn, &i->referrer.file));
    if (has_claims) PBTS_TRY(pbts_tracker_old_claims_put(txn, &i->claims.file));
    return pbts_tracker_restored(txn, has_claims);
}

static pbts_status fill_store(importing *i, pbts_store *store) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, store, true));
    pbts_status status = put_all(i, txn);
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}

static int write_store(importing *i) {
    pbts_store *store = NULL;
    /* Room for whatever was in the files; the file itself grows as rows come. */
    pbts_store_config config = { .size_max_bytes = (uint64_t)1 << 30 };
    config.size_max_bytes += 8 * (uint64_t)(i->chain.map.bytes.len + i->claims.map.bytes.len +
                                            i->referrer.map.bytes.len);
    if (mkdir(i->part_store, 0700) != 0)
        return ledger_fail(LEDGER_IO, i->part_store, strerror(errno));
    pbts_status status = pbts_store_open(&store, i->part_store, &config);
    if (status == PBTS_OK) status = fill_store(i, store);
    pbts_store_close(store);
    return status == PBTS_OK ? LEDGER_OK : ledger_fail_status(i->part_store, status);
}

static bool sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool good = fsync(fd) == 0;
    (void)close(fd);
    return good;
}

/* The store first: a data folder with a key alone would become a new instance. */
static int move_up(importing *i) {
    bool good = sync_folder(i->part_store) && rename(i->part_store, i->store) == 0 &&
                rename(i->part_key, i->key) == 0 && rmdir(i->part) == 0 &&
                sync_folder(i->options->data);
    return good ? LEDGER_OK : ledger_fail(LEDGER_IO, i->options->data, strerror(errno));
}

static void remove_part(importing *i) {
    static const char *const files[] = { "data.mdb", "lock.mdb", "writer.lock" };
    char path[PATH_LEN];
    for (size_t k = 0; k < sizeof files / sizeof files[0]; k++)
        if (path_of(path, i->part_store, files[k])) (void)unlink(path);
    (void)unlink(i->part_key);
    (void)rmdir(i->part_store);
    (void)rmdir(i->part);
}

static int write_all(importing *i) {
    if (!paths_make(i)) return ledger_fail(LEDGER_IO, i->options->data, "the path is too long");
    int code = claim_folder(i->options->data);
    if (code != LEDGER_OK) return code;
    if (mkdir(i->part, 0700) != 0) return ledger_fail(LEDGER_IO, i->part, strerror(errno));
    code = write_key(i);
    if (code == LEDGER_OK) code = write_store(i);
    if (code == LEDGER_OK) code = move_up(i);
    if (code != LEDGER_OK) remove_part(i);
    return code;
}

static int import(const import_options *options) {
    importing i = { .options = options };
    int code = read_all(&i);
    if (code == LEDGER_OK) code = write_all(&i);
    if (code == LEDGER_OK) {
        (void)printf("imported %s", say_count(i.chain.file.entries, "entry"));
        if (options->claims != NULL)
            (void)printf(" and %s", say_count(i.claims.file.claims, "claim"));
        (void)printf(" into %s\nstart it: pbts-tracker --data %s\n", options->data, options->data);
    }
    pbts_wipe(&i.tracker_key, sizeof i.tracker_key);
    ledger_claims_close(&i.claims);
    ledger_chain_close(&i.chain);
    ledger_chain_close(&i.referrer);
    return code;
}

int pbts_cmd_ledger_import(int argc, char **argv) {
    import_options all = { .data = NULL };
    const command_option options[] = {
        { "data", "DIR", &all.data, NULL, true,
          "the new data folder; it must be empty or not exist" },
        { "key", "FILE", &all.key, NULL, true,
          "the tracker's key (tracker.key of the old data folder)" },
        { "claims", "FILE", &all.claims, NULL, false, "the claims, of the same export" },
        { "referrer", "FILE", &all.referrer, NULL, false,
          "the predecessor's ledger, when this instance has one" },
    };
    const command_spec spec = {
        "ledger import",
        " LEDGER",
        "Make the data folder of a tracker from its exported ledger, after every entry was "
        "verified.\n"
        "Accounts, passkeys and the instance are as before. Users register again with the same key "
        "to\n"
        "be known by name, torrents are added again, and credit that was held is not in a ledger.\n"
        "With the claims that were exported together with it, receipts that were not reported yet\n"
        "count, once; without them receipts of epochs up to the ledger's last entry are refused,\n"
        "because they may have been counted.\n",
        "  pbts ledger import --data ./data --key tracker.key ledger.bin --claims claims.bin\n",
        options,
        sizeof options / sizeof options[0],
        1,
        1
    };
    char **arguments;
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    all.ledger = arguments[0];
    return import(&all);
}
