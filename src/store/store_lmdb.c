/* store/store_lmdb.c - the store over LMDB: one environment, one named database per table.
 *
 * LMDB gives ordered tables, one writer beside many readers, and copy-on-write commits whose last
 * step is one page write, so there is no log to replay. What is added here: a lock file that lets
 * one process write at a time (LMDB itself would let two daemons take turns), a version stamp,
 * statuses that tell "full" from "broken", a reserve, and checks that damaged files are refused at
 * open. LMDB pairs the writer's lock with a thread and forbids a second open in one process.
 *
 * The reserve: a delete needs new pages too (copy-on-write), so in a map that rows filled to its
 * last page nothing could be deleted any more. Rows may take size_max_bytes, the map is larger.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/writer.h"
#include "store/store_parts.h"

enum {
    STORE_VERSION = 1,
    STORE_VERSION_SEALED = 2,
    READERS_DEFAULT = 126,           /* LMDB's own default */
    PATH_LEN_MAX = 4096,             /* PATH_MAX */
    SIZE_MIN_BYTES = 256 * 1024,     /* empty tables, and a few rows in each */
    RESERVE_MIN_BYTES = 1024 * 1024, /* beside an eighth of size_max_bytes */
    DISK_SPARE_BYTES = 64 * 1024     /* less than this left on the disk explains a short write */
};

static const char VERSION_KEY[] = "store/version";
static const char *const TABLE_NAMES[PBTS_TABLES] = {
    [PBTS_TABLE_META] = "meta",
    [PBTS_TABLE_USERS] = "users",
    [PBTS_TABLE_UIDS] = "uids",
    [PBTS_TABLE_KEYS] = "keys",
    [PBTS_TABLE_TORRENTS] = "torrents",
    [PBTS_TABLE_INFOHASHES] = "infohashes",
    [PBTS_TABLE_METAINFO] = "metainfo",
    [PBTS_TABLE_PIECES] = "pieces",
    [PBTS_TABLE_CLAIMS] = "claims",
    [PBTS_TABLE_HELD] = "held",
    [PBTS_TABLE_LEDGER] = "ledger",
    [PBTS_TABLE_ACCOUNTS] = "accounts",
    [PBTS_TABLE_REFERRER] = "referrer",
    [PBTS_TABLE_OLD_CLAIMS] = "old_claims",
    [PBTS_TABLE_MIRROR] = "mirror",
    [PBTS_TABLE_MIRROR_MARKS] = "mirror_marks",
    [PBTS_TABLE_MIRROR_ACCOUNTS] = "mirror_accounts",
};

static bool disk_is_full(const pbts_store *store) {
    mdb_filehandle_t fd;
    struct statvfs disk;
    if (mdb_env_get_fd(store->env, &fd) != 0 || fstatvfs(fd, &disk) != 0) return false;
    return disk.f_bavail < DISK_SPARE_BYTES / disk.f_frsize + 1;
}

pbts_status pbts_store_status(const pbts_store *store, int rc) {
    switch (rc) {
    case 0: return PBTS_OK;
    case MDB_NOTFOUND: return PBTS_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return PBTS_FULL;
    case MDB_READERS_FULL:
    case MDB_MAP_RESIZED: return PBTS_BUSY;
    case MDB_BAD_VALSIZE: return PBTS_MALFORMED;
    case ENOMEM: return PBTS_NO_MEMORY;
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INCOMPATIBLE: return PBTS_CORRUPT;
    default: break;
    }
    /* LMDB calls a write that the disk cut short EIO. */
    if (rc == EIO && store != NULL && disk_is_full(store)) return PBTS_FULL;
    errno = rc > 0 ? rc : EIO;
    return PBTS_IO;
}

static pbts_status io_failed(void) {
    bool full = errno == ENOSPC || errno == EDQUOT;
    return full ? PBTS_FULL : PBTS_IO;
}

