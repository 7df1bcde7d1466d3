/*
 * answers.c - heartbeats, Hello, forming, reads and Fetch as the step sends them: that they
 * answer who asked, say what is so, and what is durable (2.4, 2.5, 2.9, C8, G2, A8, P4).
 */
#include "monitor/model.h"

#include <string.h>

static void judge_heartbeat_reply(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_heartbeat_reply *reply = &message->heartbeat_reply;
    // A tick comes with each event, after it: the answer is older.
    const struct paxos_view *before = &monitor->view;
    struct paxos_ballot drawn = monitor->drawn_before;
    const struct paxos_message *asked = monitor->message;
    const struct model_disk *disk = &monitor->disk;
    bool is_lost = before->faulty_first != 0;
    bool is_gated = !spec_identity_votes(before) || is_lost; // nobody counts on it
    EXPECT(monitor, RULE_2_4,
           asked != NULL && asked->type == PAXOS_HEARTBEAT &&
               asked->from == message->to && asked->heartbeat.round == reply->round,
           "HbRep for round %llu to n%u that did not ask", ull(reply->round),
           message->to);
    EXPECT(
        monitor, RULE_2_5,
        ballot_order(reply->promised, disk->promised) <= 0 &&
            reply->block <= disk->block && reply->durable <= disk->length &&
            reply->decided <= slot_smaller(before->decided, disk->length),
        "HbRep claims promised %s, block %llu, %llu slots, decided %llu; durable are %s, "
        "%llu, %llu, %llu",
        spec_ballot(reply->promised), ull(reply->block), ull(reply->durable),
        ull(reply->decided), spec_ballot(disk->promised), ull(disk->block),
        ull(disk->length), ull(slot_smaller(before->decided, disk->length)));
    EXPECT(monitor, RULE_I7,
           spec_log_agrees(&monitor->log, reply->decided, reply->decided_chain),
           "HbRep names another chain for decided slot %llu", ull(reply->decided));
    EXPECT(monitor, RULE_P5, (reply->faulty != 0) == is_lost,
           "HbRep says faulty %u, slots of unknown identity: %d", reply->faulty, is_lost);
    // While the promise is under way it says less: what peers hear they remember (G2).
    bool is_durable = ballot_equal(disk->promised, before->promised);
    EXPECT(monitor, RULE_E2,
           (reply->gated != 0) == is_gated &&
               ((reply->happy != 0) == (before->happy && !is_gated) || !is_durable) &&
               (ballot_equal(reply->leader, before->leader) ||
                (!is_durable && ballot_order(reply->leader, before->leader) < 0)),
           "HbRep says gated %u happy %u leader %s, it is %d, %d, %s", reply->gated,
           reply->happy, spec_ballot(reply->leader), is_gated, before->happy,
           spec_ballot(before->leader));
    EXPECT(monitor, RULE_E7,
           ballot_equal(reply->my_ballot, drawn) ||
               (reply->my_ballot.round == 0 && drawn.round == 0) ||
               (!is_durable && ballot_order(reply->my_ballot, drawn) < 0),
           "HbRep says my_ballot %s, in this life it drew %s",
           spec_ballot(reply->my_ballot), spec_ballot(drawn));
}

static void judge_hello(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_hello *hello = &sent->message->hello;
    const struct paxos_event *event = monitor->step->event;
    const struct model_disk *disk = &monitor->disk;
    if (hello->author == monitor->settings.seat) {
        EXPECT(
            monitor, RULE_2_5,
            hello->boot == monitor->settings.boot &&
                hello->nonce == monitor->settings.nonce && hello->block <= disk->block &&
                ballot_order(hello->promised, disk->promised) <= 0,
            "Hello says boot %llu, block %llu, promised %s; durable are %llu, %llu, %s",
            ull(hello->boot), ull(hello->block), spec_ballot(hello->promised),
            ull(monitor->settings.boot), ull(disk->block), spec_ballot(disk->promised));
        return;
    }
    bool is_passed_on = event->type == PAXOS_EVENT_MESSAGE &&
                        event->message->type == PAXOS_HELLO && hello->relayed == 1 &&
                        event->message->hello.relayed == 0 &&
                        event->message->hello.author == hello->author &&
                        event->message->hello.nonce == hello->nonce &&
                        event->message->hello.boot == hello->boot;
    EXPECT(monitor, RULE_G2, is_passed_on, "passes on a Hello of n%u that it did not get",
           hello->author);
}

