/*
 * interrupt.h - an end to a wait of civetweb's: mg_read waits on as long as a byte comes
 * now and then, and gives up only when its poll() is interrupted. So a timer sends the
 * waiting thread a signal that does nothing, and again every few milliseconds until it is
 * stopped, as one that comes between two polls is lost.
 *
 * Thread: a worker's own, but for interrupt_prepare().
 */
#ifndef CONSENS_HTTP_INTERRUPT_H
#define CONSENS_HTTP_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct interrupt { // zeroed to begin with
    bool has_timer;
    timer_t timer; // of the thread that started it first
};

/* Once in a process, before any is started: SIGURG is taken for it. */
void interrupt_prepare(void);

/* From then on waits of this thread end with EINTR. False: no timer is left (ulimit -i). */
bool interrupt_start(struct interrupt *interrupt, uint64_t after_ms);
void interrupt_stop(struct interrupt *interrupt);
void interrupt_fini(struct interrupt *interrupt);

#endif
