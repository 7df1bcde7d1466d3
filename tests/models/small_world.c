#include "models/small_world.h"

#include "base/check.h"
#include "base/digest.h"

#include <stdio.h>
#include <string.h>

enum { START_MS = 1000, RESEND_MS = 100, SYNC_US = 100, WINDOW = 2, PAYLOAD_BYTES = 10 };
enum {
    ROUNDS_MAX = 12
}; // until a node that hears one unhappy voter must have taken over

static struct paxos_effects effects; // of the last step

/* ---- identity ---- */

static struct paxos_id incarnation_of(uint32_t seat)
{
    return (struct paxos_id){.high = 7, .low = 1 + seat};
}

static struct paxos_config make_config(void)
{
    struct paxos_config config = {.cluster_id = {.high = 9, .low = 9},
                                  .epoch = 1,
                                  .member_count = NODES,
                                  .started = 1};
    for (uint32_t seat = 0; seat < NODES; seat++) {
        config.node[seat] = seat + 1;
        config.incarnation[seat] = incarnation_of(seat);
    }
    return config;
}

/* A message that another seat could have written. */
static struct paxos_message make_message(uint32_t type, uint32_t from, uint32_t to)
{
    return (struct paxos_message){.type = type,
                                  .from = from,
                                  .to = to,
                                  .epoch = 1,
                                  .cluster_id = {.high = 9, .low = 9},
                                  .from_incarnation = incarnation_of(from),
                                  .to_incarnation = incarnation_of(to)};
}

struct paxos_core *world_core(struct small_node *node)
{
    return (void *)node->memory;
}

static struct paxos_view view_of(const struct small_node *node)
{
    return paxos_view_of((const void *)node->memory);
}

/* ---- what a step asks for ---- */

static void post(struct small_world *world, uint32_t from, uint32_t number)
{
    const struct letter *letter = letters_at((uint16_t)number);
    judge_sent(world, from, letter);
    if (letter->message.type == PAXOS_PREPARE_REQUEST) {
        if (world->budget.requests == 0) {
            return; // lost
        }
        world->budget.requests--;
    }
    for (uint32_t i = 0; i < world->under_way_count; i++) {
        if (world->under_way[i] == number) {
            return; // the second of two equal ones is lost; doubling has its own budget
        }
    }
    CHECK(world->under_way_count < UNDER_WAY_MAX);
    world->under_way[world->under_way_count++] = (uint16_t)number;
}

/* Elections and the gate are the walk's. */
static bool is_oracles(uint32_t type)
{
    return type < PAXOS_PREPARE || type == PAXOS_HANDOVER;
}

static cs_slot entries_after(const struct paxos_message *message)
{
    return message->type == PAXOS_ACCEPT_SYNC ? message->accept_sync.from
           : message->type == PAXOS_ACCEPT    ? message->accept.previous
                                              : message->log.from;
}

static struct letter make_letter(struct small_node *node,
                                 const struct paxos_message *message)
{
    struct letter letter;
    memset(&letter, 0, sizeof letter);
    letter.message = *message;
    letter.message.entries = NULL;
    CHECK(message->entry_count <= LETTER_ENTRIES);
    for (uint32_t i = 0; i < message->entry_count; i++) {
        letter.entries[i] =
            *paxos_entry_at(world_core(node), entries_after(message) + 1 + i);
    }
    return letter;
}

static void send_all(struct small_world *world,
                     uint32_t at,
                     const struct paxos_message *messages,
                     uint32_t count,
                     uint64_t token)
{
    struct small_node *node = &world->nodes[at];
    for (uint32_t i = 0; i < count; i++) {
        if (is_oracles(messages[i].type)) {
            continue;
        }
        struct letter letter = make_letter(node, &messages[i]);
        judge_created(world, at, &letter);
        uint32_t number = letters_keep(&letter);
        if (token <= view_of(node).durable_token) {
            post(world, at, number);
            continue;
        }
        CHECK(node->waiting_count < WAITING_MAX);
        node->waiting[node->waiting_count++] =
            (struct pending_letter){.token = token, .letter = number};
    }
}

