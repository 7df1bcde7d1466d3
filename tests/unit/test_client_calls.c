/*
 * What a client does with a request until its deadline: fail-over, sessions, and what it may
 * say when answers are late, lost, doubled or no answers at all. The nodes are the test's.
 */
#include "client/agent.h"

#include "base/clock.h"
#include "unit/support/fake_node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include <cmocka.h>

// A deadline by which events must come, though the processor may be elsewhere for a while.
enum { AMPLE_MS = 2000 };
enum { NODES = 2, PUTS = 20, ROUNDS_MAX = 10 };

struct world {
    struct fake_node nodes[NODES];
    consens_client_t *client;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    char endpoints[256];
    char error[256] = "";
    assert_non_null(world);
    for (int i = 0; i < NODES; i++) {
        fake_node_open(&world->nodes[i]);
    }
    (void)snprintf(endpoints, sizeof endpoints, "%s, %s", world->nodes[0].endpoint,
                   world->nodes[1].endpoint);
    world->client = consens_client_new(endpoints, error, sizeof error);
    assert_string_equal(error, "");
    assert_non_null(world->client);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    consens_client_destroy(&world->client);
    for (int i = 0; i < NODES; i++) {
        fake_node_close(&world->nodes[i]);
    }
    free(world);
    return 0;
}

/* Sends it and lets go of it. */
static consens_future_t *
send_within(struct world *world, consens_request_t *request, uint32_t timeout_ms)
{
    consens_request_set_timeout(request, timeout_ms);
    consens_future_t *future = consens_send(world->client, request);
    consens_request_destroy(&request);
    return future;
}

static consens_future_t *send_put(struct world *world, enum consens_delivery delivery)
{
    consens_request_t *request = consens_request_put("k", 1, "v", 1);
    consens_request_set_delivery(request, delivery);
    return send_within(world, request, CONSENS_TIMEOUT_MS);
}

static consens_future_t *send_get(struct world *world)
{
    return send_within(world, consens_request_get("k", 1), CONSENS_TIMEOUT_MS);
}

/* Its end, which must be this one. Destroys it. */
static void assert_ends(consens_future_t *future,
                        enum consens_code code,
                        enum consens_applied applied)
{
    const struct consens_answer *answer = consens_future_get(future);
    assert_non_null(answer);
    if (answer->code != code || answer->applied != applied) {
        fail_msg("%s, applied %d: %s", answer->word, (int)answer->applied,
                 answer->detail);
    }
    assert_non_null(answer->detail);
    consens_future_destroy(&future);
}

/* Takes one request, answers so. */
static void take_and_say(struct fake_node *node, enum cs_status status)
{
    struct fake_call call = fake_node_take(node);
    fake_node_say(node, &call, status);
    fake_call_fini(&call);
}

/* Takes one and says nothing. */
static struct client_request take_in_silence(struct fake_node *node)
{
    struct fake_call call = fake_node_take(node);
    struct client_request request = call.request;
    fake_call_fini(&call);
    return request; // its views are gone, its numbers are not
}

/* Nothing has come to the node, and nothing is on its way: what is sent now is the next it has,
 * if `via`, which is asked first, sends it on. */
static void
assert_nothing_came(struct world *world, struct fake_node *node, struct fake_node *via)
{
    consens_future_t *marker = send_get(world);
    if (via != NULL) {
        take_and_say(via, CS_NO_LEADER);
    }
    struct fake_call call = fake_node_take(node);
    assert_int_equal(call.request.request.kind, REQUEST_GET);
    fake_node_say(node, &call, CS_NOT_FOUND);
    fake_call_fini(&call);
    assert_ends(marker, CONSENS_NOT_FOUND, CONSENS_APPLIED_NO);
}

