/*
 * One replica with fake ports, alone or with peers that a test delays, loses or kills:
 * what its clients are told, and when.
 */
#include "unit/support/nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void assert_says(const struct nodes *nodes, uint64_t ticket, const char *part)
{
    const struct nodes_answer *found = nodes_answer_to(nodes, ticket);
    assert_non_null(found);
    const char *text = (const char *)found->value.data;
    if (strstr(text, part) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", part, text);
    }
}

static void single_node_forms_leads_and_answers(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    uint64_t put = nodes_put(nodes, 0, "k", "hello");
    const struct nodes_answer *found = nodes_await(nodes, put, 1000);
    assert_int_equal(found->reply.status, CS_CREATED);
    assert_int_equal(found->reply.revision, 1);
    assert_int_equal(found->reply.item_revision, 1);
    assert_int_equal(found->reply.leader_seat, 0);
    uint64_t get = nodes_get(nodes, 0, "k", REQUEST_LINEARIZABLE, 0);
    found = nodes_await(nodes, get, 1000);
    assert_int_equal(found->reply.status, CS_OK);
    assert_string_equal((const char *)found->value.data, "hello");
    uint64_t gone = nodes_delete(nodes, 0, "k");
    assert_int_equal(nodes_await(nodes, gone, 1000)->reply.status, CS_DELETED);
    get = nodes_get(nodes, 0, "k", REQUEST_LINEARIZABLE, 0);
    assert_int_equal(nodes_await(nodes, get, 1000)->reply.status, CS_NOT_FOUND);
    nodes_free(&nodes);
}

static void write_is_answered_only_when_durable_and_applied(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    nodes->node[0].is_disk_held = true;
    uint64_t put = nodes_put(nodes, 0, "k", "v");
    nodes_run(nodes, 100);
    assert_int_equal(replica_view(nodes->node[0].replica).length, 1);
    assert_null(nodes_answer_to(nodes, put));
    nodes->node[0].is_disk_held = false;
    nodes_run(nodes, 1);
    assert_int_equal(nodes_status_of(nodes, put), CS_CREATED);
    assert_int_equal(replica_applied(nodes->node[0].replica), 1);
    nodes_free(&nodes);
}

static void write_that_was_proposed_is_unknown_at_its_deadline(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    nodes->node[0].is_disk_held = true;
    uint64_t put = nodes_put(nodes, 0, "k", "v");
    nodes_run(nodes, 4999);
    assert_null(nodes_answer_to(nodes, put));
    nodes_run(nodes, 2);
    assert_int_equal(nodes_status_of(nodes, put), CS_UNKNOWN);
    assert_says(nodes, put, "may or may not be applied");
    nodes_free(&nodes);
}

static void writes_that_gather_share_a_slot(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    uint64_t tickets[20];
    char key[8];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        tickets[i] = nodes_put(nodes, 0, key, "v");
    }
    nodes_run(nodes, 5);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(nodes_status_of(nodes, tickets[i]), CS_CREATED);
    }
    assert_int_equal(replica_applied(nodes->node[0].replica), 2); // 16 and 4 commands
    nodes_free(&nodes);
}

static void window_holds_writes_back_without_losing_them(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    nodes->node[0].is_disk_held = true;
    uint64_t tickets[60];
    for (int i = 0; i < 60; i++) {
        tickets[i] = nodes_put(nodes, 0, "k", "v");
        nodes_flush(nodes, 0); // one slot each, as long as the window is open
    }
    assert_int_equal(replica_view(nodes->node[0].replica).length, 8);
    nodes->node[0].is_disk_held = false;
    nodes_run(nodes, 5);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(nodes_status_of(nodes, tickets[i]),
                         i == 0 ? CS_CREATED : CS_UPDATED);
    }
    assert_int_equal(kv_revision(replica_state(nodes->node[0].replica)), 60);
    nodes_free(&nodes);
}

