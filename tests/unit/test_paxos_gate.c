/*
 * Identity (2.12) and first boot (C8): who is heard, who may vote, who must halt.
 */
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A gated node of a formed cluster. */
static void make_gated(struct paxos_rig *rig, uint32_t member_count)
{
    paxos_rig_init(rig, 0, member_count);
    rig->recovered.promised = paxos_rig_ballot(4, 1);
    paxos_rig_start(rig);
    assert_int_equal(rig->view.role, PAXOS_GATED);
}

/* The answer of a healthy member to our Hello. */
static struct paxos_message hello_reply(struct paxos_rig *rig, uint32_t author)
{
    struct paxos_message message = paxos_rig_message(PAXOS_HELLO_REPLY, author, rig);
    struct paxos_hello_reply *reply = &message.hello_reply;
    reply->author = author;
    reply->about = rig->settings.seat;
    reply->author_incarnation = paxos_rig_incarnation(author);
    reply->author_cluster_id = rig->recovered.config.cluster_id;
    reply->about_boot = rig->settings.boot;
    reply->about_nonce = rig->settings.nonce;
    reply->known_incarnation = rig->settings.incarnation;
    return message;
}

static struct paxos_message hello(struct paxos_rig *rig, uint32_t author)
{
    struct paxos_message message = paxos_rig_message(PAXOS_HELLO, author, rig);
    message.hello.author = author;
    message.hello.incarnation = paxos_rig_incarnation(author);
    message.hello.cluster_id = rig->recovered.config.cluster_id;
    message.hello.boot = 5;
    message.hello.nonce = 500 + author;
    message.hello.block = 8;
    return message;
}

static void
assert_halts(struct paxos_rig *rig, const struct paxos_message *message, uint32_t reason)
{
    paxos_rig_receive(rig, message);
    assert_int_equal(rig->effects.halt, reason);
    assert_int_equal(rig->effects.now_count, 0); // nothing is sent any more
    assert_int_equal(rig->effects.after_sync_count, 0);
}

/* ---- the gate ---- */

static void gate_opens_for_a_quorum_of_authors(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 5);
    struct paxos_message message = hello_reply(&rig, 1);
    paxos_rig_receive(&rig, &message);
    paxos_rig_receive(&rig, &message); // one author counts once
    assert_int_equal(rig.view.role, PAXOS_GATED);
    message = hello_reply(&rig, 3);
    paxos_rig_set_sender(&message, 1); // through a relay: the author counts
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    paxos_rig_fini(&rig);
}

static void answers_to_another_life_do_not_open_the_gate(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 3);
    struct paxos_message message = hello_reply(&rig, 1);
    message.hello_reply.about_boot--;
    paxos_rig_receive(&rig, &message);
    message = hello_reply(&rig, 1);
    message.hello_reply.about_nonce++;
    paxos_rig_receive(&rig, &message);
    message = hello_reply(&rig, 1);
    message.hello_reply.about = 2;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_GATED);
    paxos_rig_fini(&rig);
}

static void strangers_do_not_open_the_gate(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 3);
    struct paxos_message message = hello_reply(&rig, 1);
    message.hello_reply.author_incarnation = paxos_rig_incarnation(6);
    paxos_rig_receive(&rig, &message);
    message = hello_reply(&rig, 1);
    message.hello_reply.author_cluster_id.low++;
    paxos_rig_receive(&rig, &message);
    message = hello_reply(&rig, 1);
    message.hello_reply.author_cluster_id = (struct paxos_id){0};
    paxos_rig_receive(&rig, &message);
    message = hello_reply(&rig, 1);
    message.hello_reply.author = 77;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.role, PAXOS_GATED);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
    paxos_rig_fini(&rig);
}