/* G2: who has asked what, and no less than it had shown before it asked. */
static void judge_hello_answer(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_hello_reply *reply = &sent->message->hello_reply;
    const struct paxos_message *asked = monitor->step->event->message;
    const struct paxos_hello *hello = &asked->hello;
    const struct paxos_config *config = &monitor->config;
    bool is_formed = monitor->disk.is_formed;
    EXPECT(monitor, RULE_G2,
           sent->message->to == asked->from && reply->about == hello->author &&
               reply->about_boot == hello->boot && reply->about_nonce == hello->nonce,
           "HelloRep to n%u about boot %llu of n%u, asked was about boot %llu of n%u",
           sent->message->to, ull(reply->about_boot), reply->about, ull(hello->boot),
           hello->author);
    struct paxos_id none = {0};
    struct paxos_id cluster = is_formed ? config->cluster_id : none;
    struct paxos_id known = is_formed ? config->incarnation[hello->author] : none;
    EXPECT(monitor, RULE_G2,
           id_equal(reply->author_incarnation, monitor->settings.incarnation) &&
               id_equal(reply->author_cluster_id, cluster) &&
               id_equal(reply->known_incarnation, known),
           "HelloRep with another incarnation or cluster than are durable");
    const struct paxos_watermark *least = &monitor->identity.asker;
    EXPECT(monitor, RULE_G2,
           reply->seen.boot >= least->boot && reply->seen.block >= least->block &&
               ballot_order(reply->seen.promised, least->promised) >= 0,
           "HelloRep says n%u has shown boot %llu, block %llu, promised %s; it has %llu, "
           "%llu, %s",
           hello->author, ull(reply->seen.boot), ull(reply->seen.block),
           spec_ballot(reply->seen.promised), ull(least->boot), ull(least->block),
           spec_ballot(least->promised));
}

static void judge_hello_reply(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_hello_reply *reply = &sent->message->hello_reply;
    const struct paxos_event *event = monitor->step->event;
    uint32_t asked = event->type == PAXOS_EVENT_MESSAGE ? event->message->type : 0;
    if (asked == PAXOS_HELLO && reply->author == monitor->settings.seat) {
        judge_hello_answer(monitor, sent);
        return;
    }
    bool is_passed_on = asked == PAXOS_HELLO_REPLY && sent->message->to == reply->about &&
                        reply->author == event->message->from &&
                        memcmp(reply, &event->message->hello_reply, sizeof *reply) == 0;
    EXPECT(monitor, RULE_G2, is_passed_on, "HelloRep of n%u about n%u that nobody gave",
           reply->author, reply->about);
}

static void judge_form(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    struct model_disk disk = spec_log_disk_at(monitor, sent->token);
    bool is_start = message->type == PAXOS_START;
    EXPECT(monitor, RULE_C8,
           id_equal(message->form.config.cluster_id, monitor->step->config->cluster_id) &&
               disk.is_formed && (!is_start || disk.is_started),
           "%s leaves before its Config is durable (formed %d, started %d)", sent->name,
           disk.is_formed, disk.is_started);
    EXPECT(monitor, RULE_C8,
           message->type == PAXOS_FORM_REPLY || monitor->settings.seat == 0 || is_start,
           "%s from another than the first seat", sent->name);
}

static void judge_read(struct monitor *monitor, const struct sent *sent)
{
    struct model_reads *reads = &monitor->reads;
    const struct paxos_read *read = &sent->message->read;
    EXPECT(monitor, RULE_2_9,
           read->boot == monitor->settings.boot && read->counter > reads->counter,
           "ReadReq %llu.%llu after %llu.%llu", ull(read->boot), ull(read->counter),
           ull(monitor->settings.boot), ull(reads->counter));
    reads->counter = read->counter;
    reads->counter_id = reads->last_id;
}

/*
 * ---- Fetch
 */

static void judge_fetch(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_fetch *fetch = &message->fetch;
    const struct paxos_view *before = &monitor->view;
    bool is_decided = message->ballot.round == 0;
    // Of a log staged under a ballot it may know some slots to be decided.
    EXPECT(monitor, RULE_2_4,
           fetch->first > (is_decided ? before->decided : 0) &&
               fetch->first <= fetch->last,
           "Fetch of slots %llu to %llu, decided here to %llu", ull(fetch->first),
           ull(fetch->last), ull(before->decided));
    EXPECT(monitor, RULE_2_4,
           is_decided || ballot_equal(message->ballot, monitor->promised) ||
               ballot_equal(message->ballot, monitor->drawn_before),
           "Fetch under %s with promised %s", spec_ballot(message->ballot),
           spec_ballot(monitor->promised));
    const struct model_lost *lost = &monitor->lost;
    EXPECT(monitor, RULE_P5,
           fetch->for_repair == 0 ||
               (is_decided && lost->is_active && fetch->last <= lost->length),
           "Fetch of slots %llu to %llu for a repair, of a log of %llu",
           ull(fetch->first), ull(fetch->last), ull(lost->length));
}

