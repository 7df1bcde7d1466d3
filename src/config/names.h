/*
 * names.h - the nearest known name to a mistyped one, for "did you mean".
 *
 * Thread: any.
 */
#ifndef CONSENS_CONFIG_NAMES_H
#define CONSENS_CONFIG_NAMES_H

#include <stddef.h>

enum { NAMES_BYTES_MAX = 64 }; // longer names are near to nothing

/*
 * Edits from one name to the other: insert, delete, replace, swap two neighbours
 * (optimal string alignment). Names past NAMES_BYTES_MAX are NAMES_BYTES_MAX apart.
 */
size_t name_distance(const char *left, const char *right);

/* The nearest of `count` names, the first of equals; NULL if none is near enough to be
 * meant: a third of the letters may differ. */
const char *name_find_nearest(const char *given, const char *const *names, size_t count);

#endif
