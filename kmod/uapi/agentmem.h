/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR Apache-2.0 */
/*
 * What programs say to /dev/agentmem. Everything here is ABI: numbers are never
 * used twice, fields are never moved, structs grow at their ends alone.
 *
 * An agent is a program, or several, that opened the device and asked to be
 * one (REGISTER). A unit is a run of plain bytes that an agent holds, with a
 * kind. The same content held by many agents of one trust domain is in memory
 * once; what nobody reads is compressed; reading always gives plain bytes.
 *
 * Growth. Each struct begins with its own size, set by the caller with sizeof.
 * A shorter struct of an earlier version is taken as if the rest were 0. A
 * longer one is taken where what this kernel does not know is 0, else E2BIG.
 * The size is no part of the number, so a number stays what it is. `flags` has
 * the bits named beside it; any other bit is EINVAL, and so is a `reserved`
 * that is not 0. Less than the first version's size is EINVAL, more than a
 * page E2BIG.
 *
 * Callers of 32 bits use the same structs: addresses are 64 bits wide, every
 * field is aligned to its size, and there are no holes.
 *
 * Results. 0, or -1 with errno. Fields marked "out" are written only where the
 * call succeeds. Errors that any call may give: EFAULT (an address that is not
 * the caller's), EINVAL, E2BIG (see above), ENOTTY (no such number, or not on
 * this descriptor), ENOENT (no such unit, or the descriptor is no agent),
 * ENOMEM, EINTR.
 *
 * Who may. The device is open to every user. What a descriptor may do is
 * settled when it is made: one of the device acts for the agent it registered
 * as, in whichever process it is; one of a unit can be mapped and read. Content
 * is shared inside a trust domain only: a user and a name, the empty name being
 * the user's common one. What other domains hold changes neither results nor
 * the way that is taken. Who can tell that content is shared (sharers, stored
 * bytes) has handed it in whole, or got it from an agent of his domain.
 */
#ifndef _LINUX_AGENTMEM_H
#define _LINUX_AGENTMEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Raised when a feature bit does not say enough. */
#define AGENTMEM_ABI_VERSION 1

#define AGENTMEM_ABI_TOKEN_BYTES 16
#define AGENTMEM_ABI_DIGEST_BYTES 32
/* With the ending 0; what follows it must be 0 too. */
#define AGENTMEM_ABI_NAME_BYTES 64
/* Plain bytes of one unit. */
#define AGENTMEM_ABI_UNIT_MOST (4ULL << 30)
#define AGENTMEM_ABI_IMPORTANCE_MOST 100

/* What content is expected to do. Only a conversation grows, is forked and edited, and may be empty. */
enum agentmem_abi_kind {
	AGENTMEM_ABI_CONVERSATION = 1,
	AGENTMEM_ABI_SYSTEM_PROMPT = 2,
	AGENTMEM_ABI_TOOL_DEFINITION = 3,
	AGENTMEM_ABI_TOOL_RESULT = 4,
	AGENTMEM_ABI_OTHER = 5,
};

enum agentmem_abi_state {
	AGENTMEM_ABI_ACTIVE = 1,
	AGENTMEM_ABI_IDLE = 2,
	AGENTMEM_ABI_SUSPENDED = 3,	/* its units are compressed at once */
	AGENTMEM_ABI_GONE = 4,		/* its units are freed; the descriptor is no agent any more */
};

enum agentmem_abi_tier {
	AGENTMEM_ABI_HOT = 1,	/* pages that can be mapped */
	AGENTMEM_ABI_WARM = 2,	/* compressed, in memory */
	AGENTMEM_ABI_COLD = 3,	/* on the backing file or device */
};

/* How short memory is, as the helper sees it. */
enum agentmem_abi_pressure {
	AGENTMEM_ABI_PRESSURE_NONE = 0,
	AGENTMEM_ABI_PRESSURE_SOME = 1,
	AGENTMEM_ABI_PRESSURE_HARD = 2,
};

/* Bits of agentmem_abi_info.features. */
#define AGENTMEM_ABI_FEATURE_COMPRESS (1ULL << 0)	/* there is a compressor */
#define AGENTMEM_ABI_FEATURE_COLD (1ULL << 1)		/* there is a cold tier */
#define AGENTMEM_ABI_FEATURE_CONVERSATIONS (1ULL << 2)	/* APPEND, FORK */
#define AGENTMEM_ABI_FEATURE_EDIT (1ULL << 3)
#define AGENTMEM_ABI_FEATURE_BACKING (1ULL << 4)	/* BACKING gives it a cold tier */
#define AGENTMEM_ABI_FEATURE_TALK_DIGEST (1ULL << 5)	/* AGENTMEM_ABI_STAT_DIGEST, and ALLOC by digest of a conversation */

