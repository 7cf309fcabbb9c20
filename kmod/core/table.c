// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "sip.h"
#include "table.h"

/*
 * An entry has one link a chain, so when the buckets change it moves while
 * readers walk. Moving goes by chain from its end: an entry is first put in
 * front of its new chain, then cut off from the old one. A reader who stands on
 * it goes on in the new chain, having seen all that came before it; one who
 * misses it has read a link written when it, or what stood before it, was cut
 * off, so he sees `next` of the buckets and the new chain with it. Buckets that
 * a reader may still hold lead to the present ones by `next`, however many
 * generations they are old.
 */

#define BUCKETS_LEAST 64u
/* Old buckets emptied with each add or remove; 2 would be done before the new ones are full. */
#define MOVE_BUCKETS 8u

struct buckets {
	struct buckets *next;	/* these take the place of this one */
	am_size count;		/* a power of two */
	am_size moved;		/* of this one's buckets, to `next`; the writer's */
	struct am_entry *heads[];
};

enum side_kind { BY_NUMBER, BY_DIGEST, SIDES };

struct side {
	struct buckets *now;
	am_size entries;
};

struct am_table {
	struct am_host host;
	struct am_seed seed;
	am_retire retire;
	void *retire_context;
	struct side sides[SIDES];
};

static struct am_entry **link_of(struct am_entry *entry, enum side_kind kind)
{
	return kind == BY_NUMBER ? &entry->next_number : &entry->next_digest;
}

static struct am_entry *follow(struct am_entry *const *link)
{
	return __atomic_load_n(link, __ATOMIC_ACQUIRE);
}

static void publish(struct am_entry **link, struct am_entry *entry)
{
	__atomic_store_n(link, entry, __ATOMIC_RELEASE);
}

static struct buckets *after(const struct buckets *buckets)
{
	return __atomic_load_n(&buckets->next, __ATOMIC_ACQUIRE);
}

/* Half of the digest is as good as all of it: who finds two with the same half has nothing from a bucket of two. */
static am_u64 digest_hash(const struct am_table *table, am_u64 domain, const struct am_digest *digest)
{
	am_u64 words[3] = { domain };

	memcpy(&words[1], digest->bytes, 16);
	return am_sip(table->seed.words, words, 3);
}

static am_u64 number_hash(const struct am_table *table, am_u64 number)
{
	return am_sip(table->seed.words, &number, 1);
}

static am_u64 hash_of(const struct am_table *table, const struct am_entry *entry, enum side_kind kind)
{
	return kind == BY_NUMBER ? number_hash(table, entry->number) : digest_hash(table, entry->domain, &entry->digest);
}

static struct am_entry **head_of(struct buckets *buckets, am_u64 hash)
{
	return &buckets->heads[hash & (buckets->count - 1)];
}

static am_size buckets_bytes(am_size count)
{
	return sizeof(struct buckets) + count * sizeof(struct am_entry *);
}

static struct buckets *buckets_new(struct am_table *table, am_size count)
{
	struct buckets *buckets = table->host.allocate(table->host.context, buckets_bytes(count));

	if (buckets != NULL)
		buckets->count = count;
	return buckets;
}

static void buckets_free(struct am_table *table, struct buckets *buckets)
{
	table->host.release(table->host.context, buckets, buckets_bytes(buckets->count));
}

static void move_bucket(struct am_table *table, enum side_kind kind, struct buckets *from, am_size bucket)
{
	while (from->heads[bucket] != NULL) {
		struct am_entry **last = &from->heads[bucket];
		struct am_entry **head;
		struct am_entry *entry;

		while (*link_of(*last, kind) != NULL)
			last = link_of(*last, kind);
		entry = *last;
		head = head_of(from->next, hash_of(table, entry, kind));
		publish(link_of(entry, kind), *head);
		publish(head, entry);
		publish(last, NULL);
	}
}

static void move_some(struct am_table *table, enum side_kind kind, am_size most)
{
	struct side *side = &table->sides[kind];
	struct buckets *from = side->now;

	if (from->next == NULL)
		return;
	for (; most > 0 && from->moved < from->count; most--)
		move_bucket(table, kind, from, from->moved++);
	if (from->moved < from->count)
		return;
	__atomic_store_n(&side->now, from->next, __ATOMIC_RELEASE);
	if (table->retire != NULL)
		table->retire(table->retire_context, from, buckets_bytes(from->count));
	else
		buckets_free(table, from);
}

/* One entry a bucket at most, one in eight at least. Without memory the chains only get longer. */
static void fit(struct am_table *table, enum side_kind kind)
{
	struct side *side = &table->sides[kind];
	am_size count = side->now->count;
	struct buckets *next;

	if (side->now->next != NULL)
		return;
	if (side->entries > count)
		count *= 2;
	else if (side->entries < count / 8 && count > BUCKETS_LEAST)
		count /= 4;
	else
		return;
	next = buckets_new(table, count < BUCKETS_LEAST ? BUCKETS_LEAST : count);
	if (next != NULL)
		__atomic_store_n(&side->now->next, next, __ATOMIC_RELEASE);
}

static void put(struct am_table *table, struct am_entry *entry, enum side_kind kind)
{
	struct side *side = &table->sides[kind];
	am_u64 hash = hash_of(table, entry, kind);
	struct buckets *to = side->now;
	struct am_entry **head;

	fit(table, kind);
	/* What is older and would meet it goes first, so that it stays behind the newest. */
	if (to->next != NULL) {
		move_bucket(table, kind, to, hash & (to->count - 1));
		to = to->next;
	}
	head = head_of(to, hash);
	__atomic_store_n(link_of(entry, kind), *head, __ATOMIC_RELAXED);
	publish(head, entry);
	__atomic_store_n(&side->entries, side->entries + 1, __ATOMIC_RELAXED);
	move_some(table, kind, MOVE_BUCKETS);
}