static void requests_past_the_bound_are_refused_at_once(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    nodes->node[0].is_disk_held = true;
    for (uint32_t i = 0; i < nodes->requests_waiting_max; i++) {
        assert_null(nodes_answer_to(nodes, nodes_put(nodes, 0, "k", "v")));
    }
    uint64_t put = nodes_put(nodes, 0, "k", "v");
    assert_int_equal(nodes_status_of(nodes, put), CS_OVERLOADED);
    assert_says(nodes, put, "n1 already holds 64 requests");
    uint64_t get = nodes_get(nodes, 0, "k", REQUEST_LINEARIZABLE, 0);
    assert_int_equal(nodes_status_of(nodes, get), CS_OVERLOADED);
    // Local reads hold nothing.
    get = nodes_get(nodes, 0, "k", REQUEST_LOCAL, 0);
    assert_int_equal(nodes_status_of(nodes, get), CS_NOT_FOUND);
    nodes_free(&nodes);
}

static void malformed_requests_are_refused(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    replica_on_request(nodes->node[0].replica, 77, view_of("\xc1rubbish", 8),
                       nodes->now_ms);
    assert_int_equal(nodes->answer_count, 1);
    assert_int_equal(nodes->answers[0].reply.status, CS_MALFORMED);
    struct request request = {
        .ticket = 5,
        .kind = REQUEST_WRITE,
        .timeout_ms = 5000,
        .command = view_of("\x91\x01", 2),
    };
    nodes_request(nodes, 0, &request);
    assert_int_equal(nodes_status_of(nodes, 5), CS_MALFORMED);
    nodes_free(&nodes);
}

static void full_disk_refuses_puts_and_lets_deletes_pass(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    uint64_t put = nodes_put(nodes, 0, "k", "v");
    (void)nodes_await(nodes, put, 100);
    replica_on_room(nodes->node[0].replica, false);
    put = nodes_put(nodes, 0, "k", "w");
    assert_int_equal(nodes_status_of(nodes, put), CS_DISK_FULL);
    assert_says(nodes, put, "the disk of n1 has no room");
    uint64_t gone = nodes_delete(nodes, 0, "k");
    assert_int_equal(nodes_await(nodes, gone, 100)->reply.status, CS_DELETED);
    replica_on_room(nodes->node[0].replica, true);
    put = nodes_put(nodes, 0, "k", "w");
    assert_int_equal(nodes_await(nodes, put, 100)->reply.status, CS_CREATED);
    nodes_free(&nodes);
}

static struct reply
write_now(struct nodes *nodes, uint32_t seat, const struct command *command)
{
    struct cs_buffer bytes = {0};
    command_pack(&bytes, command);
    const struct request request = {
        .ticket = ++nodes->last_ticket,
        .kind = REQUEST_WRITE,
        .timeout_ms = 5000,
        .command = view_of_buffer(&bytes),
    };
    nodes_request(nodes, seat, &request);
    buffer_fini(&bytes);
    return nodes_await(nodes, request.ticket, 500)->reply;
}

static struct reply open_session(struct nodes *nodes, uint32_t seat)
{
    const struct command command = {.operation = COMMAND_OPEN_SESSION};
    return write_now(nodes, seat, &command);
}

static struct reply
delete_in_session(struct nodes *nodes, uint32_t seat, uint64_t session, const char *key)
{
    const struct command command = {
        .operation = COMMAND_DELETE,
        .key = view_of(key, strlen(key)),
        .session = session,
        .sequence = 1,
    };
    return write_now(nodes, seat, &command);
}

/* As libconsens deletes: in a session that is opened first. Through the leader, too. */
static void full_disk_takes_deletes_in_a_session(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    const uint32_t seats[] = {leader, (leader + 1) % 3};
    for (size_t i = 0; i < 2; i++) {
        (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "v"), 500);
        for (uint32_t seat = 0; seat < 3; seat++) {
            replica_on_room(nodes->node[seat].replica,
                            seat != leader && seat != seats[i]);
        }
        struct reply opened = open_session(nodes, seats[i]);
        assert_int_equal(opened.status, CS_OK);
        assert_int_equal(delete_in_session(nodes, seats[i], opened.session, "k").status,
                         CS_DELETED);
        for (uint32_t seat = 0; seat < 3; seat++) {
            replica_on_room(nodes->node[seat].replica, true);
        }
    }
    nodes_free(&nodes);
}

