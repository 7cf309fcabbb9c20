/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this descriptor a memfd that nobody can change any more? Asked before
 * anything reads it; asks nothing that a file of another kind could keep
 * waiting.
 */
#ifndef BROKER_SOURCE_H
#define BROKER_SOURCE_H

#include <stdint.h>

/*
 * 0; -EBADF (no memfd, or one not open for reading), -EPERM (one of SEAL,
 * SHRINK, GROW, WRITE is missing: FUTURE_WRITE leaves writable mappings alive
 * and is no substitute), -EOPNOTSUPP (huge pages: a read of one of its holes
 * can kill the reader when none are left), -EINVAL (another size than said).
 */
int source_check(int fd, uint64_t bytes);

#endif
