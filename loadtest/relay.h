/*
 * relay.h - carries the nodes' connections to each other, so that they can be cut: one
 * listener for each ordered pair. What is cut is silent, not closed, as a network that
 * loses every packet; what was under way arrives when it is mended.
 *
 * Thread: its own; the functions here from main.
 */
#ifndef CONSENS_LOADTEST_RELAY_H
#define CONSENS_LOADTEST_RELAY_H

#include <stdbool.h>
#include <stdint.h>

struct relay;

/* NULL: errno says why. `ports`: of the nodes' real listeners on 127.0.0.1. */
struct relay *relay_new(const uint16_t *ports, uint32_t node_count);
void relay_destroy(struct relay **taken);

/* Where `from` shall connect to reach `to`. */
uint16_t relay_port(const struct relay *relay, uint32_t from, uint32_t to);
/* Cuts a node off from all others, or mends that. */
void relay_isolate(struct relay *relay, uint32_t node, bool is_cut);

#endif
