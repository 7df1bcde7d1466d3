/*
 * probes.c - where coverage marks and buggify points count (base/marks.h,
 * base/buggify.h): the simulator alone is linked with objects that have them.
 */
#include "base/buggify.h"
#include "base/marks.h"

uint64_t mark_hits[MARK_COUNT];
uint64_t buggify_hits[BUGGIFY_COUNT];