/* The log as this record leaves it, from the core's memory at this moment. */
static void keep_record(struct small_node *node, const struct paxos_persist *persist)
{
    if (persist->kind == PAXOS_PERSIST_NONE) {
        return;
    }
    CHECK(node->record_count < RECORDS_MAX);
    struct pending_record *record = &node->records[node->record_count];
    const struct log_image *before = node->record_count > 0
                                         ? &node->records[node->record_count - 1].image
                                         : &node->disk;
    struct log_image image = *before;
    image.promised = persist->promised;
    image.accepted = persist->accepted;
    if (persist->kind != PAXOS_PERSIST_PROMISE) {
        CHECK(persist->length <= SLOTS_MAX);
        CHECK(persist->first_slot - 1 <= before->length);
        image.length = persist->length;
        memset(&image.entries[persist->first_slot - 1], 0,
               (SLOTS_MAX + 1 - persist->first_slot) * sizeof image.entries[0]);
        for (uint32_t i = 0; i < persist->entry_count; i++) {
            cs_slot slot = persist->first_slot + i;
            image.entries[slot - 1] = *paxos_entry_at(world_core(node), slot);
        }
    }
    *record = (struct pending_record){.token = persist->token, .image = image};
    node->record_count++;
}

static void serve(struct small_world *world, uint32_t at)
{
    const struct paxos_serve *wanted = &effects.serve;
    if (!wanted->wanted) {
        return;
    }
    struct paxos_core *core = world_core(&world->nodes[at]);
    struct paxos_message message;
    paxos_stamp(core, PAXOS_ENTRIES, wanted->to, &message);
    uint64_t count = wanted->last - wanted->first + 1;
    uint32_t limit = world->budget.message_entries;
    message.ballot = wanted->ballot;
    message.entry_count = count < limit ? (uint32_t)count : limit;
    message.log.from = wanted->first - 1;
    message.log.from_chain = paxos_chain_at(core, wanted->first - 1);
    message.log.decided = view_of(&world->nodes[at]).decided;
    send_all(world, at, &message, 1, 0);
}

static void step(struct small_world *world, uint32_t at, struct paxos_event event)
{
    struct small_node *node = &world->nodes[at];
    event.now_ms = node->now_ms;
    paxos_step(world_core(node), &event, &effects);
    keep_record(node, &effects.persist);
    judge_step(world, at, &effects);
    send_all(world, at, effects.messages_now, effects.now_count, 0);
    send_all(world, at, effects.messages_after_sync, effects.after_sync_count,
             effects.after_sync_token);
    serve(world, at);
}

static void
receive(struct small_world *world, uint32_t at, const struct paxos_message *message)
{
    step(world, at,
         (struct paxos_event){.type = PAXOS_EVENT_MESSAGE, .message = message});
}

/* ---- life ---- */

static void open_gate(struct small_world *world, uint32_t at)
{
    struct small_node *node = &world->nodes[at];
    for (uint32_t seat = 0; seat < NODES; seat++) {
        struct paxos_message message = make_message(PAXOS_HELLO_REPLY, seat, at);
        message.hello_reply.author = seat;
        message.hello_reply.about = at;
        message.hello_reply.author_incarnation = incarnation_of(seat);
        message.hello_reply.author_cluster_id = message.cluster_id;
        message.hello_reply.about_boot = node->boot;
        message.hello_reply.about_nonce = node->boot;
        message.hello_reply.known_incarnation = incarnation_of(at);
        if (seat != at) {
            receive(world, at, &message);
        }
    }
    CHECK(view_of(node).role == PAXOS_FOLLOWER);
}

static void start_node(struct small_world *world, uint32_t at)
{
    struct small_node *node = &world->nodes[at];
    node->boot++;
    node->record_count = node->waiting_count = 0;
    node->read_done = 0;
    node->decided = 0;
    memset(node->read_floor, 0, sizeof node->read_floor);
    struct paxos_settings settings = {.seat = at,
                                      .member_count = NODES,
                                      .incarnation = incarnation_of(at),
                                      .fresh_cluster_id = {.high = 99, .low = 1},
                                      .boot = node->boot,
                                      .nonce = node->boot,
                                      .seed = 1,
                                      .now_ms = node->now_ms,
                                      .heartbeat_ms = 50,
                                      .resend_ms = RESEND_MS,
                                      .stall_ms = 100 * 1000,
                                      .read_retry_ms = 150,
                                      .window_entries = WINDOW,
                                      .window_bytes = 1000 * 1000,
                                      .ring_entries = RING,
                                      .ring_bytes = 1000 * 1000,
                                      .message_entries = world->budget.message_entries,
                                      .message_bytes = 1000 * 1000};
    CHECK(paxos_core_bytes(&settings) <= CORE_BYTES);
    struct paxos_recovered recovered = {.config = make_config(),
                                        .promised = node->disk.promised,
                                        .accepted = node->disk.accepted,
                                        .length = node->disk.length,
                                        .block = 10,
                                        .tail_count = (uint32_t)node->disk.length,
                                        .tail = node->disk.entries};
    memset(node->memory, 0, sizeof node->memory);
    CHECK(paxos_init(node->memory, &settings, &recovered) == world_core(node));
    step(world, at, (struct paxos_event){.type = PAXOS_EVENT_TICK});
    open_gate(world, at);
}

