/* SPDX-License-Identifier: Apache-2.0 */
#include <agentmem.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
	static const char prompt[] = "You are a careful assistant.", said[] = "{\"role\":\"user\",\"content\":\"hello\"}\n";
	agentmem_t *am;
	agentmem_unit_t system, talk;
	const void *text;
	size_t bytes;
	char line[64];
	int error = agentmem_open(&am, NULL);

	if (error == 0) error = agentmem_alloc(am, AGENTMEM_SYSTEM_PROMPT, prompt, strlen(prompt), &system);
	if (error == 0) error = agentmem_alloc(am, AGENTMEM_CONVERSATION, NULL, 0, &talk);
	if (error == 0) error = agentmem_append(am, talk, said, strlen(said));
	if (error == 0) error = agentmem_map(am, system, &text, &bytes);
	if (error != 0) return fprintf(stderr, "agentmem: %s\n", agentmem_error_text(error)), 1;
	printf("%.*s\n", (int)bytes, (const char *)text);
	printf("%.*s", (int)agentmem_read(am, talk, 0, line, sizeof(line)), line);
	agentmem_unmap(am, text);
	agentmem_close(am);
	return 0;
}
