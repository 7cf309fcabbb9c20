/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "text.h"

/* Programs as the kernel names them: Debian's ssh.service runs "sshd". */
static const char default_services[] = "systemd systemd-logind sshd dbus-daemon dbus-broker polkitd NetworkManager";

static const struct {
	const char *name;
	unsigned *value;
	unsigned least;
	unsigned most;
} numbers[] = {
	{ "grace_ms", &settings.grace_ms, 0, 60000 },
	{ "holder_grace_ms", &settings.holder_grace_ms, 0, 600000 },
	{ "prefault_ms", &settings.prefault_ms, 0, 5000 },
	{ "prefault_first_ms", &settings.prefault_first_ms, 0, 5000 },
	{ "psi_some_percent", &settings.psi_some_percent, 1, 100 },
	{ "psi_full_percent", &settings.psi_full_percent, 1, 100 },
	{ "low_memory_mib", &settings.low_memory_mib, 0, 65536 },
	{ "stuck_s", &settings.stuck_s, 1, 3600 },
};

static bool set_services(char *names)
{
	char *parts[SERVICES_MOST];
	size_t count;

	settings.service_count = 0;
	if (*names == '\0')
		return true;
	count = split(names, parts, SERVICES_MOST);
	if (count > SERVICES_MOST)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (*parts[i] == '\0' || strchr(parts[i], '/') != NULL)
			return false;
		/* The kernel keeps 15 bytes of a program's name. */
		memset(settings.services[i], 0, sizeof(settings.services[i]));
		strncpy(settings.services[i], parts[i], sizeof(settings.services[i]) - 1);
	}
	settings.service_count = (unsigned)count;
	return true;
}

void config_default(void)
{
	char services[sizeof(default_services)];

	settings.grace_ms = 300;
	settings.holder_grace_ms = 5000;
	settings.prefault_ms = 60;
	settings.prefault_first_ms = 0;
	settings.psi_some_percent = 40;
	settings.psi_full_percent = 15;
	settings.low_memory_mib = 128;
	settings.stuck_s = 10;
	strcpy(services, default_services);
	set_services(services);
}

static bool set(const char *name, char *value)
{
	uint64_t number;

	if (strcmp(name, "services") == 0)
		return set_services(value);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(name, numbers[i].name) != 0)
			continue;
		if (!number_from_text(value, numbers[i].most, &number) || number < numbers[i].least)
			return false;
		*numbers[i].value = (unsigned)number;
		return true;
	}
	return false;
}

bool config_parse(char *text, unsigned *line)
{
	*line = 0;
	for (char *at = text; at != NULL && *at != '\0';) {
		char *end = strchr(at, '\n');
		char *equals;

		++*line;
		if (end != NULL)
			*end++ = '\0';
		equals = strchr(at, '=');
		if (*at != '\0' && *at != '#') {
			if (equals == NULL)
				return false;
			*equals = '\0';
			if (!set(at, equals + 1))
				return false;
		}
		at = end;
	}
	return true;
}

const char *config_read(const char *path)
{
	static char text[4096];
	static char problem[128];
	struct out out = out_begin(problem, sizeof(problem));
	struct stat file;
	ssize_t length;
	unsigned line;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? NULL : "the configuration cannot be opened";
	if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || (file.st_uid != 0 && file.st_uid != geteuid()) || (file.st_mode & 022) != 0) {
		close(fd);
		return "the configuration is not a file of root that only root can write: the defaults are used";
	}
	length = read_again(fd, text, sizeof(text));
	close(fd);
	if (length < 0 || length == (ssize_t)sizeof(text) - 1)
		return "the configuration cannot be read, or is 4 KiB or longer: the defaults are used";
	if (config_parse(text, &line))
		return NULL;
	config_default();
	out_text(&out, "line ");
	out_number(&out, line);
	out_text(&out, " of the configuration is not understood: the defaults are used");
	return problem;
}