static void retry_has_the_first_revision_also_if_that_was_none(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    assert_int_equal(open_session(nodes, 0).session, 1);
    struct reply first = delete_in_session(nodes, 0, 1, "gone");
    assert_int_equal(first.status, CS_NOT_FOUND);
    assert_int_equal(first.revision, 0);
    uint64_t put = nodes_put(nodes, 0, "k", "v");
    assert_int_equal(nodes_await(nodes, put, 100)->reply.revision, 1);
    struct reply again = delete_in_session(nodes, 0, 1, "gone");
    assert_true(again.is_replay);
    assert_int_equal(again.status, CS_NOT_FOUND);
    assert_int_equal(again.revision, 0);
    nodes_free(&nodes);
}

static void minimum_revision_is_waited_for(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    uint64_t get = nodes_get(nodes, 0, "k", REQUEST_LOCAL, 2);
    uint64_t never = nodes_get(nodes, 0, "k", REQUEST_LOCAL, 3);
    (void)nodes_await(nodes, nodes_put(nodes, 0, "k", "one"), 100);
    assert_null(nodes_answer_to(nodes, get));
    (void)nodes_await(nodes, nodes_put(nodes, 0, "k", "two"), 100);
    assert_int_equal(nodes_status_of(nodes, get), CS_OK);
    assert_string_equal((const char *)nodes_answer_to(nodes, get)->value.data, "two");
    nodes_run(nodes, 5000);
    assert_int_equal(nodes_status_of(nodes, never), CS_TIMED_OUT);
    assert_says(nodes, never, "n1 is at revision 2; revision 3 did not arrive in time");
    nodes_free(&nodes);
}

static void stopping_node_refuses_new_requests_and_drains(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(1);
    (void)nodes_run_until_led(nodes);
    nodes->node[0].is_disk_held = true;
    uint64_t before = nodes_put(nodes, 0, "k", "v");
    nodes_run(nodes, 1);
    replica_stop(nodes->node[0].replica, nodes->now_ms);
    uint64_t after = nodes_put(nodes, 0, "k", "v");
    assert_int_equal(nodes_status_of(nodes, after), CS_STOPPING);
    assert_int_equal(
        nodes_await(nodes, nodes_ask(nodes, 0, REQUEST_READY), 1)->reply.status,
        CS_STOPPING);
    assert_false(replica_is_drained(nodes->node[0].replica));
    nodes->node[0].is_disk_held = false;
    nodes_run(nodes, 1);
    assert_int_equal(nodes_status_of(nodes, before), CS_CREATED);
    assert_true(replica_is_drained(nodes->node[0].replica));
    nodes_free(&nodes);
}

static void forming_cluster_lets_requests_wait(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    nodes_kill(nodes, 2);
    uint64_t early = nodes_put(nodes, 0, "k", "v");
    nodes_run(nodes, 4000);
    assert_null(nodes_answer_to(nodes, early));
    uint64_t late = nodes_put(nodes, 1, "k", "w");
    nodes_run(nodes, 1002);
    assert_int_equal(nodes_status_of(nodes, early), CS_STARTING);
    assert_says(nodes, early, "all 3 nodes must meet once");
    struct paxos_recovered nothing = {0};
    nodes_start(nodes, 2, &nothing, 1);
    assert_int_equal(nodes_await(nodes, late, 3000)->reply.status, CS_CREATED);
    nodes_free(&nodes);
}

static void lost_quorum_refuses_at_once_and_in_words(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    uint64_t put = nodes_put(nodes, leader, "k", "v");
    assert_int_equal(nodes_await(nodes, put, 1000)->reply.status, CS_CREATED);
    nodes_run(nodes, 1500);
    nodes_kill(nodes, (leader + 1) % 3);
    nodes_kill(nodes, (leader + 2) % 3);
    uint64_t lost = nodes_put(nodes, leader, "k", "w");
    uint64_t read = nodes_get(nodes, leader, "k", REQUEST_LINEARIZABLE, 0);
    nodes_run(nodes, 500);
    assert_null(nodes_answer_to(nodes, lost)); // proposed: unknown until its deadline
    assert_int_equal(nodes_status_of(nodes, read), CS_NO_QUORUM);
    uint64_t late = nodes_put(nodes, leader, "k", "x");
    nodes_run(nodes, 1);
    assert_int_equal(nodes_status_of(nodes, late), CS_NO_QUORUM);
    assert_says(nodes, late, "2 of 3 nodes cannot be reached from n");
    assert_says(nodes, late, "local reads work with ?consistency=local");
    uint64_t local = nodes_get(nodes, leader, "k", REQUEST_LOCAL, 0);
    assert_int_equal(nodes_status_of(nodes, local), CS_OK);
    assert_true(nodes_answer_to(nodes, local)->reply.lag_ms > 100);
    nodes_run(nodes, 5000);
    assert_int_equal(nodes_status_of(nodes, lost), CS_UNKNOWN);
    nodes_free(&nodes);
}

