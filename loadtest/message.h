/*
 * message.h - the client's side of include/consens/protocol.md, as far as a load test
 * needs it.
 *
 * Thread: any.
 */
#ifndef CONSENS_LOADTEST_MESSAGE_H
#define CONSENS_LOADTEST_MESSAGE_H

#include "loadtest/driver.h"

enum { MESSAGE_KEY_BYTES_MAX = PLAN_PREFIX_BYTES + 20 };

/* PREFIX and the number, eight digits at least; answers the bytes. */
size_t
message_print_key(char out_key[MESSAGE_KEY_BYTES_MAX], const char *prefix, uint64_t key);

/* Appends. The head of a batch comes before its requests. */
void message_put_batch(struct cs_buffer *out, uint32_t count);
void message_put_request(struct cs_buffer *out,
                         uint64_t id,
                         const struct operation *operation,
                         const char *prefix);

struct message_answers {
    struct cs_view bytes;
    size_t at;
    uint32_t count;
};

/* False: not an answer of the protocol. */
bool message_open(struct cs_view bytes, struct message_answers *out_answers);
/* The next one; of `out_answer` only what the answer tells is set. */
bool message_take(struct message_answers *answers,
                  uint64_t *out_id,
                  struct operation *out_answer);

#endif