/*
 * INFO, on any descriptor of the device: what this kernel has.
 */
struct agentmem_abi_info {
	__u32 size;
	__u32 flags;		/* 0 */
	__u32 abi_version;	/* out: AGENTMEM_ABI_VERSION of the module */
	__u32 page_bytes;	/* out: a mapping is a multiple of it */
	__u64 features;		/* out */
	__u64 unit_most_bytes;	/* out: of one unit */
	__u32 chunk_min_bytes;	/* out: how conversations are cut; 0 where they are not */
	__u32 chunk_average_bytes;	/* out */
	__u32 chunk_max_bytes;	/* out */
	__u32 extent_bytes;	/* out: of plain bytes that are compressed together */
	char compressor[32];	/* out: the algorithm asked for, "none" without one */
	char driver[64];	/* out: the one really used, as the crypto API names it */
};

/*
 * REGISTER, once a descriptor: it acts for an agent from now on. EBUSY where it
 * does already, EACCES for a token that no agent of this user has, ENOSPC where
 * the user has as many agents as he may have. The agent is gone, and its units
 * with it, when the last descriptor that acts for it is closed: also when its
 * program dies.
 */
struct agentmem_abi_register {
	__u32 size;
	__u32 flags;		/* 0 */
	__u8 token[AGENTMEM_ABI_TOKEN_BYTES];	/* in: all 0 for a new agent, else be one more process of that one, and name, domain, importance and quota are its; out: the agent's */
	char name[AGENTMEM_ABI_NAME_BYTES];	/* in: empty for the program's name */
	char domain[AGENTMEM_ABI_NAME_BYTES];	/* in: empty for the user's common one */
	__u32 importance;	/* in: 0 to 100, higher stays; 0 means 50 */
	__u32 reserved;
	__u64 quota_bytes;	/* in: of plain bytes it may hold; 0 for as many as agents may have. out: the one in force, never above that */
	__u64 agent;		/* out: what others name it by, never 0 */
};

/* STATE, IMPORTANCE: of this agent. PRESSURE: of the machine, CAP_SYS_ADMIN in the first user namespace, else EPERM. */
struct agentmem_abi_value {
	__u32 size;
	__u32 flags;		/* 0 */
	__u32 value;		/* one of the enums; importance 0 to 100 */
	__u32 reserved;
};

#define AGENTMEM_ABI_BY_DIGEST 1u	/* no data: the unit of this agent's that has this digest, once more; ENOENT where it holds none, whoever else does. As a conversation: one whose digest was asked for (AGENTMEM_ABI_STAT_DIGEST) and that has not changed since */
#define AGENTMEM_ABI_WANT_FD 2u		/* give a descriptor too */

/*
 * ALLOC: a unit with this content. Content that is known in the domain costs
 * no memory. Where data changes during the call, the unit holds bytes that
 * were there at some time, and is called by their digest. EDQUOT (of the agent,
 * or of all agents of this user), E2BIG (more than unit_most_bytes), EMFILE.
 */
struct agentmem_abi_alloc {
	__u32 size;
	__u32 flags;		/* AGENTMEM_ABI_BY_DIGEST, AGENTMEM_ABI_WANT_FD */
	__u32 kind;		/* enum agentmem_abi_kind */
	__s32 fd;		/* out: read-only, close-on-exec, may be passed on; -1 without AGENTMEM_ABI_WANT_FD */
	__u64 data;		/* in: address */
	__u64 bytes;		/* in: of data; 0 for a conversation only. By digest: 0. out: of the unit */
	__u8 digest[AGENTMEM_ABI_DIGEST_BYTES];	/* in: by digest, else 0. out: SHA-256 of the plain bytes; 0 for a conversation that is handed in */
	__u64 unit;		/* out: its number, never 0: the same for every agent of the domain that holds it, and for the same content handed in again, which is then held once more */
};

/*
 * APPEND, EDIT: conversations only, else EINVAL. The cost of an append depends
 * on bytes alone; of an edit on what follows until chunks meet again. Agents
 * it was shared with see it too; descriptors stay what they were. EDQUOT (of
 * any who hold it), E2BIG.
 * What comes in one call is in it whole, or not at all.
 */