static void a_write_is_numbered_in_a_session_that_was_opened_for_it(void **state)
{
    struct world *world = *state;
    struct fake_node *node = &world->nodes[0];
    consens_future_t *first = send_put(world, CONSENS_EXACTLY_ONCE);
    fake_node_open_session(node, 42);
    struct fake_call call = fake_node_take(node);
    assert_int_equal(call.request.command.session, 42);
    assert_int_equal(call.request.command.sequence, 1);
    assert_int_equal(call.request.command.acknowledged, 0);
    assert_int_equal(call.request.command.value.bytes, 1);
    fake_node_say(node, &call, CS_CREATED);
    fake_call_fini(&call);
    assert_ends(first, CONSENS_CREATED, CONSENS_APPLIED_YES);
    consens_future_t *second = send_put(world, CONSENS_EXACTLY_ONCE);
    call = fake_node_take(node);
    assert_int_equal(call.request.command.session, 42);
    assert_int_equal(call.request.command.sequence, 2);
    assert_int_equal(call.request.command.acknowledged, 1);
    fake_node_say(node, &call, CS_UPDATED);
    fake_call_fini(&call);
    assert_ends(second, CONSENS_UPDATED, CONSENS_APPLIED_YES);
}

static void answers_may_come_in_any_order(void **state)
{
    struct world *world = *state;
    struct fake_node *node = &world->nodes[0];
    consens_future_t *futures[3];
    struct fake_call calls[3];
    for (int i = 0; i < 3; i++) {
        futures[i] = send_get(world);
        calls[i] = fake_node_take(node);
    }
    for (int i = 2; i >= 0; i--) {
        char text[] = {(char)('a' + i), '\0', 'x'};
        struct reply reply = {.status = CS_OK, .value = view_of(text, sizeof text)};
        fake_node_answer(node, &calls[i], &reply);
        fake_call_fini(&calls[i]);
        const struct consens_answer *answer = consens_future_get(futures[i]);
        assert_int_equal(answer->code, CONSENS_OK);
        assert_int_equal(answer->value_bytes, sizeof text);
        assert_memory_equal(answer->value, text, sizeof text);
        assert_string_equal(answer->endpoint, node->endpoint);
        consens_future_destroy(&futures[i]);
    }
}

static void an_answer_finds_its_call_however_many_went_before(void **state)
{
    struct world *world = *state;
    world->client->agent->last_number = ((uint64_t)1 << 37) - 3; // nothing runs yet
    for (int i = 0; i < 4; i++) {
        consens_future_t *future = send_get(world);
        take_and_say(&world->nodes[0], CS_NOT_FOUND);
        assert_ends(future, CONSENS_NOT_FOUND, CONSENS_APPLIED_NO);
    }
    assert_int_equal(world->client->agent->last_number, 2);
}

static void no_more_writes_than_the_window_are_under_way(void **state)
{
    struct world *world = *state;
    struct fake_node *node = &world->nodes[0];
    consens_future_t *futures[PUTS];
    struct fake_call calls[PUTS];
    for (int i = 0; i < PUTS; i++) {
        futures[i] = send_put(world, CONSENS_EXACTLY_ONCE);
    }
    fake_node_open_session(node, 1);
    for (int i = 0; i < CONSENS_SESSION_WRITES_MAX; i++) {
        calls[i] = fake_node_take(node);
        assert_int_equal(calls[i].request.command.sequence, i + 1);
    }
    // All but the first are answered: it holds the window back.
    for (int i = 1; i < CONSENS_SESSION_WRITES_MAX; i++) {
        fake_node_say(node, &calls[i], CS_UPDATED);
    }
    assert_ends(futures[1], CONSENS_UPDATED, CONSENS_APPLIED_YES);
    assert_nothing_came(world, node, NULL);
    fake_node_say(node, &calls[0], CS_CREATED);
    for (int i = CONSENS_SESSION_WRITES_MAX; i < PUTS; i++) {
        calls[i] = fake_node_take(node);
        assert_int_equal(calls[i].request.command.acknowledged,
                         CONSENS_SESSION_WRITES_MAX);
        fake_node_say(node, &calls[i], CS_UPDATED);
    }
    for (int i = 0; i < PUTS; i++) {
        fake_call_fini(&calls[i]);
        if (i != 1) {
            assert_ends(futures[i], i == 0 ? CONSENS_CREATED : CONSENS_UPDATED,
                        CONSENS_APPLIED_YES);
        }
    }
}

