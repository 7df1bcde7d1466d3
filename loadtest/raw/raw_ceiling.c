/*
 * raw_ceiling: what this stack could reach if consensus cost nothing. A leader and two
 * followers with the message pattern of the steady state - batch what waits, send it to
 * both, write, sync, wait for one follower - and no ballots, no state, no recovery. It
 * loses data when anything fails; only its speed means something.
 *
 *   --role follower  --port P
 *   --role http      --port P --follower-a P --follower-b P   a leader behind civetweb
 *   --role zmq       --port P --follower-a P --follower-b P   a leader behind a ROUTER
 *   --role load      --port P                                 drives the zmq leader
 *
 * A batch on the wire: 8 bytes of sequence number, then the commands. An answer: 8 bytes.
 */
#include "raw_hop.h"
#include "raw_log.h"
#include "stats.h"

enum {
    BATCH_COMMANDS_MAX = 4096,
    BATCH_BYTES_MAX = 4 << 20,
    COMMAND_BYTES_MAX = 64 << 10,
    FOLLOWER_BATCHES_MAX = 256,
    FOLLOWER_COUNT = 2,
    LATENCIES_MAX = 5000000,
    STAMP_BYTES = 16,   // at the head of a load message: when it was sent
    RECORD_BYTES = 112, // a value of 100 bytes and its framing
};

struct settings {
    const char *role;
    const char *directory;
    int port;
    int followers[FOLLOWER_COUNT];
    int threads;
    int is_synced;
    int seconds;
    int sockets; // load only, as what follows
    int window;
    int records;
};

/* Commands that share a sequence number. count <= BATCH_COMMANDS_MAX, bytes <=
 * BATCH_BYTES_MAX. */
struct batch {
    zmq_msg_t identities[BATCH_COMMANDS_MAX];
    char answers[BATCH_COMMANDS_MAX][STAMP_BYTES];
    size_t count;
    char data[BATCH_BYTES_MAX];
    size_t bytes;
};

static char *tcp_endpoint(char out_endpoint[64], int port)
{
    (void)snprintf(out_endpoint, 64, "tcp://127.0.0.1:%d", port);
    return out_endpoint;
}

/* Takes one command off the router; false if none came. */
static bool batch_take(struct batch *batch, void *router, int flags)
{
    zmq_msg_t *identity = &batch->identities[batch->count];
    zmq_msg_t body;
    (void)zmq_msg_init(identity);
    if (zmq_msg_recv(identity, router, flags) < 0) {
        (void)zmq_msg_close(identity);
        return false;
    }
    (void)zmq_msg_init(&body);
    const int body_bytes = zmq_msg_recv(&body, router, 0);
    if (body_bytes < 0 || body_bytes > COMMAND_BYTES_MAX) {
        program_fail("a command", "too large");
    }
    char *answer = batch->answers[batch->count];
    const size_t answer_bytes =
        body_bytes < STAMP_BYTES ? (size_t)body_bytes : STAMP_BYTES;
    memset(answer, 0, STAMP_BYTES);
    memcpy(answer, zmq_msg_data(&body), answer_bytes);
    memcpy(batch->data + batch->bytes, zmq_msg_data(&body), (size_t)body_bytes);
    batch->bytes += (size_t)body_bytes;
    batch->count++;
    (void)zmq_msg_close(&body);
    return true;
}

/* Waits for one command, then takes what else is there; false if the wait was
 * interrupted. */
static bool batch_fill(struct batch *batch, void *router, uint64_t sequence)
{
    batch->count = 0;
    batch->bytes = sizeof sequence;
    memcpy(batch->data, &sequence, sizeof sequence);
    if (!batch_take(batch, router, 0)) {
        return false;
    }
    while (batch->count < BATCH_COMMANDS_MAX &&
           batch->bytes + COMMAND_BYTES_MAX <= BATCH_BYTES_MAX &&
           batch_take(batch, router, ZMQ_DONTWAIT)) {
    }
    return true;
}

static void batch_answer(struct batch *batch, void *router)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (zmq_msg_send(&batch->identities[i], router, ZMQ_SNDMORE) < 0) {
            (void)zmq_msg_close(&batch->identities[i]);
            continue;
        }
        (void)zmq_send(router, batch->answers[i], STAMP_BYTES, 0);
    }
}

/* True if `follower` has told that it wrote `sequence`. Older answers are late ones:
 * skipped. */
