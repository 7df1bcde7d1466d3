/*
 * words.h - errno in words.
 *
 * Thread: any.
 */
#ifndef CONSENS_LOADTEST_WORDS_H
#define CONSENS_LOADTEST_WORDS_H

enum { WORDS_BYTES = 96 };

/* Answers `out`. */
const char *words_of(int error, char out[WORDS_BYTES]);

#endif
