/*
 * claims.c - every frame is read as it leaves its sender, and what it claims is
 * compared with what the sender's disk durably holds (I10) and with the logs sent under
 * the same ballot (I1).
 */
#include "sim/world.h"

#include "base/check.h"

static int compare(struct paxos_ballot left, struct paxos_ballot right)
{
    return paxos_ballot_compare(left, right);
}

static void fail(struct world *world,
                 const struct node *node,
                 const char *rule,
                 const struct paxos_message *message,
                 const char *what)
{
    const struct shadow_log *log = &node->shadow.durable;
    report_fail(
        world, rule, node, log->length, message->ballot,
        "%s to n%u: %s (durable: promised %s accepted %s length %llu token %llu, block "
        "%llu)",
        paxos_message_name(message->type), message->to, what,
        report_ballot(log->promised), report_ballot(log->accepted),
        (unsigned long long)log->length, (unsigned long long)node->shadow.durable_token,
        (unsigned long long)node->log.last_block);
}

/* Is it a prefix of what the world knows as chosen? */
static bool is_chosen(const struct world *world, cs_slot slot, struct paxos_digest chain)
{
    const struct shadow_log *chosen = &world->judge.chosen;
    return slot <= chosen->length && digest_is(shadow_chain(chosen, slot), chain);
}

/* G1, G2: whose disk was lost takes no part in any decision. */
static bool is_vote(uint32_t type)
{
    return type == PAXOS_PREPARE || type == PAXOS_PROMISE || type == PAXOS_ACCEPT_SYNC ||
           type == PAXOS_ACCEPT || type == PAXOS_ACCEPTED || type == PAXOS_ROUND_ACK ||
           type == PAXOS_READ_REPLY || type == PAXOS_HANDOVER;
}

static void judge_header(struct world *world,
                         const struct node *node,
                         const struct paxos_message *message)
{
    if (message->from != node->seat || message->boot != node->boot) {
        fail(world, node, "I10", message,
             "it carries another seat or boot than its sender's");
    }
    if (atlas_has_forgotten(node) && is_vote(message->type)) {
        fail(world, node, "I19", message, "its disk was lost, and it votes");
    }
}

static void judge_hello(struct world *world,
                        const struct node *node,
                        const struct paxos_message *message)
{
    const struct paxos_hello *hello = &message->hello;
    if (hello->author == node->seat &&
        (hello->boot != node->boot || hello->block > node->log.last_block ||
         compare(hello->promised, node->shadow.durable.promised) > 0)) {
        fail(world, node, "I10", message, "boot, block or promise are not durable");
    }
}

static void judge_form(struct world *world,
                       const struct node *node,
                       const struct paxos_message *message)
{
    const struct shadow_log *log = &node->shadow.durable;
    bool is_durable =
        atlas_same_id(message->form.config.cluster_id, log->config.cluster_id);
    bool is_started = message->type != PAXOS_START || log->config.started != 0;
    if (!is_durable || !is_started) {
        fail(world, node, "I10", message, "its Config (C8) is not durable");
    }
}

static void judge_heartbeat_reply(struct world *world,
                                  const struct node *node,
                                  const struct paxos_message *message)
{
    const struct paxos_heartbeat_reply *reply = &message->heartbeat_reply;
    const struct shadow_log *log = &node->shadow.durable;
    if (compare(reply->promised, log->promised) > 0 ||
        reply->block > node->log.last_block || reply->durable > log->length ||
        reply->decided > log->length) {
        fail(world, node, "I10", message,
             "promise, block, durable or decided are not durable");
    } else if (!is_chosen(world, reply->decided, reply->decided_chain)) {
        fail(world, node, "I7", message, "its decided prefix is not chosen");
    }
}

/* P1: frames leave in the order they were made, so a lower Promise was made too late. */
static void judge_promise_order(struct world *world,
                                struct node *node,
                                const struct paxos_message *message)
{
    if (compare(message->ballot, node->promise_sent) < 0) {
        fail(world, node, "P1", message, "it has promised a larger ballot before");
        return;
    }
    node->promise_sent = message->ballot;
}