static void a_write_whose_node_died_is_sent_again_with_its_number(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_put(world, CONSENS_EXACTLY_ONCE);
    fake_node_open_session(&world->nodes[0], 7);
    struct client_request first = take_in_silence(&world->nodes[0]);
    fake_node_close(&world->nodes[0]);
    struct fake_call again = fake_node_take(&world->nodes[1]);
    assert_int_equal(again.request.command.session, 7);
    assert_int_equal(again.request.command.sequence, first.command.sequence);
    struct reply reply = {.status = CS_CREATED, .is_replay = true};
    fake_node_answer(&world->nodes[1], &again, &reply);
    fake_call_fini(&again);
    assert_true(consens_future_get(future)->is_replay);
    assert_int_equal(consens_future_get(future)->try_count, 2);
    assert_ends(future, CONSENS_CREATED, CONSENS_APPLIED_YES);
}

static void a_silent_node_is_left_and_its_late_result_counts(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_get(world);
    struct fake_call late = fake_node_take(&world->nodes[0]);
    struct fake_call other = fake_node_take(&world->nodes[1]);
    assert_int_not_equal(late.request.id, other.request.id);
    fake_node_say(&world->nodes[0], &late, CS_NO_LEADER); // of an earlier try: not heard
    fake_node_say(&world->nodes[0], &late, CS_NOT_FOUND);
    assert_ends(future, CONSENS_NOT_FOUND, CONSENS_APPLIED_NO);
    // The other's answer belongs to nothing any more, and does no harm.
    fake_node_say(&world->nodes[1], &other, CS_OK);
    fake_call_fini(&late);
    fake_call_fini(&other);
    consens_future_t *next = send_get(world);
    take_and_say(&world->nodes[1], CS_NOT_FOUND); // that answered last is asked first
    assert_ends(next, CONSENS_NOT_FOUND, CONSENS_APPLIED_NO);
}

static void answers_that_come_twice_count_once(void **state)
{
    struct world *world = *state;
    struct fake_node *node = &world->nodes[0];
    consens_future_t *first = send_get(world);
    struct fake_call call = fake_node_take(node);
    fake_node_say(node, &call, CS_NOT_FOUND);
    fake_node_say(node, &call, CS_NOT_FOUND);
    assert_ends(first, CONSENS_NOT_FOUND, CONSENS_APPLIED_NO);
    consens_future_t *second = send_get(world); // in the same slot
    struct fake_call next = fake_node_take(node);
    fake_node_say(node, &call, CS_NO_QUORUM);
    fake_node_say(node, &next, CS_OK);
    fake_call_fini(&call);
    fake_call_fini(&next);
    assert_ends(second, CONSENS_OK, CONSENS_APPLIED_YES);
}

static void a_refusal_that_comes_twice_does_not_end_the_next_try(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_put(world, CONSENS_AT_MOST_ONCE);
    struct fake_call first = fake_node_take(&world->nodes[0]);
    fake_node_say(&world->nodes[0], &first, CS_NO_LEADER);
    struct fake_call second = fake_node_take(&world->nodes[1]);
    fake_node_say(&world->nodes[0], &first, CS_NO_LEADER);
    // The second try is under way: a third one might be applied beside it.
    assert_true(fake_node_is_quiet(&world->nodes[0], 200)); // longer than it would wait
    assert_nothing_came(world, &world->nodes[0], &world->nodes[1]);
    fake_node_say(&world->nodes[1], &second, CS_CREATED);
    fake_call_fini(&first);
    fake_call_fini(&second);
    assert_int_equal(consens_future_get(future)->try_count, 2);
    assert_ends(future, CONSENS_CREATED, CONSENS_APPLIED_YES);
}

static void a_lost_answer_at_most_once_is_unknown_and_nobody_else_is_asked(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_put(world, CONSENS_AT_MOST_ONCE);
    struct client_request request = take_in_silence(&world->nodes[0]);
    assert_int_equal(request.command.session, 0);
    fake_node_close(&world->nodes[0]);
    // Seen at once, not by silence.
    assert_non_null(
        strstr(consens_future_get(future)->detail, "the connection was closed"));
    assert_ends(future, CONSENS_OUTCOME_UNKNOWN, CONSENS_APPLIED_UNKNOWN);
    assert_nothing_came(world, &world->nodes[1], NULL);
}

