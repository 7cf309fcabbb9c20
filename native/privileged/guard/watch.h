/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: memory, pressure, kills, services. */
#ifndef GUARD_WATCH_H
#define GUARD_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Opens what will be read; before anything is armed. */
void watch_begin(void);
/* From the first armed run or held agent on: remembers how things stand, and the services that run. */
void watch_arm(void);
/*
 * The first run is open now, and has not changed anything yet: pressure that is
 * there already is none of its doing.
 */
void watch_first_run(void);
/* Nothing is armed or held any more. */
void watch_disarm(void);
/*
 * Looks; true where open runs are to be taken back, and then `memory` tells
 * whether memory is the reason.
 */
bool watch_look(int64_t at_ms, bool *memory);
/* A service's pidfd is ready: true where open runs are to be taken back. */
bool watch_service_event(unsigned index);
/* Enough is free for one more agent to run. */
bool watch_memory_is_sane(void);

#endif
