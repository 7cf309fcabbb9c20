/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WARM_ALIKE_H
#define WARM_ALIKE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Of runs of 64 bytes drawn from all over the block, the part that is in the
 * base too, in percent (counting ends at ALIKE_SURE). A sketch knows words in
 * common; packing against a base gains by long runs. Reads the base once at 2
 * to 3 GB/s; a packing that gains nothing takes eight times as long.
 */
#define ALIKE_SURE 50
unsigned alike_percent(const uint8_t *block, size_t bytes, const uint8_t *base, size_t base_bytes);

#endif