/* The log may have taken long to replay: what counts is the time since the node listens. */
static void first_moments_after_a_long_replay_wait_for_a_quorum(void **state)
{
    (void)state;
    enum { REPLAY_MS = 5000, GRACE_MS = 1000 };
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    const struct replica *before = nodes->node[leader].replica;
    const struct paxos_recovered recovered = {
        .config = *paxos_config_of(replica_core(before)),
        .promised = replica_view(before).promised,
        .accepted = replica_view(before).accepted,
        .token = replica_view(before).last_token,
        .block = nodes->node[leader].block,
    };
    for (uint32_t seat = 0; seat < 3; seat++) {
        nodes_kill(nodes, seat);
    }
    nodes_start(nodes, leader, &recovered, 2);
    nodes->now_ms += REPLAY_MS;
    nodes_run(nodes, GRACE_MS - 100);
    uint64_t read = nodes_get(nodes, leader, "k", REQUEST_LINEARIZABLE, 0);
    nodes_run(nodes, 50);
    assert_null(nodes_answer_to(nodes, read));
    nodes_run(nodes, 100);
    assert_int_equal(nodes_status_of(nodes, read), CS_NO_QUORUM);
    nodes_free(&nodes);
}

static void every_node_reads_what_was_written_anywhere(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    (void)nodes_run_until_led(nodes);
    for (uint32_t seat = 0; seat < 3; seat++) {
        char value[8];
        (void)snprintf(value, sizeof value, "v%u", seat);
        uint64_t put = nodes_put(nodes, seat, "k", value);
        (void)nodes_await(nodes, put, 1000);
        for (uint32_t reader = 0; reader < 3; reader++) {
            uint64_t get = nodes_get(nodes, reader, "k", REQUEST_LINEARIZABLE, 0);
            const struct nodes_answer *found = nodes_await(nodes, get, 1000);
            assert_string_equal((const char *)found->value.data, value);
        }
    }
    nodes_free(&nodes);
}

/* Loses what carries entries or decisions to `seat`; counts what rests on a record. */
struct core_tap {
    uint32_t starved_seat;
    uint32_t claim_count;
};

static bool tap_core(void *context, const struct nodes_frame *frame)
{
    static struct wire_frame unpacked;
    struct core_tap *tap = context;
    assert_int_equal(wire_unpack(view_of_buffer(&frame->bytes), &unpacked), WIRE_OK);
    if (unpacked.kind != WIRE_CORE) {
        return true;
    }
    uint32_t type = unpacked.core.type;
    tap->claim_count += type == PAXOS_PREPARE || type == PAXOS_PROMISE;
    bool is_food =
        type == PAXOS_ACCEPT || type == PAXOS_ACCEPT_SYNC || type == PAXOS_ENTRIES;
    return !is_food || frame->to != tap->starved_seat;
}

static void read_waits_until_its_slot_is_applied_here(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    uint32_t behind = (leader + 1) % 3;
    (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "old"), 1000);
    nodes_run(nodes, 300);
    struct core_tap tap = {.starved_seat = behind};
    nodes->filter = tap_core;
    nodes->context = &tap;
    (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "new"), 1000);
    uint64_t get = nodes_get(nodes, behind, "k", REQUEST_LINEARIZABLE, 0);
    nodes_run(nodes, 60);
    assert_null(nodes_answer_to(nodes, get));
    uint64_t local = nodes_get(nodes, behind, "k", REQUEST_LOCAL, 0);
    assert_string_equal((const char *)nodes_answer_to(nodes, local)->value.data, "old");
    tap.starved_seat = NODES_MAX;
    const struct nodes_answer *found = nodes_await(nodes, get, 2000);
    assert_string_equal((const char *)found->value.data, "new");
    nodes_free(&nodes);
}

