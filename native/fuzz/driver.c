/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for libFuzzer where its runtime is not installed: changes seeds at
 * random for so many seconds, without looking at what is reached.
 *
 *   driver SECONDS SEED-FILE...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 8192, SEEDS_MOST = 64 };

static uint8_t seeds[SEEDS_MOST][MOST];
static size_t sizes[SEEDS_MOST];

static size_t number(size_t below)
{
	return (size_t)random() % below;
}

/* Bits, interesting bytes, pieces of other seeds, repetitions, cuts. */
static size_t change(uint8_t *data, size_t size, int count)
{
	static const uint8_t liked[] = { 0, ' ', '\n', '%', '-', '/', '.', '=', '0', '9', 'f', 0x7f, 0xff };
	size_t at = number(size + 1);
	size_t length = number(64);
	size_t other;

	switch (number(6)) {
	case 0:
		if (at < size)
			data[at] ^= (uint8_t)(1u << number(8));
		return size;
	case 1:
		if (at < size)
			data[at] = liked[number(sizeof(liked))];
		return size;
	case 2:
		other = number((size_t)count);
		if (sizes[other] <= length || size + length > MOST)
			return size;
		memmove(data + at + length, data + at, size - at);
		memcpy(data + at, seeds[other] + number(sizes[other] - length), length);
		return size + length;
	case 3:
		if (at + length > size || size + length > MOST)
			return size;
		memmove(data + at + length, data + at, size - at);
		return size + length;
	case 4:
		if (at + length > size)
			return size;
		memmove(data + at, data + at + length, size - at - length);
		return size - length;
	default:
		return at;
	}
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 1);
	unsigned long runs = 0;
	int count = 0;

	for (int i = 2; i < argc && count < SEEDS_MOST; i++) {
		FILE *file = fopen(argv[i], "rb");

		if (file == NULL)
			return 2;
		sizes[count] = fread(seeds[count], 1, MOST, file);
		fclose(file);
		count += sizes[count] > 0;
	}
	if (count == 0)
		return 2;
	while (runs % 256 != 0 || time(NULL) < end) {
		static uint8_t data[MOST];
		size_t from = number((size_t)count);
		size_t size = sizes[from];

		memcpy(data, seeds[from], size);
		for (size_t i = number(8) + 1; i > 0; i--)
			size = change(data, size, count);
		/* A copy of its own size: reading past its end is found. */
		uint8_t *exact = malloc(size + (size == 0));
		if (exact == NULL)
			return 2;
		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
		runs++;
	}
	printf("%lu inputs\n", runs);
	return 0;
}