void world_begin(struct small_world *world, const struct budget *budget)
{
    memset(world, 0, sizeof *world);
    world->budget = *budget;
    for (uint32_t at = 0; at < NODES; at++) {
        world->nodes[at].now_ms = START_MS;
        start_node(world, at);
    }
    for (uint32_t at = 0; at < NODES; at++) {
        world->nodes[at].hash = hash_node(&world->nodes[at], budget->message_entries);
    }
}

/* ---- elections as the walk wants them ---- */

static uint64_t round_asked(uint32_t to)
{
    for (uint32_t i = 0; i < effects.now_count; i++) {
        const struct paxos_message *message = &effects.messages_now[i];
        if (message->type == PAXOS_HEARTBEAT && message->to == to) {
            return message->heartbeat.round;
        }
    }
    return 0;
}

/*
 * Time passes for this node, and in each round it hears one voter: an unhappy one makes it
 * take over, a happy one that has decided more makes it Fetch.
 */
static void hear_rounds(struct small_world *world, uint32_t at, uint32_t from, bool happy)
{
    struct small_node *node = &world->nodes[at];
    struct small_node *other = &world->nodes[from];
    struct paxos_view seen = view_of(other);
    struct paxos_message reply = make_message(PAXOS_HEARTBEAT_REPLY, from, at);
    reply.boot = other->boot;
    reply.heartbeat_reply.happy = happy;
    if (happy) {
        reply.heartbeat_reply.decided =
            seen.decided < seen.durable ? seen.decided : seen.durable;
        reply.heartbeat_reply.decided_chain =
            paxos_chain_at(world_core(other), reply.heartbeat_reply.decided);
    }
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        node->now_ms += RESEND_MS / 2 + RESEND_MS / 10;
        step(world, at, (struct paxos_event){.type = PAXOS_EVENT_TICK});
        if (view_of(node).role != PAXOS_FOLLOWER || (happy && round == 3)) {
            return;
        }
        reply.heartbeat_reply.round = round_asked(from);
        if (reply.heartbeat_reply.round != 0) {
            receive(world, at, &reply);
        }
    }
}

/* ---- letters that nobody will look at again ---- */

/* The proposer of this ballot has moved on, crashed or was ended: it never comes back. */
static bool is_over(const struct small_world *world, struct paxos_ballot ballot)
{
    struct paxos_view view = view_of(&world->nodes[ballot.node - 1]);
    return view.role == PAXOS_FOLLOWER ||
           paxos_ballot_compare(view.promised, ballot) != 0;
}

static bool is_dead(const struct small_world *world, const struct paxos_message *message)
{
    switch ((int)message->type) {
    case PAXOS_PROMISE:
    case PAXOS_ACCEPTED:
    case PAXOS_ROUND_ACK:
    case PAXOS_NACK:
        return is_over(world, message->ballot);
    case PAXOS_PREPARE:
    case PAXOS_ACCEPT_SYNC:
    case PAXOS_ACCEPT:
        // All it can do is to bring a Nack to a proposer that is no more.
        return is_over(world, message->ballot) &&
               paxos_ballot_compare(view_of(&world->nodes[message->to]).promised,
                                    message->ballot) > 0;
    default:
        return false;
    }
}

static void drop_dead(struct small_world *world)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < world->under_way_count; i++) {
        if (!is_dead(world, &letters_at(world->under_way[i])->message)) {
            world->under_way[kept++] = world->under_way[i];
        }
    }
    world->under_way_count = kept;
}

/* ---- actions ---- */

static void propose(struct small_world *world, uint32_t at)
{
    world->proposed++;
    step(world, at,
         (struct paxos_event){.type = PAXOS_EVENT_PROPOSE,
                              .entry = {.payload_bytes = PAYLOAD_BYTES,
                                        .type = PAXOS_ENTRY_BATCH,
                                        .digest = {.high = 1, .low = world->proposed}},
                              .waiting_seats = 1u << (at + 1) % NODES});
}

