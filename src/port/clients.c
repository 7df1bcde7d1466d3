#include "port/clients.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    SWEEP_FIRST = 1024,        // records kept before the first look for idle ones
    SMALL_ANSWER_WEIGHT = 512, // what one takes within libzmq, at most
};

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

static struct unread *unread_new(struct unread *all)
{
    struct unread *unread = calloc(1, sizeof *unread);
    CHECK(unread != NULL);
    unread->all = all;
    atomic_store(&unread->holders, 1);
    if (all != NULL) {
        atomic_fetch_add(&all->holders, 1);
    }
    return unread;
}

static void unread_release(struct unread *unread)
{
    while (unread != NULL && atomic_fetch_sub(&unread->holders, 1) == 1) {
        struct unread *all = unread->all;
        free(unread);
        unread = all; // it has held that one
    }
}

void clients_init(struct clients *clients)
{
    *clients = (struct clients){.sweep_at = SWEEP_FIRST, .unread = unread_new(NULL)};
    RB_INIT(&clients->tree);
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
    unread_release(clients->unread);
}

/* Clients come and go under names of their own: without this the table would only grow. */
static void sweep(struct clients *clients)
{
    struct client *client = RB_MIN(client_tree, &clients->tree);
    while (client != NULL) {
        struct client *next = RB_NEXT(client_tree, &clients->tree, client);
        if (client->load.requests == 0 && atomic_load(&client->unread->bytes) == 0) {
            forget(clients, client);
        }
        client = next;
    }
    clients->sweep_at = SWEEP_FIRST + 2 * clients->count;
}

struct client *clients_get(struct clients *clients, struct cs_view name)
{
    struct client wanted = {.name_bytes = (uint32_t)name.bytes};
    if (name.bytes > CLIENT_NAME_BYTES_MAX) {
        return NULL;
    }
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
    client->unread = unread_new(clients->unread);
    client->name_bytes = wanted.name_bytes;
    memcpy(client->name, wanted.name, wanted.name_bytes);
    (void)RB_INSERT(client_tree, &clients->tree, client);
    clients->count++;
    return client;
}

static bool is_fair(uint64_t own, uint64_t own_max, uint64_t all, uint64_t all_max)
{
    return own <= own_max && own + all <= all_max;
}

bool clients_may_ask(const struct clients *clients, const struct client *client)
{
    const struct client_load *own = &client->load;
    const struct client_load *all = &clients->load;
    return is_fair(own->requests, LIMIT_CLIENT_REQUESTS_WAITING, all->requests,
                   LIMIT_REQUESTS_WAITING) &&
           is_fair(own->bytes, LIMIT_CLIENT_REQUEST_BYTES_WAITING, all->bytes,
                   LIMIT_REQUEST_BYTES_WAITING);
}

static uint64_t
count_unread(const struct client_load *load, struct unread *unread, uint64_t more_bytes)
{
    return load->answer_bytes + atomic_load(&unread->bytes) + more_bytes;
}

bool clients_may_answer(const struct clients *clients,
                        const struct client *client,
                        uint64_t bytes)
{
    return is_fair(
        count_unread(&client->load, client->unread, bytes), LIMIT_CLIENT_UNREAD_BYTES,
        count_unread(&clients->load, clients->unread, bytes), LIMIT_UNREAD_BYTES);
}

bool clients_may_send(const struct clients *clients,
                      const struct client *client,
                      uint64_t bytes)
{
    return is_fair(
        count_unread(&client->load, client->unread, bytes), LIMIT_CLIENT_UNREAD_BYTES_MAX,
        count_unread(&clients->load, clients->unread, bytes), LIMIT_UNREAD_BYTES_MAX);
}

struct block { // what libzmq holds of an answer
    struct unread *unread;
    size_t weight; // in bytes, of this answer and small ones before it
    uint8_t data[];
};

static void free_block(void *data, void *hint)
{
    struct block *block = hint;
    (void)data; // block->data
    atomic_fetch_sub(&block->unread->bytes, block->weight);
    atomic_fetch_sub(&block->unread->all->bytes, block->weight);
    unread_release(block->unread);
    free(block);
}

/* Counting each by itself would cost more than it is worth. */
static bool is_uncounted(struct client *client, struct cs_view bytes)
{
    if (bytes.bytes > CLIENT_SMALL_ANSWER_BYTES) {
        return false;
    }
    client->small_count = (client->small_count + 1) % CLIENT_SMALL_ANSWERS;
    return client->small_count != 0 || MUTANT_IS(299);
}

void client_make_answer(struct client *client, struct cs_view bytes, void *out_message)
{
    if (is_uncounted(client, bytes)) {
        CHECK(zmq_msg_init_size(out_message, bytes.bytes) == 0);
        memcpy(zmq_msg_data(out_message), bytes.data, bytes.bytes);
        return;
    }
    struct block *block = malloc(sizeof *block + bytes.bytes);
    CHECK(block != NULL);
    block->unread = client->unread;
    block->weight = bytes.bytes > CLIENT_SMALL_ANSWER_BYTES
                        ? bytes.bytes
                        : (size_t)CLIENT_SMALL_ANSWERS * SMALL_ANSWER_WEIGHT;
    memcpy(block->data, bytes.data, bytes.bytes);
    atomic_fetch_add(&client->unread->bytes, block->weight);
    atomic_fetch_add(&client->unread->all->bytes, block->weight);
    atomic_fetch_add(&client->unread->holders, 1);
    CHECK(zmq_msg_init_data(out_message, block->data, bytes.bytes, free_block, block) ==
          0);
}
