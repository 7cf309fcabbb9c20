/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "lib.h"

static const struct {
	int error;
	const char *text;
} texts[] = {
	{ 0, "success" },
	{ EINVAL, "an argument makes no sense" },
	{ ENOMEM, "there is no memory left for this" },
	{ ENODEV, "the backend that was asked for is not there" },
	{ EACCES, "not allowed: no agent has this token, the broker is not this user's, or only root may set this" },
	{ EPROTO, "the broker speaks another version, or said what makes no sense" },
	{ ENOENT, "this agent holds no such unit" },
	{ EDQUOT, "the agent's quota does not allow so many bytes" },
	{ E2BIG, "a unit has at most 4 GiB" },
	{ EPERM, "the memfd is not sealed: SEAL, SHRINK, GROW and WRITE are needed" },
	{ EBADF, "not the descriptor of a memfd" },
	{ EIO, "stored bytes do not match their checksum" },
	{ ESTALE, "the broker ended, and what it held of this unit in memory is lost" },
	{ ECONNRESET, "the broker ended in the middle of this call" },
	{ ETIMEDOUT, "the broker did not answer in time" },
	{ EMFILE, "this process has too many open descriptors" },
	{ ENFILE, "the system has too many open descriptors" },
	{ ENOSPC, "there is no space left for this" },
	{ EBUSY, "the broker serves as many as it can" },
	{ EOPNOTSUPP, "the backend in use cannot do this" },
};

PUBLIC const char *agentmem_error_text(int error)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].error == error || -texts[i].error == error)
			return texts[i].text;
	}
	return "an error that libagentmem does not know";
}