static uint64_t write_record(struct small_world *world, uint32_t at)
{
    struct small_node *node = &world->nodes[at];
    struct log_image before = node->disk;
    uint64_t token = node->records[0].token;
    node->disk = node->records[0].image;
    node->record_count--;
    memmove(&node->records[0], &node->records[1],
            node->record_count * sizeof node->records[0]);
    judge_disk(world, at, &before);
    return token;
}

static void finish_sync(struct small_world *world, uint32_t at)
{
    struct small_node *node = &world->nodes[at];
    uint64_t token = write_record(world, at);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < node->waiting_count; i++) {
        if (node->waiting[i].token <= token) {
            post(world, at, node->waiting[i].letter);
        } else {
            node->waiting[kept++] = node->waiting[i];
        }
    }
    node->waiting_count = kept;
    step(world, at,
         (struct paxos_event){.type = PAXOS_EVENT_PERSISTED,
                              .token = token,
                              .block = 10,
                              .sync_us = SYNC_US});
}

static void deliver(struct small_world *world, uint32_t at, uint32_t place, bool keeps)
{
    struct letter letter = *letters_at(world->under_way[place]);
    if (!keeps) {
        world->under_way_count--;
        memmove(&world->under_way[place], &world->under_way[place + 1],
                (world->under_way_count - place) * sizeof world->under_way[0]);
    }
    letter.message.entries = letter.entries;
    receive(world, at, &letter.message);
}

static void read_once(struct small_world *world, uint32_t at)
{
    // The read began now: what is decided anywhere may have been acknowledged (I13).
    struct small_node *node = &world->nodes[at];
    for (uint32_t i = 0; i < READS_MAX; i++) {
        if (i >= node->read_done && node->read_floor[i] == 0) {
            node->read_floor[i] = world->decided_max + 1;
            break;
        }
    }
    step(world, at, (struct paxos_event){.type = PAXOS_EVENT_READ});
}

void world_apply(struct small_world *world, struct action action)
{
    struct budget *budget = &world->budget;
    uint32_t at = action.node;
    switch ((enum action_kind)action.kind) {
    case ACTION_TAKE_OVER:
        budget->takeovers--;
        hear_rounds(world, at, (at + 1) % NODES, false);
        CHECK(view_of(&world->nodes[at]).role == PAXOS_PREPARING);
        break;
    case ACTION_PROPOSE:
        budget->proposals--;
        propose(world, at);
        break;
    case ACTION_SYNC:
        finish_sync(world, at);
        break;
    case ACTION_SYNC_CRASH:
        (void)write_record(world, at);
        budget->crashes--;
        start_node(world, at);
        break;
    case ACTION_CRASH:
        budget->crashes--;
        start_node(world, at);
        break;
    case ACTION_DELIVER:
        deliver(world, at, action.which, false);
        break;
    case ACTION_DELIVER_KEEP:
        budget->doubles--;
        deliver(world, at, action.which, true);
        break;
    case ACTION_FETCH:
        budget->fetches--;
        hear_rounds(world, at, action.which, true);
        break;
    case ACTION_TICK:
        budget->ticks--;
        world->nodes[at].now_ms += RESEND_MS + 1;
        step(world, at, (struct paxos_event){.type = PAXOS_EVENT_TICK});
        break;
    case ACTION_READ:
        budget->reads--;
        read_once(world, at);
        break;
    }
    drop_dead(world);
    world->nodes[at].hash = hash_node(&world->nodes[at], budget->message_entries);
}

static void
add(struct action *actions, uint32_t *count, uint32_t kind, uint32_t node, uint32_t which)
{
    CHECK(*count < ACTIONS_MAX);
    actions[(*count)++] = (struct action){.kind = (uint8_t)kind,
                                          .node = (uint8_t)node,
                                          .which = (uint8_t)which};
}