static bool path_join(char out[static PATH_LEN_MAX], const char *directory, const char *name) {
    pbts_writer path = pbts_writer_over((uint8_t *)out, PATH_LEN_MAX);
    pbts_write_text(&path, directory);
    pbts_write_text(&path, "/");
    pbts_write_text(&path, name);
    pbts_write_u8(&path, 0);
    return pbts_writer_status(&path) == PBTS_OK;
}

/* --- open: locks and files --------------------------------------------------------------- */

/* One process writes. The file stays when the process ends, the lock does not. */
static pbts_status writer_lock(pbts_store *store, const char *directory) {
    char path[PATH_LEN_MAX];
    if (!path_join(path, directory, "writer.lock")) return PBTS_LIMIT;
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0) return io_failed();
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0) return PBTS_OK;
    return errno == EWOULDBLOCK ? PBTS_DENIED : PBTS_IO;
}

/* LMDB maps its reader table as a sparse file; on a full disk the first reader of a page of it
 * would get SIGBUS. So its blocks are taken while an error can still be returned. */
static pbts_status reader_table_allocate(const char *directory, unsigned readers) {
    enum {
        SLOT_LEN = 64,
        HEADER_SLOTS = 4
    }; /* a cache line each, lmdb's MDB_reader, MDB_txninfo */
    char path[PATH_LEN_MAX];
    if (!path_join(path, directory, "lock.mdb")) return PBTS_LIMIT;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return io_failed();
    off_t len = (off_t)SLOT_LEN * ((off_t)readers + HEADER_SLOTS);
    pbts_status status = PBTS_OK;
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, len) != 0 && errno == ENOSPC) status = PBTS_FULL;
    close(fd);
    return status;
}

static pbts_status data_file_size(off_t *out, const char *directory) {
    char path[PATH_LEN_MAX];
    struct stat file;
    if (!path_join(path, directory, "data.mdb")) return PBTS_LIMIT;
    if (stat(path, &file) != 0) return errno == ENOENT ? PBTS_NOT_FOUND : PBTS_IO;
    *out = file.st_size;
    return file.st_size > 0 ? PBTS_OK : PBTS_NOT_FOUND;
}

/* A file cut short (a partial copy) would be SIGBUS at the first access past its end. */
static pbts_status data_file_check(pbts_store *store, const char *directory) {
    MDB_envinfo info;
    MDB_stat stat;
    off_t size;
    PBTS_TRY(pbts_store_status(store, mdb_env_info(store->env, &info)));
    PBTS_TRY(pbts_store_status(store, mdb_env_stat(store->env, &stat)));
    PBTS_TRY(data_file_size(&size, directory));
    uint64_t need = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
    return (uint64_t)size >= need ? PBTS_OK : PBTS_CORRUPT;
}

/* A new file survives a power cut only once its directory entry is on disk. */
static pbts_status directory_sync(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return PBTS_IO;
    pbts_status status = fsync(fd) == 0 || errno == EINVAL ? PBTS_OK : io_failed();
    close(fd);
    return status;
}

static pbts_status map_size(size_t *out, uint64_t size_max_bytes) {
    long page = sysconf(_SC_PAGESIZE);
    assert(page > 0);
    if (size_max_bytes > SIZE_MAX / 4) return PBTS_LIMIT;
    uint64_t size = size_max_bytes + size_max_bytes / 8 + RESERVE_MIN_BYTES + (uint64_t)page - 1;
    *out = (size_t)(size - size % (uint64_t)page);
    return PBTS_OK;
}

