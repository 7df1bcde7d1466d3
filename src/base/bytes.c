#include "base/bytes.h"

#include "base/check.h"

#include <stdlib.h>

enum { FIRST_CAPACITY_BYTES = 256 };

uint8_t *buffer_extend(struct cs_buffer *buffer, size_t bytes)
{
    size_t wanted = buffer->bytes + bytes;
    CHECK(wanted >= bytes);
    if (wanted > buffer->capacity_bytes) {
        size_t capacity = buffer->capacity_bytes;
        capacity = capacity == 0 ? FIRST_CAPACITY_BYTES : capacity;
        while (capacity < wanted) {
            capacity *= 2;
        }
        uint8_t *data = realloc(buffer->data, capacity);
        CHECK(data != NULL); // no memory: nothing sensible is left to do
        buffer->data = data;
        buffer->capacity_bytes = capacity;
    }
    uint8_t *at = buffer->data + buffer->bytes;
    buffer->bytes = wanted;
    return at;
}

void buffer_append(struct cs_buffer *buffer, const void *data, size_t bytes)
{
    if (bytes > 0) {
        memcpy(buffer_extend(buffer, bytes), data, bytes);
    }
}

void buffer_fini(struct cs_buffer *buffer)
{
    free(buffer->data);
    buffer->data = NULL;
    buffer->bytes = 0;
    buffer->capacity_bytes = 0;
}
