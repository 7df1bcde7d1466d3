#include "paxos/core.h"

/*
 * The identity gate (2.12). A started node answers Hello, HbReq and Fetch only until
 * q1-1 other voters, heard directly or through one relay, have answered its Hello;
 * whoever remembers more of it than its disk does ends it (amnesia).
 */

static struct paxos_watermark own_watermark(const struct paxos_core *core)
{
    struct paxos_watermark own = {.boot = core->settings.boot,
                                  .block = core->disk.block,
                                  .promised = core->promised_durable};
    return own;
}

static void fill_hello(const struct paxos_core *core, struct paxos_hello *hello)
{
    struct paxos_watermark own = own_watermark(core);
    hello->author = core->settings.seat;
    hello->incarnation = core->settings.incarnation;
    hello->cluster_id =
        core->config_is_durable ? core->config.cluster_id : hello->cluster_id;
    hello->boot = own.boot;
    hello->nonce = core->settings.nonce;
    hello->block = own.block;
    hello->promised = own.promised;
}

void gate_tick(struct paxos_core *core)
{
    core->role = core->role == PAXOS_GATED && MUTANT_IS(90) ? PAXOS_FOLLOWER : core->role;
    bool is_open =
        core->role >= PAXOS_FOLLOWER && !BUGGIFY(core->settings.buggify, HELLO_OFTEN);
    core->next_hello_ms =
        core->now_ms + (is_open ? HELLO_OPEN_MS : core->settings.resend_ms);
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (seat != core->settings.seat) {
            fill_hello(core, &core_send_now(core, PAXOS_HELLO, seat)->hello);
        }
    }
    forming_tick(core);
    forming_resend(core);
}

static void raise(uint64_t *value, uint64_t to)
{
    *value = to > *value ? to : *value;
}

void gate_note(struct paxos_core *core, uint32_t seat, struct paxos_watermark shown)
{
    struct paxos_watermark *seen = &core->peers[seat].seen;
    MARK_IF(shown.boot > seen->boot || shown.block > seen->block, G3);
    raise(&seen->boot, shown.boot);
    raise(&seen->block, shown.block);
    seen->promised =
        ballot_less(seen->promised, shown.promised) ? shown.promised : seen->promised;
    core->watermarks[seat] = *seen;
}

/* G1: the author, with this very directory. */
static bool is_member(const struct paxos_core *core, const struct paxos_hello *hello)
{
    return core->config_is_durable &&
           id_equal(hello->incarnation, core->config.incarnation[hello->author]);
}

/*
 * G4: two processes from one directory share incarnation and boot number, never the
 * nonce. A directory that was emptied counts its boots from 1 again: it is no twin.
 */
static void note_nonce(struct paxos_core *core, const struct paxos_hello *hello)
{
    struct peer *peer = &core->peers[hello->author];
    if (core->config_is_durable && !is_member(core, hello)) {
        return;
    }
    bool is_new_directory =
        !id_equal(hello->incarnation, peer->nonce_incarnation) && !MUTANT_IS(123);
    if (is_new_directory || hello->boot > peer->nonce_boot) {
        MARK_IF(is_new_directory && peer->nonce_boot != 0, G4_EMPTIED);
        peer->nonce_incarnation = hello->incarnation;
        peer->nonce_boot = hello->boot;
        peer->nonce = hello->nonce;
        peer->other_nonce = 0;
    }
    if (hello->boot != peer->nonce_boot) {
        return;
    }
    if (hello->nonce == peer->nonce) {
        peer->nonce_heard_ms = core->now_ms;
    } else {
        peer->other_nonce = hello->nonce;
        peer->other_nonce_heard_ms = core->now_ms;
    }
}