static void whoever_remembers_more_of_a_node_ends_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 3);
    struct paxos_message message = hello_reply(&rig, 1);
    message.hello_reply.seen.boot = rig.settings.boot + 1;
    assert_halts(&rig, &message, PAXOS_HALT_AMNESIA);
    assert_int_equal(rig.effects.halt_peer, 1);
    paxos_rig_fini(&rig);

    make_gated(&rig, 3);
    message = hello_reply(&rig, 1);
    message.hello_reply.seen.block = rig.recovered.block + 1;
    assert_halts(&rig, &message, PAXOS_HALT_AMNESIA);
    paxos_rig_fini(&rig);

    make_gated(&rig, 3);
    message = hello_reply(&rig, 1);
    message.hello_reply.seen.promised = paxos_rig_ballot(4, 2);
    assert_halts(&rig, &message, PAXOS_HALT_AMNESIA);
    paxos_rig_fini(&rig);
}

static void what_a_peer_remembers_may_equal_what_the_disk_has(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 3);
    struct paxos_message message = hello_reply(&rig, 1);
    message.hello_reply.seen.boot = rig.settings.boot;
    message.hello_reply.seen.block = rig.recovered.block;
    message.hello_reply.seen.promised = paxos_rig_ballot(4, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    paxos_rig_fini(&rig);
}

static void open_gate_still_hears_of_amnesia(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = hello_reply(&rig, 2);
    message.hello_reply.seen.block = rig.block + 1;
    assert_halts(&rig, &message, PAXOS_HALT_AMNESIA);
    paxos_rig_fini(&rig);
}

static void node_with_another_incarnation_of_its_seat_is_wiped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 3);
    struct paxos_message message = hello_reply(&rig, 1);
    message.hello_reply.known_incarnation = paxos_rig_incarnation(6);
    assert_halts(&rig, &message, PAXOS_HALT_WIPED);
    paxos_rig_fini(&rig);
}

static void two_nonces_alive_under_one_boot_are_twins(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = hello(&rig, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1)->hello_reply.twin_nonce, 0);
    message.hello.nonce = 777;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1)->hello_reply.twin_nonce, 501);
    message.hello.nonce = 501;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1)->hello_reply.twin_nonce, 777);
    paxos_rig_fini(&rig);
}

static void nonce_of_an_earlier_boot_is_no_twin(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = hello(&rig, 1);
    paxos_rig_receive(&rig, &message);
    message.hello.boot = message.boot = 6; // restarted
    message.hello.nonce = 777;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1)->hello_reply.twin_nonce, 0);
    paxos_rig_fini(&rig);
}

static void node_that_hears_of_its_twin_halts(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = hello_reply(&rig, 1);
    message.hello_reply.twin_nonce = 777;
    assert_halts(&rig, &message, PAXOS_HALT_TWIN);
    struct paxos_event tick = {.type = PAXOS_EVENT_TICK};
    rig.now_ms += 1000;
    paxos_rig_step(&rig, &tick);
    assert_int_equal(rig.effects.halt, PAXOS_HALT_TWIN); // and stays so
    assert_int_equal(rig.effects.now_count, 0);
    paxos_rig_fini(&rig);
}

static void hello_is_answered_with_what_is_remembered_and_relayed_once(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.recovered.watermarks[1] = (struct paxos_watermark){.boot = 4, .block = 30};
    paxos_rig_start(&rig);
    struct paxos_message message = hello(&rig, 1);
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *answer = paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1);
    assert_non_null(answer);
    assert_int_equal(answer->hello_reply.seen.boot, 4); // before this Hello
    assert_int_equal(answer->hello_reply.seen.block, 30);
    assert_int_equal(answer->hello_reply.about_nonce, message.hello.nonce);
    const struct paxos_message *relayed = paxos_rig_sent_now(&rig, PAXOS_HELLO, 2);
    assert_non_null(relayed);
    assert_int_equal(relayed->hello.author, 1);
    assert_int_equal(relayed->hello.relayed, 1);
    message = *relayed;
    message.from = 2; // as it would come to us: passed on by seat 2
    message.to = 0;
    message.from_incarnation = paxos_rig_incarnation(2);
    paxos_rig_receive(&rig, &message);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_HELLO, 1)); // never a second time
    assert_null(paxos_rig_sent_now(&rig, PAXOS_HELLO, 2));
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 2));
    paxos_rig_fini(&rig);
}

