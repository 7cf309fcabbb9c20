/* SPDX-License-Identifier: Apache-2.0 */
/* What the bench programs share. A figure is a line "name value unit" on stdout. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

double bench_now_us(void);
/* Sorts. Of no figures: 0. */
double bench_median(double *figures, size_t count);
double bench_quantile(double *figures, size_t count, double part);
void bench_print(const char *name, double value, const char *unit);
/* Of a process, from smaps_rollup, in bytes: "Pss", "Pss_Anon", "Pss_Shmem", "Rss". 0 where it cannot be read. */
uint64_t bench_smaps(int pid, const char *field);
/* From /proc/meminfo, in bytes. */
uint64_t bench_meminfo(const char *field);
/* Ends the program with what was done and why it failed. */
void bench_must(int error, const char *what);
_Noreturn void bench_fail(const char *what);
/* Allocated and touched, or the program ends. */
void *bench_room(size_t bytes);

#endif
