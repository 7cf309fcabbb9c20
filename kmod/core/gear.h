/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The rolling hash of chunks and sketches: each byte shifts the hash by three
 * and adds its own number, so bit n depends on the last n / 3 + 1 bytes. Used
 * are the lower 48 bits: a window of 16 bytes, where FastCDC, shifting by one,
 * has 48 to 64. So the ids agents write on each line spoil few places.
 */
#ifndef AM_CORE_GEAR_H
#define AM_CORE_GEAR_H

#include "types.h"

#define AM_GEAR_SHIFT 3
#define AM_GEAR_WINDOW 16
#define AM_GEAR_BITS 48

/*
 * Numbers 1 to 256 of splitmix64 from 0x6167656e746d656d ("agentmem"): x +=
 * 0x9e3779b97f4a7c15; z = x; z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9; z = (z ^
 * z >> 27) * 0x94d049bb133111eb; z ^ z >> 31. What is cut and found alike
 * depends on them: never change one.
 */
extern const am_u64 am_gear[256];

static inline am_u64 am_gear_step(am_u64 hash, am_u8 byte)
{
	return (hash << AM_GEAR_SHIFT) + am_gear[byte];
}

#endif
