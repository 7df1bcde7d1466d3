/*
 * json.h - one JSON object a line, for `--json`.
 *
 * Thread: any; one at a time.
 */
#ifndef CONSENS_CLI_JSON_H
#define CONSENS_CLI_JSON_H

#include "base/bytes.h"

#include <stdbool.h>

struct json { // json_begin(), fields, json_end(); `out` is the caller's to free
    struct cs_buffer out;
};

void json_begin(struct json *json);
void json_text(struct json *json, const char *name, const char *text);
/* NAME as a string if the bytes are UTF-8, else NAME_base64. */
void json_bytes(struct json *json, const char *name, struct cs_view bytes);
void json_number(struct json *json, const char *name, uint64_t number);
void json_bool(struct json *json, const char *name, bool value);
/* Writes it to stdout, with a line end. False: it could not be written. */
bool json_end(struct json *json);

#endif
