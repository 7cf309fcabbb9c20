// SPDX-License-Identifier: GPL-2.0
/* Who is there: users, their trust domains, and the agents in them. */
#include <linux/pid.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <crypto/algapi.h>

#include "agentmem.h"

DEFINE_MUTEX(am_agents_lock);
DEFINE_XARRAY_ALLOC1(am_agents);
LIST_HEAD(am_users);
static LIST_HEAD(domains);
static u64 last_domain;
/* Numbers come round before one is used again: who names a gone agent does not mean the next one. */
static u32 next_agent;

/* Under am_agents_lock, as are all that follow until am_agent_register(). */
struct am_user *am_user_find(kuid_t uid)
{
	struct am_user *user;

	list_for_each_entry(user, &am_users, link) {
		if (uid_eq(user->uid, uid))
			return user;
	}
	return NULL;
}

static struct am_user *user_get(kuid_t uid)
{
	struct am_user *user = am_user_find(uid);

	if (user)
		return user;
	user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);
	if (!user)
		return NULL;
	user->uid = uid;
	list_add(&user->link, &am_users);
	return user;
}

static void user_drop(struct am_user *user)
{
	if (user->domains)
		return;
	list_del(&user->link);
	kfree(user);
}

static struct am_domain *domain_get(struct am_user *user, const char *name)
{
	struct am_domain *domain;

	list_for_each_entry(domain, &domains, link) {
		if (domain->user == user && !strcmp(domain->name, name) && kref_get_unless_zero(&domain->ref))
			return domain;
	}
	domain = kzalloc(sizeof(*domain), GFP_KERNEL_ACCOUNT);
	if (!domain)
		return NULL;
	kref_init(&domain->ref);
	domain->user = user;
	domain->number = ++last_domain;
	strscpy(domain->name, name, sizeof(domain->name));
	list_add(&domain->link, &domains);
	user->domains++;
	return domain;
}

static void domain_free(struct kref *ref)
{
	struct am_domain *domain = container_of(ref, struct am_domain, ref);

	list_del(&domain->link);
	domain->user->domains--;
	user_drop(domain->user);
	kfree(domain);
	mutex_unlock(&am_agents_lock);
}

void am_domain_get(struct am_domain *domain)
{
	kref_get(&domain->ref);
}

/* Not under am_agents_lock. */
void am_domain_put(struct am_domain *domain)
{
	kref_put_mutex(&domain->ref, domain_free, &am_agents_lock);
}

static void agent_free(struct kref *ref)
{
	struct am_agent *agent = container_of(ref, struct am_agent, ref);

	am_domain_put(agent->domain);
	put_pid(agent->pid);
	xa_destroy(&agent->units);
	kfree_rcu(agent, rcu);
}

void am_agent_put(struct am_agent *agent)
{
	kref_put(&agent->ref, agent_free);
}

struct am_agent *am_agent_find(u64 number)
{
	struct am_agent *agent = NULL;

	if (number > U32_MAX)
		return NULL;
	rcu_read_lock();
	agent = xa_load(&am_agents, number);
	if (agent && !kref_get_unless_zero(&agent->ref))
		agent = NULL;
	rcu_read_unlock();
	return agent;
}

/* A name that ends within its field, and nothing behind it. */
static bool name_ok(const char *name)
{
	size_t bytes = strnlen(name, AGENTMEM_ABI_NAME_BYTES);

	return bytes < AGENTMEM_ABI_NAME_BYTES && !memchr_inv(name + bytes, 0, AGENTMEM_ABI_NAME_BYTES - bytes);
}

static struct am_agent *agent_join(const u8 *token)
{
	struct am_agent *agent;
	unsigned long number;

	xa_for_each(&am_agents, number, agent) {
		if (uid_eq(agent->domain->user->uid, current_euid()) && !crypto_memneq(agent->token, token, sizeof(agent->token))) {
			kref_get(&agent->ref);
			agent->processes++;
			return agent;
		}
	}
	return ERR_PTR(-EACCES);
}

static struct am_agent *agent_new(const struct agentmem_abi_register *args)
{
	u64 quota = READ_ONCE(am_quota_bytes);
	char comm[TASK_COMM_LEN];
	struct am_agent *agent;
	struct am_user *user;
	int error = -ENOMEM;