static bool has_acknowledged(void *follower, uint64_t sequence)
{
    uint64_t acknowledged = 0;
    bool found = false;
    while (zmq_recv(follower, &acknowledged, sizeof acknowledged, ZMQ_DONTWAIT) ==
           (int)sizeof acknowledged) {
        found = found || acknowledged == sequence;
    }
    return found;
}

/* One follower and the leader's own log are a quorum of three. */
static void wait_for_one(void *followers[FOLLOWER_COUNT], uint64_t sequence)
{
    zmq_pollitem_t items[FOLLOWER_COUNT] = {{followers[0], 0, ZMQ_POLLIN, 0},
                                            {followers[1], 0, ZMQ_POLLIN, 0}};
    bool found = false;
    while (!found && !program_must_stop()) {
        (void)zmq_poll(items, FOLLOWER_COUNT, RAW_HOP_WAIT_MS);
        for (int i = 0; i < FOLLOWER_COUNT; i++) {
            found = has_acknowledged(followers[i], sequence) || found;
        }
    }
}

static void lead(void *context, void *router, const struct settings *settings)
{
    static struct batch batch;
    char endpoint[64];
    void *followers[FOLLOWER_COUNT];
    struct raw_log log;
    raw_log_open(&log, settings->directory, settings->is_synced != 0);
    for (int i = 0; i < FOLLOWER_COUNT; i++) {
        followers[i] =
            raw_hop_connect(context, tcp_endpoint(endpoint, settings->followers[i]));
    }
    uint64_t sequence = 1;
    while (!program_must_stop()) {
        if (!batch_fill(&batch, router, sequence)) {
            continue;
        }
        for (int i = 0; i < FOLLOWER_COUNT; i++) {
            (void)zmq_send(followers[i], batch.data, batch.bytes, 0);
        }
        raw_log_append(&log, batch.data, batch.bytes);
        raw_log_sync(&log);
        wait_for_one(followers, sequence);
        batch_answer(&batch, router);
        sequence++;
    }
    for (int i = 0; i < FOLLOWER_COUNT; i++) {
        (void)zmq_close(followers[i]);
    }
    (void)close(log.file);
}

/* Writes one batch of the leader's; true if one was there. */
static bool follower_take(void *router,
                          struct raw_log *log,
                          int flags,
                          zmq_msg_t *out_identity,
                          uint64_t *out)
{
    zmq_msg_t body;
    (void)zmq_msg_init(out_identity);
    if (zmq_msg_recv(out_identity, router, flags) < 0) {
        (void)zmq_msg_close(out_identity);
        return false;
    }
    (void)zmq_msg_init(&body);
    if (zmq_msg_recv(&body, router, 0) < (int)sizeof *out) {
        program_fail("not a batch", "too short");
    }
    memcpy(out, zmq_msg_data(&body), sizeof *out);
    raw_log_append(log, zmq_msg_data(&body), zmq_msg_size(&body));
    (void)zmq_msg_close(&body);
    return true;
}

static void follow(void *router, const struct settings *settings)
{
    static zmq_msg_t identities[FOLLOWER_BATCHES_MAX];
    static uint64_t sequences[FOLLOWER_BATCHES_MAX];
    struct raw_log log;
    raw_log_open(&log, settings->directory, settings->is_synced != 0);
    while (!program_must_stop()) {
        size_t count = 0;
        while (count < FOLLOWER_BATCHES_MAX &&
               follower_take(router, &log, count == 0 ? 0 : ZMQ_DONTWAIT,
                             &identities[count], &sequences[count])) {
            count++;
        }
        if (count == 0) {
            continue;
        }
        raw_log_sync(&log);
        for (size_t i = 0; i < count; i++) {
            (void)zmq_msg_send(&identities[i], router, ZMQ_SNDMORE);
            (void)zmq_send(router, &sequences[i], sizeof sequences[i], 0);
        }
    }
    (void)close(log.file);
}

static void run_node(const struct settings *settings)
{
    void *context = raw_hop_context_new();
    void *router = NULL;
    struct mg_context *server = NULL;
    if (strcmp(settings->role, "http") == 0) {
        router = raw_hop_bind(context, RAW_HOP_ENDPOINT);
        server = raw_hop_start(context, settings->port, settings->threads);
    } else {
        char endpoint[64];
        router = raw_hop_bind(context, tcp_endpoint(endpoint, settings->port));
    }
    if (strcmp(settings->role, "follower") == 0) {
        follow(router, settings);
    } else {
        lead(context, router, settings);
    }
    raw_hop_stop(server, router, context);
}