static void what_was_certainly_not_applied_is_sent_to_another_node(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_put(world, CONSENS_AT_MOST_ONCE);
    take_and_say(&world->nodes[0], CS_STOPPING);
    take_and_say(&world->nodes[1], CS_NO_LEADER);
    take_and_say(&world->nodes[0], CS_OVERLOADED);
    take_and_say(&world->nodes[1], CS_CREATED);
    assert_ends(future, CONSENS_CREATED, CONSENS_APPLIED_YES);
}

static void a_refusal_that_is_the_end_comes_through(void **state)
{
    struct world *world = *state;
    static const char sentence[] = "values are 10 bytes here";
    consens_future_t *future = send_put(world, CONSENS_AT_MOST_ONCE);
    struct fake_call call = fake_node_take(&world->nodes[0]);
    struct reply reply = {.status = CS_TOO_LARGE,
                          .value = view_of(sentence, sizeof sentence - 1)};
    fake_node_answer(&world->nodes[0], &call, &reply);
    fake_call_fini(&call);
    assert_string_equal(consens_future_get(future)->detail, sentence);
    assert_string_equal(consens_future_get(future)->word, "too_large");
    assert_false(consens_future_get(future)->is_retryable);
    assert_ends(future, CONSENS_TOO_LARGE, CONSENS_APPLIED_NO);
}

static consens_future_t *send_plain_put_within(struct world *world, uint32_t timeout_ms)
{
    consens_request_t *request = consens_request_put("k", 1, "v", 1);
    consens_request_set_delivery(request, CONSENS_AT_MOST_ONCE);
    return send_within(world, request, timeout_ms);
}

/* What an earlier round left unread. */
static void forget_all(struct world *world)
{
    for (int i = 0; i < NODES; i++) {
        while (!fake_node_is_quiet(&world->nodes[i], 0)) {
            (void)take_in_silence(&world->nodes[i]);
        }
    }
}

/* A test that is off the processor lets the last try go unanswered, and its end is unknown
 * then: such a round shows nothing and is played again. */
static void without_a_quorum_the_last_refusal_is_the_answer_at_the_deadline(void **state)
{
    struct world *world = *state;
    enum { WITHIN_MS = 1000, LATE_MS = 100 };
    bool is_shown = false;
    for (int round = 0; round < ROUNDS_MAX && !is_shown; round++) {
        forget_all(world);
        uint64_t started_ms = clock_now_ms();
        consens_future_t *future = send_plain_put_within(world, WITHIN_MS);
        uint32_t answered_count = 0;
        while (!consens_future_is_done(future)) {
            for (int i = 0; i < NODES; i++) {
                if (!fake_node_is_quiet(&world->nodes[i], 5)) {
                    take_and_say(&world->nodes[i], CS_NO_QUORUM);
                    answered_count += clock_now_ms() < started_ms + WITHIN_MS - LATE_MS;
                }
            }
        }
        uint64_t took_ms = clock_now_ms() - started_ms;
        const struct consens_answer *answer = consens_future_get(future);
        is_shown =
            answer->code == CONSENS_NO_QUORUM || answered_count == answer->try_count;
        if (is_shown) {
            assert_in_range(took_ms, WITHIN_MS - 1, 5 * WITHIN_MS);
            assert_in_range(answer->try_count, 2, 20); // with growing pauses
            assert_ends(future, CONSENS_NO_QUORUM, CONSENS_APPLIED_NO);
        } else {
            assert_ends(future, CONSENS_OUTCOME_UNKNOWN, CONSENS_APPLIED_UNKNOWN);
        }
    }
    assert_true(is_shown);
}

