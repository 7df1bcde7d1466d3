/*
 * forward.c - writes between nodes: a follower hands its clients' commands to the
 * leader, the leader queues them beside its own or refuses them.
 *
 * Commands are not idempotent and the network may lose, double and delay frames, so
 * each frame is taken at most once, and a refusal is always true:
 *   - a leader takes a frame only under exactly the ballot it names; one process life
 *     leads under a ballot (E7), so no later life of the leader can take it again;
 *   - within that life it takes only frames newer than the newest seen from (seat, boot);
 *   - it refuses only frames seen for the first time whose ballot is above its promise at
 *     start: an earlier life cannot have led under it, this life has not taken the frame.
 *     Behind the gate it does not know that promise: its disk may have gone back in time;
 *   - commands still queued when the leadership ends are refused, not proposed later;
 *   - the origin retries only what was refused, in the frame that was refused; all else
 *     keeps waiting for its own apply and is unknown at its deadline.
 */
#include "base/check.h"
#include "base/mutant.h"
#include "engine/parts.h"

static bool may_forward(const struct replica *replica);
static void send_forward(struct replica *replica);
static bool is_well_formed(const struct wire_forward *forward,
                           uint32_t *out_count,
                           uint64_t *out_bytes);
static bool is_first_sight(struct replica *replica, const struct wire_forward *forward);
static void take_elements(struct replica *replica, const struct wire_forward *forward);
static void refuse_elements(struct replica *replica,
                            const struct wire_forward *forward,
                            enum cs_status status);
static void
refuse_start(struct replica *replica, uint32_t seat, uint64_t boot, uint64_t sequence);
static void refuse_add(struct replica *replica, uint64_t request_id);
static void refuse_send(struct replica *replica, enum cs_status status);

void forward_pending(struct replica *replica)
{
    CHECK(replica->writes.foreign_count == 0);
    while (replica->writes.first != NULL && may_forward(replica)) {
        send_forward(replica);
    }
}

static bool may_forward(const struct replica *replica)
{
    const struct paxos_view *view = &replica->view;
    const struct forwarding *forwarding = &replica->forwarding;
    bool is_held = replica->now_ms < forwarding->hold_until_ms &&
                   ballot_is(forwarding->ballot, view->leader);
    return view->role == PAXOS_FOLLOWER && view->leader_seat != NO_SEAT &&
           view->leader_seat != replica->settings.core.seat && !is_held;
}

/* One frame with what fits of the queue's front; without commands if it is empty. */
static void send_forward(struct replica *replica)
{
    struct forwarding *forwarding = &replica->forwarding;
    bool is_alone = BUGGIFY(replica->settings.core.buggify, FORWARD_ONE);
    const struct batch_limits limits = {
        .commands = is_alone ? 1 : replica->settings.batch_commands_max,
        .bytes = replica->settings.batch_bytes_max,
    };
    struct write_pack pack =
        write_queue_pack(&replica->writes, &limits, &replica->builder);
    forwarding->sequence++;
    forwarding->ballot = replica->view.leader;
    struct wire_forward forward = {
        .from = replica->settings.core.seat,
        .to = replica->view.leader_seat,
        .cluster_id = paxos_config_of(replica->core)->cluster_id,
        .boot = replica->settings.core.boot,
        .sequence = forwarding->sequence,
        .ballot = forwarding->ballot,
        .batch = batch_seal(&replica->builder),
    };
    wire_pack_forward(&replica->frame_bytes, &forward);
    for (uint32_t i = 0; i < pack.count; i++) {
        struct write_item *item = replica->writes.first;
        write_queue_remove(&replica->writes, item);
        item->waiter->state = WAITER_SENT;
        item->waiter->sequence = forwarding->sequence;
        settle_add(replica, item->waiter, forwarding->ballot);
    }
    replica->ports.send_peer(replica->ports.context, forward.to,
                             view_of_buffer(&replica->frame_bytes));
}

bool forward_ask_barrier(struct replica *replica)
{
    bool is_possible = replica->writes.first == NULL && may_forward(replica);
    if (is_possible) {
        send_forward(replica);
    }
    return is_possible;
}

