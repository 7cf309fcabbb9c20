/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a mapped file whose pages cannot be had (a failing swap device, bad
 * memory, a file that shrank after all) raises SIGBUS. Where a thread said
 * what it reads, such a page reads as zeros and is reported; anywhere else the
 * signal ends the program as ever.
 */
#ifndef BROKER_BUS_H
#define BROKER_BUS_H

#include <stdbool.h>
#include <stddef.h>

/* Once, before there are threads. */
void bus_begin(void);
/* This thread reads these mapped bytes from now on. One range at a time. */
void bus_watch(const void *data, size_t bytes);
/* No more; true where a page was not there, and what was read is worth nothing. */
bool bus_end(void);

#endif
