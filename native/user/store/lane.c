/* SPDX-License-Identifier: Apache-2.0 */
#include "lane.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One read or write. */
struct piece {
	uint64_t at;
	uint8_t *buffer;
	size_t bytes;		/* of the file */
	uint8_t *user;		/* where a bounced read goes */
	size_t user_bytes;
	size_t skip;		/* in the bounce buffer before what is wanted */
	int bounce;		/* its number, or -1 */
	bool busy;
};

struct run {
	const struct lane_work *work;
	struct lane *lane;
	uint64_t at;		/* what is still to be begun */
	uint8_t *memory;
	size_t left;
	size_t room;
	struct piece pieces[LANE_DEPTH];
	unsigned in_flight;
	bool bounce_busy[LANE_BOUNCES];
	int error;
};

/* Completions need no interrupt of the thread, which waits for them. Not in the headers of all. */
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1u << 8)
#endif

void lane_open(struct lane *lane, int fd)
{
	memset(lane, 0, sizeof(*lane));
	/* The flag is of Linux 5.19. */
	lane->has_ring = io_uring_queue_init(LANE_DEPTH, &lane->ring, IORING_SETUP_COOP_TASKRUN) == 0 || io_uring_queue_init(LANE_DEPTH, &lane->ring, 0) == 0;
	/* Needed for each request otherwise. */
	if (lane->has_ring && io_uring_register_files(&lane->ring, &fd, 1) < 0) {
		io_uring_queue_exit(&lane->ring);
		lane->has_ring = false;
	}
}

void lane_rest(struct lane *lane)
{
	if (lane->bounces != NULL)
		munmap(lane->bounces, (size_t)LANE_BOUNCES * LANE_BOUNCE_BYTES);
	lane->bounces = NULL;
}

void lane_close(struct lane *lane)
{
	if (lane->has_ring)
		io_uring_queue_exit(&lane->ring);
	lane_rest(lane);
}

