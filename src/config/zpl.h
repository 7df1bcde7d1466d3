/*
 * zpl.h - the text of a configuration file as a flat list of items with their lines.
 *
 * CZMQ's zconfig reads the text. Beside it runs a scanner of ours over the lines, for
 * what zconfig does not do: it keeps no line numbers, prints its complaints to stdout,
 * accepts duplicate keys, cuts long lines. The scanner refuses what zconfig would
 * refuse, with a sentence, and hands the rest over; the n-th item of the one is the
 * n-th of the other.
 *
 * ZPL as accepted here: `name` or `name = value`, four spaces a level, `#` begins a
 * comment, values with or without quotes.
 *
 * Thread: any; a list belongs to its caller.
 */
#ifndef CONSENS_CONFIG_ZPL_H
#define CONSENS_CONFIG_ZPL_H

#include "config/sentence.h"

#include <stddef.h>
#include <stdint.h>

enum {
    ZPL_FILE_BYTES_MAX = 64 * 1024,
    ZPL_LINE_BYTES_MAX = 1000, // zconfig cuts lines at 1024
    ZPL_ITEMS_MAX = 512,
    ZPL_DEPTH_MAX = 8,
};

#define ZPL_NO_PARENT UINT32_MAX

struct zpl_item {
    uint32_t line;     // from 1
    uint32_t depth;    // from 0
    uint32_t parent;   // index of the item above it, or ZPL_NO_PARENT
    bool has_value;    // there was a `=`
    const char *name;  // both valid until zpl_destroy()
    const char *value; // "" if there is none
};

struct zpl;

/* NULL: out_error has `FILE:LINE: ...`. `file` is for messages only. */
struct zpl *zpl_parse(const char *file,
                      const char *text,
                      size_t text_bytes,
                      struct sentence *out_error);
/* The same for what the file holds: a regular file or a pipe of at most
 * ZPL_FILE_BYTES_MAX. */
struct zpl *zpl_load(const char *file, struct sentence *out_error);
void zpl_destroy(struct zpl **zpl);

size_t zpl_item_count(const struct zpl *zpl);
const struct zpl_item *zpl_item(const struct zpl *zpl, size_t index);

#endif