static void what_rests_on_a_record_is_not_sent_before_it_is_durable(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    nodes_run(nodes, 300);
    struct core_tap tap = {.starved_seat = NODES_MAX};
    nodes->filter = tap_core;
    nodes->context = &tap;
    nodes_kill(nodes, leader);
    nodes->node[(leader + 1) % 3].is_disk_held = true;
    nodes->node[(leader + 2) % 3].is_disk_held = true;
    nodes_run(nodes, 800);
    assert_int_equal(tap.claim_count, 0);
    nodes->node[(leader + 1) % 3].is_disk_held = false;
    nodes->node[(leader + 2) % 3].is_disk_held = false;
    (void)nodes_run_until_led(nodes);
    assert_true(tap.claim_count > 0);
    nodes_free(&nodes);
}

/* Delivers a message of the core at `from`: the caller has filled all but its header. */
static void deliver_core(struct nodes *nodes,
                         const struct paxos_message *message,
                         uint32_t from,
                         uint32_t to)
{
    const struct paxos_core *core = replica_core(nodes->node[from].replica);
    struct cs_view payload = view_of_buffer(&nodes->node[from].log[1].payload);
    struct paxos_message stamped;
    struct cs_buffer bytes = {0};
    paxos_stamp(core, message->type, to, &stamped);
    stamped.ballot = message->ballot;
    stamped.log = message->log;
    stamped.entry_count = message->entry_count;
    wire_pack_core(&bytes, &stamped, paxos_entry_at(core, 1), &payload);
    nodes_deliver(nodes, to, view_of_buffer(&bytes));
    buffer_fini(&bytes);
}

static void promise_of_a_log_that_was_replaced_since_is_not_sent(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    uint32_t behind = (leader + 1) % 3;
    uint32_t other = (leader + 2) % 3;
    nodes_run(nodes, 300);
    struct core_tap tap = {.starved_seat = behind};
    nodes->filter = tap_core;
    nodes->context = &tap;
    (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "v"), 1000);
    nodes->node[behind].is_disk_held = true;
    struct paxos_message prepare = {.type = PAXOS_PREPARE};
    prepare.ballot = replica_view(nodes->node[behind].replica).promised;
    prepare.ballot.round++;
    prepare.ballot.node = other + 1;
    deliver_core(nodes, &prepare, other, behind);
    assert_int_equal(replica_view(nodes->node[behind].replica).promised.node, other + 1);
    // Its Promise waits for the disk, and says that the log is empty.
    struct paxos_message entries = {.type = PAXOS_ENTRIES, .entry_count = 1};
    entries.log.decided = 1;
    deliver_core(nodes, &entries, leader, behind);
    assert_int_equal(replica_view(nodes->node[behind].replica).decided, 1);
    nodes->node[behind].is_disk_held = false;
    tap.claim_count = 0;
    nodes_run(nodes, 3);
    assert_int_equal(replica_view(nodes->node[behind].replica).durable, 1);
    assert_int_equal(tap.claim_count, 0);
    nodes_free(&nodes);
}

static void node_that_was_away_catches_up_from_the_disk(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    nodes_run(nodes, 200);
    // Cut off, not killed: it keeps its (empty) log.
    uint32_t away = (leader + 1) % 3;
    struct replica *kept = nodes->node[away].replica;
    nodes->node[away].replica = NULL;
    for (int i = 0; i < 200; i++) {
        (void)nodes_await(nodes, nodes_put(nodes, leader, "k", "v"), 1000);
    }
    assert_true(replica_view(nodes->node[leader].replica).base > 0);
    nodes->node[away].replica = kept;
    nodes_run(nodes, 3000);
    assert_true(nodes->node[leader].log_reads + nodes->node[(leader + 2) % 3].log_reads >
                0);
    struct cs_digest behind = kv_digest(replica_state(kept));
    struct cs_digest ahead = kv_digest(replica_state(nodes->node[leader].replica));
    assert_int_equal(replica_applied(kept), 200);
    assert_true(behind.high == ahead.high && behind.low == ahead.low);
    nodes_free(&nodes);
}

