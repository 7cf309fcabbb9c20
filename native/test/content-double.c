/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for the broker's content in tests of the protocol: units in plain
 * memory, no tiers, no threads. Answers to what is handed in come later, as
 * the real one's do, after CONTENT_DOUBLE_DELAY_MS. Records of agents are kept
 * in the file CONTENT_DOUBLE_RECORDS.
 */
#include "content-double.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "common/host.h"

struct later {
	struct later *next;
	content_done done;
	void *context;
	uint64_t agent, unit, due_ms;
	int error;
	bool known;
};

void double_say(content_done done, void *context, struct unit *unit, int error)
{
	struct content_result result = { .error = error, .fd = -1 };

	if (error == 0)
		double_fill(unit, false, &result);
	done(context, &result);
}

/* Answered when the loop comes by again. */
void double_put_off(struct content *content, uint64_t agent, const struct unit *unit, int error, bool known, content_done done, void *context)
{
	struct later *later = calloc(1, sizeof(*later)), **at = &content->laters;

	*later = (struct later){ .done = done, .context = context, .agent = agent, .unit = unit == NULL ? 0 : unit->number, .error = error, .known = known, .due_ms = now_ms() + content->delay_ms };
	while (*at != NULL)
		at = &(*at)->next;
	*at = later;
	eventfd_write(content->event_fd, 1);
}

static void answer_due(struct content *content)
{
	while (content->laters != NULL && content->laters->due_ms <= now_ms()) {
		struct later *later = content->laters;
		struct unit *unit = double_unit(content, later->agent, later->unit);
		struct content_result result = { .error = later->error != 0 ? later->error : -ENOENT, .fd = -1 };

		content->laters = later->next;
		if (later->error == 0 && unit != NULL)
			double_fill(unit, later->known, &result);
		later->done(later->context, &result);
		free(later);
	}
}

void content_event(struct content *content)
{
	eventfd_t value;

	(void)eventfd_read(content->event_fd, &value);
	answer_due(content);
}

uint64_t content_step(struct content *content, uint64_t at_ms)
{
	(void)at_ms;
	answer_due(content);
	return content->laters == NULL ? UINT64_MAX : content->laters->due_ms;
}

int content_open(struct content **content, const struct content_options *options)
{
	const char *delay = getenv("CONTENT_DOUBLE_DELAY_MS");
	struct content *made = calloc(1, sizeof(*made));

	made->options = *options;
	made->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	made->delay_ms = delay == NULL ? 0 : strtoull(delay, NULL, 10);
	double_load_records(made);
	*content = made;
	return 0;
}

void content_close(struct content *content)
{
	double_store_records(content);
	while (content->laters != NULL) {
		struct later *later = content->laters;

		content->laters = later->next;
		later->done(later->context, &(struct content_result){ .error = -ECANCELED, .fd = -1 });
		free(later);
	}
	double_free_records(content);
	while (content->units != NULL) {
		memset(content->units->holders, 0, sizeof(content->units->holders));
		double_drop(content, content->units);
	}
	close(content->event_fd);
	free(content);
}

int content_fd(const struct content *content)
{
	return content->event_fd;
}

void content_set_policy(struct content *content, const struct am_policy *policy)
{
	content->options.policy = *policy;
}
