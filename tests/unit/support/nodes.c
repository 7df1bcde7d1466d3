#include "unit/support/nodes.h"

#include "base/check.h"
#include "engine/parts.h"
#include "wal/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const NAMES[NODES_MAX] = {"n1", "n2", "n3", "n4", "n5"};

/* ---- ports ---- */

static void send_peer(void *context, uint32_t seat, struct cs_view bytes)
{
    struct nodes_node *node = context;
    struct nodes *nodes = node->nodes;
    struct wire_frame *frame = calloc(1, sizeof *frame);
    CHECK(frame != NULL);
    assert_int_equal(wire_unpack(bytes, frame), WIRE_OK);
    CHECK(nodes->frame_count < NODES_FRAMES_MAX);
    uint32_t at = (nodes->frame_first + nodes->frame_count) % NODES_FRAMES_MAX;
    struct nodes_frame *queued = &nodes->frames[at];
    queued->from = node->seat;
    queued->to = seat;
    queued->kind = frame->kind;
    queued->bytes.bytes = 0;
    buffer_append(&queued->bytes, bytes.data, bytes.bytes);
    free(frame);
    if (nodes->filter == NULL || nodes->filter(nodes->context, queued)) {
        nodes->frame_count++;
    }
}

/* Slots written anew are there again. */
static void keep_repaired(struct nodes_node *node, const struct record *record)
{
    if (node->lost.first == 0) {
        return; // the test has put them back already
    }
    struct record_cursor cursor = record_entries(record);
    struct paxos_entry entry = {0};
    struct cs_view payload = {0};
    while (record_take_entry(&cursor, &entry, &payload)) {
        struct nodes_entry *kept = &node->log[entry.slot];
        assert_memory_equal(&kept->entry, &entry, sizeof entry);
        assert_int_equal(kept->payload.bytes, payload.bytes);
        assert_memory_equal(kept->payload.data, payload.data, payload.bytes);
        assert_int_equal(entry.slot, node->lost.first);
        node->lost.first++;
        node->lost.before_chain = entry.chain;
    }
    if (node->lost.first > node->lost.last) {
        node->lost = (struct wal_fault){0};
    }
}

/* What is written over is lost no more. */
static void forget_replaced(struct nodes_node *node, const struct paxos_persist *record)
{
    struct wal_fault *lost = &node->lost;
    if (record->entry_count == 0 || lost->first == 0 || record->first_slot > lost->last) {
        return;
    }
    lost->last = record->first_slot - 1;
    lost->knows_after = false;
    if (lost->last < lost->first) {
        *lost = (struct wal_fault){0};
    }
}

/* Keeps what the log would: the core's entries as they are now. */
static void append_log(void *context, struct cs_view records)
{
    struct nodes_node *node = context;
    const struct replica *replica = node->replica;
    assert_true(records.bytes > 0);
    struct record record = {0};
    assert_true(record_unpack(records, &record));
    node->notes += record.persist.kind == PAXOS_PERSIST_NOTE;
    node->block += record_any_counts(records);
    node->has_unsynced = true;
    if (record.persist.kind == PAXOS_PERSIST_REPAIR && record.persist.token == 0) {
        keep_repaired(node, &record);
        return;
    }
    forget_replaced(node, &record.persist);
    for (cs_slot slot = replica->view.base + 1; slot <= replica->view.length; slot++) {
        CHECK(slot < NODES_SLOTS_MAX);
        struct nodes_entry *kept = &node->log[slot];
        kept->entry = *paxos_entry_at(replica->core, slot);
        struct cs_view payload = bodies_get(&replica->bodies, &kept->entry);
        kept->payload.bytes = 0;
        buffer_append(&kept->payload, payload.data, payload.bytes);
    }
}

static void read_log(void *context,
                     cs_slot first,
                     cs_slot last,
                     uint32_t max_entries,
                     uint64_t max_bytes,
                     uint64_t cookie)
{
    struct nodes_node *node = context;
    (void)max_bytes;
    node->log_reads++;
    node->read_cookie = cookie;
    node->read_first = first;
    node->read_last = last - first + 1 > max_entries ? first + max_entries - 1 : last;
}

