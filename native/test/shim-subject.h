/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_SHIM_SUBJECT_H
#define TEST_SHIM_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

#define WHOLE ((ssize_t)8 << 20)

struct subject_case {
	const char *name;
	void (*run)(void);
};

extern const char *subject_file;

uint64_t sum(const void *data, size_t bytes);
/* With the error's text where it is below zero. */
void tell(const char *what, long value);
void tell_bytes(const char *what, const void *data, size_t bytes);
int open_file(void);
/* A malloc block with all of the file. */
char *read_whole(void);

void subject_advice(void);
void subject_rights(void);
void subject_locked(void);
void subject_limits(void);
void subject_descriptors(void);
void subject_signals(void);
void subject_cancelled(void);
void subject_filter(void);
void subject_threads(void);
void subject_writer(void);
void subject_pipe_pages(void);
void subject_many(void);
void subject_stay(void);

#endif