/* Its own link stays as it is: a reader may stand on it. */
static void take_out(struct am_table *table, struct am_entry *entry, enum side_kind kind)
{
	struct side *side = &table->sides[kind];
	am_u64 hash = hash_of(table, entry, kind);

	for (struct buckets *in = side->now; in != NULL; in = in->next) {
		struct am_entry **link = head_of(in, hash);

		while (*link != NULL && *link != entry)
			link = link_of(*link, kind);
		if (*link == NULL)
			continue;
		publish(link, *link_of(entry, kind));
		__atomic_store_n(&side->entries, side->entries - 1, __ATOMIC_RELAXED);
		break;
	}
	move_some(table, kind, MOVE_BUCKETS);
}

struct am_table *am_table_open(const struct am_host *host, const struct am_seed *seed, am_retire retire, void *retire_context)
{
	struct am_table *table = host->allocate(host->context, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->host = *host;
	table->seed = *seed;
	table->retire = retire;
	table->retire_context = retire_context;
	for (unsigned kind = 0; kind < SIDES; kind++) {
		table->sides[kind].now = buckets_new(table, BUCKETS_LEAST);
		if (table->sides[kind].now == NULL) {
			am_table_close(table);
			return NULL;
		}
	}
	return table;
}

void am_table_close(struct am_table *table)
{
	struct am_host host = table->host;

	for (unsigned kind = 0; kind < SIDES; kind++) {
		struct buckets *buckets = table->sides[kind].now;

		while (buckets != NULL) {
			struct buckets *next = buckets->next;

			buckets_free(table, buckets);
			buckets = next;
		}
	}
	host.release(host.context, table, sizeof(*table));
}

bool am_table_add(struct am_table *table, struct am_entry *entry)
{
	if (entry->number == 0 || am_table_find(table, entry->number) != NULL)
		return false;
	/* By number last: who finds it so may look for it by its digest. */
	if (entry->has_digest)
		put(table, entry, BY_DIGEST);
	put(table, entry, BY_NUMBER);
	return true;
}

void am_table_remove(struct am_table *table, struct am_entry *entry)
{
	take_out(table, entry, BY_NUMBER);
	if (entry->has_digest)
		take_out(table, entry, BY_DIGEST);
}

void am_table_set_digest(struct am_table *table, struct am_entry *entry, const struct am_digest *digest)
{
	if (entry->has_digest)
		return;
	entry->digest = *digest;
	__atomic_store_n(&entry->has_digest, true, __ATOMIC_RELEASE);
	put(table, entry, BY_DIGEST);
}

struct am_entry *am_table_find(const struct am_table *table, am_u64 number)
{
	am_u64 hash = number_hash(table, number);

	for (struct buckets *in = __atomic_load_n(&table->sides[BY_NUMBER].now, __ATOMIC_ACQUIRE); in != NULL; in = after(in)) {
		for (struct am_entry *entry = follow(head_of(in, hash)); entry != NULL; entry = follow(&entry->next_number)) {
			if (entry->number == number)
				return entry;
		}
	}
	return NULL;
}

/* All of it whatever differs first. */
static bool is_it(const struct am_entry *entry, am_u64 domain, const struct am_digest *digest)
{
	am_u64 a[AM_DIGEST_BYTES / 8];
	am_u64 b[AM_DIGEST_BYTES / 8];
	am_u64 differs = entry->domain ^ domain;

	memcpy(a, entry->digest.bytes, sizeof(a));
	memcpy(b, digest->bytes, sizeof(b));
	for (unsigned i = 0; i < AM_DIGEST_BYTES / 8; i++)
		differs |= a[i] ^ b[i];
	return differs == 0;
}

struct am_entry *am_table_find_digest(const struct am_table *table, am_u64 domain, const struct am_digest *digest)
{
	am_u64 hash = digest_hash(table, domain, digest);

	for (struct buckets *in = __atomic_load_n(&table->sides[BY_DIGEST].now, __ATOMIC_ACQUIRE); in != NULL; in = after(in)) {
		for (struct am_entry *entry = follow(head_of(in, hash)); entry != NULL; entry = follow(&entry->next_digest)) {
			if (is_it(entry, domain, digest))
				return entry;
		}
	}
	return NULL;
}

am_size am_table_count(const struct am_table *table)
{
	return __atomic_load_n(&table->sides[BY_NUMBER].entries, __ATOMIC_RELAXED);
}

am_size am_table_bytes(const struct am_table *table)
{
	am_size bytes = sizeof(*table);

	for (unsigned kind = 0; kind < SIDES; kind++) {
		for (const struct buckets *buckets = table->sides[kind].now; buckets != NULL; buckets = buckets->next)
			bytes += buckets_bytes(buckets->count);
	}
	return bytes;
}

void am_table_each(struct am_table *table, bool (*look)(void *context, struct am_entry *entry), void *context)
{
	struct buckets *in;

	/* Removing moves nothing any more: the walk stays in its bucket. */
	move_some(table, BY_NUMBER, table->sides[BY_NUMBER].now->count);
	in = table->sides[BY_NUMBER].now;
	for (am_size bucket = 0; bucket < in->count; bucket++) {
		struct am_entry *entry = in->heads[bucket];

		while (entry != NULL) {
			struct am_entry *next = entry->next_number;

			if (!look(context, entry))
				return;
			entry = next;
		}
	}
}