static void answer(void *context, uint64_t client, const struct reply *reply)
{
    struct nodes_node *node = context;
    struct nodes *nodes = node->nodes;
    assert_int_equal(client, 77);
    assert_null(nodes_answer_to(nodes, reply->ticket)); // each client exactly once
    CHECK(nodes->answer_count < NODES_ANSWERS_MAX);
    struct nodes_answer *kept = &nodes->answers[nodes->answer_count];
    nodes->answer_count++;
    kept->ticket = reply->ticket;
    kept->reply = *reply;
    buffer_append(&kept->value, reply->value.data, reply->value.bytes);
    buffer_append(&kept->value, "", 1);
    kept->reply.value = view_of(kept->value.data, kept->value.bytes - 1);
}

static void trace(void *context, const struct paxos_trace *trace)
{
    struct nodes_node *node = context;
    node->nodes->trace_counts[trace->kind % 32]++;
}

/* ---- nodes ---- */

struct nodes *nodes_new(uint32_t count)
{
    struct nodes *nodes = calloc(1, sizeof *nodes);
    CHECK(nodes != NULL);
    nodes->count = count;
    nodes->now_ms = 1000;
    nodes->incarnation = 7;
    nodes->requests_waiting_max = 64;
    nodes->window_entries = 8;
    nodes->batch_commands_max = 16;
    for (uint32_t seat = 0; seat < count; seat++) {
        nodes->node[seat].nodes = nodes;
        nodes->node[seat].seat = seat;
        struct paxos_recovered nothing = {0};
        nodes_start(nodes, seat, &nothing, 1);
    }
    return nodes;
}

void nodes_free(struct nodes **slot)
{
    struct nodes *nodes = *slot;
    for (uint32_t seat = 0; seat < nodes->count; seat++) {
        nodes_kill(nodes, seat);
        for (uint32_t i = 0; i < NODES_SLOTS_MAX; i++) {
            buffer_fini(&nodes->node[seat].log[i].payload);
        }
    }
    for (uint32_t i = 0; i < NODES_FRAMES_MAX; i++) {
        buffer_fini(&nodes->frames[i].bytes);
    }
    for (uint32_t i = 0; i < nodes->answer_count; i++) {
        buffer_fini(&nodes->answers[i].value);
    }
    free(nodes);
    *slot = NULL;
}

static struct paxos_settings
core_settings(const struct nodes *nodes, uint32_t seat, uint64_t boot)
{
    struct paxos_settings settings = {
        .seat = seat,
        .member_count = nodes->count,
        .incarnation = {.high = nodes->incarnation, .low = seat + 1},
        .fresh_cluster_id = {.high = 99, .low = 98},
        .boot = boot,
        .nonce = 1000 * boot + seat + 1,
        .seed = seat + 1,
        .now_ms = nodes->now_ms,
        .heartbeat_ms = 50,
        .resend_ms = 100,
        .stall_ms = 1000,
        .read_retry_ms = 150,
        .window_entries = nodes->window_entries,
        .window_bytes = LIMIT_WINDOW_BYTES,
        .ring_entries = 64,
        .ring_bytes = 4096,
        .message_entries = 16,
        .message_bytes = LIMIT_MESSAGE_BYTES,
    };
    return settings;
}

