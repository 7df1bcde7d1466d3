/*
 * wire_samples.h - seeded valid frames between nodes, and rewritten ones behind a valid
 * trailer.
 *
 * Thread: one at a time.
 */
#ifndef CONSENS_TESTS_UNIT_SUPPORT_WIRE_SAMPLES_H
#define CONSENS_TESTS_UNIT_SUPPORT_WIRE_SAMPLES_H

#include "wire/peer_message.h"

#include <msgpack.h>
#include <stdbool.h>

#define WIRE_SAMPLE_SLOT_MAX  ((uint64_t)1 << 62)
#define WIRE_SAMPLE_ARRAY_END UINT32_MAX

enum { WIRE_SAMPLE_TRAILER_BYTES = 8, WIRE_SAMPLE_POOL_BYTES = 600 };

/* All that a message is made of. Payloads lie in a pool: valid until the next draw. */
struct wire_sample {
    struct paxos_message message;
    struct paxos_entry entries[LIMIT_MESSAGE_ENTRIES];
    struct cs_view payloads[LIMIT_MESSAGE_ENTRIES];
};

/* Legal in every field; with up to four entries if messages of this type carry any. */
void wire_sample_draw(uint64_t *seed, uint32_t type, struct wire_sample *out);
/* Other entries for a message that was drawn. */
void wire_sample_draw_entries(uint64_t *seed, struct wire_sample *out, uint32_t count);
void wire_sample_draw_forward(uint64_t *seed, struct wire_forward *out_forward);
void wire_sample_draw_refused(uint64_t *seed, struct wire_refused *out_refused);
bool wire_sample_carries_entries(uint32_t type);

/* Appends the trailer. */
void wire_sample_seal(struct cs_buffer *bytes);
/* A msgpack-c write callback over a cs_buffer. */
int wire_sample_write(void *buffer, const char *data, size_t bytes);
/* The frame's array as msgpack-c sees it; it must be all there is before the trailer. */
void wire_sample_open(const struct cs_buffer *bytes, msgpack_unpacked *out_unpacked);

/*
 * The same frame, and valid trailer, with element `index` = `value`
 * (WIRE_SAMPLE_ARRAY_END: one more), and without the last `cut` elements.
 */
void wire_sample_rewrite(const struct cs_buffer *from,
                         uint32_t index,
                         uint64_t value,
                         uint32_t cut,
                         struct cs_buffer *out);

#endif
