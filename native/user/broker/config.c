/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MOST_BYTES (16 * 1024)
#define AGE_MOST_MS (UINT64_C(400) * 24 * 3600 * 1000)
#define SIZE_MOST_BYTES (UINT64_C(1) << 50)

void config_default(struct broker_config *config)
{
	*config = (struct broker_config){ .enabled = true, .cold = true, .policy = am_policy_default };
}

bool config_same(const struct broker_config *one, const struct broker_config *other)
{
	const struct am_policy *a = &one->policy, *b = &other->policy;

	return one->cold == other->cold && one->cold_most_bytes == other->cold_most_bytes && one->quota_bytes == other->quota_bytes && a->warm_after_ms == b->warm_after_ms &&
	       a->cold_after_ms == b->cold_after_ms && a->thorough_after_ms == b->thorough_after_ms && a->hot_most_bytes == b->hot_most_bytes && a->warm_most_bytes == b->warm_most_bytes;
}

static bool yes_or_no(const char *value, bool *out)
{
	*out = strcmp(value, "yes") == 0;
	return *out || strcmp(value, "no") == 0;
}

static bool number(const char *value, uint64_t most, uint64_t *out)
{
	uint64_t sum = 0;

	if (*value == '\0' || strlen(value) > 18)
		return false;
	for (; *value != '\0'; value++) {
		if (*value < '0' || *value > '9')
			return false;
		sum = sum * 10 + (uint64_t)(*value - '0');
	}
	*out = sum;
	return sum <= most;
}

static bool set(struct broker_config *config, const char *name, const char *value)
{
	struct broker_config fresh = *config;
	const struct {
		const char *name;
		uint64_t *value;
		uint64_t most;
	} numbers[] = {
		{ "warm_after_ms", &fresh.policy.warm_after_ms, AGE_MOST_MS },
		{ "cold_after_ms", &fresh.policy.cold_after_ms, AGE_MOST_MS },
		{ "thorough_after_ms", &fresh.policy.thorough_after_ms, AGE_MOST_MS },
		{ "hot_most_bytes", &fresh.policy.hot_most_bytes, SIZE_MOST_BYTES },
		{ "warm_most_bytes", &fresh.policy.warm_most_bytes, SIZE_MOST_BYTES },
		{ "cold_most_bytes", &fresh.cold_most_bytes, SIZE_MOST_BYTES },
		{ "quota_bytes", &fresh.quota_bytes, SIZE_MOST_BYTES },
	};
	bool ok = false;

	if (strcmp(name, "enabled") == 0)
		ok = yes_or_no(value, &fresh.enabled);
	else if (strcmp(name, "cold") == 0)
		ok = yes_or_no(value, &fresh.cold);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(name, numbers[i].name) == 0)
			ok = number(value, numbers[i].most, numbers[i].value);
	if (ok)
		*config = fresh;
	return ok;
}

static char *trimmed(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL)
		text[--length] = '\0';
	return text;
}

unsigned config_read(struct broker_config *config, char *text, void (*told)(const char *sentence))
{
	unsigned wrong = 0;
	unsigned line_number = 0;
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		char *name, *value;
		char sentence[200];

		line_number++;
		line[strcspn(line, "#")] = '\0';
		value = line;
		name = trimmed(strsep(&value, "="));
		if (*name == '\0' && value == NULL)
			continue;
		if (value != NULL && set(config, name, trimmed(value)))
			continue;
		wrong++;
		snprintf(sentence, sizeof(sentence), "broker.conf, line %u: expected a known name, = and a value in its range, got \"%.60s%s%.60s\"; the default is used", line_number, name,
			 value == NULL ? "" : "=", value == NULL ? "" : trimmed(value));
		told(sentence);
	}
	return wrong;
}

bool config_load(struct broker_config *config, void (*told)(const char *sentence))
{
	const char *folder = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	char path[PATH_MAX];
	char text[FILE_MOST_BYTES + 1];
	ssize_t length;
	int fd;

	if (folder != NULL && *folder == '/')
		snprintf(path, sizeof(path), "%s/agentmem/broker.conf", folder);
	else if (home != NULL && *home == '/')
		snprintf(path, sizeof(path), "%s/.config/agentmem/broker.conf", home);
	else
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	length = read(fd, text, FILE_MOST_BYTES);
	close(fd);
	if (length < 0 || length == FILE_MOST_BYTES) {
		told("broker.conf could not be read, or is longer than 16 KiB: the defaults are used");
		return false;
	}
	text[length] = '\0';
	config_read(config, text, told);
	return true;
}
