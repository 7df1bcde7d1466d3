#define _GNU_SOURCE 1 // NOLINT(bugprone-reserved-identifier): gettid, SIGEV_THREAD_ID
#include "http/interrupt.h"

#include "base/check.h"
#include "base/mutant.h"

#include <signal.h>
#include <unistd.h>

enum { AGAIN_MS = 10 };

static void do_nothing(int number);
static bool make_timer(struct interrupt *interrupt);
static void set_timer(struct interrupt *interrupt, uint64_t after_ms, uint64_t again_ms);
static struct timespec time_of(uint64_t ms);

void interrupt_prepare(void)
{
    struct sigaction action = {.sa_handler = do_nothing}; // no SA_RESTART
    CHECK(sigemptyset(&action.sa_mask) == 0);
    CHECK(sigaction(SIGURG, &action, NULL) == 0);
}

bool interrupt_start(struct interrupt *interrupt, uint64_t after_ms)
{
    CHECK(after_ms > 0); // 0 would stop it
    if (!interrupt->has_timer && !make_timer(interrupt)) {
        return false;
    }
    set_timer(interrupt, MUTANT_IS(292) ? 0 : after_ms, AGAIN_MS);
    return true;
}

void interrupt_stop(struct interrupt *interrupt)
{
    set_timer(interrupt, 0, 0);
}

void interrupt_fini(struct interrupt *interrupt)
{
    if (interrupt->has_timer) {
        CHECK(timer_delete(interrupt->timer) == 0);
    }
    *interrupt = (struct interrupt){0};
}

static void do_nothing(int number)
{
    (void)number;
}

static bool make_timer(struct interrupt *interrupt)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGURG};
    event._sigev_un._tid = gettid();
    interrupt->has_timer = timer_create(CLOCK_MONOTONIC, &event, &interrupt->timer) == 0;
    return interrupt->has_timer;
}

static void set_timer(struct interrupt *interrupt, uint64_t after_ms, uint64_t again_ms)
{
    struct itimerspec when = {.it_value = time_of(after_ms),
                              .it_interval = time_of(again_ms)};
    CHECK(timer_settime(interrupt->timer, 0, &when, NULL) == 0);
}

static struct timespec time_of(uint64_t ms)
{
    struct timespec time = {.tv_sec = (time_t)(ms / 1000),
                            .tv_nsec = (long)(ms % 1000) * 1000000};
    return time;
}