struct agentmem_abi_edit {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 unit;
	__u64 offset;		/* APPEND: 0; EDIT: ERANGE beyond the end */
	__u64 old_bytes;	/* APPEND: 0; EDIT: what is replaced, ERANGE beyond the end */
	__u64 data;
	__u64 bytes;		/* of data */
	__u64 total_bytes;	/* out: of the unit now */
};

/* FORK: a new conversation with the beginning of another one, sharing it. */
struct agentmem_abi_fork {
	__u32 size;
	__u32 flags;		/* AGENTMEM_ABI_WANT_FD */
	__u64 unit;
	__u64 prefix_bytes;	/* more than there are: all */
	__u64 fork;		/* out: its number */
	__s32 fd;		/* out: as in ALLOC */
	__u32 reserved;
};

/* SHARE: another agent of the domain holds it too, by the same number, or once more. ENOENT also where that agent is of another domain or user. EDQUOT (the other's). What one appends to a conversation the other sees. */
struct agentmem_abi_share {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 unit;		/* in; with agent 0 out */
	__u64 agent;		/* 0: this agent takes what the descriptor below is of */
	__s32 fd;		/* with agent 0: of a unit, passed by somebody; EPERM where it is of another domain, EBADF where it is no unit's. Else -1 */
	__u32 reserved;
};

/* FREE: this agent holds it once less, and with the last no more; descriptors and mappings stay what they are. MARK_HOT: brings it back, and keeps it hot for five minutes. */
struct agentmem_abi_unit {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 unit;
};

/*
 * OPEN: a descriptor for the unit, read-only and close-on-exec. Of a
 * conversation it is what it holds at this moment, and stays so. It can be
 * mapped (MAP_SHARED or MAP_PRIVATE, PROT_READ, offset a multiple of the page;
 * behind the end of the last page SIGBUS, in it 0), read with read() and
 * pread(), and asked with STAT_UNIT. A mapping may be made executable nowhere.
 */
struct agentmem_abi_open {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 unit;
	__u64 bytes;		/* out: of the unit at this moment */
	__s32 fd;		/* out */
	__u32 kind;		/* in: 0; out: enum agentmem_abi_kind */
};

/* READ: never wrong bytes: EIO where what is stored does not match its checksum. */
struct agentmem_abi_read {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 unit;
	__u64 offset;		/* beyond the end: no bytes */
	__u64 data;
	__u64 bytes;		/* in: room; out: read. Fewer than asked for at the end, and after a signal */
	__u64 total_bytes;	/* out: of the unit */
};

#define AGENTMEM_ABI_STAT_DIGEST 1u	/* of a conversation too: where it is not known, all of it is read for that, and so comes back to memory. On a descriptor of the device only */

/* STAT_UNIT: on a descriptor of the device by number, on one of a unit with unit 0. */
struct agentmem_abi_unit_stat {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 unit;		/* in */
	__u64 bytes;		/* out: plain */
	__u64 stored_bytes;	/* out: its share of what is stored, each shared part divided by who holds it */
	__u64 hot_bytes;	/* out: plain bytes by tier; they add up to bytes */
	__u64 warm_bytes;
	__u64 cold_bytes;
	__u64 idle_ms;		/* out: since it was last read, mapped or appended to */
	__u8 digest[AGENTMEM_ABI_DIGEST_BYTES];	/* out: 0 while has_digest is 0 */
	__u32 has_digest;	/* out: a conversation has one from when it was asked for with AGENTMEM_ABI_STAT_DIGEST until it changes */
	__u32 kind;		/* out */
	__u32 tier;		/* out: the farthest of its parts; hot where it has none */
	__u32 sharers;		/* out: holders in this domain of the same content, this one included; of a conversation the most that any part has */
	__u32 importance;	/* out: of this agent */
	__u32 reserved;
};

/* STAT_AGENT: of this agent. */
struct agentmem_abi_agent_stat {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 agent;		/* out */
	__u8 token[AGENTMEM_ABI_TOKEN_BYTES];	/* out: what lets another process be this agent; a secret */
	__u32 state;		/* out */
	__u32 importance;	/* out */
	__u64 units;		/* out */
	__u64 bytes;		/* out: plain, that count against the quota */
	__u64 shared_bytes;	/* out: of these, what others hold too */
	__u64 quota_bytes;	/* out */
};