static void list_node(const struct small_world *world,
                      uint32_t at,
                      struct action *actions,
                      uint32_t *count)
{
    const struct budget *budget = &world->budget;
    const struct small_node *node = &world->nodes[at];
    struct paxos_view view = view_of(node);
    if (node->record_count > 0) {
        add(actions, count, ACTION_SYNC, at, 0);
    }
    if (budget->proposals > 0 && view.can_propose && view.length < SLOTS_MAX) {
        add(actions, count, ACTION_PROPOSE, at, 0);
    }
    if (budget->takeovers > 0 && view.role == PAXOS_FOLLOWER) {
        add(actions, count, ACTION_TAKE_OVER, at, 0);
    }
    if (budget->crashes > 0) {
        add(actions, count, ACTION_CRASH, at, 0);
        if (node->record_count > 0) {
            add(actions, count, ACTION_SYNC_CRASH, at, 0);
        }
    }
    if (budget->ticks > 0) {
        add(actions, count, ACTION_TICK, at, 0);
    }
    if (budget->reads > 0) {
        add(actions, count, ACTION_READ, at, 0);
    }
    for (uint32_t other = 0; other < NODES && budget->fetches > 0; other++) {
        if (view.role == PAXOS_FOLLOWER &&
            view_of(&world->nodes[other]).decided > view.decided) {
            add(actions, count, ACTION_FETCH, at, other);
        }
    }
}

uint32_t world_list_actions(const struct small_world *world, struct action *out_actions)
{
    uint32_t count = 0;
    for (uint32_t place = 0; place < world->under_way_count; place++) {
        uint32_t to = letters_at(world->under_way[place])->message.to;
        add(out_actions, &count, ACTION_DELIVER, to, place);
        if (world->budget.doubles > 0) {
            add(out_actions, &count, ACTION_DELIVER_KEEP, to, place);
        }
    }
    for (uint32_t at = 0; at < NODES; at++) {
        list_node(world, at, out_actions, &count);
    }
    return count;
}

struct paxos_digest world_hash(const struct small_world *world)
{
    // What is under way is a set: the order of the array says nothing.
    uint16_t sorted[UNDER_WAY_MAX];
    for (uint32_t i = 0; i < world->under_way_count; i++) {
        uint32_t at = i;
        while (at > 0 && sorted[at - 1] > world->under_way[i]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = world->under_way[i];
    }
    struct cs_digest under_way =
        digest_128(sorted, world->under_way_count * sizeof sorted[0], 1);
    // The ballots and what is chosen count too: they are what the judge compares with.
    struct cs_digest parts[] = {
        {world->nodes[0].hash.high, world->nodes[0].hash.low},
        {world->nodes[1].hash.high, world->nodes[1].hash.low},
        {world->nodes[2].hash.high, world->nodes[2].hash.low},
        under_way,
        digest_128(world->ballots, sizeof world->ballots, 2),
        digest_128(world->chosen, sizeof world->chosen, 3),
        digest_128(&world->budget, sizeof world->budget,
                   world->decided_max << 8 | world->proposed),
    };
    struct cs_digest digest = digest_128(parts, sizeof parts, 4);
    return (struct paxos_digest){.high = digest.high, .low = digest.low};
}

void world_describe(const struct small_world *world,
                    struct action action,
                    char *out_line,
                    size_t line_bytes)
{
    static const char *const names[] = {[ACTION_TAKE_OVER] = "takes over",
                                        [ACTION_PROPOSE] = "proposes",
                                        [ACTION_SYNC] = "syncs",
                                        [ACTION_CRASH] = "crashes",
                                        [ACTION_SYNC_CRASH] = "crashes, synced",
                                        [ACTION_DELIVER] = "receives",
                                        [ACTION_DELIVER_KEEP] = "receives (doubled)",
                                        [ACTION_FETCH] = "hears of decisions of",
                                        [ACTION_TICK] = "waits",
                                        [ACTION_READ] = "reads"};
    int used = snprintf(out_line, line_bytes, "n%u %s", action.node, names[action.kind]);
    bool is_delivery =
        action.kind == ACTION_DELIVER || action.kind == ACTION_DELIVER_KEEP;
    CHECK(used > 0 && (size_t)used < line_bytes);
    if (is_delivery) {
        const struct paxos_message *message =
            &letters_at(world->under_way[action.which])->message;
        (void)snprintf(out_line + used, line_bytes - (size_t)used,
                       " %s from n%u, ballot %u.%u, %u entries",
                       paxos_message_name(message->type), message->from,
                       message->ballot.round, message->ballot.node, message->entry_count);
    } else if (action.kind == ACTION_FETCH) {
        (void)snprintf(out_line + used, line_bytes - (size_t)used, " n%u", action.which);
    }
}
