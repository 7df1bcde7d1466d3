/*
 * Linearizable reads (2.9): rounds of the leader, questions of the others.
 */
#include "unit/support/paxos_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t read_here(struct paxos_rig *rig)
{
    struct paxos_event event = {.type = PAXOS_EVENT_READ};
    paxos_rig_step(rig, &event);
    return rig->effects.read_id;
}

static struct paxos_message
round_ack(struct paxos_rig *rig, uint32_t seat, uint64_t round)
{
    struct paxos_message message = paxos_rig_message(PAXOS_ROUND_ACK, seat, rig);
    message.ballot = rig->view.promised;
    message.round_ack.read_round = round;
    return message;
}

/* A leader that has decided one entry; seats 1 and 2 are in its stream. */
static void lead_with_one_decided(struct paxos_rig *rig)
{
    paxos_rig_make(rig);
    paxos_rig_lead(rig);
    struct paxos_message message = paxos_rig_promise_from(rig, 2);
    paxos_rig_receive(rig, &message);
    (void)paxos_rig_propose(rig);
    message = paxos_rig_accepted_from(rig, 1, 1);
    paxos_rig_receive(rig, &message);
    paxos_rig_persisted(rig);
    assert_int_equal(rig->view.decided, 1);
}

static void read_is_confirmed_by_a_quorum_for_its_own_round(void **state)
{
    (void)state;
    struct paxos_rig rig;
    lead_with_one_decided(&rig);
    assert_int_equal(read_here(&rig), 1);
    const struct paxos_message *asked = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1);
    assert_non_null(asked);
    uint64_t round = asked->accept.read_round;
    assert_int_equal(rig.effects.read_ready_id, 0);
    struct paxos_message message = round_ack(&rig, 1, round);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.read_ready_id, 1);
    assert_int_equal(rig.effects.read_ready_slot, 1);
    paxos_rig_fini(&rig);
}

static void answers_to_an_earlier_round_do_not_confirm_a_later_read(void **state)
{
    (void)state;
    struct paxos_rig rig;
    lead_with_one_decided(&rig);
    (void)read_here(&rig);
    uint64_t round = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1)->accept.read_round;
    assert_int_equal(read_here(&rig), 2); // after the first round was sent
    struct paxos_message message = round_ack(&rig, 1, round);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.read_ready_id, 1);
    const struct paxos_message *asked = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1);
    assert_non_null(asked); // the second round starts now
    assert_int_equal(asked->accept.read_round, round + 1);
    message = round_ack(&rig, 2, round);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.read_ready_id, 0);
    message = round_ack(&rig, 2, round + 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.read_ready_id, 2);
    paxos_rig_fini(&rig);
}

static void answers_for_a_round_never_sent_or_another_ballot_do_not_count(void **state)
{
    (void)state;
    struct paxos_rig rig;
    lead_with_one_decided(&rig);
    (void)read_here(&rig);
    uint64_t round = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1)->accept.read_round;
    struct paxos_message message = round_ack(&rig, 1, round + 1);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.read_ready_id, 0);
    message = round_ack(&rig, 1, round);
    message.ballot.round--;
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.read_ready_id, 0);
    paxos_rig_fini(&rig);
}

static void
new_leader_confirms_nothing_before_its_inherited_prefix_is_decided(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 2);
    paxos_rig_lead(&rig);
    assert_int_equal(rig.view.sync_length, 2);
    (void)read_here(&rig);
    for (uint64_t round = 0; round < 3; round++) {
        struct paxos_message message = round_ack(&rig, 1, round);
        paxos_rig_receive(&rig, &message);
        assert_int_equal(rig.effects.read_ready_id, 0);
    }
    struct paxos_message message = paxos_rig_accepted_from(&rig, 1, 2);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.view.decided, 2);
    const struct paxos_message *asked = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1);
    assert_non_null(asked);
    message = round_ack(&rig, 1, asked->accept.read_round);
    paxos_rig_receive(&rig, &message);
    assert_int_equal(rig.effects.read_ready_id, 1);
    assert_int_equal(rig.effects.read_ready_slot, 2);
    paxos_rig_fini(&rig);
}

static void deposed_leader_asks_the_next_one(void **state)
{
    (void)state;
    struct paxos_rig rig;
    lead_with_one_decided(&rig);
    (void)read_here(&rig);
    uint64_t round = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1)->accept.read_round;
    struct paxos_message late = round_ack(&rig, 1, round);
    struct paxos_message prepare = paxos_rig_message(PAXOS_PREPARE, 1, &rig);
    prepare.ballot = paxos_rig_ballot(9, 1);
    paxos_rig_receive(&rig, &prepare);
    const struct paxos_message *asked = paxos_rig_sent_now(&rig, PAXOS_READ, 1);
    assert_non_null(asked);
    struct paxos_message answer = paxos_rig_message(PAXOS_READ_REPLY, 1, &rig);
    answer.ballot = prepare.ballot;
    answer.read = asked->read;
    answer.read.index = 5;
    paxos_rig_receive(&rig, &late);
    assert_int_equal(rig.effects.read_ready_id, 0);
    paxos_rig_receive(&rig, &answer);
    assert_int_equal(rig.effects.read_ready_id, 1);
    assert_int_equal(rig.effects.read_ready_slot, 5);
    paxos_rig_fini(&rig);
}