/* Of the core itself: it has none of what was asked for. The caller sends the others. */
static void judge_nothing(struct monitor *monitor, const struct sent *sent)
{
    const struct paxos_message *message = sent->message;
    const struct paxos_message *asked = monitor->message;
    const struct paxos_view *after = monitor->step->view;
    const struct model_lost *lost = &monitor->lost;
    bool is_asked = asked != NULL && asked->type == PAXOS_FETCH &&
                    asked->from == message->to && asked->fetch.for_repair != 0 &&
                    asked->fetch.first == message->log.from + 1;
    EXPECT(monitor, RULE_P4, is_asked && message->entry_count == 0,
           "Entries of %u slots after %llu to n%u that did not ask", message->entry_count,
           ull(message->log.from), message->to);
    if (!is_asked) {
        return;
    }
    bool is_behind = lost->is_active && asked->fetch.first > after->length;
    cs_slot most = is_behind ? lost->length : after->durable;
    EXPECT(monitor, RULE_P4,
           message->log.decided <= after->decided &&
               (asked->fetch.first > most || asked->fetch.last < asked->fetch.first),
           "says that it has no slot %llu, on its disk are %llu, decided %llu of %llu",
           ull(asked->fetch.first), ull(most), ull(message->log.decided),
           ull(after->decided));
}

/* Slots served: decided ones, or a log as it was promised. */
void spec_answers_judge_serve(struct monitor *monitor)
{
    const struct paxos_serve *serve = &monitor->step->effects->serve;
    const struct paxos_message *asked = monitor->message;
    const struct paxos_view *after = monitor->step->view;
    bool is_asked = asked != NULL && asked->type == PAXOS_FETCH &&
                    asked->from == serve->to && serve->first >= asked->fetch.first &&
                    serve->last <= asked->fetch.last &&
                    ballot_equal(asked->ballot, serve->ballot);
    EXPECT(monitor, RULE_A8, is_asked, "serves slots %llu to %llu that n%u did not ask",
           ull(serve->first), ull(serve->last), serve->to);
    if (serve->for_repair != 0) {
        // Decided or not, what is on disk; behind lost slots too: who asks can tell (P4).
        bool is_behind = monitor->lost.is_active && serve->first > monitor->log.length;
        cs_slot most = is_behind ? monitor->lost.length : monitor->disk.length;
        EXPECT(monitor, RULE_P4, serve->ballot.round == 0 && serve->last <= most,
               "serves slots to %llu for a repair, on its disk are %llu",
               ull(serve->last), ull(most));
        return;
    }
    bool is_decided = serve->ballot.round == 0;
    EXPECT(monitor, RULE_A8,
           serve->last <= (is_decided ? after->decided : after->length) &&
               (is_decided || ballot_equal(serve->ballot, monitor->promised)),
           "serves slots to %llu under %s with promised %s, decided %llu of %llu",
           ull(serve->last), spec_ballot(serve->ballot), spec_ballot(monitor->promised),
           ull(after->decided), ull(after->length));
}

void spec_answers_judge(struct monitor *monitor, const struct sent *sent)
{
    switch ((enum paxos_message_type)sent->message->type) {
    case PAXOS_HELLO:
        judge_hello(monitor, sent);
        return;
    case PAXOS_HELLO_REPLY:
        judge_hello_reply(monitor, sent);
        return;
    case PAXOS_FORM:
    case PAXOS_FORM_REPLY:
    case PAXOS_START:
        judge_form(monitor, sent);
        return;
    case PAXOS_HEARTBEAT_REPLY:
        judge_heartbeat_reply(monitor, sent);
        return;
    case PAXOS_READ:
        judge_read(monitor, sent);
        return;
    case PAXOS_READ_REPLY:
        spec_reads_judge_reply(monitor, sent->message);
        return;
    case PAXOS_FETCH:
        judge_fetch(monitor, sent);
        return;
    case PAXOS_ENTRIES:
        judge_nothing(monitor, sent);
        return;
    case PAXOS_HEARTBEAT: // election.c
    case PAXOS_PREPARE:
    case PAXOS_PROMISE:
    case PAXOS_NACK:
    case PAXOS_PREPARE_REQUEST:
    case PAXOS_ACCEPT_SYNC:
    case PAXOS_ACCEPT:
    case PAXOS_ACCEPTED:
    case PAXOS_ROUND_ACK:
    case PAXOS_HANDOVER:
    case PAXOS_MESSAGE_TYPES:
        return;
    }
}
