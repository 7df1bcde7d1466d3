/*
 * input.h - what the targets of this folder share: libFuzzer's entry point, and a cursor
 * that makes choices out of the input's bytes. Past the end all choices are 0, so that
 * every input means something and a shorter one means less.
 *
 * A target's oracle is CHECK (base/check.h): it aborts, under libFuzzer and in the replay
 * of the corpus alike.
 *
 * Thread: any; an input belongs to its caller.
 */
#ifndef CONSENS_TESTS_FUZZ_INPUT_H
#define CONSENS_TESTS_FUZZ_INPUT_H

#include "base/bytes.h"
#include "base/check.h"

#include <stdbool.h>

/* Takes one input; always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct input {
    const uint8_t *at;
    size_t left_bytes;
};

static inline struct input input_over(const uint8_t *data, size_t bytes)
{
    struct input input = {.at = data, .left_bytes = bytes};
    return input;
}

/* As many of `bytes` as are left. Valid as long as the input. */
static inline struct cs_view input_take(struct input *input, size_t bytes)
{
    size_t taken = bytes < input->left_bytes ? bytes : input->left_bytes;
    struct cs_view view = view_of(input->at, taken);
    input->at = taken == 0 ? input->at : input->at + taken;
    input->left_bytes -= taken;
    return view;
}

static inline struct cs_view input_rest(struct input *input)
{
    return input_take(input, input->left_bytes);
}

/* Little endian, of up to eight bytes. */
static inline uint64_t input_take_number(struct input *input, size_t bytes)
{
    struct cs_view view = input_take(input, bytes);
    uint64_t number = 0;
    for (size_t i = 0; i < view.bytes; i++) {
        number |= (uint64_t)view.data[i] << (8 * i);
    }
    return number;
}

static inline uint8_t input_take_byte(struct input *input)
{
    return (uint8_t)input_take_number(input, 1);
}

/* 0 .. bound - 1; small bounds take a byte, others two or four. */
static inline uint32_t input_take_below(struct input *input, uint32_t bound)
{
    size_t bytes = bound <= 0x100 ? 1 : bound <= 0x10000 ? 2 : 4;
    return (uint32_t)(input_take_number(input, bytes) % bound);
}

#endif
