/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent may not see, claim or take: domains, proofs, quotas, settings. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"
#include "common/digest.h"

void play_domains(void)
{
	struct raw *mine = raw_open("mine", "blue"), *foreign = raw_open("foreign", "red"), *second = raw_open("second", "red");
	uint8_t *text = text_of(3, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);
	struct am_digest digest;
	uint64_t unit, theirs, again;

	digest_of(text, LARGE, &digest);
	EQUAL(raw_alloc_fd(foreign, AGENTMEM_SYSTEM_PROMPT, memfd, LARGE, &theirs), 0);
	/* The other domain has it: no answer here may tell so. */
	EQUAL(raw_find(mine, digest.bytes), -ENOENT);
	EQUAL(raw_claim(mine, AGENTMEM_SYSTEM_PROMPT, text, LARGE), -ENOENT);
	EQUAL(raw_number(mine, BROKER_MAP, theirs, 0), -ENOENT);
	EQUAL(raw_read(mine, theirs, 0, 10), -ENOENT);
	EQUAL(raw_number(mine, BROKER_STAT_UNIT, theirs, 0), -ENOENT);
	EQUAL(raw_number(mine, BROKER_FORK, theirs, 1), -ENOENT);
	EQUAL(raw_number(mine, BROKER_FREE, theirs, 0), -ENOENT);
	EQUAL(raw_alloc_fd(mine, AGENTMEM_SYSTEM_PROMPT, memfd, LARGE, &unit), 0);
	EQUAL(raw_unit(mine)->known, 0);
	CHECK(unit != theirs);
	EQUAL(raw_number(mine, BROKER_STAT_UNIT, unit, 0), 0);
	EQUAL(((struct broker_unit_stat *)mine->body)->sharers, 1);
	EQUAL(raw_stat(mine)->shared_bytes, 0);
	EQUAL(raw_number(mine, BROKER_SHARE, unit, foreign->welcome.agent), -ENOENT);
	/* Neither is an agent of it seen. */
	EQUAL(raw_list(mine, 1, foreign->welcome.agent, 0), -ENOENT);
	EQUAL(raw_list(mine, 0, 0, 0), 0);
	EQUAL(((struct broker_listed *)mine->body)->count, 1);
	/* Inside of the domain it is one. A digest alone gives nothing to who holds none. */
	EQUAL(raw_find(second, digest.bytes), -ENOENT);
	EQUAL(raw_claim(second, AGENTMEM_SYSTEM_PROMPT, text, LARGE), 0);
	EQUAL(raw_unit(second)->unit, theirs);
	EQUAL(raw_unit(second)->known, 1);
	EQUAL(raw_alloc_fd(second, AGENTMEM_SYSTEM_PROMPT, memfd, LARGE, &again), 0);
	EQUAL(again, theirs);
	EQUAL(raw_number(second, BROKER_STAT_UNIT, theirs, 0), 0);
	EQUAL(((struct broker_unit_stat *)second->body)->sharers, 2);
	raw_close(mine);
	raw_close(foreign);
	raw_close(second);
	close(memfd);
	free(text);
}

void play_claims(void)
{
	struct raw *raw = raw_open("claims", ""), *many[12];
	uint8_t *text = text_of(4, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);
	struct broker_ask ask = { .bytes = LARGE, .fingerprint = fingerprint_of(text, LARGE) };
	struct broker_claim claim = { .kind = AGENTMEM_OTHER };
	struct broker_secret secrets[12];
	struct am_digest digest;
	uint64_t unit;

	EQUAL(raw_claim(raw, AGENTMEM_OTHER, text, LARGE), -ENOENT);
	EQUAL(raw_alloc_fd(raw, AGENTMEM_OTHER, memfd, LARGE, &unit), 0);
	EQUAL(raw_claim(raw, AGENTMEM_OTHER, text, LARGE), 0);
	EQUAL(raw_unit(raw)->unit, unit);
	/* The digest is right, but nobody who has no bytes has the tag. */
	EQUAL(raw_call(raw, BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1), 0);
	memcpy(&secrets[0], raw->body, sizeof(secrets[0]));
	digest_of(text, LARGE, &digest);
	claim.question = secrets[0].question;
	memcpy(claim.digest, digest.bytes, 32);
	EQUAL(raw_call(raw, BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1), -ENOENT);
	/* Each secret is good for one claim, and never the same. */
	EQUAL(raw_call(raw, BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1), -ENOENT);
	EQUAL(raw_call(raw, BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1), 0);
	CHECK(memcmp(secrets[0].secret, ((struct broker_secret *)raw->body)->secret, 256) != 0);
	/* Questions beyond what an agent may have open: the oldest are forgotten, nothing breaks. */
	for (unsigned i = 0; i < 12; i++) {
		many[i] = raw_connect();
		EQUAL(raw_hello(many[i], "many", "", raw->welcome.token, 0, 0), 0);
		EQUAL(raw_call(many[i], BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1), 0);
		memcpy(&secrets[i], many[i]->body, sizeof(secrets[i]));
	}
	for (unsigned i = 0; i < 12; i++) {
		struct proof_tag tag = proof_of(secrets[i].secret, text, LARGE);

		claim.question = secrets[i].question;
		claim.tag_low = tag.low;
		claim.tag_high = tag.high;
		EQUAL(raw_call(many[i], BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1), i < 4 ? -ENOENT : 0);
		raw_close(many[i]);
	}
	raw_close(raw);
	close(memfd);
	free(text);
}

