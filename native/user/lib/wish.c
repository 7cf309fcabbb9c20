/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib.h"
#include "sizes.h"

#define OPTIONS_LEAST (offsetof(struct agentmem_options, backend) + sizeof(int))
#define FLAGS_KNOWN (AGENTMEM_OBSERVER | AGENTMEM_NO_START)

static bool copy_name(char to[AGENTMEM_NAME_BYTES], const char *from)
{
	size_t bytes = strnlen(from, AGENTMEM_NAME_BYTES);

	if (bytes == AGENTMEM_NAME_BYTES)
		return false;
	for (size_t i = 0; i < bytes; i++) {
		/* A control center shows it. */
		if ((unsigned char)from[i] < 0x20 || from[i] == 0x7f)
			return false;
	}
	memcpy(to, from, bytes + 1);
	return true;
}

static void program_name(char to[AGENTMEM_NAME_BYTES])
{
	snprintf(to, AGENTMEM_NAME_BYTES, "%.63s", program_invocation_short_name);
	for (char *at = to; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	}
}

/* The environment is believed only where the program has no more rights than its caller. */
static void usual_socket(struct wish *wish)
{
	const char *asked = secure_getenv("AGENTMEM_SOCKET");
	const char *folder = secure_getenv("XDG_RUNTIME_DIR");
	char usual[64];
	struct stat st;
	int bytes;

	if (asked != NULL && asked[0] == '/') {
		bytes = snprintf(wish->socket_path, sizeof(wish->socket_path), "%s", asked);
	} else {
		if (folder == NULL || folder[0] != '/') {
			snprintf(usual, sizeof(usual), "/run/user/%u", geteuid());
			folder = usual;
		}
		if (stat(folder, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
			return;
		bytes = snprintf(wish->socket_path, sizeof(wish->socket_path), "%s/agentmem/broker.sock", folder);
	}
	if (bytes < 0 || (size_t)bytes >= sizeof(wish->socket_path))
		wish->socket_path[0] = '\0';
}

int wish_of(const struct agentmem_options *options, struct wish *wish, int *backend)
{
	struct agentmem_options all = { 0 };

	if (options != NULL && !sized_in(&all, sizeof(all), options, options->size, OPTIONS_LEAST))
		return -EINVAL;
	if (all.backend < AGENTMEM_AUTO || all.backend > AGENTMEM_PRIVATE || all.importance > IMPORTANCE_MOST || (all.flags & ~FLAGS_KNOWN) != 0)
		return -EINVAL;
	memset(wish, 0, sizeof(*wish));
	if (!copy_name(wish->domain, all.domain == NULL ? "" : all.domain))
		return -EINVAL;
	if (all.name == NULL)
		program_name(wish->name);
	else if (!copy_name(wish->name, all.name))
		return -EINVAL;
	if (all.socket_path != NULL) {
		size_t bytes = strnlen(all.socket_path, sizeof(wish->socket_path));

		/* A started broker has another working folder. */
		if (all.socket_path[0] != '/' || bytes == sizeof(wish->socket_path))
			return -EINVAL;
		memcpy(wish->socket_path, all.socket_path, bytes + 1);
	} else {
		usual_socket(wish);
	}
	wish->has_token = all.token != NULL;
	if (wish->has_token)
		memcpy(wish->token, all.token, sizeof(wish->token));
	wish->importance = all.importance == 0 ? IMPORTANCE_USUAL : all.importance;
	wish->flags = all.flags;
	wish->quota_bytes = all.quota_bytes;
	*backend = all.backend;
	return 0;
}
