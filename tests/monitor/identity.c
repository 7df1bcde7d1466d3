/*
 * identity.c - whose messages may count (G1, G4), when a node may vote (G2, C8), and why
 * it halts.
 */
#include "monitor/model.h"

#include <string.h>

void spec_identity_begin(struct monitor *monitor, const struct paxos_recovered *recovered)
{
    monitor->identity = (struct model_identity){0};
    for (uint32_t i = 0; i < PAXOS_MEMBERS_MAX; i++) {
        monitor->identity.seen[i] = recovered->watermarks[i];
        monitor->identity.boots[i] = recovered->watermarks[i].boot;
    }
}

bool spec_identity_votes(const struct paxos_view *view)
{
    return view->role >= PAXOS_FOLLOWER;
}

static bool is_of_seat(const struct monitor *monitor, uint32_t seat, struct paxos_id id)
{
    return seat < monitor->settings.member_count && !id_is_none(id) &&
           id_equal(monitor->config.incarnation[seat], id);
}

static void
see(struct monitor *monitor, uint32_t seat, const struct paxos_watermark *shown)
{
    struct paxos_watermark *seen = &monitor->identity.seen[seat];
    uint64_t *boot = &monitor->identity.boots[seat];
    *boot = shown->boot > *boot ? shown->boot : *boot;
    if (monitor->view.role == PAXOS_FORMING) {
        return; // who is a member is not certain yet (C8)
    }
    seen->boot = shown->boot > seen->boot ? shown->boot : seen->boot;
    seen->block = shown->block > seen->block ? shown->block : seen->block;
    seen->promised = ballot_larger(seen->promised, shown->promised);
}

/*
 * ---- Hello: the gate
 */

static bool receive_hello(struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_hello *hello = &message->hello;
    // From before its Config too: a disk that went back in time (C8, G4).
    bool is_ours = id_equal(hello->cluster_id, monitor->config.cluster_id) ||
                   id_is_none(hello->cluster_id);
    monitor->identity.asker = (struct paxos_watermark){0};
    if (is_ours && is_of_seat(monitor, hello->author, hello->incarnation)) {
        const struct paxos_watermark shown = {.boot = hello->boot,
                                              .block = hello->block,
                                              .promised = hello->promised};
        monitor->identity.asker = monitor->identity.seen[hello->author];
        see(monitor, hello->author, &shown);
    }
    return true;
}

/* Does the answer speak of this process, from a member? */
static bool answers_us(const struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_hello_reply *reply = &message->hello_reply;
    return reply->about == monitor->settings.seat &&
           reply->author != monitor->settings.seat &&
           !id_is_none(monitor->config.cluster_id) &&
           id_equal(reply->author_cluster_id, monitor->config.cluster_id) &&
           is_of_seat(monitor, reply->author, reply->author_incarnation) &&
           reply->about_boot == monitor->settings.boot;
}

/* C8: the same, before there is a Config; only one from before it can tell of more. */
static bool meets_us(const struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_hello_reply *reply = &message->hello_reply;
    return reply->about == monitor->settings.seat &&
           reply->author != monitor->settings.seat &&
           id_is_none(monitor->config.cluster_id) &&
           reply->about_boot == monitor->settings.boot &&
           reply->about_nonce == monitor->settings.nonce;
}

static bool receive_hello_reply(struct monitor *monitor,
                                const struct paxos_message *message)
{
    const struct paxos_hello_reply *reply = &message->hello_reply;
    if (answers_us(monitor, message) && reply->about_nonce == monitor->settings.nonce) {
        monitor->identity.hello_authors |= 1u << reply->author;
    }
    return true;
}

/* G2: what a peer remembers of this node is more than its disk knows. */
static bool shows_amnesia(const struct monitor *monitor,
                          const struct paxos_message *message)
{
    const struct paxos_watermark *seen = &message->hello_reply.seen;
    return seen->boot > monitor->settings.boot || seen->block > monitor->disk.block ||
           ballot_order(seen->promised, monitor->disk.promised) > 0;
}

/*
 * ---- forming (C8)
 */

static bool is_same_config(const struct paxos_config *left,
                           const struct paxos_config *right)
{
    bool is_same = id_equal(left->cluster_id, right->cluster_id) &&
                   left->epoch == right->epoch &&
                   left->member_count == right->member_count;
    for (uint32_t i = 0; is_same && i < left->member_count; i++) {
        is_same = left->node[i] == right->node[i] &&
                  id_equal(left->incarnation[i], right->incarnation[i]);
    }
    return is_same;
}