	agent = kzalloc(sizeof(*agent), GFP_KERNEL_ACCOUNT);
	if (!agent)
		return ERR_PTR(-ENOMEM);
	user = user_get(current_euid());
	if (!user)
		goto no_user;
	error = -ENOSPC;
	if (atomic_read(&user->agents) >= READ_ONCE(am_user_agents_most))
		goto no_domain;
	error = -ENOMEM;
	agent->domain = domain_get(user, args->domain);
	if (!agent->domain)
		goto no_domain;
	kref_init(&agent->ref);
	mutex_init(&agent->lock);
	xa_init_flags(&agent->units, XA_FLAGS_ACCOUNT);
	agent->processes = 1;
	agent->state = AM_STATE_ACTIVE;
	agent->importance = args->importance ?: 50;
	agent->quota_bytes = args->quota_bytes && args->quota_bytes < quota ? args->quota_bytes : quota;
	agent->used_ms = am_now_ms();
	get_random_bytes(agent->token, sizeof(agent->token));
	get_task_comm(comm, current);
	strscpy(agent->name, args->name[0] ? args->name : comm, sizeof(agent->name));
	agent->pid = get_pid(task_tgid(current));
	error = xa_alloc_cyclic(&am_agents, &agent->number, agent, xa_limit_31b, &next_agent, GFP_KERNEL_ACCOUNT);
	if (error < 0)
		goto no_number;
	atomic_inc(&user->agents);
	return agent;

no_number:
	put_pid(agent->pid);
	/* Its lock is held: the last reference is not put the usual way. */
	if (kref_read(&agent->domain->ref) == 1) {
		list_del(&agent->domain->link);
		user->domains--;
		kfree(agent->domain);
	} else {
		kref_put(&agent->domain->ref, domain_free);
	}
no_domain:
	user_drop(user);
no_user:
	kfree(agent);
	return ERR_PTR(error);
}

int am_agent_register(struct agentmem_abi_register *args, struct am_agent **to)
{
	struct am_agent *agent;

	if (args->reserved || args->importance > AGENTMEM_ABI_IMPORTANCE_MOST || !name_ok(args->name) || !name_ok(args->domain))
		return -EINVAL;
	if (mutex_lock_killable(&am_agents_lock))
		return -EINTR;
	agent = memchr_inv(args->token, 0, sizeof(args->token)) ? agent_join(args->token) : agent_new(args);
	mutex_unlock(&am_agents_lock);
	if (IS_ERR(agent))
		return PTR_ERR(agent);
	memcpy(args->token, agent->token, sizeof(args->token));
	args->importance = agent->importance;
	args->quota_bytes = agent->quota_bytes;
	args->agent = agent->number;
	*to = agent;
	return 0;
}

/* One descriptor less that acts for it; the last one takes it along. */
void am_agent_leave(struct am_agent *agent)
{
	bool last;

	mutex_lock(&am_agents_lock);
	last = --agent->processes == 0;
	if (last) {
		xa_erase(&am_agents, agent->number);
		atomic_dec(&agent->domain->user->agents);
	}
	mutex_unlock(&am_agents_lock);
	if (last)
		am_unit_free_all(agent);
	am_agent_put(agent);
}

int am_agent_set_state(struct am_agent *agent, u32 state)
{
	u32 was = READ_ONCE(agent->state);
	bool sent = READ_ONCE(agent->sent);

	WRITE_ONCE(agent->state, state);
	if (state == AM_STATE_SUSPENDED)
		am_evict_agent(agent);
	if (state != AM_STATE_ACTIVE)
		return 0;
	WRITE_ONCE(agent->sent, false);
	if (sent || was == AM_STATE_SUSPENDED)
		return am_restore_agent(agent);
	return 0;
}

int am_agent_charge(struct am_agent *agent, u64 bytes)
{
	struct am_user *user = agent->domain->user;

	if (atomic64_add_return(bytes, &agent->bytes) > (s64)agent->quota_bytes) {
		atomic64_sub(bytes, &agent->bytes);
		return -EDQUOT;
	}
	if (atomic64_add_return(bytes, &user->bytes) > (s64)READ_ONCE(am_user_most_bytes)) {
		am_agent_uncharge(agent, bytes);
		return -EDQUOT;
	}
	return 0;
}

void am_agent_uncharge(struct am_agent *agent, u64 bytes)
{
	atomic64_sub(bytes, &agent->bytes);
	atomic64_sub(bytes, &agent->domain->user->bytes);
}