/* As above: a refusal that comes after the deadline shows nothing. */
static void a_certain_no_is_not_given_up_for_a_try_too_late(void **state)
{
    struct world *world = *state;
    enum { WITHIN_MS = 1000, LEFT_MS = 40 };
    bool is_shown = false;
    for (int round = 0; round < ROUNDS_MAX && !is_shown; round++) {
        int asked = round % NODES; // a node that let its call die is avoided
        uint64_t started_ms = clock_now_ms();
        consens_future_t *future = send_plain_put_within(world, WITHIN_MS);
        struct fake_call call = fake_node_take(&world->nodes[asked]);
        uint64_t until_ms = started_ms + WITHIN_MS - LEFT_MS;
        uint64_t now_ms = clock_now_ms();
        uint64_t nap_ms = until_ms > now_ms ? until_ms - now_ms : 0;
        const struct timespec nap = {.tv_nsec = (long)nap_ms * 1000 * 1000};
        (void)nanosleep(&nap, NULL);
        fake_node_say(&world->nodes[asked], &call, CS_NO_QUORUM);
        fake_call_fini(&call);
        const struct consens_answer *answer = consens_future_get(future);
        assert_int_equal(answer->try_count, 1);
        is_shown = answer->code == CONSENS_NO_QUORUM;
        assert_ends(future, is_shown ? CONSENS_NO_QUORUM : CONSENS_OUTCOME_UNKNOWN,
                    is_shown ? CONSENS_APPLIED_NO : CONSENS_APPLIED_UNKNOWN);
    }
    assert_true(is_shown);
}

static void after_a_lost_answer_no_refusal_says_no(void **state)
{
    struct world *world = *state;
    consens_future_t *future =
        send_within(world, consens_request_put("k", 1, "v", 1), AMPLE_MS);
    fake_node_open_session(&world->nodes[0], 7);
    (void)take_in_silence(&world->nodes[0]);
    fake_node_close(&world->nodes[0]);
    while (!consens_future_is_done(future)) {
        if (!fake_node_is_quiet(&world->nodes[1], 20)) {
            take_and_say(&world->nodes[1], CS_NO_QUORUM);
        }
    }
    assert_ends(future, CONSENS_OUTCOME_UNKNOWN, CONSENS_APPLIED_UNKNOWN);
}

static void an_unknown_outcome_is_asked_again_in_a_session_only(void **state)
{
    struct world *world = *state;
    consens_future_t *once = send_put(world, CONSENS_EXACTLY_ONCE);
    fake_node_open_session(&world->nodes[0], 7);
    take_and_say(&world->nodes[0], CS_UNKNOWN);
    take_and_say(&world->nodes[1], CS_CREATED);
    assert_ends(once, CONSENS_CREATED, CONSENS_APPLIED_YES);
    consens_future_t *plain = send_put(world, CONSENS_AT_MOST_ONCE);
    take_and_say(&world->nodes[1], CS_UNKNOWN);
    assert_ends(plain, CONSENS_OUTCOME_UNKNOWN, CONSENS_APPLIED_UNKNOWN);
    assert_nothing_came(world, &world->nodes[0], &world->nodes[1]);
}

static void an_expired_session_is_replaced_when_nothing_was_done(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_put(world, CONSENS_EXACTLY_ONCE);
    fake_node_open_session(&world->nodes[0], 7);
    take_and_say(&world->nodes[0], CS_SESSION_EXPIRED);
    fake_node_open_session(&world->nodes[1], 8);
    struct fake_call call = fake_node_take(&world->nodes[1]);
    assert_int_equal(call.request.command.session, 8);
    assert_int_equal(call.request.command.sequence, 1);
    fake_node_say(&world->nodes[1], &call, CS_CREATED);
    fake_call_fini(&call);
    assert_ends(future, CONSENS_CREATED, CONSENS_APPLIED_YES);
}

static void an_expired_session_says_no_of_a_write_that_was_tried_once(void **state)
{
    struct world *world = *state;
    consens_future_t *future =
        send_within(world, consens_request_put("k", 1, "v", 1), AMPLE_MS);
    fake_node_open_session(&world->nodes[0], 7);
    take_and_say(&world->nodes[0], CS_SESSION_EXPIRED);
    (void)take_in_silence(&world->nodes[1]); // another session is not opened in time
    assert_ends(future, CONSENS_SESSION_EXPIRED, CONSENS_APPLIED_NO);
}

