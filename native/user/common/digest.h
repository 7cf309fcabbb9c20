/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of the user-space side. SHA-256 by libcrypto, keyed tags by xxHash. */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/types.h"

#define PROOF_SECRET_BYTES 256

struct proof_tag {
	uint64_t low;
	uint64_t high;
};

void digest_of(const void *data, size_t bytes, struct am_digest *digest);

/*
 * Tag of `data` under a secret that was drawn for this question alone: who
 * answers it has all the bytes now, not a digest remembered. No proof to
 * outsiders of the user; they are kept apart by domain before it.
 */
struct proof_tag proof_of(const uint8_t secret[PROOF_SECRET_BYTES], const void *data, size_t bytes);
/* Both in one pass over memory. */
struct proof_tag digest_and_proof_of(const uint8_t secret[PROOF_SECRET_BYTES], const void *data, size_t bytes, struct am_digest *digest);
/* A short look at size, head, middle and tail: which unit this may be. */
uint64_t fingerprint_of(const void *data, size_t bytes);
/* Checksum of stored bytes. */
uint64_t checksum_of(const void *data, size_t bytes);

#endif