static void watermarks_only_rise(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = hello(&rig, 1);
    message.hello.block = 50;
    message.hello.promised = paxos_rig_ballot(3, 2);
    paxos_rig_receive(&rig, &message);
    message.hello.block = 40;
    message.hello.promised = paxos_rig_ballot(2, 2);
    paxos_rig_receive(&rig, &message);
    const struct paxos_watermark *seen = &paxos_watermarks_of(rig.core)[1];
    assert_int_equal(seen->block, 50);
    assert_int_equal(seen->promised.round, 3);
    assert_int_equal(seen->boot, 5);
    paxos_rig_fini(&rig);
}

static void messages_of_strangers_and_of_the_past_are_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message prepare = paxos_rig_message(PAXOS_PREPARE, 1, &rig);
    prepare.ballot = paxos_rig_ballot(4, 1);
    struct paxos_message message = prepare;
    message.cluster_id.low++;
    paxos_rig_receive(&rig, &message);
    message = prepare;
    message.from_incarnation = paxos_rig_incarnation(6);
    paxos_rig_receive(&rig, &message);
    message = prepare;
    message.to_incarnation = paxos_rig_incarnation(6);
    paxos_rig_receive(&rig, &message);
    message = prepare;
    message.epoch = 2;
    paxos_rig_receive(&rig, &message);
    message = prepare;
    message.to = 2;
    paxos_rig_receive(&rig, &message);
    message = prepare;
    message.from = 3;
    paxos_rig_receive(&rig, &message);
    message = prepare;
    message.type = PAXOS_MESSAGE_TYPES;
    paxos_rig_receive(&rig, &message);
    struct paxos_message later = hello(&rig, 1);
    later.hello.boot = later.boot = 9;
    paxos_rig_receive(&rig, &later);
    paxos_rig_receive(&rig, &prepare); // of boot 5: an old queue (G4)
    assert_int_equal(rig.view.promised.round, 0);
    prepare.boot = 9;
    paxos_rig_receive(&rig, &prepare);
    assert_int_equal(rig.view.promised.round, 4);
    paxos_rig_fini(&rig);
}

/* ---- first boot ---- */

/* A node without a past; its peers have none either, unless a test says so. */
static void make_fresh(struct paxos_rig *rig, uint32_t seat)
{
    paxos_rig_init(rig, seat, 3);
    rig->recovered.config = (struct paxos_config){0};
    rig->recovered.block = 0;
    paxos_rig_start(rig);
    assert_int_equal(rig->view.role, PAXOS_FORMING);
}

/* `author` says that it has no past. */
static void meet(struct paxos_rig *rig, uint32_t author)
{
    struct paxos_message message = hello_reply(rig, author);
    message.hello_reply.known_incarnation = (struct paxos_id){0};
    message.hello_reply.author_cluster_id = (struct paxos_id){0};
    paxos_rig_receive(rig, &message);
}

static void who_forgot_even_its_configuration_has_gone_back_in_time(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 0);
    struct paxos_message message = hello_reply(&rig, 1);
    message.hello_reply.seen.boot = rig.settings.boot;
    paxos_rig_receive(&rig, &message); // it has a Config of ours that is on its way to us
    assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
    message.hello_reply.seen.block = 7;
    assert_halts(&rig, &message, PAXOS_HALT_AMNESIA);
    paxos_rig_fini(&rig);
}

/* A message of the forming protocol about this configuration. */
static struct paxos_message form(struct paxos_rig *rig,
                                 uint32_t type,
                                 uint32_t from,
                                 const struct paxos_config *config)
{
    struct paxos_message message = paxos_rig_message(type, from, rig);
    message.form.config = *config;
    message.form.nonce = rig->settings.nonce;
    return message;
}

static struct paxos_config sample_config(void)
{
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.recovered.config.started = 0;
    return rig.recovered.config;
}

static void first_seat_waits_for_all_seats(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 0);
    meet(&rig, 1);
    paxos_rig_wait(&rig, 1000);
    assert_int_equal(rig.view.last_token, 0);
    meet(&rig, 2);
    paxos_rig_wait(&rig, 200);
    assert_int_equal(rig.view.last_token, 1);
    const struct paxos_config *config = paxos_config_of(rig.core);
    assert_int_equal(config->epoch, 1);
    assert_int_equal(config->started, 0);
    assert_int_equal(config->cluster_id.high, rig.settings.fresh_cluster_id.high);
    for (uint32_t seat = 0; seat < 3; seat++) {
        assert_int_equal(config->node[seat], seat + 1);
        assert_int_equal(config->incarnation[seat].low, paxos_rig_incarnation(seat).low);
    }
    paxos_rig_fini(&rig);
}

