/*
 * verbs.h - what the files of commands share: words.c, verbs.c, faults.c.
 *
 * Thread: the one there is.
 */
#ifndef CONSENS_TESTS_SCENARIOS_VERBS_H
#define CONSENS_TESTS_SCENARIOS_VERBS_H

#include "scenarios/world.h"

enum { WORDS_MAX = 16, LINE_BYTES = 256 };

struct words {
    char bytes[LINE_BYTES];
    char *word[WORDS_MAX];
    int count;
};

/* False: empty, too long, or too many words. */
bool words_split(const char *line, struct words *words);
bool words_has(const struct words *words, int at, const char *text);
/* Prints what is wrong with a word. Always false. */
bool words_fail(struct world *world, const char *what, const char *word);
/* "500ms", "2s" or a bare number. */
bool words_number(const char *text, uint64_t *out_number);
/* A process by name, or `leader`. -1: there is none. */
int words_find_process(const struct world *world, const char *name);
/* These print why not. */
bool words_process(struct world *world, const struct words *words, int word, int *out_at);
bool words_running(struct world *world, const struct words *words, int word, int *out_at);
bool words_down(struct world *world, const struct words *words, int word, int *out_at);

bool faults_crash(struct world *world, const struct words *words);
bool faults_restart(struct world *world, const struct words *words);
bool faults_pause(struct world *world, const struct words *words);
bool faults_resume(struct world *world, const struct words *words);
bool faults_wipe(struct world *world, const struct words *words);
bool faults_damage(struct world *world, const struct words *words);
bool faults_copy(struct world *world, const struct words *words);
bool faults_image(struct world *world, const struct words *words);
bool faults_rollback(struct world *world, const struct words *words);
bool faults_release(struct world *world, const struct words *words);
bool faults_slow(struct world *world, const struct words *words);
bool faults_cut(struct world *world, const struct words *words);
bool faults_links(struct world *world, const struct words *words);
bool faults_heal(struct world *world, const struct words *words);
bool faults_drop(struct world *world, const struct words *words);
bool faults_hold(struct world *world, const struct words *words);
bool faults_deliver(struct world *world, const struct words *words);

#endif
