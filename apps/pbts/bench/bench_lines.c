/* bench_lines.c - files of one infohash or passkey per line, and made-up infohashes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_lines.h"
#include "codec/text.h"

/* Room for one more element of `size` bytes: doubles at powers of two. */
static bool grow(void **array, uint32_t count, size_t size) {
    if (count != 0 && (count & (count - 1)) != 0) return true;
    if (count >= PBTS_BENCH_LINES_MAX) return false;
    void *bigger = realloc(*array, (count ? 2 * (size_t)count : 1) * size);
    if (!bigger) return false;
    *array = bigger;
    return true;
}

static bool take_infohash(void *element, const char *line, size_t len) {
    pbts_span text = { (const uint8_t *)line, len };
    return pbts_hex_decode_exact(element, 20, text) == PBTS_OK;
}

static bool take_passkey(void *element, const char *line, size_t len) {
    if (len == 0 || len > PBTS_BENCH_PASSKEY_MAX) return false;
    for (size_t i = 0; i < len; i++)
        if (line[i] <= ' ' || line[i] > '~' || strchr("/?%&#", line[i])) return false;
    memcpy(element, line, len);
    ((char *)element)[len] = 0;
    return true;
}

typedef bool (*take_line)(void *element, const char *line, size_t len);

static uint32_t read_lines(void **array, const char *path, size_t size, take_line take) {
    FILE *file = fopen(path, "re");
    if (!file) {
        perror(path);
        return 0;
    }
    char line[256];
    uint32_t count = 0;
    bool ok = true;
    while (ok && fgets(line, sizeof line, file)) {
        ok = grow(array, count, size) &&
             take((char *)*array + count * size, line, strcspn(line, "\r\n"));
        if (ok) count++;
    }
    fclose(file);
    if (!ok) fprintf(stderr, "%s: line %u is not what it should be\n", path, count + 1);
    if (ok && count == 0) fprintf(stderr, "%s: the file is empty\n", path);
    return ok ? count : 0;
}

uint32_t pbts_bench_read_infohashes(uint8_t (**out)[20], const char *path) {
    void *array = NULL;
    uint32_t count = read_lines(&array, path, 20, take_infohash);
    *out = array;
    return count;
}

uint32_t pbts_bench_read_passkeys(char (**out)[PBTS_BENCH_PASSKEY_MAX + 1], const char *path) {
    void *array = NULL;
    uint32_t count = read_lines(&array, path, PBTS_BENCH_PASSKEY_MAX + 1, take_passkey);
    *out = array;
    return count;
}

uint32_t pbts_bench_make_infohashes(uint8_t (**out)[20], uint32_t count) {
    *out = calloc(count, 20);
    if (!*out) return 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t x = (uint64_t)(i + 1) * 0x9e3779b97f4a7c15u;
        for (unsigned byte = 0; byte < 20; byte++) {
            x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
            (*out)[i][byte] = (uint8_t)(x >> 56);
        }
    }
    return count;
}