/* STAT_ALL: of all agents of this user; of the machine for CAP_SYS_ADMIN. No counts of what was found: they would tell when others hand in the same. */
struct agentmem_abi_all_stat {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 agents;		/* out */
	__u64 units;		/* out: as held */
	__u64 bytes;		/* out: plain, as held: what it would cost without sharing */
	__u64 contents;		/* out: different ones */
	__u64 content_bytes;	/* out: plain, each content once */
	__u64 hot_bytes;	/* out: resident pages, each once */
	__u64 warm_bytes;	/* out: compressed, as stored */
	__u64 cold_bytes;	/* out: on the backing file, as stored */
	__u64 own_bytes;	/* out: tables of the module; 0 but for CAP_SYS_ADMIN */
};

/* LIST_AGENTS: lines of agents of this user with a number above `after`, smallest first. */
struct agentmem_abi_list {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 after;
	__u64 lines;		/* address of an array */
	__u32 most;		/* lines there is room for; 4096 are given at most */
	__u32 line_bytes;	/* in: of one, as the caller knows it, written to that length; out: as the kernel knows it */
	__u32 count;		/* out: lines written */
	__u32 reserved;
	__u64 agent;		/* LIST_UNITS: whose; 0 for this agent's; of another only where it is of this user and domain. A descriptor that is no agent names one of its user's, of whatever domain, and is told no digests */
};

struct agentmem_abi_agent_line {
	__u64 agent;
	__u32 pid;		/* of the process that registered first, as the caller's namespace sees it; 0 where it does not */
	__u32 state;		/* as it said; AGENTMEM_ABI_SUSPENDED while the cgroup of that process is frozen (cgroup.freeze) */
	__u32 importance;
	__u32 processes;	/* descriptors that act for it */
	__u64 units;
	__u64 bytes;
	__u64 shared_bytes;
	__u64 idle_ms;
	char name[AGENTMEM_ABI_NAME_BYTES];
	char domain[AGENTMEM_ABI_NAME_BYTES];
	__u64 hot_bytes;	/* plain bytes by tier; they add up to bytes */
	__u64 warm_bytes;
	__u64 cold_bytes;
};

struct agentmem_abi_unit_line {
	__u64 unit;
	__u64 agent;
	__u64 bytes;
	__u64 stored_bytes;
	__u64 idle_ms;
	__u32 kind;
	__u32 tier;
	__u32 sharers;
	__u32 importance;
	__u8 digest[8];		/* its first bytes, to tell units apart */
};

/* SETTINGS: ages in ms and limits in bytes in force for the machine; what is not 0 is set first, CAP_SYS_ADMIN, else EPERM. */
struct agentmem_abi_settings {
	__u32 size;
	__u32 flags;		/* 0 */
	__u64 warm_after_ms;	/* compressed when not read for that long */
	__u64 cold_after_ms;
	__u64 hot_most_bytes;	/* more than that is compressed whatever its age */
	__u64 warm_most_bytes;
	__u64 quota_bytes;	/* of an agent */
	__u64 user_most_bytes;	/* of all agents of a user */
	__u64 cold_most_bytes;	/* of what was given by BACKING, at most so much; 0: all of it */
};

#define AGENTMEM_ABI_BACKING_GIVE 1u	/* from now on `fd` is the cold tier; EBUSY where there is one */
#define AGENTMEM_ABI_BACKING_TAKE 2u	/* there is none any more: what is on it comes back to memory first. ENOENT without one, ENOSPC where memory is too short for it, EBUSY where it stays in use; then all is as it was */

enum agentmem_abi_backing_state {
	AGENTMEM_ABI_BACKING_NONE = 0,
	AGENTMEM_ABI_BACKING_IN_USE = 1,
	AGENTMEM_ABI_BACKING_FULL = 2,		/* what should go stays compressed in memory */
	AGENTMEM_ABI_BACKING_FAILING = 3,	/* the same, for ten seconds after each write that failed */
};

/*
 * BACKING: CAP_SYS_ADMIN in the first user namespace, else EPERM. The cold tier
 * is a file, or a block device, open for reading and writing (else EBADF), not
 * for appending; EINVAL for anything else. The module keeps it open until it is
 * taken away or the module is unloaded. Bytes go there compressed, not
 * encrypted, in pieces of 4096 bytes; with O_DIRECT they pass the page cache
 * by. Freed pieces are punched out where that can be done.
 *
 * Who gives it takes care that nobody else has it: a file without a name and
 * with mode 0600, or a device opened with O_EXCL. Whatever is on it is
 * overwritten, nothing of it is ever read back but what this module wrote since
 * it was given (a checksum with a number drawn at that time says so), and
 * nothing on it means anything once it was taken away or the machine went down.
 *
 * A piece that cannot be read, or is not what was written, gives EIO (a mapping
 * SIGBUS) to who wants it, and nothing else; it counts below.
 */