void nodes_start(struct nodes *nodes,
                 uint32_t seat,
                 const struct paxos_recovered *recovered,
                 uint64_t boot)
{
    struct nodes_node *node = &nodes->node[seat];
    struct replica_ports ports = {
        .context = node,
        .send_peer = send_peer,
        .append_log = append_log,
        .read_log = read_log,
        .answer = answer,
        .trace = trace,
    };
    struct replica_settings settings = {
        .core = core_settings(nodes, seat, boot),
        .seat_names = NAMES,
        .cluster_name = "test \"1\"",
        .durability = nodes->durability,
        .log_io = nodes->log_io,
        .requests_waiting_max = nodes->requests_waiting_max,
        .request_bytes_waiting_max = 1024 * 1024,
        .batch_commands_max = nodes->batch_commands_max,
        .batch_bytes_max = 4096,
        .version = "0.0-test",
    };
    assert_null(node->replica);
    node->has_unsynced = false;
    node->replica = replica_new(&settings, &ports, recovered);
}

void nodes_kill(struct nodes *nodes, uint32_t seat)
{
    replica_destroy(&nodes->node[seat].replica);
}

/* ---- time ---- */

static void deliver_slice(struct nodes_node *node)
{
    uint64_t cookie = node->read_cookie;
    uint32_t count = (uint32_t)(node->read_last - node->read_first + 1);
    struct wal_slice slice = {0};
    const struct wal_fault *lost = &node->lost;
    if (lost->first != 0 && node->read_last >= lost->first &&
        node->read_first <= lost->last) {
        count = lost->first > node->read_first
                    ? (uint32_t)(lost->first - node->read_first)
                    : 0;
        slice.fault = *lost;
    }
    slice.entry_count = count;
    struct paxos_entry entries[64];
    struct cs_view payloads[64];
    CHECK(count <= 64);
    for (uint32_t i = 0; i < count; i++) {
        const struct nodes_entry *kept = &node->log[node->read_first + i];
        entries[i] = kept->entry;
        payloads[i] = view_of_buffer(&kept->payload);
    }
    slice.entries = entries;
    slice.payloads = payloads;
    slice.before_chain = node->log[node->read_first - 1].entry.chain;
    node->read_cookie = 0;
    replica_on_slice(node->replica, cookie, &slice, node->nodes->now_ms);
}

static bool sync_disk(struct nodes_node *node)
{
    if (node->is_disk_held || !node->has_unsynced) {
        return false;
    }
    node->has_unsynced = false;
    struct paxos_view view = replica_view(node->replica);
    replica_on_durable(node->replica, view.last_token, node->block, 100,
                       node->nodes->now_ms);
    return true;
}

static void deliver_first(struct nodes *nodes)
{
    struct nodes_frame *frame = &nodes->frames[nodes->frame_first];
    struct replica *replica = nodes->node[frame->to].replica;
    struct cs_buffer bytes = {0};
    buffer_append(&bytes, frame->bytes.data, frame->bytes.bytes);
    nodes->frame_first = (nodes->frame_first + 1) % NODES_FRAMES_MAX;
    nodes->frame_count--;
    if (replica != NULL) {
        replica_on_frame(replica, view_of_buffer(&bytes), nodes->now_ms);
        replica_flush(replica, nodes->now_ms);
    }
    buffer_fini(&bytes);
}

static bool turn(struct nodes *nodes)
{
    bool is_busy = nodes->frame_count > 0;
    for (uint32_t i = nodes->frame_count; i > 0; i--) {
        deliver_first(nodes);
    }
    for (uint32_t seat = 0; seat < nodes->count; seat++) {
        struct nodes_node *node = &nodes->node[seat];
        if (node->replica == NULL) {
            continue;
        }
        if (node->read_cookie != 0) {
            deliver_slice(node);
        }
        if (nodes->now_ms >= replica_next_tick_ms(node->replica)) {
            replica_on_tick(node->replica, nodes->now_ms);
        }
        is_busy = sync_disk(node) || is_busy;
        replica_flush(node->replica, nodes->now_ms);
    }
    return is_busy;
}

void nodes_run(struct nodes *nodes, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++) {
        nodes->now_ms++;
        for (int turns = 0; turns < 50 && turn(nodes); turns++) {
        }
    }
}