static void
an_expired_session_is_the_answer_when_something_may_have_been_done(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_put(world, CONSENS_EXACTLY_ONCE);
    fake_node_open_session(&world->nodes[0], 7);
    (void)take_in_silence(&world->nodes[0]);
    fake_node_close(&world->nodes[0]);
    take_and_say(&world->nodes[1], CS_SESSION_EXPIRED);
    assert_ends(future, CONSENS_SESSION_EXPIRED, CONSENS_APPLIED_UNKNOWN);
    // The next write has a new session.
    consens_future_t *next = send_put(world, CONSENS_EXACTLY_ONCE);
    fake_node_open_session(&world->nodes[1], 8);
    take_and_say(&world->nodes[1], CS_UPDATED);
    assert_ends(next, CONSENS_UPDATED, CONSENS_APPLIED_YES);
}

static void a_session_that_cannot_be_opened_says_why(void **state)
{
    struct world *world = *state;
    consens_future_t *first = send_put(world, CONSENS_EXACTLY_ONCE);
    take_and_say(&world->nodes[0], CS_MALFORMED); // an older node
    assert_ends(first, CONSENS_MALFORMED, CONSENS_APPLIED_NO);
    consens_future_t *second =
        send_within(world, consens_request_put("k", 1, "v", 1), AMPLE_MS);
    while (!consens_future_is_done(second)) {
        for (int i = 0; i < NODES; i++) {
            if (!fake_node_is_quiet(&world->nodes[i], 10)) {
                take_and_say(&world->nodes[i], CS_DISK_FULL);
            }
        }
    }
    assert_ends(second, CONSENS_DISK_FULL, CONSENS_APPLIED_NO);
}

/* Of a write that was never sent nobody can have applied anything. */
static void a_session_whose_opening_is_unknown_says_no_of_the_write(void **state)
{
    struct world *world = *state;
    consens_future_t *future =
        send_within(world, consens_request_put("k", 1, "v", 1), AMPLE_MS);
    take_and_say(&world->nodes[0], CS_UNKNOWN);
    (void)take_in_silence(&world->nodes[1]);
    const struct consens_answer *answer = consens_future_get(future);
    assert_string_equal(answer->word, "unreachable");
    assert_non_null(strstr(answer->detail, "no session could be opened in time: "));
    assert_null(strstr(answer->detail, "may not be applied"));
    assert_true(answer->is_retryable);
    assert_int_equal(answer->try_count, 0);
    assert_ends(future, CONSENS_UNREACHABLE, CONSENS_APPLIED_NO);
}

static void a_node_that_opens_no_session_is_named(void **state)
{
    struct world *world = *state;
    consens_future_t *future =
        send_within(world, consens_request_put("k", 1, "v", 1), 1700);
    (void)take_in_silence(&world->nodes[0]);
    assert_non_null(strstr(consens_future_get(future)->detail,
                           "no session could be opened in time: "));
    assert_ends(future, CONSENS_UNREACHABLE, CONSENS_APPLIED_NO);
}

static void bytes_that_are_no_answer_end_the_connection(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_get(world);
    struct fake_call call = fake_node_take(&world->nodes[0]);
    static const char garbage[] = "\xdd\xff\xff\xff\xff";
    fake_node_send(&world->nodes[0], &call, view_of(garbage, sizeof garbage - 1));
    fake_call_fini(&call);
    take_and_say(&world->nodes[1], CS_NOT_FOUND);
    assert_ends(future, CONSENS_NOT_FOUND, CONSENS_APPLIED_NO);
}

static void a_message_refused_whole_ends_the_call_that_waits_alone(void **state)
{
    struct world *world = *state;
    consens_future_t *future = send_get(world);
    struct fake_call call = fake_node_take(&world->nodes[0]);
    call.request.id = 0;
    fake_node_say(&world->nodes[0], &call, CS_MALFORMED);
    fake_call_fini(&call);
    assert_ends(future, CONSENS_MALFORMED, CONSENS_APPLIED_NO);
}

