/* SPDX-License-Identifier: Apache-2.0 */
/* kmod/core/table.c against a list, and its buckets from within. Exit 1 with each that is wrong. */
#include "core-kit.h"

/* Its inner parts are looked at too. */
#include "core/table.c"

enum { ENTRIES = 3000, DOMAINS = 3, DIGESTS = 400 };

static struct lent lent;
static const struct am_host host = { &lent, lend, give_back };
static const struct am_seed seed_of_table = { { 0x1234, 0x5678 } };

struct mine {
	struct am_entry entry;
	uint64_t since;		/* when it got its digest; 0: not in the table by digest */
	bool in;
};

static struct mine all[ENTRIES];
static uint64_t now;
static size_t held;

static void retire(void *context, void *memory, am_size bytes)
{
	++*(unsigned *)context;
	give_back(&lent, memory, bytes);
}

static struct am_digest digest_of(uint64_t number)
{
	struct am_digest digest = { { 0 } };

	/* Alike at both ends. */
	memcpy(digest.bytes + 12, &number, sizeof(number));
	return digest;
}

static struct am_entry *newest(uint64_t domain, const struct am_digest *digest)
{
	struct mine *best = NULL;

	for (size_t i = 0; i < ENTRIES; i++) {
		struct mine *mine = &all[i];

		if (mine->in && mine->since != 0 && mine->entry.domain == domain && memcmp(&mine->entry.digest, digest, sizeof(*digest)) == 0 && (best == NULL || best->since < mine->since))
			best = mine;
	}
	return best == NULL ? NULL : &best->entry;
}

static void put_in(struct am_table *table, uint64_t *seed, size_t at)
{
	struct mine *mine = &all[at];
	struct mine twin;

	memset(mine, 0, sizeof(*mine));
	mine->entry.number = at + 1;
	mine->entry.domain = drawn_below(seed, DOMAINS);
	mine->entry.has_digest = drawn_below(seed, 2) == 0;
	if (mine->entry.has_digest) {
		mine->entry.digest = digest_of(drawn_below(seed, DIGESTS));
		mine->since = ++now;
	}
	EXPECT(am_table_add(table, &mine->entry));
	mine->in = true;
	held++;
	twin = (struct mine){ .entry = { .number = at + 1 } };
	EXPECT(!am_table_add(table, &twin.entry));
}

static void take_away(struct am_table *table, size_t at)
{
	am_table_remove(table, &all[at].entry);
	all[at].in = false;
	held--;
}

static bool count_one(void *context, struct am_entry *entry)
{
	++*(size_t *)context;
	EXPECT(all[entry->number - 1].in && entry == &all[entry->number - 1].entry);
	return true;
}

static bool stop_at_ten(void *context, struct am_entry *entry)
{
	(void)entry;
	return ++*(size_t *)context < 10;
}

/* Grows and empties by turns, so that entries move while they are added, removed and looked for. */
static void as_a_list(uint64_t seed, bool with_retire)
{
	unsigned retired = 0;
	struct am_table *table = am_table_open(&host, &seed_of_table, with_retire ? retire : NULL, &retired);
	size_t seen;

	if (table == NULL)
		abort();
	for (unsigned round = 0; round < 30000; round++) {
		size_t at = (size_t)drawn_below(&seed, ENTRIES);
		bool growing = round / 5000 % 2 == 0;
		struct am_digest digest = digest_of(drawn_below(&seed, DIGESTS + 5));
		uint64_t domain = drawn_below(&seed, DOMAINS + 1);

		if (!all[at].in && (growing || drawn_below(&seed, 8) == 0))
			put_in(table, &seed, at);
		else if (all[at].in && drawn_below(&seed, growing ? 8 : 1) == 0)
			take_away(table, at);
		else if (all[at].in && !all[at].entry.has_digest) {
			digest = digest_of(drawn_below(&seed, DIGESTS));
			am_table_set_digest(table, &all[at].entry, &digest);
			all[at].since = ++now;
		}
		at = (size_t)drawn_below(&seed, ENTRIES);
		EXPECT(am_table_find(table, at + 1) == (all[at].in ? &all[at].entry : NULL));
		EXPECT(am_table_find(table, 0) == NULL && am_table_find(table, ENTRIES + 1) == NULL);
		if (round % 4 == 0)
			EXPECT(am_table_find_digest(table, domain, &digest) == newest(domain, &digest));
		EXPECT(am_table_count(table) == held);
		EXPECT(lent.bytes == am_table_bytes(table));
		if (round % 1000 == 0) {
			seen = 0;
			am_table_each(table, count_one, &seen);
			EXPECT(seen == held);
			seen = 0;
			am_table_each(table, stop_at_ten, &seen);
			EXPECT(seen == (held < 10 ? held : 10));
		}
	}
	EXPECT(!with_retire || retired > 10);
	for (size_t at = 0; at < ENTRIES; at++) {
		if (all[at].in)
			take_away(table, at);
	}
	EXPECT(am_table_count(table) == 0);
	am_table_close(table);
	EXPECT(lent.bytes == 0 && lent.pieces == 0);
}

