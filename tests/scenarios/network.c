#include "scenarios/world.h"

#include <stdlib.h>
#include <string.h>

/* Messages on their way. A link keeps order; what is held comes late; cut links lose. */

static void remove_envelope(struct world *world, uint32_t at)
{
    free(world->envelopes[at].entries);
    world->envelopes[at] = world->envelopes[--world->envelope_count];
}

void network_clear(struct world *world)
{
    while (world->envelope_count > 0) {
        remove_envelope(world, world->envelope_count - 1);
    }
}

static bool rule_matches(const struct rule *rule, const struct envelope *envelope)
{
    return (rule->type == ANY || rule->type == (int)envelope->message.type) &&
           (rule->from == ANY || rule->from == envelope->from) &&
           (rule->to == ANY || rule->to == envelope->to);
}

static void remove_rule(struct world *world, uint32_t at)
{
    world->rule_count--;
    memmove(&world->rules[at], &world->rules[at + 1],
            (world->rule_count - at) * sizeof world->rules[0]);
}

/*
 * What the first rule that matches makes of it; a rule for the next K is then used
 * once.
 */
static enum envelope_state
apply_rules(struct world *world, const struct envelope *envelope, bool *out_is_dropped)
{
    *out_is_dropped = world->is_cut[envelope->from][envelope->to];
    for (uint32_t i = 0; i < world->rule_count && !*out_is_dropped; i++) {
        struct rule *rule = &world->rules[i];
        if (!rule_matches(rule, envelope)) {
            continue;
        }
        bool is_hold = rule->is_hold;
        if (rule->left != UINT32_MAX && --rule->left == 0) {
            remove_rule(world, i);
        }
        *out_is_dropped = !is_hold;
        return HELD;
    }
    return FLYING;
}

/* From here on it is the network's: cuts and rules apply. */
static void take_off(struct world *world, uint32_t at)
{
    struct envelope *envelope = &world->envelopes[at];
    checks_before_send(world, envelope->from, &envelope->message);
    bool is_dropped = false;
    envelope->state = apply_rules(world, envelope, &is_dropped);
    envelope->due_ms = world->now_ms + world->options.link_ms;
    envelope->sequence = world->sequence++;
    if (is_dropped) {
        remove_envelope(world, at);
    }
}

static void send_to(struct world *world,
                    int to,
                    const struct envelope *letter,
                    const struct paxos_entry *entries)
{
    CHECK(world->envelope_count < ENVELOPES_MAX);
    uint32_t at = world->envelope_count++;
    struct envelope *envelope = &world->envelopes[at];
    uint32_t count = letter->message.entry_count;
    *envelope = *letter;
    envelope->to = to;
    envelope->sequence = world->sequence++;
    envelope->entries = calloc(count + 1, sizeof *entries);
    CHECK(envelope->entries != NULL);
    if (count > 0) {
        memcpy(envelope->entries, entries, count * sizeof *entries);
    }
    if (envelope->token == 0) {
        take_off(world, at);
    }
}

void network_send(struct world *world,
                  int from,
                  const struct paxos_message *message,
                  const struct paxos_entry *entries,
                  uint64_t token)
{
    struct envelope letter = {.state = WAITS_FOR_SYNC,
                              .token = token,
                              .from = from,
                              .message = *message};
    for (int to = 0; to < PROCESSES_MAX; to++) {
        const struct process *process = &world->processes[to];
        if (process->exists && process->seat == message->to) {
            send_to(world, to, &letter, entries);
        }
    }
}

/*
 * The envelope of this state with the lowest sequence, from this process or any. -1:
 * none.
 */
static int first_of(const struct world *world, enum envelope_state state, int from)
{
    int first = -1;
    for (uint32_t i = 0; i < world->envelope_count; i++) {
        const struct envelope *envelope = &world->envelopes[i];
        if (envelope->state == state && (from == ANY || envelope->from == from) &&
            (first < 0 || envelope->sequence < world->envelopes[first].sequence)) {
            first = (int)i;
        }
    }
    return first;
}

void network_release(struct world *world, int from, uint64_t token)
{
    int at = first_of(world, WAITS_FOR_SYNC, from);
    while (at >= 0 && world->envelopes[at].token <= token) {
        take_off(world, (uint32_t)at);
        at = first_of(world, WAITS_FOR_SYNC, from);
    }
}

void network_forget_unsent(struct world *world, int from)
{
    int at = first_of(world, WAITS_FOR_SYNC, from);
    while (at >= 0) {
        remove_envelope(world, (uint32_t)at);
        at = first_of(world, WAITS_FOR_SYNC, from);
    }
}

void network_hint_lost(struct world *world, int gone)
{
    for (int to = 0; to < PROCESSES_MAX; to++) {
        bool hears =
            world->processes[to].is_running && to != gone && !world->is_cut[gone][to];
        if (hears) {
            CHECK(world->envelope_count < ENVELOPES_MAX);
            world->envelopes[world->envelope_count++] =
                (struct envelope){.state = FLYING,
                                  .due_ms = world->now_ms + world->options.link_ms,
                                  .sequence = world->sequence++,
                                  .from = gone,
                                  .to = to,
                                  .is_hint = true};
        }
    }
}

int network_next(const struct world *world)
{
    int next = -1;
    for (uint32_t i = 0; i < world->envelope_count; i++) {
        const struct envelope *left = &world->envelopes[i];
        if (left->state != FLYING || world->processes[left->to].is_paused) {
            continue;
        }
        const struct envelope *right = next < 0 ? NULL : &world->envelopes[next];
        if (right == NULL || left->due_ms < right->due_ms ||
            (left->due_ms == right->due_ms && left->sequence < right->sequence)) {
            next = (int)i;
        }
    }
    return next;
}

void network_deliver(struct world *world, int envelope)
{
    struct envelope letter = world->envelopes[envelope];
    world->envelopes[envelope].entries = NULL;
    remove_envelope(world, (uint32_t)envelope);
    struct paxos_event event = {.type = PAXOS_EVENT_MESSAGE, .message = &letter.message};
    letter.message.entries = letter.entries;
    if (letter.is_hint) {
        event.type = PAXOS_EVENT_PEER_LOST;
        event.peer = world->processes[letter.from].seat;
    }
    if (world->processes[letter.to].is_running) {
        process_step(world, letter.to, &event);
    }
    free(letter.entries);
}

void network_add_rule(struct world *world, const struct rule *rule)
{
    CHECK(world->rule_count < RULES_MAX);
    world->rules[world->rule_count++] = *rule;
}

void network_release_held(struct world *world)
{
    for (uint32_t i = 0; i < world->rule_count;) {
        if (world->rules[i].is_hold) {
            remove_rule(world, i);
        } else {
            i++;
        }
    }
    int at = first_of(world, HELD, ANY);
    while (at >= 0) {
        world->envelopes[at].state = FLYING;
        world->envelopes[at].due_ms = world->now_ms + world->options.link_ms;
        world->envelopes[at].sequence = world->sequence++;
        at = first_of(world, HELD, ANY);
    }
}