static pbts_status env_open(pbts_store *store, const char *directory,
                            const pbts_store_config *config) {
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
    if (store->read_only) flags |= MDB_RDONLY;
    if (config->no_sync) flags |= MDB_NOSYNC;
    size_t size;
    PBTS_TRY(map_size(&size, store->size_max_bytes));
    unsigned readers = config->readers_max > 0 ? config->readers_max : READERS_DEFAULT;
    if (!store->read_only) PBTS_TRY(reader_table_allocate(directory, readers));
    PBTS_TRY(pbts_store_status(NULL, mdb_env_create(&store->env)));
    /* A read-only tool takes the size that the writer recorded. */
    if (!store->read_only) PBTS_TRY(pbts_store_status(NULL, mdb_env_set_mapsize(store->env, size)));
    PBTS_TRY(pbts_store_status(NULL, mdb_env_set_maxreaders(store->env, readers)));
    PBTS_TRY(pbts_store_status(NULL, mdb_env_set_maxdbs(store->env, PBTS_TABLES)));
    PBTS_TRY(pbts_store_status(store, mdb_env_open(store->env, directory, flags, 0600)));
    int dead;
    PBTS_TRY(pbts_store_status(store, mdb_reader_check(store->env, &dead)));
    return data_file_check(store, directory);
}

/* --- open: tables and version ------------------------------------------------------------ */

static pbts_status version_check(pbts_store *store, MDB_txn *txn, MDB_dbi meta) {
    MDB_val key = { sizeof VERSION_KEY - 1, (void *)(uintptr_t)VERSION_KEY };
    MDB_val value;
    int rc = mdb_get(txn, meta, &key, &value);
    if (rc == MDB_NOTFOUND) return PBTS_CORRUPT; /* the stamp is written with the tables */
    PBTS_TRY(pbts_store_status(NULL, rc));
    pbts_cursor bytes = pbts_cursor_over((pbts_span){ value.mv_data, value.mv_size });
    uint32_t version;
    if (value.mv_size != 4 || pbts_read_u32(&bytes, &version) != PBTS_OK) return PBTS_CORRUPT;
    store->sealed = version == STORE_VERSION_SEALED;
    return version == STORE_VERSION || store->sealed ? PBTS_OK : PBTS_CORRUPT;
}

static pbts_status version_put(MDB_txn *txn, MDB_dbi meta, uint32_t version) {
    uint8_t bytes[4];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_u32(&writer, version);
    MDB_val key = { sizeof VERSION_KEY - 1, (void *)(uintptr_t)VERSION_KEY };
    MDB_val value = { sizeof bytes, bytes };
    return pbts_store_status(NULL, mdb_put(txn, meta, &key, &value, 0));
}

pbts_status pbts_store_version_put(pbts_txn *txn, bool sealed) {
    return version_put(txn->txn, txn->store->tables[PBTS_TABLE_META],
                       sealed ? STORE_VERSION_SEALED : STORE_VERSION);
}

const char *pbts_table_name(pbts_table table) {
    assert((unsigned)table < PBTS_TABLES);
    return TABLE_NAMES[table];
}

static pbts_status tables_create(pbts_store *store, MDB_txn *txn, bool fresh) {
    for (int i = 0; i < PBTS_TABLES; i++) {
        assert(TABLE_NAMES[i] != NULL); /* LMDB would take the list of tables itself */
        int rc = mdb_dbi_open(txn, TABLE_NAMES[i], MDB_CREATE, &store->tables[i]);
        PBTS_TRY(pbts_store_status(store, rc));
    }
    return fresh ? version_put(txn, store->tables[PBTS_TABLE_META], STORE_VERSION) : PBTS_OK;
}

static pbts_status tables_find(pbts_store *store, MDB_txn *txn) {
    for (int i = 0; i < PBTS_TABLES; i++) {
        int rc = mdb_dbi_open(txn, TABLE_NAMES[i], 0, &store->tables[i]);
        if (rc == MDB_NOTFOUND) return PBTS_CORRUPT;
        PBTS_TRY(pbts_store_status(store, rc));
    }
    return PBTS_OK;
}