static void judge_promise(struct world *world,
                          const struct node *node,
                          const struct paxos_message *message)
{
    const struct paxos_promise *promise = &message->promise;
    const struct shadow_log *log = &node->shadow.durable;
    if (compare(message->ballot, log->promised) > 0) {
        fail(world, node, "I10", message, "the promise is not durable");
        return;
    }
    if (compare(promise->accepted, log->accepted) > 0) {
        fail(world, node, "I10", message, "its accepted ballot is not durable");
        return;
    }
    if (promise->faulty == 0 && judge_unknown_slot(world, node, 1) != 0) {
        fail(world, node, "P5", message, "it votes though slots of its log are unknown");
        return;
    }
    bool is_same = compare(promise->accepted, log->accepted) == 0;
    // Decided entries fetched since may have replaced a longer suffix (A8).
    if (is_same && promise->length > log->longest) {
        fail(world, node, "I10", message, "its length is not durable");
    } else if (!is_chosen(world, promise->decided, promise->decided_chain)) {
        fail(world, node, "I7", message, "its decided prefix is not chosen");
    }
}

static void judge_prepare(struct world *world,
                          const struct node *node,
                          const struct paxos_message *message)
{
    const struct shadow_log *log = &node->shadow.durable;
    if (compare(message->ballot, log->promised) > 0 ||
        compare(message->prepare.accepted, log->accepted) > 0) {
        fail(world, node, "I10", message, "the proposer's own promise is not durable");
    } else if (compare(message->prepare.accepted, log->accepted) == 0 &&
               message->prepare.length > log->longest) {
        fail(world, node, "I10", message, "its length is not durable");
    } else if (message->prepare.decided > world->judge.chosen.length) {
        fail(world, node, "I7", message, "its decided slot is not chosen");
    } else if (message->ballot.node != node->seat + 1) {
        fail(world, node, "I1", message, "the ballot is another node's");
    }
}

static bool is_unknown(const struct world *world, const struct node *node, cs_slot length)
{
    cs_slot slot = judge_unknown_slot(world, node, 1);
    return slot != 0 && slot <= length;
}

static void judge_accepted(struct world *world,
                           const struct node *node,
                           const struct paxos_message *message)
{
    const struct paxos_accepted *accepted = &message->accepted;
    const struct shadow_log *log = &node->shadow.durable;
    int order = compare(message->ballot, log->accepted);
    const struct ballot_fact *fact = judge_ballot(&world->judge, message->ballot);
    if (order > 0 || (order == 0 && accepted->durable > log->length)) {
        fail(world, node, "I10", message, "the vote is not durable");
    } else if (accepted->durable > fact->voted[node->seat] &&
               accepted->durable > shadow_common(log, &world->judge.chosen)) {
        // Beyond its votes it may hold what was fetched as decided (A8): its leader never
        // sent that, and does not count it.
        fail(world, node, "I10", message, "it acks more than it has voted for");
    } else if (is_unknown(world, node, accepted->durable)) {
        fail(world, node, "P5", message, "it votes for slots that it does not know");
    } else if (accepted->decided > world->judge.chosen.length) {
        fail(world, node, "I7", message, "its decided slot is not chosen");
    }
}

/* One node sends under a ballot, and one growing log (I1). */
static void judge_log_sent(struct world *world,
                           const struct node *node,
                           const struct paxos_message *message,
                           cs_slot from,
                           struct paxos_digest from_chain)
{
    const struct shadow_log *log = &node->shadow.memory;
    struct ballot_fact *fact = judge_ballot(&world->judge, message->ballot);
    cs_slot end = from + message->entry_count;
    bool is_first = fact->seat == NODES_MAX;
    if (is_first) {
        fact->seat = node->seat;
        fact->boot = node->boot;
    }
    bool is_own = message->ballot.node == node->seat + 1 && fact->seat == node->seat &&
                  fact->boot == node->boot;
    bool is_prefix = end <= log->length &&
                     digest_is(from_chain, shadow_chain(log, from)) &&
                     fact->sent_length <= log->length &&
                     digest_is(fact->sent_chain, shadow_chain(log, fact->sent_length));
    struct paxos_digest chain = from_chain;
    for (uint32_t i = 0; i < message->entry_count; i++) {
        chain = paxos_chain_next(chain, &message->entries[i]);
    }
    if (!is_own || !is_prefix || !digest_is(chain, shadow_chain(log, end))) {
        fail(world, node, "I1", message,
             "another log or leader than before under one ballot");
        return;
    }
    if (end > fact->sent_length) {
        fact->sent_length = end;
        fact->sent_chain = chain;
    }
}

