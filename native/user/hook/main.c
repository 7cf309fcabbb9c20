/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-hook AGENT EVENT [SESSION|JSON]: run by an agent's hooks. Tells the
 * session role what the agent does and ends. It prints nothing and never fails:
 * an agent must not notice that it is there, or that nobody listens.
 *
 * The socket cannot tell Node who is at its other end. So this waits, for a
 * moment, until its line was read: meanwhile its place in the process tree
 * says whose hook it is.
 */
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST_INPUT (64 * 1024)
#define LONGEST_WORD 64
#define PATIENCE_MS 250

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Letters, digits and dashes: what agents and events are called. */
static bool is_word(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length > LONGEST_WORD)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != '-')
			return false;
	return true;
}

/* Copies what a session id may hold from `from`; anything else ends it. */
static void copy_id(const char *from, char *id)
{
	size_t at = 0;

	while (at < LONGEST_WORD && (isalnum((unsigned char)from[at]) || from[at] == '-' || from[at] == '_')) {
		id[at] = from[at];
		at++;
	}
	id[at] = '\0';
}

/* The value of "session_id" (Claude Code, Gemini CLI) or "thread-id" (Codex). */
static void id_from_json(const char *json, char *id)
{
	static const char *const keys[] = { "\"session_id\"", "\"thread-id\"" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *at = strstr(json, keys[i]);

		if (at == NULL)
			continue;
		at += strlen(keys[i]);
		at += strspn(at, " \t\r\n:");
		if (*at == '"') {
			copy_id(at + 1, id);
			return;
		}
	}
}

/* What the agent writes to its hooks; read to the end, so that it is not told of a broken pipe. */
static void read_input(char *text, long until_ms)
{
	size_t length = 0;

	while (length < MOST_INPUT) {
		struct pollfd wait = { .fd = STDIN_FILENO, .events = POLLIN };
		long left = until_ms - now_ms();
		ssize_t got;

		if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
			break;
		got = read(STDIN_FILENO, text + length, MOST_INPUT - length);
		if (got <= 0)
			break;
		length += (size_t)got;
	}
	text[length] = '\0';
	/* A zero byte is no JSON; what follows it is not looked at. */
}

static bool socket_path(char *path, size_t size)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	int length;

	if (folder != NULL && folder[0] == '/')
		length = snprintf(path, size, "%s/agentmem/hooks.sock", folder);
	else
		length = snprintf(path, size, "/run/user/%u/agentmem/hooks.sock", (unsigned)getuid());
	return length > 0 && (size_t)length < size;
}

static void tell(const char *line, size_t length, long until_ms)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct pollfd wait = { .events = POLLIN };
	char answer;
	long left;

	if (!socket_path(address.sun_path, sizeof(address.sun_path)))
		return;
	wait.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (wait.fd < 0)
		return;
	if (connect(wait.fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(wait.fd, line, length, MSG_NOSIGNAL) == (ssize_t)length) {
		left = until_ms - now_ms();
		if (left > 0 && poll(&wait, 1, (int)left) > 0)
			(void)!read(wait.fd, &answer, 1);
	}
	close(wait.fd);
}

int main(int argc, char **argv)
{
	static char input[MOST_INPUT + 1];
	char id[LONGEST_WORD + 1] = "";
	char line[4 * LONGEST_WORD];
	long until_ms = now_ms() + PATIENCE_MS;
	int length;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 3 || !is_word(argv[1]) || !is_word(argv[2])) {
		/* Only a person at a terminal sees this; an agent's hook has fixed words. */
		if (isatty(STDERR_FILENO))
			fputs("usage: agentmem-hook AGENT EVENT [SESSION]\n", stderr);
		return 0;
	}
	if (argc > 3 && argv[3][0] == '{')
		id_from_json(argv[3], id);
	else if (argc > 3)
		copy_id(argv[3], id);
	else if (!isatty(STDIN_FILENO)) {
		read_input(input, until_ms);
		id_from_json(input, id);
	}
	length = snprintf(line, sizeof(line), "1 %ld %s %s %s\n", (long)getpid(), argv[1], argv[2], id[0] == '\0' ? "-" : id);
	if (length > 0 && (size_t)length < sizeof(line))
		tell(line, (size_t)length, until_ms);
	return 0;
}
