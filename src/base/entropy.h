/*
 * entropy.h - random bits from the kernel, for identities and seeds; nothing else draws.
 *
 * Thread: any.
 */
#ifndef CONSENS_BASE_ENTROPY_H
#define CONSENS_BASE_ENTROPY_H

#include <stdint.h>

/* Never 0. */
uint64_t entropy_draw_u64(void);

#endif
