/* Identity (2.12): who is heard, who may vote, who must halt. */
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

/* The twin that seat 1 is told of in the answer to its Hello, or 0. */
static uint64_t twin_told(const struct paxos_rig *rig)
{
    const struct paxos_message *answer = paxos_rig_sent_now(rig, PAXOS_HELLO_REPLY, 1);
    assert_non_null(answer);
    return answer->hello_reply.twin_nonce;
}

static void gate_opens_for_a_quorum_of_authors(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 5);
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
    paxos_rig_receive(&rig, &message);
    paxos_rig_receive(&rig, &message); // one author counts once
    assert_int_equal(rig.view.role, PAXOS_GATED);
    message = paxos_rig_hello_reply(&rig, 3);
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
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.about_boot--;
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.about_nonce++;
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_hello_reply(&rig, 1);
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
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.author_incarnation = paxos_rig_incarnation(6);
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.author_cluster_id.low++;
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.author_cluster_id = (struct paxos_id){0};
    paxos_rig_receive(&rig, &message);
    message = paxos_rig_hello_reply(&rig, 1);
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
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.seen.boot = rig.settings.boot + 1;
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_AMNESIA);
    assert_int_equal(rig.effects.halt_peer, 1);
    paxos_rig_fini(&rig);

    make_gated(&rig, 3);
    message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.seen.block = rig.recovered.block + 1;
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_AMNESIA);
    paxos_rig_fini(&rig);

    make_gated(&rig, 3);
    message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.seen.promised = paxos_rig_ballot(4, 2);
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_AMNESIA);
    paxos_rig_fini(&rig);
}

static void what_a_peer_remembers_may_equal_what_the_disk_has(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 3);
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
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
    struct paxos_message message = paxos_rig_hello_reply(&rig, 2);
    message.hello_reply.seen.block = rig.block + 1;
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_AMNESIA);
    paxos_rig_fini(&rig);
}

static void node_with_another_incarnation_of_its_seat_is_wiped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    make_gated(&rig, 3);
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.known_incarnation = paxos_rig_incarnation(6);
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_WIPED);
    paxos_rig_fini(&rig);
}

static void two_nonces_alive_under_one_boot_are_twins(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_hello(&rig, 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(twin_told(&rig), 0);
    message.hello.nonce = 777;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(twin_told(&rig), 501);
    message.hello.nonce = 501;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(twin_told(&rig), 777);
    paxos_rig_fini(&rig);
}

static void nonce_of_an_earlier_boot_is_no_twin(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_hello(&rig, 1);
    paxos_rig_receive(&rig, &message);
    message.hello.boot = message.boot = 6; // restarted
    message.hello.nonce = 777;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(twin_told(&rig), 0);
    paxos_rig_fini(&rig);
}

static void node_that_hears_of_its_twin_halts(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_hello_reply(&rig, 1);
    message.hello_reply.twin_nonce = 777;
    paxos_rig_must_halt(&rig, &message, PAXOS_HALT_TWIN);
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
    struct paxos_message message = paxos_rig_hello(&rig, 1);
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
    struct paxos_message message = paxos_rig_hello(&rig, 1);
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
    struct paxos_message later = paxos_rig_hello(&rig, 1);
    later.hello.boot = later.boot = 9;
    paxos_rig_receive(&rig, &later);
    paxos_rig_receive(&rig, &prepare); // of boot 5: an old queue (G4)
    assert_int_equal(rig.view.promised.round, 0);
    prepare.boot = 9;
    paxos_rig_receive(&rig, &prepare);
    assert_int_equal(rig.view.promised.round, 4);
    paxos_rig_fini(&rig);
}

static void emptied_directory_does_not_hide_the_twins_of_a_member(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make(&rig);
    struct paxos_message message = paxos_rig_hello(&rig, 1);
    paxos_rig_receive(&rig, &message);
    struct paxos_message stranger = paxos_rig_hello(&rig, 1);
    stranger.hello.incarnation = stranger.from_incarnation = paxos_rig_incarnation(6);
    stranger.hello.boot = 9;
    stranger.hello.nonce = 777;
    paxos_rig_receive(&rig, &stranger);
    assert_int_equal(twin_told(&rig), 0);
    message.hello.nonce = 502;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(twin_told(&rig), 501);
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
        cmocka_unit_test(node_with_another_incarnation_of_its_seat_is_wiped),
        cmocka_unit_test(two_nonces_alive_under_one_boot_are_twins),
        cmocka_unit_test(nonce_of_an_earlier_boot_is_no_twin),
        cmocka_unit_test(node_that_hears_of_its_twin_halts),
        cmocka_unit_test(hello_is_answered_with_what_is_remembered_and_relayed_once),
        cmocka_unit_test(watermarks_only_rise),
        cmocka_unit_test(messages_of_strangers_and_of_the_past_are_dropped),
        cmocka_unit_test(emptied_directory_does_not_hide_the_twins_of_a_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