static bool receive_forming(struct monitor *monitor, const struct paxos_message *message)
{
    const struct paxos_form *form = &message->form;
    if (message->type == PAXOS_FORM_REPLY && monitor->settings.seat == 0 &&
        form->nonce == monitor->settings.nonce && message->from < PAXOS_MEMBERS_MAX &&
        is_same_config(&form->config, &monitor->config) &&
        id_equal(message->from_incarnation, monitor->config.incarnation[message->from])) {
        monitor->identity.formed_seats |= 1u << message->from;
    }
    return true;
}

static void judge_first_config(struct monitor *monitor, const struct paxos_config *config)
{
    const struct paxos_event *event = monitor->step->event;
    uint32_t seat = monitor->settings.seat;
    bool is_adopted = event->type == PAXOS_EVENT_MESSAGE &&
                      event->message->type == PAXOS_FORM && event->message->from == 0 &&
                      is_same_config(config, &event->message->form.config);
    EXPECT(monitor, RULE_C8, seat == 0 || is_adopted,
           "a first Config that did not come from the first seat");
    EXPECT(monitor, RULE_C8,
           config->epoch == 1 && config->member_count == monitor->settings.member_count &&
               id_equal(config->incarnation[seat], monitor->settings.incarnation),
           "a first Config of epoch %u, %u members, or without this node's incarnation",
           config->epoch, config->member_count);
    EXPECT(monitor, RULE_C8, config->started == 0 || monitor->settings.member_count == 1,
           "a first Config that says START");
}

static void judge_start(struct monitor *monitor)
{
    const struct paxos_event *event = monitor->step->event;
    const struct model_disk *disk = &monitor->disk;
    uint32_t others = monitor->settings.member_count - 1;
    // The first seat draws it; put back to before that, it takes it from others as they do.
    bool is_told =
        event->type == PAXOS_EVENT_MESSAGE && event->message->type == PAXOS_START &&
        event->message->form.config.started != 0 &&
        is_same_config(&event->message->form.config, &monitor->config) &&
        is_of_seat(monitor, event->message->from, event->message->from_incarnation);
    if (monitor->settings.seat == 0) {
        uint32_t formed = mask_count(monitor->identity.formed_seats & ~1u);
        EXPECT(monitor, RULE_C8, is_told || (disk->is_formed && formed == others),
               "START although only %u of %u others have said that they wrote the Config",
               formed, others);
        return;
    }
    EXPECT(monitor, RULE_C8, is_told, "START that did not come from a started member");
}

static void judge_config(struct monitor *monitor)
{
    const struct paxos_config *before = &monitor->config;
    const struct paxos_config *after = monitor->step->config;
    if (memcmp(before, after, sizeof *before) == 0) {
        return;
    }
    EXPECT(monitor, RULE_C8, monitor->step->effects->persist.kind == PAXOS_PERSIST_CONFIG,
           "the Config changes without a record");
    bool is_first = id_is_none(before->cluster_id);
    if (is_first) {
        judge_first_config(monitor, after);
    } else {
        EXPECT(monitor, RULE_C8, is_same_config(before, after),
               "a Config that was there changes");
        EXPECT(monitor, RULE_C8, after->started >= before->started,
               "START is taken back");
    }
    if (after->started > before->started && !is_first) {
        judge_start(monitor);
    }
}

/*
 * ---- whose messages count
 */

static bool is_of_member(const struct monitor *monitor,
                         const struct paxos_message *message)
{
    const struct paxos_config *config = &monitor->config;
    return message->from != monitor->settings.seat &&
           message->to == monitor->settings.seat && !id_is_none(config->cluster_id) &&
           id_equal(message->cluster_id, config->cluster_id) &&
           message->epoch == config->epoch &&
           is_of_seat(monitor, message->from, message->from_incarnation) &&
           id_equal(message->to_incarnation, monitor->settings.incarnation) &&
           message->boot >= monitor->identity.boots[message->from];
}

bool spec_identity_receive(struct monitor *monitor, const struct paxos_message *message)
{
    if (message->type == PAXOS_HELLO) {
        return receive_hello(monitor, message);
    }
    if (message->type == PAXOS_HELLO_REPLY) {
        return receive_hello_reply(monitor, message);
    }
    if (message->type == PAXOS_FORM || message->type == PAXOS_FORM_REPLY ||
        message->type == PAXOS_START) {
        return receive_forming(monitor, message);
    }
    if (!is_of_member(monitor, message)) {
        return false;
    }
    struct paxos_watermark shown = {.boot = message->boot};
    if (message->type == PAXOS_HEARTBEAT_REPLY) {
        shown.block = message->heartbeat_reply.block;
        shown.promised = message->heartbeat_reply.promised;
    }
    see(monitor, message->from, &shown);
    return true;
}

/*
 * ---- what came of it
 */