void forward_receive(struct replica *replica, const struct wire_forward *forward)
{
    uint32_t count = 0;
    uint64_t bytes = 0;
    if (!is_well_formed(forward, &count, &bytes)) {
        replica->stats.frames_dropped++;
        return;
    }
    if (!is_first_sight(replica, forward)) {
        return; // doubled, overtaken, or from before the origin's restart
    }
    forward_refuse_orphans(replica);
    const struct replica_settings *settings = &replica->settings;
    const struct write_queue *queue = &replica->writes;
    bool is_sent_back =
        BUGGIFY(settings->core.buggify, FORWARD_SENT_BACK) && forward->sequence % 4 == 1;
    bool is_refused =
        BUGGIFY(settings->core.buggify, FORWARD_REFUSED) && forward->sequence % 4 == 2;
    bool is_led =
        writes_is_candidate(replica) && !replica->is_stopping &&
        (ballot_is(forward->ballot, replica->view.promised) || MUTANT_IS(180)) &&
        !is_sent_back;
    bool is_promise_known = replica->view.role >= PAXOS_FOLLOWER || MUTANT_IS(315);
    bool is_full = is_refused ||
                   queue->foreign_count + count > settings->requests_waiting_max ||
                   queue->foreign_bytes + bytes > settings->request_bytes_waiting_max;
    if (is_led && !is_full) {
        take_elements(replica, forward);
    } else if (is_led) {
        refuse_elements(replica, forward, CS_OVERLOADED);
    } else if (is_promise_known &&
               (paxos_ballot_compare(forward->ballot, replica->promised_at_boot) > 0 ||
                MUTANT_IS(181))) {
        refuse_elements(replica, forward, CS_NO_LEADER);
    }
}

/* All elements decode and come from the sender itself. */
static bool is_well_formed(const struct wire_forward *forward,
                           uint32_t *out_count,
                           uint64_t *out_bytes)
{
    struct reader reader = {0};
    if (!batch_open(forward->batch, &reader, out_count) ||
        *out_count > WIRE_FORWARD_COMMANDS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < *out_count; i++) {
        struct command_origin origin = {0};
        struct command command = {0};
        if (!batch_take(&reader, &origin, &command) ||
            ((origin.seat != forward->from || origin.boot != forward->boot) &&
             !MUTANT_IS(209))) {
            return false;
        }
    }
    *out_bytes = forward->batch.bytes;
    return reader_end(&reader);
}

/* True once for each frame of an origin's life, in rising order. */
static bool is_first_sight(struct replica *replica, const struct wire_forward *forward)
{
    struct origin_seen *seen = &replica->forwarding.seen[forward->from];
    if (forward->boot > seen->boot) {
        *seen = (struct origin_seen){.boot = forward->boot};
    }
    bool is_new = (forward->boot == seen->boot || MUTANT_IS(182)) &&
                  (forward->sequence > seen->sequence || MUTANT_IS(63));
    if (is_new) {
        seen->sequence = forward->sequence;
    }
    return is_new;
}

static void take_elements(struct replica *replica, const struct wire_forward *forward)
{
    struct reader reader = {0};
    uint32_t count = 0;
    CHECK(batch_open(forward->batch, &reader, &count));
    replica->forwarding.foreign_ballot =
        MUTANT_IS(180) ? replica->view.promised : forward->ballot;
    replica->barrier_seats |= count == 0 ? 1u << forward->from : 0;
    refuse_start(replica, forward->from, forward->boot, forward->sequence);
    for (uint32_t i = 0; i < count; i++) {
        struct command_origin origin = {0};
        struct command command = {0};
        CHECK(batch_take(&reader, &origin, &command));
        if (!replica->has_room && writes_needs_room(&command)) {
            refuse_add(replica, origin.request_id);
            continue;
        }
        replica->command_bytes.bytes = 0;
        command_pack(&replica->command_bytes, &command);
        struct write_item *item =
            write_item_new(&origin, view_of_buffer(&replica->command_bytes));
        item->sequence = forward->sequence;
        write_queue_push(&replica->writes, item);
    }
    refuse_send(replica, CS_DISK_FULL);
}

