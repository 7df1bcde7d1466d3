#include "scenarios/verbs.h"

#include <stdlib.h>
#include <string.h>

/* A command line as words, and what they mean. */

bool words_split(const char *line, struct words *words)
{
    *words = (struct words){0};
    size_t bytes = strlen(line);
    if (bytes >= sizeof words->bytes) {
        return false;
    }
    memcpy(words->bytes, line, bytes);
    char *at = words->bytes;
    while (*(at += strspn(at, " ")) != '\0') {
        if (words->count == WORDS_MAX) {
            return false;
        }
        words->word[words->count++] = at;
        at += strcspn(at, " ");
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
    return words->count > 0;
}

bool words_has(const struct words *words, int at, const char *text)
{
    return at < words->count && strcmp(words->word[at], text) == 0;
}

bool words_fail(struct world *world, const char *what, const char *word)
{
    print(world, "ERROR %s: %s\n", what, word);
    return false;
}

bool words_number(const char *text, uint64_t *out_number)
{
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    if (end == text) {
        return false;
    }
    *out_number = strcmp(end, "s") == 0 ? number * 1000 : number;
    return *end == '\0' || strcmp(end, "ms") == 0 || strcmp(end, "s") == 0;
}

int words_find_process(const struct world *world, const char *name)
{
    if (strcmp(name, "leader") == 0) {
        return world_leader(world);
    }
    for (int at = 0; at < PROCESSES_MAX; at++) {
        if (world->processes[at].exists && strcmp(world->processes[at].name, name) == 0) {
            return at;
        }
    }
    return -1;
}

bool words_process(struct world *world, const struct words *words, int word, int *out_at)
{
    const char *name = word < words->count ? words->word[word] : "(missing)";
    *out_at = words_find_process(world, name);
    return *out_at >= 0 || words_fail(world, "no such node", name);
}

bool words_running(struct world *world, const struct words *words, int word, int *out_at)
{
    return words_process(world, words, word, out_at) &&
           (world->processes[*out_at].is_running ||
            words_fail(world, "it is down", words->word[word]));
}

bool words_down(struct world *world, const struct words *words, int word, int *out_at)
{
    return words_process(world, words, word, out_at) &&
           (!world->processes[*out_at].is_running ||
            words_fail(world, "it is running", words->word[word]));
}
