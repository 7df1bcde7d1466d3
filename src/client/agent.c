#include "client/agent.h"

#include "base/check.h"
#include "base/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

enum { MESSAGES_A_TURN = 1000, ITEMS_MAX = 1 + 2 * CONSENS_ENDPOINTS_MAX };

struct agent *agent_new(const struct endpoints *endpoints)
{
    void *zmq_context = zmq_ctx_new();
    if (zmq_context == NULL) {
        return NULL;
    }
    struct agent *agent = calloc(1, sizeof *agent);
    CHECK(agent != NULL);
    agent->zmq_context = zmq_context;
    agent->link_count = endpoints->count;
    for (uint32_t i = 0; i < endpoints->count; i++) {
        agent->links[i].endpoint = endpoints->items[i];
        agent->links[i].trouble = "";
    }
    for (uint32_t i = 0; i < AGENT_SLOTS; i++) {
        agent->free_slots[i] = i;
    }
    agent->free_count = AGENT_SLOTS;
    agent->scan_at_ms = UINT64_MAX;
    TAILQ_INIT(&agent->active);
    (void)zmq_msg_init(&agent->message);
    return agent;
}

void agent_destroy(struct agent **agent_slot)
{
    struct agent *agent = *agent_slot;
    if (agent == NULL) {
        return;
    }
    for (uint32_t i = 0; i < agent->link_count; i++) {
        link_close(&agent->links[i]);
    }
    (void)zmq_msg_close(&agent->message);
    (void)zmq_ctx_term(agent->zmq_context);
    outcome_fini(&agent->session_refusal);
    buffer_fini(&agent->packed);
    free(agent);
    *agent_slot = NULL;
}

/* Takes over what was submitted. False: the client is closing. */
static bool take_submitted(struct agent *agent)
{
    struct consens_client *client = agent->client;
    struct future_list list = STAILQ_HEAD_INITIALIZER(list);
    uint64_t count = 0;
    CHECK(pthread_mutex_lock(&client->lock) == 0);
    if (client->is_woken) {
        client->is_woken = false;
        CHECK(read(client->wake_descriptor, &count, sizeof count) > 0);
        agent->must_scan = true; // cancelled calls are found so
    }
    STAILQ_CONCAT(&list, &client->submitted);
    bool is_closing = client->is_closing;
    CHECK(pthread_mutex_unlock(&client->lock) == 0);
    while (!STAILQ_EMPTY(&list)) {
        struct consens_future *future = STAILQ_FIRST(&list);
        STAILQ_REMOVE_HEAD(&list, in_submitted);
        calls_take(agent, future);
    }
    return !is_closing;
}

/* ---- links ------------------------------------------------------------------------- */

static void lose_link(struct agent *agent, uint32_t index, uint64_t now_ms)
{
    struct link *link = &agent->links[index];
    link_fail(link, link->trouble, now_ms);
    calls_lose_link(agent, index, now_ms);
}

/* False: what came is no answer. */
static bool receive(struct agent *agent, uint32_t index, uint64_t now_ms)
{
    struct link *link = &agent->links[index];
    bool is_one = false;
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        if (!link_receive(link, &agent->message, &is_one)) {
            return true;
        }
        struct client_reply reply;
        struct cs_view bytes =
            view_of(zmq_msg_data(&agent->message), zmq_msg_size(&agent->message));
        if (!is_one || !client_reply_unpack(bytes, &reply)) {
            link->trouble = "it answered with bytes that are no answer of the protocol";
            return false;
        }
        calls_answer(agent, index, &reply, now_ms);
    }
    return true;
}

/* Answers first: the end of a connection may lie behind them. */
static void serve_link(struct agent *agent, uint32_t index, uint64_t now_ms)
{
    struct link *link = &agent->links[index];
    if (link->state == LINK_CLOSED) {
        return;
    }
    enum link_state before = link->state;
    bool is_well = receive(agent, index, now_ms);
    if (is_well && !link_look(link, now_ms)) {
        const char *trouble = link->trouble;
        (void)receive(agent, index, now_ms);
        link->trouble = trouble;
        is_well = false;
    }
    if (!is_well) {
        lose_link(agent, index, now_ms);
    } else if (link->state != before) {
        agent->must_scan = true;
    }
}

/* ---- the loop ---------------------------------------------------------------------- */

static void wait_for_news(struct agent *agent, uint64_t now_ms)
{
    zmq_pollitem_t items[ITEMS_MAX] = {
        {.fd = agent->client->wake_descriptor, .events = ZMQ_POLLIN}};
    int count = 1;
    uint64_t until_ms = agent->must_scan ? now_ms : agent->scan_at_ms;
    for (uint32_t i = 0; i < agent->link_count; i++) {
        const struct link *link = &agent->links[i];
        if (link->state == LINK_CLOSED) {
            continue;
        }
        items[count++] = (zmq_pollitem_t){.socket = link->dealer, .events = ZMQ_POLLIN};
        items[count++] = (zmq_pollitem_t){.socket = link->monitor, .events = ZMQ_POLLIN};
        if (link->state == LINK_CONNECTING && link->due_ms < until_ms) {
            until_ms = link->due_ms;
        }
    }
    uint64_t wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    (void)zmq_poll(items, count, wait_ms < INT_MAX ? (long)wait_ms : -1);
}

/* Callbacks may send and set callbacks: until there is nothing left. */
static void end(struct consens_client *client)
{
    bool is_closed = false;
    calls_end_all(client->agent);
    while (!is_closed) {
        (void)client_run_callbacks(client);
        CHECK(pthread_mutex_lock(&client->lock) == 0);
        client->is_closed = TAILQ_EMPTY(&client->callbacks);
        is_closed = client->is_closed;
        CHECK(pthread_mutex_unlock(&client->lock) == 0);
    }
}

void *agent_run(void *context)
{
    struct consens_client *client = context;
    struct agent *agent = client->agent;
    agent->client = client;
    while (take_submitted(agent)) {
        uint64_t now_ms = clock_now_ms();
        for (uint32_t i = 0; i < agent->link_count; i++) {
            serve_link(agent, i, now_ms);
        }
        if (agent->must_scan || now_ms >= agent->scan_at_ms) {
            calls_scan(agent, now_ms);
        }
        // What callbacks send is in the queue, and has woken the poll.
        if (!client_run_callbacks(client)) {
            wait_for_news(agent, now_ms);
        }
    }
    end(client);
    return NULL;
}