static bool remove_even(void *context, struct am_entry *entry)
{
	if (entry->number % 2 == 0)
		am_table_remove(context, entry);
	memset(entry->number % 2 == 0 ? entry : &(struct am_entry){ 0 }, 0, sizeof(*entry));
	return true;
}

static void removed_on_the_way(void)
{
	struct am_table *table = am_table_open(&host, &seed_of_table, NULL, NULL);

	if (table == NULL)
		abort();
	memset(all, 0, sizeof(all));
	for (size_t at = 0; at < ENTRIES; at++) {
		all[at].entry = (struct am_entry){ .number = at + 1, .digest = digest_of(at), .has_digest = true };
		EXPECT(am_table_add(table, &all[at].entry));
	}
	am_table_each(table, remove_even, table);
	EXPECT(am_table_count(table) == ENTRIES / 2);
	for (size_t at = 0; at < ENTRIES; at++) {
		struct am_digest digest = digest_of(at);

		EXPECT(am_table_find(table, at + 1) == (at % 2 == 0 ? &all[at].entry : NULL));
		EXPECT(am_table_find_digest(table, 0, &digest) == (at % 2 == 0 ? &all[at].entry : NULL));
	}
	am_table_close(table);
}

static size_t longest(struct buckets *in, enum side_kind kind)
{
	size_t most = 0;

	for (; in != NULL; in = in->next) {
		for (size_t i = 0; i < in->count; i++) {
			size_t length = 0;

			for (struct am_entry *entry = in->heads[i]; entry != NULL; entry = *link_of(entry, kind))
				length++;
			most = length > most ? length : most;
		}
	}
	return most;
}

/* Digests and numbers that have all lower bits in common lie in buckets of their own, and elsewhere with another seed. */
static void spread(void)
{
	struct am_table *table = am_table_open(&host, &seed_of_table, NULL, NULL);
	struct am_table *other = am_table_open(&host, &(struct am_seed){ { 0x1235, 0x5678 } }, NULL, NULL);
	size_t same_place = 0;

	if (table == NULL || other == NULL)
		abort();
	memset(all, 0, sizeof(all));
	for (size_t at = 0; at < ENTRIES; at++) {
		all[at].entry = (struct am_entry){ .number = (uint64_t)(at + 1) << 32, .digest = digest_of((uint64_t)at << 16), .has_digest = true };
		EXPECT(am_table_add(table, &all[at].entry));
		same_place += (digest_hash(table, 0, &all[at].entry.digest) & 1023) == (digest_hash(other, 0, &all[at].entry.digest) & 1023);
		/* A foreign domain is another place altogether. */
		same_place += (digest_hash(table, 0, &all[at].entry.digest) & 1023) == (digest_hash(table, 1, &all[at].entry.digest) & 1023);
	}
	EXPECT(same_place < 40);
	EXPECT(longest(table->sides[BY_NUMBER].now, BY_NUMBER) < 12 && longest(table->sides[BY_DIGEST].now, BY_DIGEST) < 12);
	am_table_close(table);
	am_table_close(other);
}

/* Values of CPython's hash() of the bytes 1, 2, 3, ... with a seed of 0, and of the first published vector. */
static void sip(void)
{
	static const am_u64 zero[2] = { 0, 0 };
	static const am_u64 counted[2] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
	static const am_u64 words[3] = { 0x0807060504030201u, 0x100f0e0d0c0b0a09u, 0x1817161514131211u };

	EXPECT(am_sip(counted, NULL, 0) == 0xabac0158050fc4dcu);
	EXPECT(am_sip(zero, words, 1) == (am_u64)-8625294302721974352);
	EXPECT(am_sip(zero, words, 3) == 8889728454526222515u);
}

/* Without memory for more buckets nothing is lost; only the opening can fail. */
static void refused(void)
{
	for (unsigned refuse_in = 1; refuse_in < 16; refuse_in++) {
		struct am_table *table;

		lent.refuse_in = refuse_in;
		table = am_table_open(&host, &seed_of_table, NULL, NULL);
		EXPECT((table == NULL) == (refuse_in <= 3));
		memset(all, 0, sizeof(all));
		for (size_t at = 0; table != NULL && at < ENTRIES; at++) {
			/* From here on none at all. */
			if (lent.refuse_in == 0)
				lent.refuse_in = 1;
			all[at].entry = (struct am_entry){ .number = at + 1, .digest = digest_of(at), .has_digest = true };
			EXPECT(am_table_add(table, &all[at].entry));
		}
		for (size_t at = 0; table != NULL && at < ENTRIES; at++) {
			struct am_digest digest = digest_of(at);

			EXPECT(am_table_find(table, at + 1) == &all[at].entry && am_table_find_digest(table, 0, &digest) == &all[at].entry);
		}
		EXPECT(table == NULL || !am_table_add(table, &(struct am_entry){ .number = 0 }));
		if (table != NULL)
			am_table_close(table);
		EXPECT(lent.bytes == 0 && lent.pieces == 0);
	}
	lent.refuse_in = 0;
}

int main(void)
{
	as_a_list(1, false);
	as_a_list(2, true);
	removed_on_the_way();
	spread();
	sip();
	refused();
	return failures == 0 ? 0 : 1;
}
