/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* SipHash-1-3: a hash nobody can foretell without the seed. The same as hsiphash of a 64-bit kernel, and as hash() of Python. */
#ifndef AM_CORE_SIP_H
#define AM_CORE_SIP_H

#include "types.h"

static inline am_u64 am_sip_turn(am_u64 value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void am_sip_round(am_u64 v[4])
{
	v[0] += v[1];
	v[1] = am_sip_turn(v[1], 13) ^ v[0];
	v[0] = am_sip_turn(v[0], 32);
	v[2] += v[3];
	v[3] = am_sip_turn(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = am_sip_turn(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = am_sip_turn(v[1], 17) ^ v[2];
	v[2] = am_sip_turn(v[2], 32);
}

/* Of whole words, as they lie in memory of a little-endian machine. */
static inline am_u64 am_sip(const am_u64 seed[2], const am_u64 *words, unsigned count)
{
	am_u64 v[4] = {
		seed[0] ^ 0x736f6d6570736575ull,
		seed[1] ^ 0x646f72616e646f6dull,
		seed[0] ^ 0x6c7967656e657261ull,
		seed[1] ^ 0x7465646279746573ull,
	};

	for (unsigned i = 0; i <= count; i++) {
		am_u64 word = i < count ? words[i] : (am_u64)count * 8 << 56;

		v[3] ^= word;
		am_sip_round(v);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		am_sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
