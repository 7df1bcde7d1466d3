#include "port/clients.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { SWEEP_FIRST = 1024 }; // records kept before the first look for idle ones

static int compare(const struct client *left, const struct client *right)
{
    if (left->name_bytes != right->name_bytes) {
        return left->name_bytes < right->name_bytes ? -1 : 1;
    }
    return memcmp(left->name, right->name, left->name_bytes);
}

// What RB_GENERATE_STATIC does, but its __unused is missing from libbsd's own header.
// clang-format off
// cppcheck-suppress unknownMacro
RB_GENERATE_INTERNAL(client_tree, client, links, compare, static __attribute__((unused)))
// clang-format on

void clients_init(struct clients *clients)
{
    RB_INIT(&clients->tree);
    clients->count = 0;
    clients->sweep_at = SWEEP_FIRST;
}

static void unread_release(struct unread *unread)
{
    if (atomic_fetch_sub(&unread->holders, 1) == 1) {
        free(unread);
    }
}

static void forget(struct clients *clients, struct client *client)
{
    RB_REMOVE(client_tree, &clients->tree, client);
    clients->count--;
    unread_release(client->unread);
    free(client);
}

void clients_fini(struct clients *clients)
{
    while (!RB_EMPTY(&clients->tree)) {
        forget(clients, RB_ROOT(&clients->tree));
    }
}

/* Clients come and go under names of their own: without this the table would only grow. */
static void sweep(struct clients *clients)
{
    struct client *client = RB_MIN(client_tree, &clients->tree);
    while (client != NULL) {
        struct client *next = RB_NEXT(client_tree, &clients->tree, client);
        if (client->waiting_count == 0 && client_unread_bytes(client) == 0) {
            forget(clients, client);
        }
        client = next;
    }
    clients->sweep_at = SWEEP_FIRST + 2 * clients->count;
}

struct client *clients_get(struct clients *clients, struct cs_view name)
{
    struct client wanted = {.name_bytes = (uint32_t)name.bytes};
    CHECK(name.bytes <= CLIENT_NAME_BYTES_MAX);
    memcpy(wanted.name, name.data, name.bytes);
    struct client *client = RB_FIND(client_tree, &clients->tree, &wanted);
    if (client != NULL) {
        return client;
    }
    if (clients->count >= clients->sweep_at) {
        sweep(clients);
    }
    client = calloc(1, sizeof *client);
    CHECK(client != NULL);
    client->unread = calloc(1, sizeof *client->unread);
    CHECK(client->unread != NULL);
    atomic_store(&client->unread->holders, 1);
    client->name_bytes = wanted.name_bytes;
    memcpy(client->name, wanted.name, wanted.name_bytes);
    (void)RB_INSERT(client_tree, &clients->tree, client);
    clients->count++;
    return client;
}

uint64_t client_unread_bytes(const struct client *client)
{
    return atomic_load(&client->unread->bytes);
}

struct block { // what libzmq holds of an answer
    struct unread *unread;
    size_t bytes;
    uint8_t data[];
};

static void free_block(void *data, void *hint)
{
    struct block *block = hint;
    (void)data; // block->data
    atomic_fetch_sub(&block->unread->bytes, block->bytes);
    unread_release(block->unread);
    free(block);
}

void client_make_answer(struct client *client, struct cs_view bytes, void *out_message)
{
    struct block *block = malloc(sizeof *block + bytes.bytes);
    CHECK(block != NULL);
    block->unread = client->unread;
    block->bytes = bytes.bytes;
    memcpy(block->data, bytes.data, bytes.bytes);
    atomic_fetch_add(&client->unread->bytes, bytes.bytes);
    atomic_fetch_add(&client->unread->holders, 1);
    CHECK(zmq_msg_init_data(out_message, block->data, bytes.bytes, free_block, block) ==
          0);
}
