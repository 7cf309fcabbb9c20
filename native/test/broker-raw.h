/* SPDX-License-Identifier: Apache-2.0 */
/* What broker-raw can play, a function a scenario; each ends the program where something is not as it must be. */
#ifndef BROKER_RAW_H
#define BROKER_RAW_H

/* broker-requests.c: every request as it is meant, and every one wrong. */
void play_requests(void);
void play_wrong(void);
void play_domains(void);
void play_claims(void);
void play_quotas(void);
void play_lists(void);
void play_settings(void);

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

/* broker-hostile.c: clients that mean harm, or are broken. */
void play_descriptors(void);
void play_many_descriptors(void);
void play_fuzz(void);
void play_deaf(void);
void play_hasty(void);
void play_crowd(void);
void play_many(void);
void play_killed(void);
void play_refused(void);
void play_shortage(void);

#endif