static void refuse_elements(struct replica *replica,
                            const struct wire_forward *forward,
                            enum cs_status status)
{
    struct reader reader = {0};
    uint32_t count = 0;
    CHECK(batch_open(forward->batch, &reader, &count));
    refuse_start(replica, forward->from, forward->boot, forward->sequence);
    for (uint32_t i = 0; i < count; i++) {
        struct command_origin origin = {0};
        struct command command = {0};
        CHECK(batch_take(&reader, &origin, &command));
        refuse_add(replica, origin.request_id);
    }
    refuse_send(replica, status);
}

void forward_refuse_orphans(struct replica *replica)
{
    bool is_led = writes_is_candidate(replica) &&
                  ballot_is(replica->forwarding.foreign_ballot, replica->view.promised);
    if (!is_led && !MUTANT_IS(185)) {
        forward_refuse_all(replica);
    }
}

void forward_refuse_all(struct replica *replica)
{
    struct write_item *item =
        replica->writes.foreign_count > 0 ? replica->writes.first : NULL;
    struct wire_refused *refused = &replica->refused;
    refused->request_count = 0;
    while (item != NULL) {
        struct write_item *next = item->next;
        if (item->waiter == NULL) {
            const struct command_origin *origin = &item->origin;
            // A run of items of one frame makes one refusal.
            if (refused->request_count == 0 || refused->to != origin->seat ||
                refused->boot != origin->boot || refused->sequence != item->sequence) {
                refuse_send(replica, CS_NO_LEADER);
                refuse_start(replica, origin->seat, origin->boot, item->sequence);
            }
            refuse_add(replica, origin->request_id);
            write_queue_remove(&replica->writes, item);
            write_item_destroy(&item);
        }
        item = next;
    }
    refuse_send(replica, CS_NO_LEADER);
}

static void
refuse_start(struct replica *replica, uint32_t seat, uint64_t boot, uint64_t sequence)
{
    struct wire_refused *refused = &replica->refused;
    refused->from = replica->settings.core.seat;
    refused->to = seat;
    refused->cluster_id = paxos_config_of(replica->core)->cluster_id;
    refused->boot = boot;
    refused->sequence = sequence;
    refused->request_count = 0;
}

static void refuse_add(struct replica *replica, uint64_t request_id)
{
    struct wire_refused *refused = &replica->refused;
    CHECK(refused->request_count < WIRE_FORWARD_COMMANDS_MAX);
    refused->request_ids[refused->request_count] = request_id;
    refused->request_count++;
}

/* Sends what was started, if it names any request. */
static void refuse_send(struct replica *replica, enum cs_status status)
{
    struct wire_refused *refused = &replica->refused;
    if (refused->request_count == 0) {
        return;
    }
    refused->status = status;
    wire_pack_refused(&replica->frame_bytes, refused);
    replica->ports.send_peer(replica->ports.context, refused->to,
                             view_of_buffer(&replica->frame_bytes));
    refused->request_count = 0;
}

/* Back into the queue: this copy was not, and will not be, proposed. */
static void requeue(struct replica *replica, struct waiter *waiter)
{
    struct forwarding *forwarding = &replica->forwarding;
    settle_forget(replica, waiter);
    waiter->state = WAITER_PENDING;
    write_queue_push(&replica->writes, waiter->item);
    bool is_hasty = BUGGIFY(replica->settings.core.buggify, RETRY_AT_ONCE);
    uint32_t pause_ms = is_hasty ? 0 : replica->settings.core.heartbeat_ms;
    forwarding->hold_until_ms = replica->now_ms + pause_ms;
}

void forward_receive_refusal(struct replica *replica, const struct wire_refused *refused)
{
    if (refused->boot != replica->settings.core.boot && !MUTANT_IS(184)) {
        return; // meant for an earlier life of this node
    }
    for (uint32_t i = 0; i < refused->request_count; i++) {
        struct waiter *waiter = waiters_find(&replica->waiters, refused->request_ids[i]);
        if (waiter == NULL || waiter->state != WAITER_SENT ||
            (waiter->sequence != refused->sequence && !MUTANT_IS(183))) {
            continue;
        }
        if (refused->status == CS_OVERLOADED || refused->status == CS_DISK_FULL) {
            answers_finish_error(replica, waiter, refused->status);
        } else {
            requeue(replica, waiter);
        }
    }
}
