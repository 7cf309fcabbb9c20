/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the broker that need no broker: mappings of a process, domains, pages that are gone, messages. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/bus.h"
#include "broker/confine.h"
#include "broker/domains.h"
#include "broker/maps.h"
#include "broker/parse.h"

#define CHECK(what) ((what) ? (void)0 : fail(__LINE__, #what))

static _Noreturn void fail(int line, const char *what)
{
	fprintf(stderr, "broker-parts.c:%d: expected %s\n", line, what);
	exit(1);
}

/* Against a plain table of counts. */
static void test_maps(void)
{
	enum { UNITS = 300 };
	static unsigned counts[UNITS];
	struct maps maps = { 0 };
	unsigned used = 0;

	srandom(1);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned which = (unsigned)random() % UNITS;
		/* Far apart and close together: both meet in the same places. */
		uint64_t unit = which % 2 == 0 ? which + 1 : (uint64_t)which << 32;
		bool adds = random() % 2 == 0;

		if (adds) {
			CHECK(maps_add(&maps, unit));
			used += counts[which]++ == 0;
		} else {
			CHECK(maps_remove(&maps, unit) == (counts[which] > 0));
			used -= counts[which] == 1;
			counts[which] -= counts[which] > 0;
		}
		CHECK(maps.used == used);
	}
	maps_end(&maps);
	CHECK(maps.used == 0 && !maps_remove(&maps, 1));
}

static void test_domains(void)
{
	struct domain *common = domain_join(""), *red = domain_join("red"), *again = domain_join("red");
	uint64_t number = red->number;

	CHECK(common != red && red == again && common->number != red->number && number != 0);
	domain_leave(red);
	CHECK(domain_join("red") == again);
	domain_leave(red);
	domain_leave(red);
	/* The number is the name's, now and in the next broker. */
	red = domain_join("red");
	CHECK(red->number == number);
	CHECK(domain_join("re")->number != number && domain_join("redd")->number != number);
	domains_end();
	CHECK(domains_bytes() == 0);
}

static void test_bus(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = memfd_create("shrinks", MFD_CLOEXEC);
	volatile char *map;
	pid_t child;
	int status;

	CHECK(fd >= 0 && ftruncate(fd, (off_t)(4 * page)) == 0);
	map = mmap(NULL, 4 * page, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	bus_begin();
	bus_watch((const void *)(uintptr_t)map, 4 * page);
	CHECK(map[3 * page] == 0);
	CHECK(!bus_end());
	CHECK(ftruncate(fd, (off_t)page) == 0);
	bus_watch((const void *)(uintptr_t)map, 4 * page);
	CHECK(map[2 * page + 5] == 0 && map[3 * page] == 0);
	CHECK(bus_end());
	/* What nobody said it reads ends the program as ever. */
	child = fork();
	if (child == 0) {
		CHECK(freopen("/dev/null", "w", stderr) != NULL);
		_exit(map[page]);
	}
	CHECK(waitpid(child, &status, 0) == child && !(WIFEXITED(status) && WEXITSTATUS(status) == 0));
	munmap((void *)(uintptr_t)map, 4 * page);
	close(fd);
}

static void test_parse(void)
{
	struct {
		struct broker_head head;
		struct broker_alloc alloc;
		char data[5];
	} __attribute__((packed)) message = { .head = { .magic = BROKER_MAGIC, .type = BROKER_ALLOC, .sequence = 9, .bytes = sizeof(struct broker_alloc) + 5 }, .alloc = { .kind = 5, .bytes = 5 }, .data = "hello" };
	struct request request;

	CHECK(parse_request(&message, sizeof(message), false, 0, &request) == 0);
	CHECK(request.data_bytes == 5 && memcmp(request.data, "hello", 5) == 0 && !request.in_memfd && request.head.sequence == 9);
	CHECK(parse_request(&message, sizeof(message), true, 0, &request) == -EMSGSIZE);
	CHECK(parse_request(&message, sizeof(message), false, 2, &request) == -EINVAL);
	CHECK(parse_request(&message, sizeof(message), false, 1, &request) == -EBADMSG);
	CHECK(parse_request(&message, sizeof(message) - 1, false, 0, &request) == -EBADMSG && !request.ends);
	CHECK(parse_request(&message, 3, false, 0, &request) == -EPROTO && request.ends);
	message.head.bytes -= 5;
	message.alloc.bytes = BROKER_UNIT_MOST;
	CHECK(parse_request(&message, sizeof(message) - 5, false, 1, &request) == 0);
	CHECK(request.in_memfd && request.data_bytes == BROKER_UNIT_MOST);
}

static bool can_write(const char *folder, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	else
		CHECK(errno == EACCES);
	return fd >= 0;
}

/* In a child: there is no way back. */
static void test_confine(void)
{
	char place[] = "/tmp/agentmem-confine-XXXXXX", store[64], run[64], file[80], other[80];
	int status;
	pid_t child;

	CHECK(mkdtemp(place) != NULL);
	snprintf(store, sizeof(store), "%s/state/store", place);
	snprintf(run, sizeof(run), "%s/run", place);
	snprintf(file, sizeof(file), "%s/broker.sock", run);
	snprintf(other, sizeof(other), "%s/state/other", place);
	CHECK(mkdir(run, 0700) == 0 && can_write(run, "broker.sock") && can_write(place, "mine"));
	child = fork();
	if (child == 0) {
		char *const words[] = { (char *)(uintptr_t)"true", NULL };

		if (!confine(file, store))
			_exit(77);
		CHECK(can_write(store, "store.data") && can_write(store, "store.data"));
		CHECK(!can_write(place, "mine") && !can_write(place, "new") && !can_write(run, "new") && !can_write("/dev/shm", "new"));
		CHECK(mkdir(other, 0700) < 0 && errno == EACCES);
		CHECK(execv("/bin/true", words) < 0 && errno == EACCES);
		CHECK(open("/proc/self/stat", O_RDONLY | O_CLOEXEC) >= 0);
		snprintf(other, sizeof(other), "%s/store.data", store);
		CHECK(unlink(other) == 0 && unlink(file) == 0);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
	snprintf(other, sizeof(other), "%s/mine", place);
	CHECK(unlink(other) == 0);
	(void)unlink(file);
	CHECK(rmdir(run) == 0);
	(void)rmdir(store);
	snprintf(other, sizeof(other), "%s/state", place);
	(void)rmdir(other);
	CHECK(rmdir(place) == 0);
	CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
	if (WEXITSTATUS(status) == 77)
		puts("without Landlock");
}

int main(void)
{
	test_maps();
	test_domains();
	test_bus();
	test_parse();
	test_confine();
	return 0;
}
