/* bench.h - the benchmarks of `pbts bench`; each takes its own argv and returns an exit code. */
#ifndef PBTS_APPS_BENCH_H
#define PBTS_APPS_BENCH_H

/* Load a tracker with announces or scrapes and say what it did per CPU-second. */
int pbts_bench_announce(int argc, char **argv);
/* Register many users and small torrents at a tracker, for the other benchmarks. */
int pbts_bench_prepare(int argc, char **argv);
/* Post signed reports to a tracker: how many per second against verification alone. */
int pbts_bench_reports(int argc, char **argv);
/* Time the parts of making and verifying receipts. */
int pbts_bench_receipts(int argc, char **argv);

#endif
