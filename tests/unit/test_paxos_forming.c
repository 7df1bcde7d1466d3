/* First boot (C8): who draws a configuration, who takes it, and when voting begins. */
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
    struct paxos_message message = paxos_rig_hello_reply(rig, author);
    message.hello_reply.known_incarnation = (struct paxos_id){0};
    message.hello_reply.author_cluster_id = (struct paxos_id){0};
    paxos_rig_receive(rig, &message);
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

static void configuration_that_does_not_fit_is_not_taken(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 1);
    const struct paxos_config good = sample_config();
    struct paxos_config bad[5] = {good, good, good, good, good};
    bad[0].cluster_id = (struct paxos_id){0};
    bad[1].epoch = 2;
    bad[2].member_count = 5;
    bad[3].incarnation[1] = paxos_rig_incarnation(6);
    bad[4].node[1] = 3;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct paxos_message message = form(&rig, PAXOS_FORM, 0, &bad[i]);
        paxos_rig_must_ignore(&rig, &message);
    }
    struct paxos_message message = form(&rig, PAXOS_FORM, 0, &good);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_CONFIG);
    paxos_rig_fini(&rig);
}

static void only_the_configuration_taken_can_start(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 1);
    const struct paxos_config good = sample_config();
    struct paxos_message message = form(&rig, PAXOS_FORM, 0, &good);
    paxos_rig_receive(&rig, &message);
    paxos_rig_persisted(&rig);
    struct paxos_config bad[5] = {good, good, good, good, good};
    bad[0].cluster_id.low++;
    bad[1].epoch = 2;
    bad[2].member_count = 5;
    bad[3].node[2] = 4;
    bad[4].incarnation[2] = paxos_rig_incarnation(6);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad[i].started = 1;
        message = form(&rig, PAXOS_START, 0, &bad[i]);
        paxos_rig_must_ignore(&rig, &message);
    }
    message = form(&rig, PAXOS_FORM_REPLY, 0, &good); // seat 0 collects these
    paxos_rig_must_ignore(&rig, &message);
    struct paxos_config started = good;
    started.started = 1;
    message = form(&rig, PAXOS_START, 0, &started);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.persist.kind, PAXOS_PERSIST_CONFIG);
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
    struct paxos_message message = paxos_rig_hello_reply(&rig, 0);
    message.hello_reply.known_incarnation = paxos_rig_incarnation(6);
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_WIPED);
    paxos_rig_fini(&rig);
}

static void who_forgot_even_its_configuration_has_gone_back_in_time(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 0);
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.seen.boot = rig.settings.boot;
    paxos_rig_receive(&rig, &message); // it has a Config of ours that is on its way to us
    assert_int_equal(rig.effects.halt, PAXOS_HALT_NONE);
    message.hello_reply.seen.block = 7;
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_AMNESIA);
    paxos_rig_fini(&rig);
}

static void directory_emptied_before_its_config_is_no_twin(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 2);
    struct paxos_message message = paxos_rig_hello(&rig, 1);
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

static void twins_halt_before_they_have_a_config(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_fresh(&rig, 1);
    struct paxos_message message = paxos_rig_hello_reply(&rig, 2);
    message.hello_reply.known_incarnation = (struct paxos_id){0};
    message.hello_reply.author_cluster_id = (struct paxos_id){0};
    message.hello_reply.twin_nonce = 777;
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_TWIN);
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
        cmocka_unit_test(first_seat_waits_for_all_seats),
        cmocka_unit_test(start_waits_until_all_have_the_config),
        cmocka_unit_test(seat_takes_one_config_and_only_from_the_first_seat),
        cmocka_unit_test(configuration_that_does_not_fit_is_not_taken),
        cmocka_unit_test(only_the_configuration_taken_can_start),
        cmocka_unit_test(nobody_votes_before_a_durable_start),
        cmocka_unit_test(restart_before_start_forms_on),
        cmocka_unit_test(fresh_node_that_meets_a_past_is_wiped),
        cmocka_unit_test(who_forgot_even_its_configuration_has_gone_back_in_time),
        cmocka_unit_test(directory_emptied_before_its_config_is_no_twin),
        cmocka_unit_test(twins_halt_before_they_have_a_config),
        cmocka_unit_test(one_seat_alone_forms_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