void play_quotas(void)
{
	struct raw *raw = raw_connect(), *other = raw_open("rich", ""), *poor = raw_connect();
	uint64_t unit, small;
	uint8_t *text = text_of(5, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);

	EQUAL(raw_hello(raw, "limited", "", NULL, 100000, 0), 0);
	EQUAL(raw_stat(raw)->quota_bytes, 100000);
	EQUAL(raw_alloc_fd(raw, AGENTMEM_OTHER, memfd, LARGE, &unit), -EDQUOT);
	EQUAL(raw_alloc(raw, AGENTMEM_CONVERSATION, text, 60000, &unit), 0);
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, text, 60000, &small), -EDQUOT);
	EQUAL(raw_edit(raw, BROKER_APPEND, unit, 0, 0, text, 60000), -EDQUOT);
	EQUAL(raw_number(raw, BROKER_FORK, unit, UINT64_MAX), -EDQUOT);
	EQUAL(raw_number(raw, BROKER_FORK, unit, 30000), 0);
	EQUAL(raw_stat(raw)->bytes, 90000);
	/* Known content is held, too; and nobody is burdened by others. */
	EQUAL(raw_alloc_fd(other, AGENTMEM_OTHER, memfd, LARGE, &unit), 0);
	EQUAL(raw_claim(raw, AGENTMEM_OTHER, text, LARGE), -EDQUOT);
	EQUAL(raw_number(other, BROKER_SHARE, unit, raw->welcome.agent), -EDQUOT);
	EQUAL(raw_stat(raw)->bytes, 90000);
	EQUAL(raw_stat(raw)->units, 2);
	EQUAL(raw_hello(poor, "poor", "", NULL, 1, 0), 0);
	EQUAL(raw_alloc(poor, AGENTMEM_OTHER, "1", 1, &small), 0);
	EQUAL(raw_alloc(poor, AGENTMEM_OTHER, "2", 1, &small), -EDQUOT);
	raw_close(raw);
	raw_close(other);
	raw_close(poor);
	close(memfd);
	free(text);
}

void play_settings(void)
{
	struct raw *raw = raw_open("sets", ""), *apart = raw_open("apart", "alone");
	struct broker_settings settings = { .warm_after_ms = 12345, .quota_bytes = 1000 }, none = { 0 };
	uint64_t unit;
	uint8_t *text = text_of(6, 2000);

	EQUAL(raw_call(apart, BROKER_SETTINGS, &settings, sizeof(settings), NULL, 0, -1), -EPERM);
	EQUAL(raw_call(apart, BROKER_SETTINGS, &none, sizeof(none), NULL, 0, -1), 0);
	CHECK(((struct broker_settings *)apart->body)->warm_after_ms != 12345);
	EQUAL(raw_call(raw, BROKER_SETTINGS, &settings, sizeof(settings), NULL, 0, -1), 0);
	EQUAL(raw_call(raw, BROKER_SETTINGS, &none, sizeof(none), NULL, 0, -1), 0);
	EQUAL(((struct broker_settings *)raw->body)->warm_after_ms, 12345);
	CHECK(((struct broker_settings *)raw->body)->cold_after_ms > 0);
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, text, 2000, &unit), -EDQUOT);
	none.reserved[4] = 1;
	EQUAL(raw_call(raw, BROKER_SETTINGS, &none, sizeof(none), NULL, 0, -1), -EINVAL);
	raw_close(raw);
	raw_close(apart);
	free(text);
}
