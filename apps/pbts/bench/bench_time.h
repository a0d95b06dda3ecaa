/* bench_time.h - CPU time, and the middle of some measurements. */
#ifndef PBTS_APPS_BENCH_TIME_H
#define PBTS_APPS_BENCH_TIME_H

#include <stddef.h>

double bench_cpu_us(void); /* of this thread */
/* The larger of the two in the middle when `count`, at least 1, is even. Sorts them. */
double bench_median(double *values, size_t count);

#endif
