/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the broker that speaks its protocol byte by byte, for tests. */
#ifndef BROKER_KIT_H
#define BROKER_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/protocol.h"

struct raw {
	int socket;
	uint64_t sequence;
	struct broker_welcome welcome;
	/* The last reply. */
	struct broker_head head;
	uint8_t body[BROKER_MESSAGE_MOST];
	size_t bytes;
	int fd;			/* -1, or the test's to close */
};

extern const char *socket_path;

#define CHECK(what) ((what) ? (void)0 : raw_fail(__FILE__, __LINE__, #what, 0))
#define EQUAL(got, wanted) raw_equal(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(wanted))

_Noreturn void raw_fail(const char *file, int line, const char *what, int64_t number);
void raw_equal(const char *file, int line, const char *what, int64_t got, int64_t wanted);

/* Connected, nothing said. */
struct raw *raw_connect(void);
/* And greeted as a new agent of this domain. */
struct raw *raw_open(const char *name, const char *domain);
/* The error of the greeting; a token of NULL is a new agent. */
int raw_hello(struct raw *raw, const char *name, const char *domain, const uint8_t *token, uint64_t quota_bytes, uint32_t flags);
void raw_close(struct raw *raw);

/* Sends one message as it is. The errno of sendmsg, negative, or 0. */
int raw_send(struct raw *raw, const void *message, size_t bytes, const int *fds, unsigned fd_count);
/* False where the connection has ended. */
bool raw_receive(struct raw *raw);
/* A request and its reply: the reply's error; -ECONNRESET where the connection ended. */
int raw_call(struct raw *raw, unsigned type, const void *body, size_t body_bytes, const void *data, size_t bytes, int fd);

/* Requests by name. What is in the reply stays in `raw`. */
int raw_alloc(struct raw *raw, unsigned kind, const void *data, size_t bytes, uint64_t *unit);
int raw_alloc_fd(struct raw *raw, unsigned kind, int fd, size_t bytes, uint64_t *unit);
int raw_number(struct raw *raw, unsigned type, uint64_t unit, uint64_t value);
int raw_read(struct raw *raw, uint64_t unit, uint64_t offset, uint64_t bytes);
int raw_edit(struct raw *raw, unsigned type, uint64_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t bytes);
int raw_list(struct raw *raw, uint32_t what, uint64_t agent, uint64_t after);
int raw_find(struct raw *raw, const uint8_t digest[32]);
const struct broker_unit *raw_unit(const struct raw *raw);
const struct broker_stat *raw_stat(struct raw *raw);
/* ASK and CLAIM of these bytes, honestly. */
int raw_claim(struct raw *raw, unsigned kind, const void *data, size_t bytes);

/* More than one message holds. */
#define LARGE (1000u * 1000u)
/* A memfd with these bytes and seals. */
int memfd_of(const void *data, size_t bytes, int seals);
#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
/* Bytes that differ by seed. The test's to free. */
uint8_t *text_of(uint64_t seed, size_t bytes);

#endif