static void follower_asks_one_question_for_all_reads_before_it(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    (void)read_here(&rig);
    const struct paxos_message *asked = paxos_rig_sent_now(&rig, PAXOS_READ, 1);
    assert_non_null(asked);
    struct paxos_message first = paxos_rig_message(PAXOS_READ_REPLY, 1, &rig);
    first.ballot = ballot;
    first.read = asked->read;
    first.read.index = 2;
    (void)read_here(&rig);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_READ, 1)); // one at a time
    paxos_rig_receive(&rig, &first);
    assert_int_equal(rig.effects.read_ready_id, 1); // the second came after the question
    asked = paxos_rig_sent_now(&rig, PAXOS_READ, 1);
    assert_non_null(asked);
    assert_true(asked->read.counter > first.read.counter);
    paxos_rig_receive(&rig, &first); // the old answer once more
    assert_int_equal(rig.effects.read_ready_id, 0);
    paxos_rig_fini(&rig);
}

static void answer_of_another_life_or_ballot_is_dropped(void **state)
{
    (void)state;
    struct paxos_rig rig;
    struct paxos_ballot ballot = paxos_rig_make_follower(&rig, 2);
    (void)read_here(&rig);
    struct paxos_message answer = paxos_rig_message(PAXOS_READ_REPLY, 1, &rig);
    answer.ballot = ballot;
    answer.read = paxos_rig_sent_now(&rig, PAXOS_READ, 1)->read;
    answer.read.boot--;
    paxos_rig_receive(&rig, &answer);
    assert_int_equal(rig.effects.read_ready_id, 0);
    answer.read.boot++;
    answer.ballot.round++;
    paxos_rig_receive(&rig, &answer);
    assert_int_equal(rig.effects.read_ready_id, 0);
    paxos_rig_fini(&rig);
}

static void question_without_an_answer_is_asked_again_under_a_new_number(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_make_follower(&rig, 2);
    (void)read_here(&rig);
    uint64_t counter = paxos_rig_sent_now(&rig, PAXOS_READ, 1)->read.counter;
    const struct paxos_message *again = NULL;
    uint64_t waited_ms = 0;
    for (; waited_ms < 1000 && again == NULL; waited_ms += 10) {
        paxos_rig_wait(&rig, 10);
        again = paxos_rig_sent_now(&rig, PAXOS_READ, 1);
    }
    assert_non_null(again);
    assert_int_equal(again->read.counter, counter + 1);
    assert_true(waited_ms >= rig.settings.read_retry_ms);
    paxos_rig_fini(&rig);
}

static void leader_answers_a_followers_question_once_confirmed(void **state)
{
    (void)state;
    struct paxos_rig rig;
    lead_with_one_decided(&rig);
    struct paxos_message question = paxos_rig_message(PAXOS_READ, 2, &rig);
    question.ballot = rig.view.promised;
    question.read.boot = 5;
    question.read.counter = 17;
    paxos_rig_receive(&rig, &question);
    assert_null(paxos_rig_sent_now(&rig, PAXOS_READ_REPLY, 2));
    uint64_t round = paxos_rig_sent_now(&rig, PAXOS_ACCEPT, 1)->accept.read_round;
    struct paxos_message message = round_ack(&rig, 1, round);
    paxos_rig_receive(&rig, &message);
    const struct paxos_message *answer = paxos_rig_sent_now(&rig, PAXOS_READ_REPLY, 2);
    assert_non_null(answer);
    assert_int_equal(answer->read.boot, 5);
    assert_int_equal(answer->read.counter, 17);
    assert_int_equal(answer->read.index, 1);
    paxos_rig_fini(&rig);
}

static void one_node_alone_answers_at_once(void **state)
{
    (void)state;
    struct paxos_rig rig;
    paxos_rig_init(&rig, 0, 1);
    paxos_rig_start(&rig);
    paxos_rig_take_over(&rig);
    paxos_rig_persisted(&rig); // the promise
    paxos_rig_persisted(&rig); // the sync
    assert_int_equal(rig.view.role, PAXOS_LEADER);
    uint64_t id = read_here(&rig);
    assert_int_equal(rig.effects.read_ready_id, id);
    paxos_rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_is_confirmed_by_a_quorum_for_its_own_round),
        cmocka_unit_test(answers_to_an_earlier_round_do_not_confirm_a_later_read),
        cmocka_unit_test(answers_for_a_round_never_sent_or_another_ballot_do_not_count),
        cmocka_unit_test(
            new_leader_confirms_nothing_before_its_inherited_prefix_is_decided),
        cmocka_unit_test(deposed_leader_asks_the_next_one),
        cmocka_unit_test(follower_asks_one_question_for_all_reads_before_it),
        cmocka_unit_test(answer_of_another_life_or_ballot_is_dropped),
        cmocka_unit_test(question_without_an_answer_is_asked_again_under_a_new_number),
        cmocka_unit_test(leader_answers_a_followers_question_once_confirmed),
        cmocka_unit_test(one_node_alone_answers_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
