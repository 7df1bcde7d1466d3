/*
 * serve.h - carries out a request that has been taken apart: asks the engine, makes the
 * answer.
 *
 * Thread: the worker's.
 */
#ifndef CONSENS_HTTP_SERVE_H
#define CONSENS_HTTP_SERVE_H

#include "http/worker.h"

/* False: the exchange's refusal says why not. */
bool serve_route(struct exchange *exchange);

/*
 * What every reply says of this node, and of the state it was read from. NULL: of none.
 */
void serve_label(struct exchange *exchange, const struct reply *reply);

#endif