static void judge_decide(struct world *world,
                         const struct node *node,
                         const struct paxos_message *message,
                         cs_slot decided)
{
    if (decided > world->judge.chosen.length) {
        fail(world, node, "I7", message, "it says decided what is not chosen");
    }
}

/* What is sent as decided, to be taken without a vote (A8), is the chosen log. */
static void judge_entries(struct world *world,
                          const struct node *node,
                          const struct paxos_message *message)
{
    const struct paxos_entries *entries = &message->log;
    judge_decide(world, node, message, entries->decided);
    struct paxos_digest chain = entries->from_chain;
    cs_slot slot = entries->from;
    bool is_right = slot >= entries->decided || message->entry_count == 0 ||
                    is_chosen(world, slot, chain);
    for (uint32_t i = 0; i < message->entry_count && slot < entries->decided; i++) {
        chain = paxos_chain_next(chain, &message->entries[i]);
        slot++;
        is_right = is_right && is_chosen(world, slot, chain);
    }
    if (!is_right) {
        fail(world, node, "I7", message, "its decided entries are not the chosen ones");
    }
}

/* 2.9: it says that no larger ballot is promised here, which a restart must not undo. */
static void judge_round_ack(struct world *world,
                            const struct node *node,
                            const struct paxos_message *message)
{
    if (compare(message->ballot, node->shadow.durable.promised) > 0) {
        fail(world, node, "I10", message, "the promise it rests on is not durable");
    }
}

static void judge_nack(struct world *world,
                       const struct node *node,
                       const struct paxos_message *message)
{
    const struct shadow_log *log = &node->shadow.memory;
    if (compare(message->nack.promised, log->promised) > 0 ||
        compare(message->ballot, message->nack.promised) > 0) {
        fail(world, node, "P1", message, "it has promised no such ballot");
    }
}

/* P5: only what a disk has lost is asked for whether it is decided or not. */
static void judge_fetch(struct world *world,
                        const struct node *node,
                        const struct paxos_message *message)
{
    const struct paxos_fetch *fetch = &message->fetch;
    if (fetch->first == 0 || fetch->first > fetch->last ||
        (fetch->for_repair != 0 && !node->has_rotted)) {
        fail(world, node, "A8", message,
             "it asks for no slots, or to repair what is whole");
    }
}

static void
judge_core(struct world *world, struct node *node, const struct paxos_message *message)
{
    judge_header(world, node, message);
    switch ((enum paxos_message_type)message->type) {
    case PAXOS_HELLO:
        judge_hello(world, node, message);
        return;
    case PAXOS_FORM:
    case PAXOS_FORM_REPLY:
    case PAXOS_START:
        judge_form(world, node, message);
        return;
    case PAXOS_HEARTBEAT_REPLY:
        judge_heartbeat_reply(world, node, message);
        return;
    case PAXOS_PREPARE:
        judge_prepare(world, node, message);
        return;
    case PAXOS_PROMISE:
        judge_promise(world, node, message);
        judge_promise_order(world, node, message);
        return;
    case PAXOS_ACCEPT_SYNC:
        judge_decide(world, node, message, message->accept_sync.decided);
        judge_log_sent(world, node, message, message->accept_sync.from,
                       message->accept_sync.from_chain);
        return;
    case PAXOS_ACCEPT:
        judge_decide(world, node, message, message->accept.decided);
        judge_log_sent(world, node, message, message->accept.previous,
                       message->accept.previous_chain);
        return;
    case PAXOS_ACCEPTED:
        judge_accepted(world, node, message);
        return;
    case PAXOS_ENTRIES:
        judge_entries(world, node, message);
        return;
    case PAXOS_NACK:
        judge_nack(world, node, message);
        return;
    case PAXOS_ROUND_ACK:
        judge_round_ack(world, node, message);
        return;
    case PAXOS_FETCH:
        judge_fetch(world, node, message);
        return;
    case PAXOS_READ_REPLY:
        judge_decide(world, node, message, message->read.index);
        return;
    case PAXOS_HELLO_REPLY: // tests/monitor, and the three that follow
    case PAXOS_HEARTBEAT:
    case PAXOS_PREPARE_REQUEST:
    case PAXOS_READ:
    case PAXOS_HANDOVER:
    case PAXOS_MESSAGE_TYPES:
        return;
    }
}