static void send_stamped(void *socket, char *message, size_t message_bytes)
{
    const uint64_t now_ns = stats_now_ns();
    memcpy(message, &now_ns, sizeof now_ns);
    (void)zmq_send(socket, message, message_bytes, 0);
}

/* Keeps `window` messages in flight on each socket until it is told to stop. */
static void run_load(const struct settings *settings)
{
    const int sockets = settings->sockets;
    const size_t message_bytes = STAMP_BYTES + (size_t)settings->records * RECORD_BYTES;
    char endpoint[64];
    void *context = raw_hop_context_new();
    zmq_pollitem_t *items = calloc((size_t)sockets, sizeof *items);
    uint64_t *took_ns = calloc(LATENCIES_MAX, sizeof *took_ns);
    char *message = calloc(1, message_bytes);
    if (items == NULL || took_ns == NULL || message == NULL) {
        program_fail_errno("no memory");
    }
    (void)tcp_endpoint(endpoint, settings->port);
    for (int i = 0; i < sockets; i++) {
        items[i] = (zmq_pollitem_t){raw_hop_connect(context, endpoint), 0, ZMQ_POLLIN, 0};
        for (int j = 0; j < settings->window; j++) {
            send_stamped(items[i].socket, message, message_bytes);
        }
    }
    const uint64_t started_ns = stats_now_ns();
    size_t count = 0;
    while (!program_must_stop()) {
        (void)zmq_poll(items, sockets, RAW_HOP_WAIT_MS);
        for (int i = 0; i < sockets; i++) {
            uint64_t sent[STAMP_BYTES / sizeof(uint64_t)];
            while (items[i].revents != 0 && count < LATENCIES_MAX &&
                   zmq_recv(items[i].socket, sent, sizeof sent, ZMQ_DONTWAIT) > 0) {
                took_ns[count] = stats_now_ns() - sent[0];
                count++;
                send_stamped(items[i].socket, message, message_bytes);
            }
        }
        if (count == LATENCIES_MAX) {
            break;
        }
    }
    const double elapsed_s = (double)(stats_now_ns() - started_ns) / 1e9;
    (void)printf("rate=%.0f ", (double)count * settings->records / elapsed_s);
    stats_print("load", took_ns, count);
    for (int i = 0; i < sockets; i++) {
        (void)zmq_close(items[i].socket);
    }
    (void)zmq_ctx_term(context);
    free(message);
    free(took_ns);
    free(items);
}

int main(int argc, char **argv)
{
    struct settings settings = {.role = "",
                                .directory = ".",
                                .port = 8080,
                                .followers = {8081, 8082},
                                .threads = 300,
                                .is_synced = 1,
                                .seconds = 600,
                                .sockets = 1,
                                .window = 1,
                                .records = 1};
    const struct program_flag flags[] = {
        {"role", "follower, http, zmq or load", NULL, &settings.role},
        {"directory", "where the log is made", NULL, &settings.directory},
        {"port", "HTTP or ZeroMQ on 127.0.0.1", &settings.port, NULL},
        {"follower-a", "port", &settings.followers[0], NULL},
        {"follower-b", "port", &settings.followers[1], NULL},
        {"threads", "connections served at a time", &settings.threads, NULL},
        {"sync", "1: each batch is durable; 0: written only", &settings.is_synced, NULL},
        {"seconds", "end after", &settings.seconds, NULL},
        {"sockets", "load: how many", &settings.sockets, NULL},
        {"window", "load: messages in flight on each", &settings.window, NULL},
        {"records", "load: of 100 bytes in each message", &settings.records, NULL},
        {0},
    };
    program_read_flags(argc, argv, flags);
    const bool is_node = strcmp(settings.role, "follower") == 0 ||
                         strcmp(settings.role, "http") == 0 ||
                         strcmp(settings.role, "zmq") == 0;
    const bool is_load = strcmp(settings.role, "load") == 0;
    if ((!is_node && !is_load) || settings.threads < 1 ||
        settings.threads > RAW_HOP_THREADS_MAX || settings.sockets < 1 ||
        settings.window < 1 || settings.records < 1 ||
        settings.records > (COMMAND_BYTES_MAX - STAMP_BYTES) / RECORD_BYTES) {
        program_usage(argv[0], flags);
    }
    program_stop_after(settings.seconds);
    if (is_load) {
        run_load(&settings);
    } else {
        run_node(&settings);
    }
    return 0;
}
