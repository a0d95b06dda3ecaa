/* bench_machine.h - what a benchmark ran on, for the JSON that it prints. */
#ifndef PBTS_APPS_BENCH_MACHINE_H
#define PBTS_APPS_BENCH_MACHINE_H

#include <jansson.h>

/* {"cpu", "cores", "kernel", "compiler", "version", "date"}; a new reference, or NULL without
 * memory. */
json_t *pbts_bench_machine(void);

#endif