/* The version is checked before anything is added to a store that another version wrote. */
static pbts_status tables_open_in(pbts_store *store, MDB_txn *txn) {
    MDB_dbi meta;
    int rc = mdb_dbi_open(txn, TABLE_NAMES[PBTS_TABLE_META], 0, &meta);
    if (rc != 0 && rc != MDB_NOTFOUND) return pbts_store_status(store, rc);
    bool fresh = rc == MDB_NOTFOUND;
    if (fresh && store->read_only) return PBTS_NOT_FOUND;
    if (!fresh) PBTS_TRY(version_check(store, txn, meta));
    return store->read_only ? tables_find(store, txn) : tables_create(store, txn, fresh);
}

static pbts_status tables_open(pbts_store *store) {
    MDB_txn *txn;
    unsigned flags = store->read_only ? MDB_RDONLY : 0;
    PBTS_TRY(pbts_store_status(store, mdb_txn_begin(store->env, NULL, flags, &txn)));
    pbts_status status = tables_open_in(store, txn);
    if (status == PBTS_OK) return pbts_store_status(store, mdb_txn_commit(txn));
    mdb_txn_abort(txn);
    return status;
}

static pbts_status store_open(pbts_store *store, const char *directory,
                              const pbts_store_config *config) {
    off_t size;
    if (store->read_only)
        PBTS_TRY(data_file_size(&size, directory));
    else
        PBTS_TRY(writer_lock(store, directory));
    PBTS_TRY(env_open(store, directory, config));
    PBTS_TRY(tables_open(store));
    return store->read_only ? PBTS_OK : directory_sync(directory);
}

pbts_status pbts_store_open(pbts_store **out, const char *directory,
                            const pbts_store_config *config) {
    pbts_store *store = pbts_alloc(pbts_mem_system(), sizeof *store);
    if (store == NULL) return PBTS_NO_MEMORY;
    store->lock_fd = -1;
    store->read_only = config->read_only;
    bool tiny = config->size_max_bytes < SIZE_MIN_BYTES;
    store->size_max_bytes = tiny ? SIZE_MIN_BYTES : config->size_max_bytes;
    pbts_status status = store_open(store, directory, config);
    if (status == PBTS_OK) {
        *out = store;
    } else {
        int saved = errno;
        pbts_store_close(store);
        errno = saved;
    }
    return status;
}

void pbts_store_close(pbts_store *store) {
    if (store == NULL) return;
    if (store->env != NULL) mdb_env_close(store->env);
    pbts_store_seal_free(store->seal);
    /* The lock goes last: the next writer must not open while this one still unmaps. */
    if (store->lock_fd >= 0) close(store->lock_fd);
    pbts_release(pbts_mem_system(), store);
}

bool pbts_store_is_lost(pbts_store *store) {
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc == 0) mdb_txn_abort(txn);
    return rc == MDB_PANIC;
}

/* Pages that hold rows, as the transaction sees them; freed ones, which LMDB uses again, do not
 * count. Tables keep their page counts, so this reads no rows. */
static uint64_t live_bytes(const pbts_store *store, MDB_txn *txn) {
    uint64_t bytes = 0;
    for (int i = 0; i < PBTS_TABLES; i++) {
        MDB_stat stat;
        if (mdb_stat(txn, store->tables[i], &stat) != 0) continue;
        bytes += (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) *
                 (uint64_t)stat.ms_psize;
    }
    return bytes;
}

uint64_t pbts_store_used_bytes(pbts_store *store) {
    pbts_txn *txn;
    if (pbts_txn_begin(&txn, store, false) != PBTS_OK) return 0;
    uint64_t bytes = live_bytes(store, txn->txn);
    pbts_txn_abort(txn);
    return bytes;
}

/* --- transactions ------------------------------------------------------------------------ */

