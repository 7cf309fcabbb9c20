/* SPDX-License-Identifier: Apache-2.0 */
/* Calls at random for the unit table, checked against a list of all entries; memory is refused now and then. */
#include "core-take.h"

#include "core/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NUMBERS = 512, DIGESTS = 8, DOMAINS = 2 };

static struct {
	struct am_entry entry;
	uint64_t since;
	bool in;
} all[NUMBERS];
static size_t count;
static uint64_t now;

static struct am_digest digest_of(uint64_t which)
{
	struct am_digest digest = { { 0 } };

	/* They differ in places of their own. */
	digest.bytes[which % DIGESTS * 4] = 1;
	return digest;
}

static struct am_entry *newest(uint64_t domain, const struct am_digest *digest)
{
	struct am_entry *best = NULL;
	uint64_t since = 0;

	for (size_t i = 0; i < NUMBERS; i++) {
		if (all[i].in && all[i].since > since && all[i].entry.domain == domain && memcmp(&all[i].entry.digest, digest, sizeof(*digest)) == 0) {
			best = &all[i].entry;
			since = all[i].since;
		}
	}
	return best;
}

static void add(struct am_table *table, size_t at, uint64_t how)
{
	struct am_entry twin = { .number = at + 1 };

	if (all[at].in) {
		must(!am_table_add(table, &twin));
		return;
	}
	all[at].entry = (struct am_entry){ .number = at + 1, .domain = how % DOMAINS, .has_digest = (how & 16) != 0, .digest = digest_of(how / 32) };
	all[at].since = all[at].entry.has_digest ? ++now : 0;
	must(am_table_add(table, &all[at].entry));
	all[at].in = true;
	count++;
}

static void take_out(struct am_table *table, size_t at)
{
	if (!all[at].in)
		return;
	am_table_remove(table, &all[at].entry);
	memset(&all[at].entry, 0xee, sizeof(all[at].entry));
	all[at].in = false;
	count--;
}

static bool look(void *context, struct am_entry *entry)
{
	struct am_table *table = context;

	must(entry->number - 1 < NUMBERS && entry == &all[entry->number - 1].entry && all[entry->number - 1].in);
	if (entry->number % 3 == 0)
		take_out(table, (size_t)entry->number - 1);
	return entry->number % 64 != 63;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = { data, data + size };
	struct lent lent = { taken(&input, 4) << 3, 0 };
	const struct am_host host = { &lent, lend, give_back };
	const struct am_seed seed = { { taken(&input, 2), 7 } };
	struct am_table *table = am_table_open(&host, &seed, NULL, NULL);

	must(table != NULL);
	memset(all, 0, sizeof(all));
	count = 0;
	while (input.at < input.end) {
		uint64_t call = taken(&input, 1);
		size_t at = (size_t)taken(&input, 2) % NUMBERS;
		uint64_t how = taken(&input, 1);
		struct am_digest digest = digest_of(how);

		switch (call % 8) {
		case 0:
		case 1:
			add(table, at, how);
			break;
		case 2:
			take_out(table, at);
			break;
		case 3:
			if (all[at].in && !all[at].entry.has_digest) {
				am_table_set_digest(table, &all[at].entry, &digest);
				all[at].since = ++now;
			}
			break;
		case 4:
			/* Many at once. */
			for (size_t i = 0; i <= how; i++)
				add(table, (at + i) % NUMBERS, how + i * 16);
			break;
		case 5:
			for (size_t i = 0; i <= how; i++)
				take_out(table, (at + i) % NUMBERS);
			break;
		case 6:
			am_table_each(table, look, table);
			break;
		default:
			must(am_table_find_digest(table, at % DOMAINS, &digest) == newest(at % DOMAINS, &digest));
		}
		must(am_table_find(table, at + 1) == (all[at].in ? &all[at].entry : NULL));
		must(am_table_count(table) == count && am_table_bytes(table) == lent.bytes);
	}
	for (uint64_t which = 0; which < DIGESTS * DOMAINS; which++) {
		struct am_digest digest = digest_of(which / DOMAINS);

		must(am_table_find_digest(table, which % DOMAINS, &digest) == newest(which % DOMAINS, &digest));
	}
	for (size_t at = 0; at < NUMBERS; at++) {
		must(am_table_find(table, at + 1) == (all[at].in ? &all[at].entry : NULL));
		take_out(table, at);
	}
	must(am_table_count(table) == 0);
	am_table_close(table);
	must(lent.bytes == 0);
	return 0;
}
