/*
 * schema.h - every key there is, in one table: path, type, range, place in struct
 * settings, default, meaning.
 *
 * The table drives reading, `config show`, "did you mean" and the test that
 * config/consens.cfg has every key at its default. A new key is one row here and one
 * line there.
 *
 * Thread: any.
 */
#ifndef CONSENS_CONFIG_SCHEMA_H
#define CONSENS_CONFIG_SCHEMA_H

#include "config/sentence.h"
#include "config/settings.h"
#include "config/value.h"
#include "config/zpl.h"

#include <stdio.h>

struct schema_key {
    const char *path; // "server/http/threads"; "*" stands for the name of a node
    size_t offset;    // in struct settings; of a node's key in struct settings_node
    struct value_rule rule;
    const char *preset; // the default as text; NULL: derived from the node's http
    const char *about;  // one line
};

size_t schema_key_count(void);
const struct schema_key *schema_key(size_t index);
bool schema_is_node_key(const struct schema_key *key);

/* Sets every key but the nodes' to its default. */
void schema_apply_defaults(struct settings *settings);

/*
 * Reads the items into settings; nodes are appended in the order of the file, unsorted,
 * keys not given stay "". The error is `FILE:LINE: ...`.
 */
bool schema_apply_file(const char *file,
                       const struct zpl *zpl,
                       struct settings *settings,
                       struct sentence *out_error);

/* Reads one value as `key = text` would. The error begins with what `label` says. */
bool schema_apply_text(const char *path,
                       const char *text,
                       const char *label,
                       struct settings *settings,
                       struct sentence *out_error);

/* The value of a key as a file would hold it. `node_index` is for the nodes' keys. */
void schema_format(const struct schema_key *key,
                   const struct settings *settings,
                   uint32_t node_index,
                   char *out_text,
                   size_t text_bytes);

#endif
