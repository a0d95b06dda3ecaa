#include "ledger_chain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger_walk.h"

int ledger_map_open(ledger_map *out, const char *path) {
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code = LEDGER_OK;
    if (fd < 0) return ledger_fail(LEDGER_IO, path, strerror(errno));
    *out = (ledger_map){ .path = path };
    if (fstat(fd, &file) != 0) {
        code = ledger_fail(LEDGER_IO, path, strerror(errno));
    } else if (!S_ISREG(file.st_mode)) {
        code = ledger_fail(LEDGER_IO, path, "is not a regular file");
    } else if (file.st_size > 0) {
        void *at = mmap(NULL, (size_t)file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            code = ledger_fail(LEDGER_IO, path, strerror(errno));
        else
            out->bytes = (pbts_span){ at, (size_t)file.st_size };
    }
    (void)close(fd);
    return code;
}

void ledger_map_close(ledger_map *map) {
    if (map->bytes.len > 0) (void)munmap((void *)(uintptr_t)map->bytes.data, map->bytes.len);
    *map = (ledger_map){ .path = NULL };
}

static int verify(ledger_chain *chain) {
    const char *problem = "";
    uint64_t entry;
    char why[256];
    pbts_status status = pbts_ledger_file_verify(&chain->file, &problem, &entry, pbts_mem_system(),
                                                 chain->map.bytes);
    if (status == PBTS_OK) return LEDGER_OK;
    if (status == PBTS_NO_MEMORY) return ledger_fail_status(chain->map.path, status);
    (void)snprintf(why, sizeof why, "entry %" PRIu64 ": %s", entry, problem);
    return ledger_fail(LEDGER_BAD, chain->map.path, why);
}

int ledger_chain_open(ledger_chain *out, const char *path) {
    *out = (ledger_chain){ .map.path = NULL };
    int code = ledger_map_open(&out->map, path);
    if (code == LEDGER_OK) code = verify(out);
    if (code != LEDGER_OK) ledger_chain_close(out);
    return code;
}

void ledger_chain_close(ledger_chain *chain) {
    ledger_map_close(&chain->map);
}

int ledger_claims_open(ledger_claims *out, const char *path, const ledger_chain *chain) {
    const char *problem = "";
    *out = (ledger_claims){ .map.path = NULL };
    int code = ledger_map_open(&out->map, path);
    if (code != LEDGER_OK) return code;
    pbts_status status =
        pbts_ledger_file_claims(&out->file, &problem, &chain->file, out->map.bytes, UINT64_MAX);
    if (status == PBTS_OK) return LEDGER_OK;
    ledger_claims_close(out);
    return ledger_fail(LEDGER_BAD, path, problem);
}

void ledger_claims_close(ledger_claims *claims) {
    ledger_map_close(&claims->map);
}
