/* SPDX-License-Identifier: Apache-2.0 */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/lane.h"
#include "store/tap.h"

/* So many read or write at once; others wait. */
enum { LANES_MOST = 4 };

struct data_file {
	int fd;
	bool direct;
	bool uring;
	size_t memory_align;
	pthread_mutex_t lock;
	pthread_cond_t idle_changed;
	struct lane *idle;
	unsigned lanes;
};

const struct store_tap *store_tap;

/* O_DIRECT, tried with a read; plain otherwise. */
static void try_direct(struct data_file *data)
{
	int flags = fcntl(data->fd, F_GETFL);
	void *block = NULL;

	if (flags < 0 || fcntl(data->fd, F_SETFL, flags | O_DIRECT) < 0)
		return;
	data->memory_align = LANE_ALIGN_BYTES;
#ifdef STATX_DIOALIGN	/* Linux 6.1 */
	struct statx statx_buffer = { 0 };

	if (statx(data->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &statx_buffer) == 0 && (statx_buffer.stx_mask & STATX_DIOALIGN) != 0 && statx_buffer.stx_dio_mem_align > 0)
		data->memory_align = statx_buffer.stx_dio_mem_align;
#endif
	if (data->memory_align <= LANE_ALIGN_BYTES && posix_memalign(&block, LANE_ALIGN_BYTES, LANE_ALIGN_BYTES) == 0)
		data->direct = pread(data->fd, block, LANE_ALIGN_BYTES, 0) == LANE_ALIGN_BYTES;
	free(block);
	if (!data->direct)
		(void)fcntl(data->fd, F_SETFL, flags);
}

static struct lane *make_lane(const struct data_file *data)
{
	struct lane *lane = malloc(sizeof(*lane));

	if (lane != NULL)
		lane_open(lane, data->fd);
	return lane;
}

int data_open(struct data_file **opened, int fd, bool direct)
{
	struct data_file *data = calloc(1, sizeof(*data));

	if (data == NULL)
		return -ENOMEM;
	data->fd = fd;
	data->memory_align = 1;
	if (direct)
		try_direct(data);
	if (!data->direct)
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	data->idle = make_lane(data);
	if (data->idle == NULL) {
		free(data);
		return -ENOMEM;
	}
	data->idle->next = NULL;
	data->lanes = 1;
	data->uring = data->idle->has_ring;
	pthread_mutex_init(&data->lock, NULL);
	pthread_cond_init(&data->idle_changed, NULL);
	*opened = data;
	return 0;
}

void data_close(struct data_file *data)
{
	struct lane *lane;

	while ((lane = data->idle) != NULL) {
		data->idle = lane->next;
		lane_close(lane);
		free(lane);
	}
	pthread_cond_destroy(&data->idle_changed);
	pthread_mutex_destroy(&data->lock);
	free(data);
}

static struct lane *take_lane(struct data_file *data)
{
	struct lane *lane = NULL;

	pthread_mutex_lock(&data->lock);
	if (data->idle == NULL && data->lanes < LANES_MOST) {
		data->lanes++;
		pthread_mutex_unlock(&data->lock);
		lane = make_lane(data);
		if (lane != NULL)
			return lane;
		pthread_mutex_lock(&data->lock);
		data->lanes--;
	}
	/* There is one at least. */
	while (data->idle == NULL)
		pthread_cond_wait(&data->idle_changed, &data->lock);
	lane = data->idle;
	data->idle = lane->next;
	pthread_mutex_unlock(&data->lock);
	return lane;
}

static void return_lane(struct data_file *data, struct lane *lane)
{
	pthread_mutex_lock(&data->lock);
	/* One with buffers is enough for a quiet time. */
	if (data->idle != NULL)
		lane_rest(lane);
	lane->next = data->idle;
	data->idle = lane;
	pthread_cond_signal(&data->idle_changed);
	pthread_mutex_unlock(&data->lock);
}

static int work_on(struct data_file *data, struct lane_work *work)
{
	struct lane *lane = take_lane(data);
	int error;

	work->fd = data->fd;
	work->direct = data->direct;
	work->memory_align = data->memory_align;
	error = lane_run(lane, work);
	return_lane(data, lane);
	return error;
}

int data_read(struct data_file *data, uint64_t at, void *out, size_t bytes, size_t room)
{
	struct lane_work work = { .at = at, .memory = out, .bytes = bytes, .room = room };
	int error = tap(TAP_READ, TAP_DATA, at, NULL, bytes);

	return error < 0 ? error : work_on(data, &work);
}

int data_write(struct data_file *data, uint64_t at, const void *from, size_t bytes)
{
	/* Not changed by writing it. */
	struct lane_work work = { .at = at, .memory = (void *)(uintptr_t)from, .bytes = bytes, .room = bytes, .writes = true };
	int error = tap(TAP_WRITE, TAP_DATA, at, from, bytes);

	return error < 0 ? error : work_on(data, &work);
}

int data_sync(struct data_file *data)
{
	int error = tap(TAP_SYNC, TAP_DATA, 0, NULL, 0);

	if (error < 0)
		return error;
	if (fdatasync(data->fd) < 0)
		return -errno;
	/* Cold data has no business in the page cache. */
	if (!data->direct)
		(void)posix_fadvise(data->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

void data_punch(struct data_file *data, uint64_t at, uint64_t bytes)
{
	if (tap(TAP_PUNCH, TAP_DATA, at, NULL, (size_t)bytes) == 0)
		(void)fallocate(data->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes);
}

bool data_is_direct(const struct data_file *data)
{
	return data->direct;
}

bool data_has_uring(const struct data_file *data)
{
	return data->uring;
}

uint64_t data_own_bytes(struct data_file *data)
{
	uint64_t bytes = sizeof(*data);

	pthread_mutex_lock(&data->lock);
	for (const struct lane *lane = data->idle; lane != NULL; lane = lane->next)
		bytes += sizeof(*lane) + LANE_ALIGN_BYTES + (lane->bounces == NULL ? 0 : LANE_BOUNCES * LANE_BOUNCE_BYTES);
	pthread_mutex_unlock(&data->lock);
	return bytes;
}
