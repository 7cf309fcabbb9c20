/* SPDX-License-Identifier: Apache-2.0 */
/* Records of agents, kept in a file where one is named. */
#include "content-double.h"

#include <stdio.h>

#define RECORD_MOST 1024u

struct record {
	struct record *next;
	uint64_t agent;
	size_t bytes;
	uint8_t data[RECORD_MOST];
};

void double_load_records(struct content *content)
{
	const char *path = getenv("CONTENT_DOUBLE_RECORDS");
	FILE *file = path == NULL ? NULL : fopen(path, "rb");
	struct record record;

	while (file != NULL && fread(&record, sizeof(record), 1, file) == 1)
		(void)content_save_agent(content, record.agent, record.data, record.bytes);
	if (file != NULL)
		fclose(file);
}

void double_store_records(const struct content *content)
{
	const char *path = getenv("CONTENT_DOUBLE_RECORDS");
	FILE *file = path == NULL ? NULL : fopen(path, "wb");

	for (const struct record *record = content->records; file != NULL && record != NULL; record = record->next)
		fwrite(record, sizeof(*record), 1, file);
	if (file != NULL)
		fclose(file);
}

void double_free_records(struct content *content)
{
	while (content->records != NULL) {
		struct record *record = content->records;

		content->records = record->next;
		free(record);
	}
}

int content_save_agent(struct content *content, uint64_t agent, const void *data, size_t bytes)
{
	struct record **at = &content->records, *record;

	while (*at != NULL && (*at)->agent != agent)
		at = &(*at)->next;
	record = *at;
	if (bytes == 0 && record != NULL) {
		*at = record->next;
		free(record);
		return 0;
	}
	if (bytes == 0 || bytes > RECORD_MOST)
		return bytes == 0 ? 0 : -E2BIG;
	if (record == NULL) {
		record = *at = calloc(1, sizeof(*record));
		record->agent = agent;
	}
	record->bytes = bytes;
	memcpy(record->data, data, bytes);
	return 0;
}

int content_each_agent(struct content *content, int (*look)(void *context, uint64_t agent, const void *data, size_t bytes), void *context)
{
	int error = 0;

	for (struct record *record = content->records; record != NULL && error == 0; record = record->next)
		error = look(context, record->agent, record->data, record->bytes);
	return error;
}
