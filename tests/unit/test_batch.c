/*
 * Waiting writes and their packing: first in first out, within the limits, nothing lost.
 */
#include "engine/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static char own; // stands for a waiter: only whether there is one matters here

static struct write_item *
push(struct write_queue *queue, uint32_t seat, uint64_t request_id, const char *value)
{
    struct command_origin origin = {.seat = seat, .boot = 3, .request_id = request_id};
    struct command command = {
        .operation = COMMAND_PUT,
        .key = view_of("k", 1),
        .value = view_of(value, strlen(value)),
    };
    struct cs_buffer packed = {0};
    command_pack(&packed, &command);
    struct write_item *item = write_item_new(&origin, view_of_buffer(&packed));
    item->waiter = seat == 0 ? (struct waiter *)(void *)&own : NULL;
    write_queue_push(queue, item);
    buffer_fini(&packed);
    return item;
}

static void batch_packs_in_order_of_arrival(void **state)
{
    (void)state;
    struct write_queue queue = {0};
    struct batch_builder builder = {0};
    struct batch_limits limits = {.commands = 10, .bytes = 10000};
    (void)push(&queue, 0, 1, "one");
    (void)push(&queue, 2, 2, "two");
    struct write_pack pack = write_queue_pack(&queue, &limits, &builder);
    assert_int_equal(pack.count, 2);
    assert_int_equal(pack.seats_mask, 0x5);
    struct reader reader;
    uint32_t count = 0;
    assert_true(batch_open(batch_seal(&builder), &reader, &count));
    assert_int_equal(count, 2);
    const char *values[] = {"one", "two"};
    for (uint64_t i = 0; i < 2; i++) {
        struct command_origin origin;
        struct command command;
        assert_true(batch_take(&reader, &origin, &command));
        assert_int_equal(origin.request_id, i + 1);
        assert_memory_equal(command.value.data, values[i], 3);
    }
    assert_true(reader_end(&reader));
    batch_fini(&builder);
    write_queue_fini(&queue);
}

static void batch_stops_at_the_count_limit(void **state)
{
    (void)state;
    struct write_queue queue = {0};
    struct batch_builder builder = {0};
    struct batch_limits limits = {.commands = 3, .bytes = 10000};
    for (uint64_t id = 1; id <= 5; id++) {
        (void)push(&queue, 0, id, "v");
    }
    assert_int_equal(write_queue_pack(&queue, &limits, &builder).count, 3);
    assert_int_equal(queue.own_count, 5); // unchanged until the caller removes them
    batch_fini(&builder);
    write_queue_fini(&queue);
}

static void batch_stops_at_the_byte_limit_but_takes_one(void **state)
{
    (void)state;
    struct write_queue queue = {0};
    struct batch_builder builder = {0};
    (void)push(&queue, 0, 1, "a value of some length");
    (void)push(&queue, 0, 2, "a value of some length");
    (void)push(&queue, 0, 3, "a value of some length");
    struct batch_limits limits = {.commands = 10, .bytes = 100};
    assert_int_equal(write_queue_pack(&queue, &limits, &builder).count, 2);
    assert_true(batch_seal(&builder).bytes <= 100);
    limits.bytes = 1;
    assert_int_equal(write_queue_pack(&queue, &limits, &builder).count, 1);
    batch_fini(&builder);
    write_queue_fini(&queue);
}

static void queue_removes_from_any_place(void **state)
{
    (void)state;
    struct write_queue queue = {0};
    struct write_item *items[3];
    for (uint64_t i = 0; i < 3; i++) {
        items[i] = push(&queue, i == 1 ? 1 : 0, i + 1, "v");
    }
    assert_int_equal(queue.own_count, 2);
    assert_int_equal(queue.foreign_count, 1);
    assert_int_equal(queue.foreign_bytes, items[1]->command_bytes);
    write_queue_remove(&queue, items[1]);
    assert_ptr_equal(queue.first, items[0]);
    assert_ptr_equal(queue.first->next, items[2]);
    assert_int_equal(queue.foreign_count, 0);
    assert_int_equal(queue.foreign_bytes, 0);
    write_queue_remove(&queue, items[2]);
    assert_ptr_equal(queue.last, items[0]);
    write_queue_remove(&queue, items[0]);
    assert_null(queue.first);
    assert_null(queue.last);
    for (int i = 0; i < 3; i++) {
        write_item_destroy(&items[i]);
        assert_null(items[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_packs_in_order_of_arrival),
        cmocka_unit_test(batch_stops_at_the_count_limit),
        cmocka_unit_test(batch_stops_at_the_byte_limit_but_takes_one),
        cmocka_unit_test(queue_removes_from_any_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
