/*
 * reads.c - linearizable reads (2.9). A read is confirmed by a quorum that answered a
 * round which its leader began after the read had come. `floor` of a read is the last
 * round that had been sent before.
 */
#include "monitor/model.h"

#include "base/check.h"

#include <stdlib.h>

void spec_reads_begin(struct monitor *monitor)
{
    struct model_reads *reads = &monitor->reads;
    struct model_read *ring = reads->ring;
    size_t capacity = reads->capacity;
    *reads = (struct model_reads){.ring = ring, .capacity = capacity};
}

void spec_reads_fini(struct monitor *monitor)
{
    free(monitor->reads.ring);
}

/* Under a new ballot no round was sent before any read that waits. */
void spec_reads_lead(struct monitor *monitor)
{
    struct model_reads *reads = &monitor->reads;
    for (size_t i = 0; i < reads->count; i++) {
        reads->ring[reads->first + i].floor = 0;
    }
    for (uint32_t seat = 0; seat < PAXOS_MEMBERS_MAX; seat++) {
        for (uint32_t i = 0; i < ASKED_MAX; i++) {
            reads->asked[seat][i].floor = 0;
        }
    }
}

static void queue(struct model_reads *reads, const struct model_read *read)
{
    if (reads->first + reads->count == reads->capacity) {
        for (size_t i = 0; reads->first > 0 && i < reads->count; i++) {
            reads->ring[i] = reads->ring[reads->first + i];
        }
        reads->first = 0;
    }
    if (reads->count == reads->capacity) {
        reads->capacity = reads->capacity * 2 + 64;
        reads->ring = realloc(reads->ring, reads->capacity * sizeof *reads->ring);
        CHECK(reads->ring != NULL);
    }
    reads->ring[reads->first + reads->count++] = *read;
}

static const struct model_asked *
find_asked(const struct monitor *monitor, uint32_t seat, const struct paxos_read *read)
{
    for (uint32_t i = 0; i < ASKED_MAX; i++) {
        const struct model_asked *asked = &monitor->reads.asked[seat][i];
        if (asked->counter == read->counter && asked->boot == read->boot) {
            return asked;
        }
    }
    return NULL;
}

/* So old a question that it may have left the ring: its answer cannot be judged. */
static bool
is_forgotten(const struct monitor *monitor, uint32_t seat, const struct paxos_read *read)
{
    for (uint32_t i = 0; i < ASKED_MAX; i++) {
        const struct model_asked *asked = &monitor->reads.asked[seat][i];
        if (asked->boot > read->boot ||
            (asked->boot == read->boot &&
             asked->counter > read->counter + ASKED_MAX / 2)) {
            return true;
        }
    }
    return false;
}

/* What came: own reads, and those of other nodes. */
void spec_reads_note(struct monitor *monitor)
{
    struct model_reads *reads = &monitor->reads;
    const struct paxos_message *message = monitor->message;
    if (monitor->step->event->type == PAXOS_EVENT_READ) {
        uint64_t id = monitor->step->effects->read_id;
        EXPECT(monitor, RULE_2_9, id > reads->ready_id && id >= reads->last_id,
               "a read gets number %llu after %llu, confirmed are %llu", ull(id),
               ull(reads->last_id), ull(reads->ready_id));
        const struct model_read read = {
            .id = id,
            .floor = monitor->round_before,
            .decided = monitor->view.decided,
        };
        queue(reads, &read);
        reads->last_id = id;
    } else if (message != NULL && message->type == PAXOS_READ) {
        uint32_t *next = &reads->asked_next[message->from];
        if (find_asked(monitor, message->from, &message->read) != NULL ||
            is_forgotten(monitor, message->from, &message->read)) {
            return; // doubled on the way: the first time counts
        }
        reads->asked[message->from][*next] = (struct model_asked){
            .boot = message->read.boot,
            .counter = message->read.counter,
            .floor = monitor->round_before,
            .decided = monitor->view.decided,
        };
        *next = (*next + 1) % ASKED_MAX;
    }
}

