/*
 * batch.h - writes that wait to be proposed or forwarded, and their packing into one
 * payload.
 *
 * First in, first out. On a leader the queue also holds commands of other nodes'
 * clients ("foreign": they have no waiter here). An item leaves the queue exactly once:
 * into a proposal, into a FORWARD frame, into a refusal, or at its client's deadline.
 *
 * Thread: engine only.
 */
#ifndef CONSENS_ENGINE_BATCH_H
#define CONSENS_ENGINE_BATCH_H

#include "wire/command.h"

struct waiter;

struct write_item {
    struct write_item *next;
    struct write_item *previous;
    struct command_origin origin;
    struct waiter *waiter; // NULL: foreign
    uint64_t sequence;     // foreign: of the FORWARD frame it came in
    uint32_t command_bytes;
    uint8_t command[]; // command_pack()
};

struct write_queue {
    struct write_item *first;
    struct write_item *last;
    uint32_t own_count;
    uint32_t foreign_count;
    uint64_t foreign_bytes;
};

struct batch_limits {
    uint32_t commands;
    uint64_t bytes;
};

/* A copy of `command`, in no queue. */
struct write_item *write_item_new(const struct command_origin *origin,
                                  struct cs_view command);
/* Takes an item that is in no queue. */
void write_item_destroy(struct write_item **item);

void write_queue_push(struct write_queue *queue, struct write_item *item);
void write_queue_remove(struct write_queue *queue, struct write_item *item);
/* Frees all items. */
void write_queue_fini(struct write_queue *queue);

struct write_pack {
    uint32_t count;      // items packed
    uint32_t seats_mask; // of the nodes whose clients wait for them
};

/*
 * Packs items from the front into `builder` (started here) as long as they fit, at
 * least one. The queue is unchanged; the caller removes that many once they are handed
 * on.
 */
struct write_pack write_queue_pack(const struct write_queue *queue,
                                   const struct batch_limits *limits,
                                   struct batch_builder *builder);

#endif
