/* SPDX-License-Identifier: Apache-2.0 */
/* What broker-raw can play, a function a scenario; each ends the program where something is not as it must be. */
#ifndef BROKER_RAW_H
#define BROKER_RAW_H

/* broker-requests.c: every request as it is meant. */
void play_requests(void);

/* broker-wrong.c: and every one wrong. */
void play_wrong(void);

/* broker-rights.c: what an agent may not see, claim or take. */
void play_domains(void);
void play_claims(void);
void play_quotas(void);
void play_settings(void);

/* broker-lists.c: agents and units, page by page. */
void play_lists(void);

/* broker-lives.c: processes that come and go. */
void play_tokens(void);
void play_death(void);
void play_forked(void);
void play_gone(void);
void play_race(void);
void play_remember(void);
void play_return(void);
void play_closed(void);

/* broker-again.c: agents that name their own token. */
void play_again(void);
void play_afterlife(void);
void play_anew(void);

/* broker-descriptors.c: what is handed in and is no sealed memory. */
void play_descriptors(void);
void play_many_descriptors(void);

/* broker-hostile.c: clients that mean harm, or are broken. */
void play_fuzz(void);
void play_deaf(void);
void play_hasty(void);
void play_refused(void);

/* broker-crowd.c: more of them than there is room for, and what is left of those that are killed. */
void play_crowd(void);
void play_many(void);
void play_killed(void);
void play_shortage(void);

#endif
