#include "net/clock.h"

#include <time.h>

static uint64_t read_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now); /* cannot fail for the clocks below */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t pbts_clock_unix_ms(void) {
    return read_ns(CLOCK_REALTIME) / 1000000u;
}

uint64_t pbts_clock_mono_ms(void) {
    return read_ns(CLOCK_MONOTONIC_COARSE) / 1000000u;
}

uint64_t pbts_clock_mono_us(void) {
    return read_ns(CLOCK_MONOTONIC) / 1000u;
}

uint64_t pbts_clock_thread_us(void) {
    return read_ns(CLOCK_THREAD_CPUTIME_ID) / 1000u;
}