static void judge_not_answered(struct monitor *monitor,
                               const struct paxos_message *message)
{
    bool is_answer = message->type == PAXOS_HEARTBEAT_REPLY ||
                     message->type == PAXOS_PROMISE || message->type == PAXOS_NACK ||
                     message->type == PAXOS_READ_REPLY;
    EXPECT(monitor, RULE_G1, !is_answer,
           "a message of a stranger, an old life or to another life is answered: %s",
           paxos_message_name(message->type));
}

/* G1: a message that does not count changes nothing and is not answered. */
static void judge_stranger(struct monitor *monitor)
{
    const struct paxos_effects *effects = monitor->step->effects;
    if (monitor->step->event->type != PAXOS_EVENT_MESSAGE || monitor->message != NULL) {
        return;
    }
    // A tick comes with each event: it may take over, and finish phase 1.
    bool is_quiet = effects->persist.kind == PAXOS_PERSIST_NONE ||
                    spec_election_takes_over(monitor) ||
                    (effects->persist.kind == PAXOS_PERSIST_SYNC &&
                     monitor->view.role == PAXOS_PREPARING);
    EXPECT(monitor, RULE_G1,
           is_quiet && !effects->serve.wanted &&
               effects->decided == monitor->view.decided,
           "a message of a stranger, an old life or to another life has an effect");
    for (uint32_t i = 0; i < effects->now_count; i++) {
        judge_not_answered(monitor, &effects->messages_now[i]);
    }
    for (uint32_t i = 0; i < effects->after_sync_count; i++) {
        judge_not_answered(monitor, &effects->messages_after_sync[i]);
    }
}

static void judge_gate(struct monitor *monitor)
{
    const struct paxos_view *before = &monitor->view;
    const struct paxos_view *after = monitor->step->view;
    if (before->role == after->role) {
        return;
    }
    EXPECT(monitor, RULE_G2, !spec_identity_votes(before) || spec_identity_votes(after),
           "the gate closes again");
    EXPECT(monitor, RULE_C8, after->role == PAXOS_FORMING || monitor->disk.is_started,
           "no longer forming without a durable START");
    if (!spec_identity_votes(before) && spec_identity_votes(after)) {
        uint32_t answers = mask_count(monitor->identity.hello_authors);
        EXPECT(monitor, RULE_G2, answers + 1 >= monitor->quorum_promise,
               "the gate opens after %u answers, expected %u", answers,
               monitor->quorum_promise - 1);
    }
}

static void judge_halt(struct monitor *monitor)
{
    const struct paxos_event *event = monitor->step->event;
    uint32_t halt = monitor->step->effects->halt;
    EXPECT(monitor, RULE_P4,
           halt != PAXOS_HALT_LOST || monitor->step->view->faulty_first != 0,
           "halts for lost slots, and none are unknown");
    bool is_reply =
        event->type == PAXOS_EVENT_MESSAGE && event->message->type == PAXOS_HELLO_REPLY;
    if (is_reply && meets_us(monitor, event->message)) {
        bool is_rolled_back = shows_amnesia(monitor, event->message);
        EXPECT(monitor, RULE_G2,
               halt == PAXOS_HALT_WIPED || halt == PAXOS_HALT_TWIN ||
                   (halt == PAXOS_HALT_AMNESIA) == is_rolled_back,
               "without a Config it may go on only if nobody remembers more of it");
        EXPECT(monitor, RULE_G4,
               halt == PAXOS_HALT_WIPED || halt == PAXOS_HALT_AMNESIA ||
                   (halt == PAXOS_HALT_TWIN) ==
                       (event->message->hello_reply.twin_nonce != 0),
               "without a Config it may go on only if nobody hears a twin of it");
    } else if (is_reply && answers_us(monitor, event->message)) {
        const struct paxos_hello_reply *reply = &event->message->hello_reply;
        bool is_ours = reply->about_nonce == monitor->settings.nonce;
        bool is_rolled_back = shows_amnesia(monitor, event->message);
        EXPECT(monitor, RULE_G2,
               halt == PAXOS_HALT_AMNESIA || !is_rolled_back || !is_ours ||
                   (halt == PAXOS_HALT_TWIN && reply->twin_nonce != 0),
               "goes on although a peer remembers a later state of it");
        EXPECT(monitor, RULE_G2, halt != PAXOS_HALT_AMNESIA || is_rolled_back,
               "halts for amnesia that nobody showed");
        EXPECT(monitor, RULE_G4,
               halt == PAXOS_HALT_TWIN || halt == PAXOS_HALT_AMNESIA || !is_ours ||
                   reply->twin_nonce == 0,
               "goes on although a peer hears a twin");
    } else {
        EXPECT(monitor, RULE_G2, halt != PAXOS_HALT_AMNESIA,
               "halts for amnesia that nobody showed");
    }
}

void spec_identity_judge(struct monitor *monitor)
{
    judge_config(monitor);
    judge_stranger(monitor);
    judge_gate(monitor);
    judge_halt(monitor);
}