static void trace_core(const struct world *world,
                       const struct node *node,
                       const struct paxos_message *message)
{
    report_line(world, node, "send %s to n%u ballot=%s entries=%u",
                paxos_message_name(message->type), message->to,
                report_ballot(message->ballot), message->entry_count);
    if (message->type == PAXOS_ACCEPT_SYNC) {
        report_line(world, node,
                    "     stream=%llu chunk=%u from=%llu sync_length=%llu more=%u",
                    (unsigned long long)message->accept_sync.stream, 0u,
                    (unsigned long long)message->accept_sync.from,
                    (unsigned long long)message->accept_sync.sync_length,
                    message->accept_sync.more);
    } else if (message->type == PAXOS_ACCEPT) {
        report_line(
            world, node,
            "     stream=%llu sequence=%llu previous=%llu decided=%llu round=%llu",
            (unsigned long long)message->accept.stream,
            (unsigned long long)message->accept.sequence,
            (unsigned long long)message->accept.previous,
            (unsigned long long)message->accept.decided,
            (unsigned long long)message->accept.read_round);
    } else if (message->type == PAXOS_ACCEPTED) {
        report_line(world, node, "     stream=%llu durable=%llu decided=%llu round=%llu",
                    (unsigned long long)message->accepted.stream,
                    (unsigned long long)message->accepted.durable,
                    (unsigned long long)message->accepted.decided,
                    (unsigned long long)message->accepted.read_round);
    } else if (message->type == PAXOS_PROMISE) {
        report_line(world, node, "     accepted=%s length=%llu decided=%llu",
                    report_ballot(message->promise.accepted),
                    (unsigned long long)message->promise.length,
                    (unsigned long long)message->promise.decided);
    } else if (message->type == PAXOS_HEARTBEAT_REPLY) {
        const struct paxos_heartbeat_reply *reply = &message->heartbeat_reply;
        report_line(world, node,
                    "     my=%s leader=%s promised=%s happy=%u gated=%u decided=%llu",
                    report_ballot(reply->my_ballot), report_ballot(reply->leader),
                    report_ballot(reply->promised), reply->happy, reply->gated,
                    (unsigned long long)reply->decided);
    }
}

void claims_judge(struct world *world,
                  struct node *node,
                  uint32_t to,
                  struct cs_view bytes)
{
    struct wire_frame *frame = &world->judge.frame;
    CHECK(bytes.bytes >= 8);
    report_hash(world, load_u64(bytes.data + bytes.bytes - 8) ^ (uint64_t)to << 56);
    if (wire_unpack(bytes, frame) != WIRE_OK) {
        report_fail(world, "wire", node, 0, NO_BALLOT, "a frame it sends cannot be read");
        return;
    }
    world->stats->forwards += frame->kind == WIRE_FORWARD;
    world->stats->refusals += frame->kind == WIRE_REFUSED;
    if (frame->kind != WIRE_CORE) {
        TRACE(world, node, "send %s to n%u",
              frame->kind == WIRE_FORWARD ? "FORWARD" : "REFUSED", to);
        return;
    }
    if (frame->core.type < PAXOS_MESSAGE_TYPES) {
        world->stats->messages[frame->core.type]++;
    }
    if (world->is_tracing) {
        trace_core(world, node, &frame->core);
    }
    judge_core(world, node, &frame->core);
}
