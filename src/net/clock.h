/* net/clock.h - the system's clocks. */
#ifndef PBTS_NET_CLOCK_H
#define PBTS_NET_CLOCK_H

#include <stdint.h>

uint64_t pbts_clock_unix_ms(void);   /* wall clock; may jump */
uint64_t pbts_clock_mono_ms(void);   /* never goes back; from any origin; cheap (coarse, ~4 ms) */
uint64_t pbts_clock_mono_us(void);   /* exact, for measuring */
uint64_t pbts_clock_thread_us(void); /* CPU time of the thread that asks; costs about 0.5 us */

#endif