pbts_status pbts_txn_begin(pbts_txn **out, pbts_store *store, bool write) {
    if (write && store->read_only) return PBTS_DENIED;
    pbts_txn *txn = pbts_alloc(pbts_mem_system(), sizeof *txn);
    if (txn == NULL) return PBTS_NO_MEMORY;
    *txn = (pbts_txn){ .store = store, .write = write, .failed = PBTS_OK };
    unsigned flags = write ? 0 : MDB_RDONLY;
    int dead = 0;
    int rc = mdb_txn_begin(store->env, NULL, flags, &txn->txn);
    if (rc == MDB_READERS_FULL && mdb_reader_check(store->env, &dead) == 0 && dead > 0)
        rc = mdb_txn_begin(store->env, NULL, flags, &txn->txn);
    pbts_status status = pbts_store_status(store, rc);
    if (status == PBTS_OK)
        *out = txn;
    else
        pbts_release(pbts_mem_system(), txn);
    return status;
}

/* A killed reader keeps old pages from being used again, which may be all that is missing. */
static pbts_status full_seen(pbts_store *store, pbts_status status) {
    int dead;
    int saved = errno;
    if (status == PBTS_FULL) (void)mdb_reader_check(store->env, &dead);
    errno = saved;
    return status;
}

pbts_status pbts_txn_commit(pbts_txn *txn) {
    pbts_status status = txn->failed;
    pbts_store *store = txn->store;
    if (status == PBTS_OK)
        status = full_seen(store, pbts_store_status(store, mdb_txn_commit(txn->txn)));
    else
        mdb_txn_abort(txn->txn);
    pbts_opened_free(txn->opened);
    pbts_release(pbts_mem_system(), txn);
    return status;
}

void pbts_txn_abort(pbts_txn *txn) {
    if (txn == NULL) return;
    mdb_txn_abort(txn->txn);
    pbts_opened_free(txn->opened);
    pbts_release(pbts_mem_system(), txn);
}

