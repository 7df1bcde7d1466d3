#include "engine/batch.h"

#include "base/check.h"

#include <stdlib.h>

struct write_item *write_item_new(const struct command_origin *origin,
                                  struct cs_view command)
{
    CHECK(command.bytes > 0);
    CHECK(command.bytes <= UINT32_MAX);
    struct write_item *item = malloc(sizeof *item + command.bytes);
    CHECK(item != NULL);
    *item = (struct write_item){.origin = *origin};
    item->command_bytes = (uint32_t)command.bytes;
    memcpy(item->command, command.data, command.bytes);
    return item;
}

void write_item_destroy(struct write_item **item)
{
    free(*item);
    *item = NULL;
}

static void count_in(struct write_queue *queue, const struct write_item *item)
{
    if (item->waiter != NULL) {
        queue->own_count++;
        return;
    }
    queue->foreign_count++;
    queue->foreign_bytes += item->command_bytes;
}

static void count_out(struct write_queue *queue, const struct write_item *item)
{
    if (item->waiter != NULL) {
        queue->own_count--;
        return;
    }
    queue->foreign_count--;
    queue->foreign_bytes -= item->command_bytes;
}

void write_queue_push(struct write_queue *queue, struct write_item *item)
{
    item->next = NULL;
    item->previous = queue->last;
    if (queue->last != NULL) {
        queue->last->next = item;
    } else {
        queue->first = item;
    }
    queue->last = item;
    count_in(queue, item);
}

void write_queue_remove(struct write_queue *queue, struct write_item *item)
{
    if (item->previous != NULL) {
        item->previous->next = item->next;
    } else {
        CHECK(queue->first == item);
        queue->first = item->next;
    }
    if (item->next != NULL) {
        item->next->previous = item->previous;
    } else {
        CHECK(queue->last == item);
        queue->last = item->previous;
    }
    item->next = NULL;
    item->previous = NULL;
    count_out(queue, item);
}

void write_queue_fini(struct write_queue *queue)
{
    struct write_item *item = queue->first;
    while (item != NULL) {
        struct write_item *next = item->next;
        write_item_destroy(&item);
        item = next;
    }
    *queue = (struct write_queue){0};
}

struct write_pack write_queue_pack(const struct write_queue *queue,
                                   const struct batch_limits *limits,
                                   struct batch_builder *builder)
{
    struct write_pack pack = {0};
    batch_start(builder);
    for (struct write_item *item = queue->first; item != NULL; item = item->next) {
        if (pack.count > 0 &&
            (pack.count >= limits->commands ||
             batch_bytes_after(builder, item->command_bytes) > limits->bytes)) {
            break;
        }
        batch_append(builder, &item->origin, view_of(item->command, item->command_bytes));
        pack.count++;
        pack.seats_mask |= 1u << item->origin.seat;
    }
    return pack;
}