struct agentmem_abi_backing {
	__u32 size;
	__u32 flags;		/* AGENTMEM_ABI_BACKING_GIVE or AGENTMEM_ABI_BACKING_TAKE; 0 asks */
	__s32 fd;		/* in: to give, else 0; out: -1 */
	__u32 state;		/* out: enum agentmem_abi_backing_state */
	__u64 most_bytes;	/* in: to give, the most of it that is used, 0 for its present size; else 0. out: what may be used */
	__u64 used_bytes;	/* out: pieces in use */
	__u64 write_errors;	/* out: writes, reads that failed, and pieces that were not what was written, since the module was loaded */
	__u64 read_errors;
	__u64 bad_sums;
	__u64 lost_bytes;	/* out: plain, that could not be read when it was taken away */
	__u64 reserved;
};

/* No size in the number: it is in the struct. */
#define AGENTMEM_ABI_IOC(number) _IOC(_IOC_READ | _IOC_WRITE, 0xA7, number, 0)

#define AGENTMEM_IOC_INFO AGENTMEM_ABI_IOC(0x00)	/* struct agentmem_abi_info */
#define AGENTMEM_IOC_REGISTER AGENTMEM_ABI_IOC(0x01)	/* struct agentmem_abi_register */
#define AGENTMEM_IOC_STATE AGENTMEM_ABI_IOC(0x02)	/* struct agentmem_abi_value */
#define AGENTMEM_IOC_IMPORTANCE AGENTMEM_ABI_IOC(0x03)	/* struct agentmem_abi_value */
#define AGENTMEM_IOC_ALLOC AGENTMEM_ABI_IOC(0x04)	/* struct agentmem_abi_alloc */
#define AGENTMEM_IOC_APPEND AGENTMEM_ABI_IOC(0x05)	/* struct agentmem_abi_edit */
#define AGENTMEM_IOC_FORK AGENTMEM_ABI_IOC(0x06)	/* struct agentmem_abi_fork */
#define AGENTMEM_IOC_EDIT AGENTMEM_ABI_IOC(0x07)	/* struct agentmem_abi_edit */
#define AGENTMEM_IOC_SHARE AGENTMEM_ABI_IOC(0x08)	/* struct agentmem_abi_share */
#define AGENTMEM_IOC_MARK_HOT AGENTMEM_ABI_IOC(0x09)	/* struct agentmem_abi_unit */
#define AGENTMEM_IOC_OPEN AGENTMEM_ABI_IOC(0x0a)	/* struct agentmem_abi_open */
#define AGENTMEM_IOC_READ AGENTMEM_ABI_IOC(0x0b)	/* struct agentmem_abi_read */
#define AGENTMEM_IOC_FREE AGENTMEM_ABI_IOC(0x0c)	/* struct agentmem_abi_unit */
#define AGENTMEM_IOC_STAT_UNIT AGENTMEM_ABI_IOC(0x0d)	/* struct agentmem_abi_unit_stat */
#define AGENTMEM_IOC_STAT_AGENT AGENTMEM_ABI_IOC(0x0e)	/* struct agentmem_abi_agent_stat */
#define AGENTMEM_IOC_STAT_ALL AGENTMEM_ABI_IOC(0x0f)	/* struct agentmem_abi_all_stat */
#define AGENTMEM_IOC_LIST_AGENTS AGENTMEM_ABI_IOC(0x10)	/* struct agentmem_abi_list, lines of struct agentmem_abi_agent_line */
#define AGENTMEM_IOC_LIST_UNITS AGENTMEM_ABI_IOC(0x11)	/* struct agentmem_abi_list, lines of struct agentmem_abi_unit_line */
#define AGENTMEM_IOC_PRESSURE AGENTMEM_ABI_IOC(0x12)	/* struct agentmem_abi_value */
#define AGENTMEM_IOC_SETTINGS AGENTMEM_ABI_IOC(0x13)	/* struct agentmem_abi_settings */
#define AGENTMEM_IOC_BACKING AGENTMEM_ABI_IOC(0x14)	/* struct agentmem_abi_backing */

#endif