static size_t round_up(size_t bytes)
{
	return (bytes + LANE_ALIGN_BYTES - 1) & ~(size_t)(LANE_ALIGN_BYTES - 1);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How much can go between file and memory without a copy; 0: none. */
static size_t straight(const struct run *run)
{
	const struct lane_work *work = run->work;
	size_t whole = run->left & ~(size_t)(LANE_ALIGN_BYTES - 1);

	if (!work->direct)
		return least(run->left, LANE_PIECE_BYTES);
	if (run->at % LANE_ALIGN_BYTES != 0 || (uintptr_t)run->memory % work->memory_align != 0)
		return 0;
	if (!work->writes && run->left <= LANE_PIECE_BYTES && round_up(run->left) <= run->room)
		return round_up(run->left);
	/* One copy costs less than a second read. */
	if (run->left != whole && run->left <= LANE_BOUNCE_BYTES)
		return 0;
	return least(whole, LANE_PIECE_BYTES);
}

static int free_bounce(const struct run *run)
{
	for (int i = 0; i < LANE_BOUNCES; i++)
		if (!run->bounce_busy[i])
			return i;
	return -1;
}

static bool get_bounces(struct run *run)
{
	void *memory;

	if (run->lane->bounces != NULL)
		return true;
	memory = mmap(NULL, (size_t)LANE_BOUNCES * LANE_BOUNCE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		run->error = -ENOMEM;
		return false;
	}
	run->lane->bounces = memory;
	return true;
}

/* The next piece; false where it has to wait for a buffer, or nothing is left. */
static bool next_piece(struct run *run, struct piece *piece)
{
	size_t bytes = straight(run);

	if (bytes > 0) {
		*piece = (struct piece){ .at = run->at, .buffer = run->memory, .bytes = bytes, .bounce = -1, .user_bytes = least(bytes, run->left) };
	} else {
		size_t skip = run->at % LANE_ALIGN_BYTES;
		int bounce = free_bounce(run);

		if (bounce < 0 || !get_bounces(run))
			return false;
		bytes = least(round_up(skip + run->left), LANE_BOUNCE_BYTES);
		*piece = (struct piece){
			.at = run->at - skip, .buffer = run->lane->bounces + (size_t)bounce * LANE_BOUNCE_BYTES, .bytes = bytes,
			.user = run->memory, .user_bytes = least(bytes - skip, run->left), .skip = skip, .bounce = bounce,
		};
		run->bounce_busy[bounce] = true;
		if (run->work->writes) {
			memcpy(piece->buffer, run->memory, piece->user_bytes);
			memset(piece->buffer + piece->user_bytes, 0, bytes - piece->user_bytes);
		}
	}
	piece->busy = true;
	run->at += piece->user_bytes;
	run->memory += piece->user_bytes;
	run->left -= piece->user_bytes;
	run->room -= piece->user_bytes;
	return true;
}

/* The rest of a piece of which `done` is there. */
static int finish_plainly(const struct run *run, const struct piece *piece, size_t done)
{
	int fd = run->work->fd;

	while (done < piece->bytes) {
		size_t bytes = piece->bytes - done;
		off_t at = (off_t)(piece->at + done);
		ssize_t got = run->work->writes ? pwrite(fd, piece->buffer + done, bytes, at) : pread(fd, piece->buffer + done, bytes, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		done += (size_t)got;
	}
	return 0;
}

/* `result`: as of pread. */
static void end_piece(struct run *run, struct piece *piece, int result)
{
	int error = result;

	if (result >= 0 || result == -EINTR || result == -EAGAIN)
		error = finish_plainly(run, piece, result < 0 ? 0 : (size_t)result);
	if (error < 0 && run->error == 0)
		run->error = error;
	if (piece->bounce >= 0) {
		if (error == 0 && !run->work->writes)
			memcpy(piece->user, piece->buffer + piece->skip, piece->user_bytes);
		run->bounce_busy[piece->bounce] = false;
	}
	piece->busy = false;
}

static struct piece *free_piece(struct run *run)
{
	for (int i = 0; i < LANE_DEPTH; i++)
		if (!run->pieces[i].busy)
			return &run->pieces[i];
	return NULL;
}

/* Puts as many into the ring as there is room for. */
static unsigned queue_pieces(struct run *run)
{
	unsigned queued = 0;
	struct piece *piece;

	while (run->error == 0 && run->left > 0 && (piece = free_piece(run)) != NULL) {
		struct io_uring_sqe *sqe;

		if (!next_piece(run, piece))
			break;
		/* Never full: it has as many entries as there are pieces. */
		sqe = io_uring_get_sqe(&run->lane->ring);
		if (run->work->writes)
			io_uring_prep_write(sqe, 0, piece->buffer, (unsigned)piece->bytes, piece->at);
		else
			io_uring_prep_read(sqe, 0, piece->buffer, (unsigned)piece->bytes, piece->at);
		sqe->flags |= IOSQE_FIXED_FILE;
		io_uring_sqe_set_data(sqe, piece);
		queued++;
	}
	return queued;
}

/* Takes what has ended; waits for one where `wait`. */
static void reap(struct run *run, bool wait)
{
	struct io_uring_cqe *cqe;

	while (run->in_flight > 0) {
		int error = io_uring_peek_cqe(&run->lane->ring, &cqe);

		if (error < 0 && !wait)
			return;
		if (error < 0) {
			error = io_uring_wait_cqe(&run->lane->ring, &cqe);
			/* The buffers are the kernel's until it says so, whatever happens. */
			if (error < 0) {
				sched_yield();
				continue;
			}
		}
		struct piece *piece = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&run->lane->ring, cqe);
		run->in_flight--;
		wait = false;
		end_piece(run, piece, result);
	}
}

static void run_plainly(struct run *run)
{
	struct piece piece;

	while (run->error == 0 && run->left > 0 && next_piece(run, &piece))
		end_piece(run, &piece, 0);
}

/* The ring takes no more: what it has not taken is done plainly, and it is not used again. */
static void leave_ring(struct run *run)
{

	while (run->in_flight > 0)
		reap(run, true);
	for (int i = 0; i < LANE_DEPTH; i++)
		if (run->pieces[i].busy)
			end_piece(run, &run->pieces[i], 0);
	io_uring_queue_exit(&run->lane->ring);
	run->lane->has_ring = false;
	run_plainly(run);
}

static void run_ring(struct run *run)
{
	while (run->error == 0 && run->left > 0) {
		unsigned queued = queue_pieces(run);

		while (queued > 0) {
			int taken = io_uring_submit_and_wait(&run->lane->ring, 1);

			if (taken == -EINTR)
				continue;
			if ((taken == -EAGAIN || taken == -EBUSY) && run->in_flight > 0) {
				reap(run, true);
				continue;
			}
			if (taken <= 0) {
				leave_ring(run);
				return;
			}
			queued -= (unsigned)taken;
			run->in_flight += (unsigned)taken;
		}
		reap(run, true);
	}
	while (run->in_flight > 0)
		reap(run, true);
}

int lane_run(struct lane *lane, const struct lane_work *work)
{
	struct run run = { .work = work, .lane = lane, .at = work->at, .memory = work->memory, .left = work->bytes, .room = work->room };

	if (lane->has_ring)
		run_ring(&run);
	else
		run_plainly(&run);
	return run.error;
}
