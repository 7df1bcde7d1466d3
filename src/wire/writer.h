/*
 * writer.h - msgpack-c's packer over a cs_buffer: integers in their shortest form, byte
 * strings as bin. The counterpart of reader.h, seen by this folder only.
 *
 * Packing cannot fail: a cs_buffer grows or aborts.
 *
 * Thread: any; a packer belongs to its caller.
 */
#ifndef CONSENS_WIRE_WRITER_H
#define CONSENS_WIRE_WRITER_H

#include "base/bytes.h"

#include <msgpack.h>

static inline int writer_append(void *buffer, const char *data, size_t bytes)
{
    buffer_append(buffer, data, bytes);
    return 0;
}

static inline msgpack_packer writer_over(struct cs_buffer *out)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, writer_append);
    return packer;
}

static inline void writer_put_u64(msgpack_packer *packer, uint64_t value)
{
    (void)msgpack_pack_uint64(packer, value);
}

static inline void writer_put_array(msgpack_packer *packer, size_t count)
{
    (void)msgpack_pack_array(packer, count);
}

static inline void writer_put_bytes(msgpack_packer *packer, struct cs_view view)
{
    (void)msgpack_pack_bin_with_body(packer, view.data, view.bytes);
}

#endif