uint32_t nodes_run_until_led(struct nodes *nodes)
{
    for (int i = 0; i < 5000; i++) {
        nodes_run(nodes, 1);
        for (uint32_t seat = 0; seat < nodes->count; seat++) {
            struct replica *replica = nodes->node[seat].replica;
            if (replica != NULL && replica_view(replica).can_propose) {
                return seat;
            }
        }
    }
    fail_msg("no leader within 5 s");
    return 0;
}

const struct nodes_answer *nodes_await(struct nodes *nodes, uint64_t ticket, uint64_t ms)
{
    for (uint64_t i = 0; i < ms && nodes_answer_to(nodes, ticket) == NULL; i++) {
        nodes_run(nodes, 1);
    }
    const struct nodes_answer *found = nodes_answer_to(nodes, ticket);
    if (found == NULL) {
        fail_msg("no answer within %d ms", (int)ms);
    }
    return found;
}

/* ---- requests ---- */

void nodes_flush(struct nodes *nodes, uint32_t seat)
{
    replica_flush(nodes->node[seat].replica, nodes->now_ms);
}

void nodes_request(struct nodes *nodes, uint32_t seat, const struct request *request)
{
    struct cs_buffer bytes = {0};
    request_pack(&bytes, request);
    replica_on_request(nodes->node[seat].replica, 77, view_of_buffer(&bytes),
                       nodes->now_ms);
    buffer_fini(&bytes);
}

static uint64_t write(struct nodes *nodes, uint32_t seat, const struct command *command)
{
    struct cs_buffer packed = {0};
    command_pack(&packed, command);
    struct request request = {
        .ticket = ++nodes->last_ticket,
        .kind = REQUEST_WRITE,
        .timeout_ms = 5000,
        .command = view_of_buffer(&packed),
    };
    nodes_request(nodes, seat, &request);
    buffer_fini(&packed);
    return request.ticket;
}

uint64_t nodes_put(struct nodes *nodes, uint32_t seat, const char *key, const char *value)
{
    struct command command = {
        .operation = COMMAND_PUT,
        .key = view_of(key, strlen(key)),
        .value = view_of(value, strlen(value)),
    };
    return write(nodes, seat, &command);
}

uint64_t nodes_delete(struct nodes *nodes, uint32_t seat, const char *key)
{
    struct command command = {
        .operation = COMMAND_DELETE,
        .key = view_of(key, strlen(key)),
    };
    return write(nodes, seat, &command);
}

uint64_t nodes_get(struct nodes *nodes,
                   uint32_t seat,
                   const char *key,
                   uint32_t consistency,
                   uint64_t min_revision)
{
    struct request request = {
        .ticket = ++nodes->last_ticket,
        .kind = REQUEST_GET,
        .consistency = consistency,
        .min_revision = min_revision,
        .timeout_ms = 5000,
        .key = view_of(key, strlen(key)),
    };
    nodes_request(nodes, seat, &request);
    return request.ticket;
}

uint64_t nodes_ask(struct nodes *nodes, uint32_t seat, uint32_t kind)
{
    struct request request = {
        .ticket = ++nodes->last_ticket,
        .kind = kind,
        .timeout_ms = 5000,
    };
    nodes_request(nodes, seat, &request);
    return request.ticket;
}

const struct nodes_answer *nodes_answer_to(const struct nodes *nodes, uint64_t ticket)
{
    for (uint32_t i = 0; i < nodes->answer_count; i++) {
        if (nodes->answers[i].ticket == ticket) {
            return &nodes->answers[i];
        }
    }
    return NULL;
}

enum cs_status nodes_status_of(const struct nodes *nodes, uint64_t ticket)
{
    const struct nodes_answer *found = nodes_answer_to(nodes, ticket);
    if (found == NULL) {
        fail_msg("request %d is not answered", (int)ticket);
        return CS_UNKNOWN;
    }
    return found->reply.status;
}

void nodes_deliver(struct nodes *nodes, uint32_t seat, struct cs_view bytes)
{
    replica_on_frame(nodes->node[seat].replica, bytes, nodes->now_ms);
}