static void start_waits_until_all_have_the_config(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 0);
    meet(&rig, 1);
    meet(&rig, 2);
    paxos_rig_wait(&rig, 200);
    paxos_rig_persisted(&rig);
    struct paxos_config config = *paxos_config_of(rig.core);
    struct paxos_message message = form(&rig, PAXOS_FORM_REPLY, 1, &config);
    paxos_rig_receive(&rig, &message);
    message = form(&rig, PAXOS_FORM_REPLY, 2, &config);
    message.form.nonce++; // an answer to another process
    paxos_rig_receive(&rig, &message);
    message = form(&rig, PAXOS_FORM_REPLY, 2, &config);
    message.form.config.cluster_id.low++; // about another configuration
    paxos_rig_receive(&rig, &message);
    message = form(&rig, PAXOS_FORM_REPLY, 2, &config);
    message.from_incarnation = paxos_rig_incarnation(6); // not the disk named in it
    paxos_rig_receive(&rig, &message);
    paxos_rig_wait(&rig, 500);
    assert_int_equal(paxos_config_of(rig.core)->started, 0);
    message = form(&rig, PAXOS_FORM_REPLY, 2, &config);
    paxos_rig_receive(&rig, &message);
    paxos_rig_wait(&rig, 200);
    assert_int_equal(paxos_config_of(rig.core)->started, 1);
    assert_int_equal(rig.view.role, PAXOS_FORMING); // until it is durable
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.role, PAXOS_GATED);
    paxos_rig_fini(&rig);
}

static void seat_takes_one_config_and_only_from_the_first_seat(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 1);
    struct paxos_config config = sample_config();
    struct paxos_message message = form(&rig, PAXOS_FORM, 2, &config);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    message = form(&rig, PAXOS_FORM, 0, &config);
    message.form.config.incarnation[1] = paxos_rig_incarnation(6); // another disk of ours
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    message = form(&rig, PAXOS_FORM, 0, &config);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_CONFIG);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_FORM_REPLY, 0));
    paxos_rig_persisted(&rig);
    paxos_rig_receive(&rig, &message);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FORM_REPLY, 0));
    message.form.config.cluster_id.low++;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_FORM_REPLY, 0));
    paxos_rig_fini(&rig);
}

static void nobody_votes_before_a_durable_start(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 1);
    struct paxos_config config = sample_config();
    struct paxos_message message = form(&rig, PAXOS_FORM, 0, &config);
    paxos_rig_receive(&rig, &message);
    paxos_rig_persisted(&rig);
    message = paxos_rig_message(PAXOS_PREPARE, 0, &rig);
    message.cluster_id = config.cluster_id;
    message.epoch = 1;
    message.ballot = paxos_rig_ballot(1, 0);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.promised.round, 0);
    struct paxos_message start = form(&rig, PAXOS_START, 0, &config);
    paxos_rig_receive(&rig, &start); // not one that says started
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_NONE);
    start.form.config.started = 1;
    paxos_rig_receive(&rig, &start);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_CONFIG);
    assert_int_equal(rig.view.role, PAXOS_FORMING);
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.role, PAXOS_GATED);
    paxos_rig_fini(&rig);
}

static void restart_before_start_forms_on(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 3);
    rig.recovered.config.started = 0;
    paxos_rig_start(&rig);
    assert_int_equal(rig.view.role, PAXOS_FORMING);
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FORM, 1));
    assert_non_null(paxos_rig_sent_now(&rig, PAXOS_FORM, 2));
    paxos_rig_fini(&rig);
}

static void fresh_node_that_meets_a_past_is_wiped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 1);
    struct paxos_message message = hello_reply(&rig, 0);
    message.hello_reply.known_incarnation = paxos_rig_incarnation(6);
    assert_halts(&rig, &message, PAXOS_HALT_WIPED);
    paxos_rig_fini(&rig);
}