static void wiped_node_halts_and_says_no_more(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    uint32_t leader = nodes_run_until_led(nodes);
    uint32_t wiped = (leader + 1) % 3;
    nodes_kill(nodes, wiped);
    struct paxos_recovered nothing = {0};
    nodes->incarnation++;
    nodes_start(nodes, wiped, &nothing, 1);
    nodes_run(nodes, 500);
    assert_int_equal(replica_halt(nodes->node[wiped].replica), PAXOS_HALT_WIPED);
    uint64_t put = nodes_put(nodes, wiped, "k", "v");
    nodes_run(nodes, 100);
    assert_null(nodes_answer_to(nodes, put));
    nodes_free(&nodes);
}

static void status_is_json_with_the_fields_scripts_rely_on(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(2);

    uint32_t leader = nodes_run_until_led(nodes);
    nodes_run(nodes, 300);
    uint64_t ask = nodes_ask(nodes, leader, REQUEST_STATUS);
    assert_int_equal(nodes_status_of(nodes, ask), CS_OK);
    assert_says(nodes, ask, "\"name\":\"test \\\"1\\\"\"");
    assert_says(nodes, ask, leader == 0 ? "\"node\":\"n1\"" : "\"node\":\"n2\"");
    assert_says(nodes, ask, "\"role\":\"leader\"");
    assert_says(nodes, ask, leader == 0 ? "\"leader\":\"n1\"" : "\"leader\":\"n2\"");
    assert_says(nodes, ask, "\"durability\":\"sync\"");
    assert_says(nodes, ask,
                "{\"name\":\"n1\",\"heard\":true},{\"name\":\"n2\",\"heard\":true}");
    assert_says(nodes, ask, "\"quorum\":2,\"failures_tolerated\":0");
    assert_says(nodes, ask, "\"2 nodes tolerate 0 failed ones, no more than 1 node");
    uint64_t ready = nodes_ask(nodes, leader, REQUEST_READY);
    assert_int_equal(nodes_status_of(nodes, ready), CS_OK);
    nodes_free(&nodes);
}

static void ready_names_what_is_missing(void **state)
{
    (void)state;
    struct nodes *nodes = nodes_new(3);
    nodes_kill(nodes, 1);
    uint64_t ready = nodes_ask(nodes, 0, REQUEST_READY);
    assert_int_equal(nodes_status_of(nodes, ready), CS_STARTING);
    ready = nodes_ask(nodes, 0, REQUEST_STATUS);
    assert_says(nodes, ready, "\"leader\":null");
    nodes_free(&nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_node_forms_leads_and_answers),
        cmocka_unit_test(write_is_answered_only_when_durable_and_applied),
        cmocka_unit_test(write_that_was_proposed_is_unknown_at_its_deadline),
        cmocka_unit_test(writes_that_gather_share_a_slot),
        cmocka_unit_test(window_holds_writes_back_without_losing_them),
        cmocka_unit_test(requests_past_the_bound_are_refused_at_once),
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(full_disk_refuses_puts_and_lets_deletes_pass),
        cmocka_unit_test(full_disk_takes_deletes_in_a_session),
        cmocka_unit_test(retry_has_the_first_revision_also_if_that_was_none),
        cmocka_unit_test(minimum_revision_is_waited_for),
        cmocka_unit_test(stopping_node_refuses_new_requests_and_drains),
        cmocka_unit_test(forming_cluster_lets_requests_wait),
        cmocka_unit_test(lost_quorum_refuses_at_once_and_in_words),
        cmocka_unit_test(first_moments_after_a_long_replay_wait_for_a_quorum),
        cmocka_unit_test(every_node_reads_what_was_written_anywhere),
        cmocka_unit_test(read_waits_until_its_slot_is_applied_here),
        cmocka_unit_test(what_rests_on_a_record_is_not_sent_before_it_is_durable),
        cmocka_unit_test(promise_of_a_log_that_was_replaced_since_is_not_sent),
        cmocka_unit_test(node_that_was_away_catches_up_from_the_disk),
        cmocka_unit_test(wiped_node_halts_and_says_no_more),
        cmocka_unit_test(status_is_json_with_the_fields_scripts_rely_on),
        cmocka_unit_test(ready_names_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
