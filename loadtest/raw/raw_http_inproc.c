/*
 * raw_http_inproc: civetweb and one inproc hop to a thread that answers at once. No log,
 * no replication: what the HTTP front alone can do.
 */
#include "raw_hop.h"

/* Sends each message back to the worker it came from. */
static void echo(void *router)
{
    while (!program_must_stop()) {
        zmq_msg_t identity;
        zmq_msg_t body;
        (void)zmq_msg_init(&identity);
        (void)zmq_msg_init(&body);
        if (zmq_msg_recv(&identity, router, 0) < 0 ||
            zmq_msg_recv(&body, router, 0) < 0 ||
            zmq_msg_send(&identity, router, ZMQ_SNDMORE) < 0 ||
            zmq_msg_send(&body, router, 0) < 0) {
            (void)zmq_msg_close(&identity);
            (void)zmq_msg_close(&body);
        }
    }
}

int main(int argc, char **argv)
{
    int port = 8080;
    int threads = 300;
    int seconds = 600;
    const struct program_flag flags[] = {
        {"port", "HTTP on 127.0.0.1", &port, NULL},
        {"threads", "connections served at a time", &threads, NULL},
        {"seconds", "end after", &seconds, NULL},
        {0},
    };
    program_read_flags(argc, argv, flags);
    if (threads < 1 || threads > RAW_HOP_THREADS_MAX) {
        program_usage(argv[0], flags);
    }

    void *context = raw_hop_context_new();
    void *router = raw_hop_bind(context, RAW_HOP_ENDPOINT);
    struct mg_context *server = raw_hop_start(context, port, threads);
    program_stop_after(seconds);
    echo(router);
    raw_hop_stop(server, router, context);
    return 0;
}