static void directory_emptied_before_its_config_is_no_twin(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 2);
    struct paxos_message message = hello(&rig, 1);
    paxos_rig_receive(&rig, &message);
    message.hello.incarnation = message.from_incarnation = paxos_rig_incarnation(6);
    message.hello.nonce = 777; // formatted anew: again the same boot
    paxos_rig_receive(&rig, &message);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1)->hello_reply.twin_nonce, 0);
    message.hello.nonce = 778; // and now two processes run on that one
    paxos_rig_receive(&rig, &message);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1)->hello_reply.twin_nonce, 777);
    paxos_rig_fini(&rig);
}

static void emptied_directory_does_not_hide_the_twins_of_a_member(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = hello(&rig, 1);
    paxos_rig_receive(&rig, &message);
    struct paxos_message stranger = hello(&rig, 1);
    stranger.hello.incarnation = stranger.from_incarnation = paxos_rig_incarnation(6);
    stranger.hello.boot = 9;
    stranger.hello.nonce = 777;
    paxos_rig_receive(&rig, &stranger);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1)->hello_reply.twin_nonce, 0);
    message.hello.nonce = 502;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(
        paxos_rig_sent_now(&rig, PAXOS_HELLO_REPLY, 1)->hello_reply.twin_nonce, 501);
    paxos_rig_fini(&rig);
}

static void twins_halt_before_they_have_a_config(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 1);
    struct paxos_message message = hello_reply(&rig, 2);
    message.hello_reply.known_incarnation = (struct paxos_id){0};
    message.hello_reply.author_cluster_id = (struct paxos_id){0};
    message.hello_reply.twin_nonce = 777;
    assert_halts(&rig, &message, PAXOS_HALT_TWIN);
    paxos_rig_fini(&rig);
}

static void one_seat_alone_forms_at_once(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 1);
    rig.recovered.config = (struct paxos_config){0};
    paxos_rig_start(&rig);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_CONFIG);
    paxos_rig_persisted(&rig);
    assert_int_equal(rig.view.role, PAXOS_FOLLOWER);
    assert_int_equal(paxos_config_of(rig.core)->started, 1);
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gate_opens_for_a_quorum_of_authors),
        cmocka_unit_test(answers_to_another_life_do_not_open_the_gate),
        cmocka_unit_test(strangers_do_not_open_the_gate),
        cmocka_unit_test(whoever_remembers_more_of_a_node_ends_it),
        cmocka_unit_test(what_a_peer_remembers_may_equal_what_the_disk_has),
        cmocka_unit_test(open_gate_still_hears_of_amnesia),
        cmocka_unit_test(who_forgot_even_its_configuration_has_gone_back_in_time),
        cmocka_unit_test(node_with_another_incarnation_of_its_seat_is_wiped),
        cmocka_unit_test(two_nonces_alive_under_one_boot_are_twins),
        cmocka_unit_test(nonce_of_an_earlier_boot_is_no_twin),
        cmocka_unit_test(node_that_hears_of_its_twin_halts),
        cmocka_unit_test(hello_is_answered_with_what_is_remembered_and_relayed_once),
        cmocka_unit_test(watermarks_only_rise),
        cmocka_unit_test(messages_of_strangers_and_of_the_past_are_dropped),
        cmocka_unit_test(first_seat_waits_for_all_seats),
        cmocka_unit_test(start_waits_until_all_have_the_config),
        cmocka_unit_test(seat_takes_one_config_and_only_from_the_first_seat),
        cmocka_unit_test(nobody_votes_before_a_durable_start),
        cmocka_unit_test(restart_before_start_forms_on),
        cmocka_unit_test(fresh_node_that_meets_a_past_is_wiped),
        cmocka_unit_test(directory_emptied_before_its_config_is_no_twin),
        cmocka_unit_test(emptied_directory_does_not_hide_the_twins_of_a_member),
        cmocka_unit_test(twins_halt_before_they_have_a_config),
        cmocka_unit_test(one_seat_alone_forms_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
