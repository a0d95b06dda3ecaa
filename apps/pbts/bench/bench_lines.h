/* bench_lines.h - files of one infohash (hex) or passkey per line, and made-up infohashes.
 *
 * Each gives the count of elements in a heap array, or 0 after printing what is wrong; the array
 * is the caller's to free in both cases.
 */
#ifndef PBTS_APPS_BENCH_LINES_H
#define PBTS_APPS_BENCH_LINES_H

#include "bench_load.h"

uint32_t pbts_bench_read_infohashes(uint8_t (**out)[20], const char *path);
uint32_t pbts_bench_read_passkeys(char (**out)[PBTS_BENCH_PASSKEY_MAX + 1], const char *path);
/* The same `count` infohashes every time. */
uint32_t pbts_bench_make_infohashes(uint8_t (**out)[20], uint32_t count);

#endif
