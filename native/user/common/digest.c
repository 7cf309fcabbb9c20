/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

/* The old interface is the only one that needs no provider, no allocation and no locks. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Fits the second-level cache: the second look at it costs no memory traffic. */
#define STEP_BYTES (256 * 1024)
#define LOOK_BYTES (16 * 1024)

void digest_of(const void *data, size_t bytes, struct am_digest *digest)
{
	SHA256_CTX sha;

	/* In steps: the call for it all at once brings the whole of libcrypto along. */
	SHA256_Init(&sha);
	SHA256_Update(&sha, data, bytes);
	SHA256_Final(digest->bytes, &sha);
}

struct proof_tag proof_of(const uint8_t secret[PROOF_SECRET_BYTES], const void *data, size_t bytes)
{
	XXH128_hash_t hash = XXH3_128bits_withSecret(data, bytes, secret, PROOF_SECRET_BYTES);

	return (struct proof_tag){ .low = hash.low64, .high = hash.high64 };
}

struct proof_tag digest_and_proof_of(const uint8_t secret[PROOF_SECRET_BYTES], const void *data, size_t bytes, struct am_digest *digest)
{
	const uint8_t *at = data;
	XXH3_state_t proof;
	SHA256_CTX sha;
	XXH128_hash_t hash;

	SHA256_Init(&sha);
	XXH3_128bits_reset_withSecret(&proof, secret, PROOF_SECRET_BYTES);
	while (bytes > 0) {
		size_t step = bytes < STEP_BYTES ? bytes : STEP_BYTES;

		SHA256_Update(&sha, at, step);
		XXH3_128bits_update(&proof, at, step);
		at += step;
		bytes -= step;
	}
	SHA256_Final(digest->bytes, &sha);
	hash = XXH3_128bits_digest(&proof);
	return (struct proof_tag){ .low = hash.low64, .high = hash.high64 };
}

uint64_t fingerprint_of(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t hash;

	if (bytes <= 3 * LOOK_BYTES)
		return XXH3_64bits_withSeed(data, bytes, bytes);
	hash = XXH3_64bits_withSeed(at, LOOK_BYTES, bytes);
	hash = XXH3_64bits_withSeed(at + bytes / 2, LOOK_BYTES, hash);
	return XXH3_64bits_withSeed(at + bytes - LOOK_BYTES, LOOK_BYTES, hash);
}

uint64_t checksum_of(const void *data, size_t bytes)
{
	return XXH3_64bits(data, bytes);
}