/* Has a quorum, this leader included, answered a round above `floor`? */
static bool is_confirmed(const struct monitor *monitor, uint64_t floor)
{
    uint32_t count = 1;
    for (uint32_t i = 0; i < monitor->settings.member_count; i++) {
        count +=
            i != monitor->settings.seat && monitor->leading.peers[i].round_acked > floor;
    }
    return count >= monitor->quorum_accept;
}

static void
judge_confirmed(struct monitor *monitor, uint64_t floor, cs_slot decided, cs_slot slot)
{
    cs_slot least = slot_larger(decided, monitor->leading.sync_length);
    EXPECT(monitor, RULE_2_9,
           monitor->step->view->role == PAXOS_LEADER && is_confirmed(monitor, floor),
           "confirms a read as %s; no quorum has answered a round above %llu",
           paxos_role_name(monitor->step->view->role), ull(floor));
    EXPECT(monitor, RULE_2_9, slot >= least && slot <= monitor->step->view->decided,
           "confirms a read at slot %llu, expected %llu (decided when it came, S_b) to "
           "%llu",
           ull(slot), ull(least), ull(monitor->step->view->decided));
}

void spec_reads_judge_reply(struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_read *reply = &message->read;
    const struct model_asked *asked = find_asked(monitor, message->to, reply);
    if (asked == NULL && is_forgotten(monitor, message->to, reply)) {
        return;
    }
    EXPECT(monitor, RULE_2_9, asked != NULL, "answers read %llu.%llu that nobody asked",
           ull(reply->boot), ull(reply->counter));
    if (asked != NULL) {
        judge_confirmed(monitor, asked->floor, asked->decided, reply->index);
    }
}

/* Of a node that asked its leader. */
static void judge_answer(struct monitor *monitor, uint64_t ready_id, cs_slot slot)
{
    const struct model_reads *reads = &monitor->reads;
    const struct paxos_message *message = monitor->message;
    bool is_answer = message != NULL && message->type == PAXOS_READ_REPLY;
    EXPECT(monitor, RULE_2_9, is_answer, "confirms read %llu, nobody answered it",
           ull(ready_id));
    if (!is_answer) {
        return;
    }
    EXPECT(monitor, RULE_2_9,
           message->read.boot == monitor->settings.boot &&
               message->read.counter == reads->counter,
           "takes answer %llu.%llu, asked was %llu.%llu", ull(message->read.boot),
           ull(message->read.counter), ull(monitor->settings.boot), ull(reads->counter));
    EXPECT(monitor, RULE_2_9, ready_id <= reads->counter_id,
           "confirms reads to %llu, the question stood for those to %llu", ull(ready_id),
           ull(reads->counter_id));
    EXPECT(monitor, RULE_2_9, slot >= message->read.index,
           "confirms reads at slot %llu, the leader said %llu", ull(slot),
           ull(message->read.index));
}

void spec_reads_judge(struct monitor *monitor)
{
    struct model_reads *reads = &monitor->reads;
    const struct paxos_effects *effects = monitor->step->effects;
    if (effects->read_ready_id <= reads->ready_id) {
        return;
    }
    EXPECT(monitor, RULE_2_9, effects->read_ready_id <= reads->last_id,
           "confirms read %llu, the last one is %llu", ull(effects->read_ready_id),
           ull(reads->last_id));
    bool is_leading = monitor->step->view->role == PAXOS_LEADER;
    if (!is_leading) {
        judge_answer(monitor, effects->read_ready_id, effects->read_ready_slot);
    }
    while (reads->count > 0 && reads->ring[reads->first].id <= effects->read_ready_id) {
        const struct model_read *read = &reads->ring[reads->first];
        if (is_leading) {
            judge_confirmed(monitor, read->floor, read->decided,
                            effects->read_ready_slot);
        }
        reads->first++;
        reads->count--;
    }
    reads->ready_id = effects->read_ready_id;
}
