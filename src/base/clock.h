/*
 * clock.h - monotonic time. Wall time is for display only and is asked for nowhere else.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_CLOCK_H
#define CONSENS_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ms(void);
uint64_t clock_now_us(void);

#endif
