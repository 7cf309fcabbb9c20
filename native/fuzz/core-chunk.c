/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and content at random for the cutter: chunks fit their sizes, and come out the same when the content comes in pieces. */
#include "core-take.h"

#include "core/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TIMES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = { data, data + size };
	struct am_chunk_sizes sizes = { (am_u32)taken(&input, 4), 1u << (taken(&input, 1) & 31), (am_u32)taken(&input, 4) };
	size_t left;
	size_t bytes;
	uint8_t *content;
	size_t seen = 0;
	size_t come = 0;

	if (!am_chunk_sizes_ok(&sizes)) {
		sizes.average = 4096u << (sizes.average & 1);
		sizes.min = 64 + sizes.min % (sizes.average - 63);
		sizes.max = sizes.average + sizes.max % 20000;
		must(am_chunk_sizes_ok(&sizes));
	}
	/* Longer than the input, by repeating it with something changed. */
	left = (size_t)(input.end - input.at);
	bytes = left * TIMES;
	content = malloc(bytes + 1);
	must(content != NULL);
	for (size_t i = 0; i < bytes; i++)
		content[i] = input.at[i % left] ^ (uint8_t)(i / left * 37);
	for (size_t at = 0; at < bytes;) {
		size_t length = am_chunk_cut(&sizes, content + at, bytes - at, true);

		must(length > 0 && length <= bytes - at && length <= sizes.max && (length >= sizes.min || at + length == bytes));
		/* In pieces as long as the content says. */
		for (;;) {
			uint8_t *exact;
			size_t cut;

			come = come < at ? at : come;
			exact = malloc(come - at + 1);
			must(exact != NULL);
			memcpy(exact + 1, content + at, come - at);
			cut = am_chunk_cut_on(&sizes, exact + 1, seen, come - at, come == bytes);
			free(exact);
			seen = come - at;
			if (cut != 0) {
				must(cut == length);
				break;
			}
			must(come < bytes && seen < sizes.max);
			come += 1 + content[come] * 16u;
			come = come < bytes ? come : bytes;
		}
		at += length;
		seen = 0;
	}
	free(content);
	return 0;
}
