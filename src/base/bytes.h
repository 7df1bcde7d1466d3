/*
 * bytes.h - borrowed and owned runs of bytes, and little-endian fields.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_BYTES_H
#define CONSENS_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cs_view { // borrowed; whoever hands it out says how long it is valid
    const uint8_t *data;
    size_t bytes;
};

struct cs_buffer { // owned and growing; buffer_fini() frees
    uint8_t *data;
    size_t bytes;
    size_t capacity_bytes;
};

/*
 * Room for `bytes` more; returns where they go and counts them in. Aborts without
 * memory.
 */
uint8_t *buffer_extend(struct cs_buffer *buffer, size_t bytes);
void buffer_append(struct cs_buffer *buffer, const void *data, size_t bytes);
void buffer_fini(struct cs_buffer *buffer);

static inline struct cs_view view_of(const void *data, size_t bytes)
{
    struct cs_view view = {.data = data, .bytes = bytes};
    return view;
}

static inline struct cs_view view_of_buffer(const struct cs_buffer *buffer)
{
    return view_of(buffer->data, buffer->bytes);
}

static inline void store_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline void store_u64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(value >> (8 * i));
    }
}

static inline uint32_t load_u32(const uint8_t *from)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        value |= (uint32_t)from[i] << (8 * i);
    }
    return value;
}

static inline uint64_t load_u64(const uint8_t *from)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value |= (uint64_t)from[i] << (8 * i);
    }
    return value;
}

#endif
