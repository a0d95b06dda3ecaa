#include "lineages.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "home.h"
#include "say.h"

static const char SUFFIX[] = ".policy";

void lineages_file_name(char out[static LINEAGES_NAME_MAX], const pbts_kms_lineage_id *id) {
    pbts_writer writer = pbts_writer_over((uint8_t *)out, LINEAGES_NAME_MAX);
    pbts_hex_encode(&writer, PBTS_SPAN_OF(id->bytes));
    pbts_write_text(&writer, SUFFIX);
    pbts_write_u8(&writer, 0);
    assert(!writer.failed);
}

static bool id_of(pbts_kms_lineage_id *out, const char *name) {
    size_t len = strlen(name), suffix = sizeof SUFFIX - 1;
    if (len <= suffix || strcmp(name + len - suffix, SUFFIX) != 0) return false;
    return pbts_hex_decode_exact(out->bytes, sizeof out->bytes,
                                 (pbts_span){ (const uint8_t *)name, len - suffix }) == PBTS_OK;
}

/* A lineage has one name, in small letters: with two files one could allow what the other does not
 * any more. */
static bool is_its_name(const char *name, const pbts_kms_lineage_id *id) {
    char wanted[LINEAGES_NAME_MAX];
    lineages_file_name(wanted, id);
    return strcmp(name, wanted) == 0;
}

int lineages_parse(pbts_kms_lineage *out, const char *file, pbts_span text) {
    pbts_policy_mistake mistake;
    char what[PBTS_POLICY_MISTAKE_MAX];
    pbts_status status = pbts_kms_lineage_parse(out, &mistake, pbts_mem_system(), text);
    if (status == PBTS_OK) return PBTS_EXIT_OK;
    pbts_policy_mistake_text(what, &mistake, status);
    return say_fail(PBTS_EXIT_USAGE, "%s: %s", file, what);
}

static int load(pbts_kms_lineage *out, const char *folder, const char *name) {
    uint8_t *text;
    size_t len;
    char path[HOME_PATH_MAX];
    if (!home_path(path, folder, name)) return say_fail(PBTS_EXIT_USAGE, "the path is too long");
    pbts_status status = home_read(&text, &len, folder, name, PBTS_POLICY_LEN_MAX);
    if (status != PBTS_OK) return say_status(path, status);
    int code = lineages_parse(out, path, (pbts_span){ text, len });
    free(text);
    return code;
}

static int load_all(pbts_kms_lineage *out, size_t *len, DIR *dir, const char *folder, size_t max) {
    int code = PBTS_EXIT_OK;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        pbts_kms_lineage_id id;
        if (!id_of(&id, entry->d_name)) continue;
        if (!is_its_name(entry->d_name, &id))
            return say_fail(PBTS_EXIT_USAGE, "%s/%s: a lineage is written in small letters", folder,
                            entry->d_name);
        if (*len == max)
            return say_fail(PBTS_EXIT_USAGE, "%s: more than %zu lineages", folder, max);
        out[*len].id = id;
        code = load(&out[*len], folder, entry->d_name);
        if (code != PBTS_EXIT_OK) return code;
        ++*len;
    }
    return code;
}

int lineages_load(pbts_kms_lineage **out, size_t *len, const char *folder, size_t max) {
    pbts_kms_lineage *list = calloc(max, sizeof *list);
    if (list == NULL) return say_no_memory();
    size_t count = 0;
    DIR *dir = opendir(folder);
    int code = dir != NULL       ? load_all(list, &count, dir, folder, max)
               : errno == ENOENT ? PBTS_EXIT_OK
                                 : say_errno(folder);
    if (dir != NULL) closedir(dir);
    if (code != PBTS_EXIT_OK) {
        free(list);
        return code;
    }
    *out = list;
    *len = count;
    return PBTS_EXIT_OK;
}

/* Of the last change of any kind: a file that may be read from now on, or that was put there with
 * its old date, is not older for that. */
static uint64_t stamp_of(const struct stat *facts) {
    return (uint64_t)facts->st_ctim.tv_sec * 1000000000U + (uint64_t)facts->st_ctim.tv_nsec;
}

uint64_t lineages_stamp_ns(const char *folder) {
    struct stat facts;
    char path[HOME_PATH_MAX];
    if (stat(folder, &facts) != 0) return 0;
    uint64_t sum = stamp_of(&facts);
    DIR *dir = opendir(folder);
    if (dir == NULL) return sum;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        pbts_kms_lineage_id id;
        if (!id_of(&id, entry->d_name) || !home_path(path, folder, entry->d_name) ||
            stat(path, &facts) != 0)
            continue;
        sum = sum * 31 + stamp_of(&facts) + (uint64_t)facts.st_size;
    }
    closedir(dir);
    return sum;
}