static uint64_t living_twin(const struct paxos_core *core,
                            const struct paxos_hello *hello)
{
    const struct peer *peer = &core->peers[hello->author];
    bool is_same_directory =
        id_equal(hello->incarnation, peer->nonce_incarnation) || MUTANT_IS(123);
    if (!is_same_directory || hello->boot != peer->nonce_boot || peer->other_nonce == 0) {
        return 0;
    }
    bool asks_first = hello->nonce == peer->nonce;
    uint64_t heard_ms = asks_first ? peer->other_nonce_heard_ms : peer->nonce_heard_ms;
    uint64_t twin = asks_first ? peer->other_nonce : peer->nonce;
    return core->now_ms - heard_ms <= TWIN_ALIVE_MS && !MUTANT_IS(91) ? twin : 0;
}

static void answer_hello(struct paxos_core *core, const struct paxos_message *message)
{
    const struct paxos_hello *hello = &message->hello;
    struct paxos_message *message_out =
        core_send_now(core, PAXOS_HELLO_REPLY, message->from);
    struct paxos_hello_reply *reply = &message_out->hello_reply;
    reply->author = core->settings.seat;
    reply->about = hello->author;
    reply->author_incarnation = core->settings.incarnation;
    reply->about_boot = hello->boot;
    reply->about_nonce = hello->nonce;
    reply->twin_nonce = living_twin(core, hello);
    if (core->config_is_durable) {
        reply->author_cluster_id = core->config.cluster_id;
        reply->known_incarnation = core->config.incarnation[hello->author];
    }
    if (is_member(core, hello)) {
        reply->seen = core->peers[hello->author].seen;
    }
}

static void relay_hello(struct paxos_core *core, const struct paxos_message *message)
{
    struct peer *peer = &core->peers[message->from];
    // Once a Hello: the asker repeats it every resend_ms, and half of that is "the same
    // one".
    if (peer->relayed_nonce == message->hello.nonce &&
        core->now_ms < peer->relayed_ms + core->settings.resend_ms / 2) {
        return;
    }
    peer->relayed_nonce = message->hello.nonce;
    peer->relayed_ms = core->now_ms;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        if (seat != core->settings.seat && seat != message->from && !MUTANT_IS(92)) {
            struct paxos_message *relayed = core_send_now(core, PAXOS_HELLO, seat);
            relayed->hello = message->hello;
            relayed->hello.relayed = 1;
        }
    }
}

static bool hello_is_sound(const struct paxos_core *core,
                           const struct paxos_message *message)
{
    const struct paxos_hello *hello = &message->hello;
    if (hello->author >= core->settings.member_count ||
        hello->author == core->settings.seat) {
        return false;
    }
    return hello->relayed != 0 ? hello->author != message->from
                               : hello->author == message->from;
}

void gate_receive_hello(struct paxos_core *core, const struct paxos_message *message)
{
    const struct paxos_hello *hello = &message->hello;
    if (!hello_is_sound(core, message)) {
        return;
    }
    note_nonce(core, hello);
    answer_hello(core, message);
    if (!is_member(core, hello)) {
        return;
    }
    struct paxos_watermark shown = {.boot = hello->boot,
                                    .block = hello->block,
                                    .promised = hello->promised};
    gate_note(core, hello->author, shown);
    if (hello->relayed == 0 && id_equal(hello->cluster_id, core->config.cluster_id)) {
        relay_hello(core, message);
        forming_answer_hello(core, message->from);
    }
}

/* What a peer remembers of us that our disk does not (G2). */
static bool remembers_more(const struct paxos_core *core,
                           const struct paxos_watermark *seen)
{
    struct paxos_watermark own = own_watermark(core);
    bool is_more = seen->boot > own.boot || seen->block > own.block ||
                   ballot_less(own.promised, seen->promised);
    return is_more && !MUTANT_IS(21);
}

static void count_voucher(struct paxos_core *core, uint32_t author)
{
    core->peers[author].vouched = true;
    uint32_t count = 1;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        count += core->peers[seat].vouched;
    }
    if (core->role == PAXOS_GATED && count >= core_quorum_promise(core)) {
        MARK(G2);
        core->role = PAXOS_FOLLOWER;
        core_trace(core, PAXOS_TRACE_GATE_OPEN, author, core->promised, core->log.length);
    }
}

