/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes what strangers gave us, on a thread of its own: the last close of a
 * file can wait for its file system's server or a lingering peer, and the
 * last close of a connection also closes what lies unread in it.
 */
#ifndef BROKER_CLOSER_H
#define BROKER_CLOSER_H

int closer_begin(void);
/* Never blocks. -1 is allowed. */
void closer_close(int fd);
/* Does not wait for what is still to be closed: the process ends. */
void closer_end(void);

#endif
