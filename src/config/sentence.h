/*
 * sentence.h - one error in words: what happened, why, what to do.
 *
 * Thread: any; the caller owns the sentence.
 */
#ifndef CONSENS_CONFIG_SENTENCE_H
#define CONSENS_CONFIG_SENTENCE_H

#include <stdbool.h>

enum { SENTENCE_BYTES = 2048 };

struct sentence {
    char text[SENTENCE_BYTES];
};

/* Answers false always, so that `return sentence_set(...)` reads as failing. A text
 * past SENTENCE_BYTES - 1 is cut. */
bool sentence_set(struct sentence *sentence, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds at the end; cut as above. */
void sentence_add(struct sentence *sentence, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
