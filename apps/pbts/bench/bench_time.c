#include "bench_time.h"

#include <stdlib.h>
#include <time.h>

#include "base/assert.h"

double bench_cpu_us(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double bench_median(double *values, size_t count) {
    assert(count > 0);
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}
