#include "paxos/core.h"

#include <string.h>

/*
 * First boot (C8). Seats without a past exchange Hello. When all have met, seat 0 draws
 * the cluster id, makes Config (epoch 1, all incarnations) durable and sends it (FORM);
 * each other seat takes it once, makes it durable and says so; when all have, seat 0
 * makes START durable and sends it. Nobody votes before a durable START.
 */

static bool has_config(const struct paxos_core *core)
{
    return !id_is_none(core->config.cluster_id);
}

static bool same_config(const struct paxos_config *left, const struct paxos_config *right)
{
    // `started` differs on purpose; unused seats are zero in both.
    return id_equal(left->cluster_id, right->cluster_id) && left->epoch == right->epoch &&
           left->member_count == right->member_count &&
           memcmp(left->node, right->node, sizeof left->node) == 0 &&
           memcmp(left->incarnation, right->incarnation, sizeof left->incarnation) == 0;
}

static void persist_config(struct paxos_core *core)
{
    core_persist(core, PAXOS_PERSIST_CONFIG, 0, 0);
    core->config_token = core->last_token;
}

static bool all_have_met(const struct paxos_core *core)
{
    for (uint32_t seat = 1; seat < core->settings.member_count; seat++) {
        if (!core->peers[seat].has_met) {
            return false;
        }
    }
    return true;
}

static bool all_have_formed(const struct paxos_core *core)
{
    for (uint32_t seat = 1; seat < core->settings.member_count; seat++) {
        if (!core->peers[seat].has_formed && !MUTANT_IS(89)) {
            return false;
        }
    }
    return true;
}

static void draw_config(struct paxos_core *core)
{
    MARK(C8_CONFIG);
    MARK_IF(core->settings.member_count == 1, C8_ALONE);
    struct paxos_config *config = &core->config;
    config->cluster_id = core->settings.fresh_cluster_id;
    config->epoch = 1;
    config->member_count = core->settings.member_count;
    for (uint32_t seat = 0; seat < core->settings.member_count; seat++) {
        config->node[seat] = seat + 1;
        config->incarnation[seat] = seat == core->settings.seat
                                        ? core->settings.incarnation
                                        : core->peers[seat].met_incarnation;
    }
    config->started = core->settings.member_count == 1;
    persist_config(core);
}

static void send_form(struct paxos_core *core)
{
    for (uint32_t seat = 1; seat < core->settings.member_count; seat++) {
        if (!core->peers[seat].has_formed) {
            struct paxos_message *message = core_send_now(core, PAXOS_FORM, seat);
            message->form.config = core->config;
            message->form.nonce = core->settings.nonce;
        }
    }
}

void forming_tick(struct paxos_core *core)
{
    bool is_quiet = core->config_token <= core->durable_token &&
                    core->effects->persist.kind == PAXOS_PERSIST_NONE;
    if (core->settings.seat != 0 || core->is_start_durable || !is_quiet) {
        return;
    }
    if (!has_config(core)) {
        if (all_have_met(core)) {
            draw_config(core);
        }
        if (MUTANT_IS(85) && has_config(core)) {
            send_form(core);
        }
        return;
    }
    if (all_have_formed(core)) {
        MARK(C8_START);
        core->config.started = 1;
        persist_config(core);
    }
}

void forming_resend(struct paxos_core *core)
{
    if (core->settings.seat == 0 && core->config_is_durable && !core->is_start_durable) {
        send_form(core);
    }
}

bool paxos_config_fits(const struct paxos_settings *settings,
                       const struct paxos_config *config)
{
    uint32_t seat = settings->seat;
    bool is_as_many = config->member_count == settings->member_count || MUTANT_IS(280);
    bool is_seat_own = id_equal(config->incarnation[seat], settings->incarnation) &&
                       config->node[seat] == seat + 1;
    return !id_is_none(config->cluster_id) && config->epoch == 1 && is_as_many &&
           (is_seat_own || MUTANT_IS(281));
}

/* Says that Config is durable here, once it is. */
static void answer_form(struct paxos_core *core)
{
    bool is_durable = core->config_is_durable || MUTANT_IS(86);
    if (core->settings.seat != 0 && is_durable && core->form_nonce != 0) {
        struct paxos_message *reply = core_send_now(core, PAXOS_FORM_REPLY, 0);
        reply->form.config = core->config;
        reply->form.nonce = core->form_nonce;
    }
}

void forming_receive_form(struct paxos_core *core, const struct paxos_message *message)
{
    if (message->from != 0 || core->is_start_durable ||
        !paxos_config_fits(&core->settings, &message->form.config)) {
        return;
    }
    core->form_nonce = message->form.nonce;
    if (!has_config(core) || MUTANT_IS(88)) {
        MARK(C8_FORM);
        core->config = message->form.config;
        core->config.started = 0;
        persist_config(core);
    } else if (same_config(&core->config, &message->form.config)) {
        MARK(C8_FORM_AGAIN);
        answer_form(core);
    }
}

void forming_receive_form_reply(struct paxos_core *core,
                                const struct paxos_message *message)
{
    if (core->settings.seat != 0 || !has_config(core) ||
        message->form.nonce != core->settings.nonce ||
        !same_config(&core->config, &message->form.config) ||
        !id_equal(message->from_incarnation, core->config.incarnation[message->from])) {
        return;
    }
    core->peers[message->from].has_formed = true;
    forming_tick(core); // perhaps that was the last one: START need not wait
}

void forming_receive_start(struct paxos_core *core, const struct paxos_message *message)
{
    if (core->config.started != 0 || !core->config_is_durable ||
        message->form.config.started == 0 ||
        !same_config(&core->config, &message->form.config)) {
        return;
    }
    MARK(C8_STARTED);
    core->config.started = 1;
    persist_config(core);
}

static void open_for_votes(struct paxos_core *core)
{
    core->is_start_durable = true;
    core->role = core->settings.member_count == 1 ? PAXOS_FOLLOWER : PAXOS_GATED;
    core->election.my_ballot.epoch = core->config.epoch;
    core->election.leader.epoch = core->config.epoch;
    core->election.round_end_ms = core->now_ms;
    core->election.fast_rounds = FAST_ROUNDS; // nobody leads yet: no reason to wait
    core->next_hello_ms = core->now_ms;
    core_trace(core, PAXOS_TRACE_STARTED, 0, core->promised, 0);
    for (uint32_t seat = 1;
         core->settings.seat == 0 && seat < core->settings.member_count; seat++) {
        forming_answer_hello(core, seat);
    }
}

void forming_persisted(struct paxos_core *core)
{
    if (core->config_token == 0 || core->durable_token < core->config_token) {
        return;
    }
    core->config_token = 0;
    if (!core->config_is_durable) {
        core->config_is_durable = true;
        core_trace(core, PAXOS_TRACE_FORMED, 0, core->promised, 0);
        core->next_hello_ms = core->now_ms;
        answer_form(core);
    }
    if (core->config.started != 0 && !core->is_start_durable) {
        open_for_votes(core);
    }
}

void forming_answer_hello(struct paxos_core *core, uint32_t seat)
{
    // A member that missed START asks by saying Hello: any started member may repeat it.
    if (core->is_start_durable || (MUTANT_IS(87) && core->config.started != 0)) {
        struct paxos_message *message = core_send_now(core, PAXOS_START, seat);
        message->form.config = core->config;
        message->form.nonce = core->settings.nonce;
    }
}
