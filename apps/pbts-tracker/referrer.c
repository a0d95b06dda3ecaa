#include "referrer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/epoch.h"
#include "ledger/ledger_file.h"

enum { CLOCK_AHEAD_MAX_EPOCHS = 24 }; /* of the predecessor's, when it lost claims */

/* A file in memory; no bytes when it is empty. */
struct map {
    const char *path;
    pbts_span bytes;
};

struct import {
    struct app *app;
    struct map ledger_map, claims_map;
    pbts_ledger_file ledger;
    pbts_claims_file claims;
    bool has_claims;
};

static pbts_status complain(struct app *app, const char *path, uint64_t entry, const char *reason) {
    LOG(&app->log, LOG_ERROR, "referrer_failed", LOG_TEXT("file", path), LOG_UINT("entry", entry),
        LOG_TEXT("reason", reason));
    return PBTS_MALFORMED;
}

static bool map_file(struct map *out, const char *path) {
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    *out = (struct map){ .path = path };
    bool good = fstat(fd, &file) == 0;
    if (good && file.st_size > 0) {
        void *at = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        good = at != MAP_FAILED;
        if (good) out->bytes = (pbts_span){ at, (size_t)file.st_size };
    }
    int why = errno;
    (void)close(fd);
    errno = why;
    return good;
}

static void unmap_file(struct map *map) {
    if (map->bytes.len > 0) (void)munmap((void *)(uintptr_t)map->bytes.data, map->bytes.len);
}

static pbts_status read_ledger(struct import *import) {
    const char *problem = "", *path = import->app->config.referrer;
    uint64_t entry = 0;
    if (!map_file(&import->ledger_map, path))
        return complain(import->app, path, 0, strerror(errno));
    if (pbts_ledger_file_verify(&import->ledger, &problem, &entry, pbts_mem_system(),
                                import->ledger_map.bytes) == PBTS_OK)
        return PBTS_OK;
    return complain(import->app, path, entry, problem);
}

static pbts_status read_claims(struct import *import) {
    const char *problem = "", *path = import->app->config.referrer_claims;
    import->has_claims = path[0] != '\0';
    if (!import->has_claims) return PBTS_OK;
    if (!map_file(&import->claims_map, path))
        return complain(import->app, path, 0, strerror(errno));
    uint64_t lost_max_epoch = pbts_epoch_at(app_now().unix_s) + CLOCK_AHEAD_MAX_EPOCHS;
    if (pbts_ledger_file_claims(&import->claims, &problem, &import->ledger,
                                import->claims_map.bytes, lost_max_epoch) == PBTS_OK)
        return PBTS_OK;
    return complain(import->app, path, 0, problem);
}

/* The new instance names its predecessor; then what the predecessor knew is put beside. */
static pbts_status put_all(const struct import *import, pbts_txn *txn,
                           const pbts_tracker_config *config) {
    const pbts_ledger_file *ledger = &import->ledger;
    pbts_predecessor predecessor = { .last_epoch = ledger->head.epoch,
                                     .sealed = ledger->head.sealed,
                                     .has_claims = import->has_claims };
    memcpy(predecessor.iid, ledger->params.iid, sizeof predecessor.iid);
    PBTS_TRY(pbts_tracker_setup(txn, config, &predecessor, app_now()));
    PBTS_TRY(pbts_ledger_file_put_referrer(txn, ledger));
    return import->has_claims ? pbts_tracker_old_claims_put(txn, &import->claims) : PBTS_OK;
}

static pbts_status setup_after(struct app *app, pbts_txn *txn, const pbts_tracker_config *config) {
    struct import import = { .app = app };
    pbts_status status = read_ledger(&import);
    if (status == PBTS_OK) status = read_claims(&import);
    if (status == PBTS_OK) status = put_all(&import, txn, config);
    if (status == PBTS_CORRUPT)
        status = complain(app, app->config.referrer, 0,
                          "this file or its claims changed after they were checked: somebody else "
                          "writes to them");
    if (status == PBTS_OK)
        LOG(&app->log, LOG_INFO, "referrer", LOG_UINT("entries", import.ledger.entries),
            LOG_UINT("rows", import.ledger.rows), LOG_UINT("last_epoch", import.ledger.head.epoch),
            LOG_TEXT("sealed", import.ledger.head.sealed ? "yes" : "no"),
            LOG_UINT("claims", import.has_claims ? import.claims.claims : 0));
    unmap_file(&import.ledger_map);
    unmap_file(&import.claims_map);
    return status;
}

pbts_status referrer_setup(struct app *app, const pbts_tracker_config *config) {
    pbts_txn *txn;
    PBTS_TRY(pbts_txn_begin(&txn, app->store, true));
    pbts_status status = app->config.referrer[0] != '\0'
                             ? setup_after(app, txn, config)
                             : pbts_tracker_setup(txn, config, NULL, app_now());
    if (status == PBTS_OK) return pbts_txn_commit(txn);
    pbts_txn_abort(txn);
    return status;
}