/* Takes connections, and never says a word. */
static void a_hung_process_and_a_closed_port_are_passed_over(void **state)
{
    struct world *world = *state;
    void *context = zmq_ctx_new();
    void *mute = zmq_socket(context, ZMQ_STREAM);
    char mute_endpoint[64];
    char endpoints[256];
    char error[256] = "";
    size_t bytes = sizeof mute_endpoint;
    assert_int_equal(zmq_bind(mute, "tcp://127.0.0.1:*"), 0);
    (void)zmq_getsockopt(mute, ZMQ_LAST_ENDPOINT, mute_endpoint, &bytes);
    (void)snprintf(endpoints, sizeof endpoints, "%s,%s,%s", world->nodes[0].endpoint,
                   mute_endpoint, world->nodes[1].endpoint);
    fake_node_close(&world->nodes[0]);
    consens_client_destroy(&world->client);
    world->client = consens_client_new(endpoints, error, sizeof error);
    consens_future_t *future = send_get(world);
    take_and_say(&world->nodes[1], CS_NOT_FOUND);
    assert_ends(future, CONSENS_NOT_FOUND, CONSENS_APPLIED_NO);
    (void)zmq_close(mute);
    (void)zmq_ctx_term(context);
}

static void with_no_node_at_all_the_sentence_names_them(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < NODES; i++) {
        fake_node_close(&world->nodes[i]);
    }
    consens_future_t *get = send_within(world, consens_request_get("k", 1), AMPLE_MS);
    consens_future_t *put =
        send_within(world, consens_request_put("k", 1, "v", 1), AMPLE_MS);
    const struct consens_answer *answer = consens_future_get(get);
    assert_non_null(strstr(answer->detail, world->nodes[0].endpoint));
    assert_non_null(strstr(answer->detail, "refused"));
    assert_true(answer->is_retryable);
    assert_ends(get, CONSENS_UNREACHABLE, CONSENS_APPLIED_NO);
    assert_ends(put, CONSENS_UNREACHABLE, CONSENS_APPLIED_NO);
}

static void a_node_that_comes_back_is_used_again(void **state)
{
    struct world *world = *state;
    char endpoint[64];
    memcpy(endpoint, world->nodes[0].endpoint, sizeof endpoint);
    fake_node_close(&world->nodes[1]);
    for (int life = 0; life < 3; life++) {
        consens_future_t *future = send_get(world);
        take_and_say(&world->nodes[0], CS_NOT_FOUND);
        assert_ends(future, CONSENS_NOT_FOUND, CONSENS_APPLIED_NO);
        fake_node_close(&world->nodes[0]);
        world->nodes[0].context = zmq_ctx_new();
        world->nodes[0].router = zmq_socket(world->nodes[0].context, ZMQ_ROUTER);
        assert_int_equal(zmq_bind(world->nodes[0].router, endpoint), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_write_is_numbered_in_a_session_that_was_opened_for_it),
        TEST(answers_may_come_in_any_order),
        TEST(an_answer_finds_its_call_however_many_went_before),
        TEST(no_more_writes_than_the_window_are_under_way),
        TEST(a_write_whose_node_died_is_sent_again_with_its_number),
        TEST(a_silent_node_is_left_and_its_late_result_counts),
        TEST(answers_that_come_twice_count_once),
        TEST(a_refusal_that_comes_twice_does_not_end_the_next_try),
        TEST(a_lost_answer_at_most_once_is_unknown_and_nobody_else_is_asked),
        TEST(what_was_certainly_not_applied_is_sent_to_another_node),
        TEST(a_refusal_that_is_the_end_comes_through),
        TEST(without_a_quorum_the_last_refusal_is_the_answer_at_the_deadline),
        TEST(a_certain_no_is_not_given_up_for_a_try_too_late),
        TEST(after_a_lost_answer_no_refusal_says_no),
        TEST(an_unknown_outcome_is_asked_again_in_a_session_only),
        TEST(an_expired_session_is_replaced_when_nothing_was_done),
        TEST(an_expired_session_says_no_of_a_write_that_was_tried_once),
        TEST(an_expired_session_is_the_answer_when_something_may_have_been_done),
        TEST(a_session_that_cannot_be_opened_says_why),
        TEST(a_session_whose_opening_is_unknown_says_no_of_the_write),
        TEST(a_node_that_opens_no_session_is_named),
        TEST(bytes_that_are_no_answer_end_the_connection),
        TEST(a_message_refused_whole_ends_the_call_that_waits_alone),
        TEST(a_hung_process_and_a_closed_port_are_passed_over),
        TEST(with_no_node_at_all_the_sentence_names_them),
        TEST(a_node_that_comes_back_is_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
