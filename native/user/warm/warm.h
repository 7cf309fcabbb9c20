/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The warm tier: blocks compressed whole in memory. A block is a run of plain
 * bytes of up to WARM_BLOCK_MOST; a conversation is cut into them where its
 * content says (kmod/core/chunk.h), so that forks share them.
 *
 * A block that is like another is packed against it: its base. Bases are
 * never packed against others, so bringing a block back costs two unpackings
 * at most. Small blocks are packed with a dictionary of their kind.
 *
 * Functions of one pool may be called from many threads at once; one piece may
 * be read by many, dropped by one after all are done.
 */
#ifndef WARM_H
#define WARM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/chunk.h"
#include "core/policy.h"

#define WARM_BLOCK_MOST (16u * 1024u * 1024u)
#define WARM_DICTIONARIES 16u

struct warm;
struct warm_piece;

/* Where conversations are cut for this tier. */
extern const struct am_chunk_sizes warm_chunk_sizes;

struct warm_stats {
	uint64_t pieces;
	uint64_t plain_bytes;
	uint64_t stored_bytes;	/* as packed */
	uint64_t pool_bytes;	/* resident: with what rounding and holes cost */
	uint64_t own_bytes;	/* tables, contexts, dictionaries */
	uint64_t plain_pieces;	/* left alone: not compressible */
	uint64_t based_pieces;
};

/* NULL without memory. */
struct warm *warm_open(void);
void warm_close(struct warm *warm);

/*
 * Packs a block. `base` is the plain content of one that is like it, or NULL;
 * whether it helped is read back with warm_piece_is_based(): one that is little
 * like it costs one look at it. Where both lie in the same memory it cannot help.
 * `data` must not change meanwhile: what does comes back as -EIO. 0 or a negative errno.
 */
int warm_pack(struct warm *warm, enum am_effort effort, enum am_kind kind, const void *data, size_t bytes, const void *base, size_t base_bytes, struct warm_piece **piece);
/* `out` has room for warm_piece_plain_bytes(). -EIO where it does not come out as it went in. */
int warm_unpack(struct warm *warm, const struct warm_piece *piece, const void *base, size_t base_bytes, void *out);
void warm_drop(struct warm *warm, struct warm_piece *piece);

size_t warm_piece_plain_bytes(const struct warm_piece *piece);
size_t warm_piece_stored_bytes(const struct warm_piece *piece);
int warm_piece_is_based(const struct warm_piece *piece);
/* Dictionary it needs: 0, or 1 to WARM_DICTIONARIES. */
unsigned warm_piece_dictionary(const struct warm_piece *piece);

/* The piece as self-describing bytes for the cold store (with checksum, codec, sizes), copied to `out` of `room` bytes; the length, or a negative errno. */
ssize_t warm_piece_save(const struct warm_piece *piece, void *out, size_t room);
size_t warm_piece_save_bytes(const struct warm_piece *piece);
/* And back. -EIO for bytes that are not one, -ENOENT where its dictionary was not added; never reads past `bytes`. */
int warm_piece_load(struct warm *warm, const void *saved, size_t bytes, struct warm_piece **piece);

/* Learns from content of this kind what to put into its dictionary; cheap: keeps a bounded sample. The next small block packed of the kind pays some ms for making it. */
void warm_learn(struct warm *warm, enum am_kind kind, const void *data, size_t bytes);
/* Dictionaries in use, to be saved with pieces that need them; `data` stays as long as the pool. 0 where there is none with this number. */
size_t warm_dictionary(struct warm *warm, unsigned number, const void **data);
/* Before anything is learnt, so that numbers mean what they did. -EEXIST where another one has this number, -EIO for what is not a dictionary. */
int warm_add_dictionary(struct warm *warm, unsigned number, const void *data, size_t bytes);

/* Gives contexts and empty pages back; called when there was nothing to do for a while. */
void warm_rest(struct warm *warm);
void warm_stats(struct warm *warm, struct warm_stats *stats);

#endif