static pbts_status access_check(const pbts_txn *txn, pbts_table table, pbts_span key) {
    assert(table >= 0 && table < PBTS_TABLES);
    if (txn->failed != PBTS_OK) return txn->failed;
    return key.len > 0 && key.len <= PBTS_STORE_KEY_LEN_MAX ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_row_get(pbts_txn *txn, pbts_span *out, pbts_table table, pbts_span key) {
    PBTS_TRY(access_check(txn, table, key));
    MDB_val k = pbts_store_val(key), v;
    PBTS_TRY(pbts_store_status(txn->store, mdb_get(txn->txn, txn->store->tables[table], &k, &v)));
    *out = pbts_store_span(&v);
    return PBTS_OK;
}

/* The value of a sealed row in memory of the transaction's. */
static pbts_status open_value(pbts_txn *txn, pbts_span *out, const pbts_store_seal *seal,
                              pbts_table table, pbts_span key) {
    uint8_t hidden[PBTS_STORED_KEY_LEN];
    pbts_span stored, found, value, stored_key = pbts_seal_key(seal, hidden, table, key);
    PBTS_TRY(pbts_row_get(txn, &stored, table, stored_key));
    pbts_opened *opened = malloc(sizeof *opened + stored.len);
    if (opened == NULL) return PBTS_NO_MEMORY;
    opened->next = txn->opened;
    txn->opened = opened;
    PBTS_TRY(pbts_unseal_value(seal, opened->room, &found, &value, table, stored_key, stored));
    if (!pbts_span_equal(found, key)) return PBTS_CORRUPT;
    *out = value;
    return PBTS_OK;
}

pbts_status pbts_txn_get(pbts_txn *txn, pbts_span *out, pbts_table table, pbts_span key) {
    const pbts_store_seal *seal;
    PBTS_TRY(access_check(txn, table, key));
    PBTS_TRY(pbts_row_seal(txn->store, &seal, table));
    return seal == NULL ? pbts_row_get(txn, out, table, key)
                        : open_value(txn, out, seal, table, key);
}

static pbts_status write_result(pbts_txn *txn, int rc) {
    pbts_status status = full_seen(txn->store, pbts_store_status(txn->store, rc));
    if (status != PBTS_OK && status != PBTS_NOT_FOUND) txn->failed = status;
    return status;
}

/* Whether a row fits below size_max_bytes. A row may split pages and leave them half empty, so it
 * is counted twice and a bit until the pages are counted. */
static bool room_take(pbts_txn *txn, uint64_t row_bytes) {
    enum { ROW_OVERHEAD = 128 };
    uint64_t cost = 2 * row_bytes + ROW_OVERHEAD;
    if (cost > txn->spare_bytes) {
        uint64_t limit = txn->store->size_max_bytes;
        uint64_t live = live_bytes(txn->store, txn->txn);
        if (live > limit || row_bytes > limit - live) return false;
        txn->spare_bytes = limit - live;
    }
    txn->spare_bytes -= cost < txn->spare_bytes ? cost : txn->spare_bytes;
    return true;
}

pbts_status pbts_row_put(pbts_txn *txn, pbts_table table, pbts_span key, pbts_span value) {
    assert(txn->write);
    PBTS_TRY(access_check(txn, table, key));
    if (value.len > UINT32_MAX) return PBTS_LIMIT; /* LMDB's field for it */
    if (!room_take(txn, (uint64_t)key.len + value.len)) return txn->failed = PBTS_FULL;
    MDB_val k = pbts_store_val(key), v = pbts_store_val(value);
    return write_result(txn, mdb_put(txn->txn, txn->store->tables[table], &k, &v, 0));
}

static void forget_opened(pbts_txn *txn) {
    pbts_opened_free(txn->opened);
    txn->opened = NULL;
}

static pbts_status put_sealed(pbts_txn *txn, const pbts_store_seal *seal, pbts_table table,
                              pbts_span key, pbts_span value) {
    uint8_t hidden[PBTS_STORED_KEY_LEN], *sealed;
    size_t len;
    pbts_span stored_key = pbts_seal_key(seal, hidden, table, key);
    pbts_status status = pbts_seal_value(seal, &sealed, &len, table, stored_key, key, value);
    forget_opened(txn); /* `value` may have been of them */
    if (status != PBTS_OK) return txn->failed = status;
    status = pbts_row_put(txn, table, stored_key, (pbts_span){ sealed, len });
    free(sealed);
    return status;
}

pbts_status pbts_txn_put(pbts_txn *txn, pbts_table table, pbts_span key, pbts_span value) {
    const pbts_store_seal *seal;
    assert(txn->write);
    PBTS_TRY(access_check(txn, table, key));
    PBTS_TRY(pbts_row_seal(txn->store, &seal, table));
    if (seal != NULL) return put_sealed(txn, seal, table, key, value);
    pbts_status status = pbts_row_put(txn, table, key, value);
    forget_opened(txn);
    return status;
}

pbts_status pbts_row_delete(pbts_txn *txn, pbts_table table, pbts_span key) {
    assert(txn->write);
    PBTS_TRY(access_check(txn, table, key));
    MDB_val k = pbts_store_val(key);
    return write_result(txn, mdb_del(txn->txn, txn->store->tables[table], &k, NULL));
}

pbts_status pbts_txn_delete(pbts_txn *txn, pbts_table table, pbts_span key) {
    uint8_t hidden[PBTS_STORED_KEY_LEN];
    const pbts_store_seal *seal;
    assert(txn->write);
    PBTS_TRY(access_check(txn, table, key));
    PBTS_TRY(pbts_row_seal(txn->store, &seal, table));
    if (seal != NULL) key = pbts_seal_key(seal, hidden, table, key);
    pbts_status status = pbts_row_delete(txn, table, key);
    forget_opened(txn);
    return status;
}

pbts_status pbts_txn_count(pbts_txn *txn, uint64_t *out, pbts_table table) {
    MDB_stat stat;
    if (txn->failed != PBTS_OK) return txn->failed;
    PBTS_TRY(pbts_store_status(txn->store, mdb_stat(txn->txn, txn->store->tables[table], &stat)));
    *out = stat.ms_entries;
    return PBTS_OK;
}