/* C8: an answer from a seat, before we have a Config. */
static void meet(struct paxos_core *core, const struct paxos_hello_reply *reply)
{
    if (!id_is_none(reply->known_incarnation) && !MUTANT_IS(124) &&
        !id_equal(reply->known_incarnation, core->settings.incarnation)) {
        MARK(C8_WIPED);
        core_halt(core, PAXOS_HALT_WIPED, reply->author);
        return;
    }
    if (reply->twin_nonce != 0 && !MUTANT_IS(125)) {
        MARK(G4_TWIN);
        core_halt(core, PAXOS_HALT_TWIN, reply->author);
        return;
    }
    // Back in time to before it had a Config (G2): else it would wait for one for ever.
    if (remembers_more(core, &reply->seen) && !MUTANT_IS(121)) {
        core_halt(core, PAXOS_HALT_AMNESIA, reply->author);
        return;
    }
    struct peer *peer = &core->peers[reply->author];
    peer->met_incarnation = reply->author_incarnation;
    peer->has_met = id_is_none(reply->author_cluster_id);
    MARK_IF(peer->has_met, C8_MEET);
    forming_tick(core); // perhaps that was the last one: Config need not wait
}

static void hear_reply(struct paxos_core *core, const struct paxos_hello_reply *reply)
{
    if (reply->about_boot != core->settings.boot ||
        reply->about_nonce != core->settings.nonce) {
        return; // for another life of this node
    }
    if (!core->config_is_durable) {
        meet(core, reply);
        return;
    }
    if (!id_equal(reply->author_cluster_id, core->config.cluster_id)) {
        return;
    }
    if (!id_equal(reply->known_incarnation, core->settings.incarnation)) {
        core_halt(core, PAXOS_HALT_WIPED, reply->author);
    } else if (reply->twin_nonce != 0) {
        MARK(G4_TWIN);
        core_halt(core, PAXOS_HALT_TWIN, reply->author);
    } else if (remembers_more(core, &reply->seen)) {
        MARK(G2_AMNESIA);
        core_halt(core, PAXOS_HALT_AMNESIA, reply->author);
    } else if (id_equal(reply->author_incarnation,
                        core->config.incarnation[reply->author])) {
        count_voucher(core, reply->author);
    }
}

void gate_receive_hello_reply(struct paxos_core *core,
                              const struct paxos_message *message)
{
    const struct paxos_hello_reply *reply = &message->hello_reply;
    uint32_t seats = core->settings.member_count;
    if (reply->author >= seats || reply->about >= seats ||
        reply->author == reply->about) {
        return;
    }
    if (reply->about == core->settings.seat) {
        MARK_IF(reply->author != message->from, G2_RELAYED);
        hear_reply(core, reply);
    } else if (reply->author == message->from) {
        // Our part as the relay: one hop back, naming its author.
        core_send_now(core, PAXOS_HELLO_REPLY, reply->about)->hello_reply = *reply;
    }
}

bool gate_admit(struct paxos_core *core, const struct paxos_message *message)
{
    // G1: another incarnation is not a voter, whatever its address.
    bool is_named =
        id_equal(message->cluster_id, core->config.cluster_id) &&
        (id_equal(message->from_incarnation, core->config.incarnation[message->from]) ||
         MUTANT_IS(22)) &&
        id_equal(message->to_incarnation, core->settings.incarnation);
    if (!is_named || message->epoch != core->config.epoch) {
        MARK_IF(!is_named, G1);
        return false;
    }
    struct peer *peer = &core->peers[message->from];
    if (message->boot < peer->seen.boot && !MUTANT_IS(20)) {
        MARK(G4_OLD);
        return false; // G4: an old queue
    }
    struct paxos_watermark shown = {.boot = message->boot};
    gate_note(core, message->from, shown);
    return true;
}
