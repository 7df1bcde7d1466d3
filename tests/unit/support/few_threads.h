/*
 * few_threads.h - a pthread_create() that fails when it is to, for the program that includes
 * this: libraries call it too. Define _GNU_SOURCE first.
 *
 * Thread: any.
 */
#ifndef CONSENS_TESTS_FEW_THREADS_H
#define CONSENS_TESTS_FEW_THREADS_H

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

typedef int create_function(pthread_t *out_thread,
                            const pthread_attr_t *attributes,
                            void *(*run)(void *),
                            void *context);

static atomic_int threads_left = 1000; // that may still be started

int pthread_create(pthread_t *restrict out_thread,
                   const pthread_attr_t *restrict attributes,
                   void *(*run)(void *),
                   void *restrict context)
{
    create_function *create = NULL;
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&create, &found, sizeof(create));
    return atomic_fetch_sub(&threads_left, 1) > 0
               ? create(out_thread, attributes, run, context)
               : EAGAIN;
}

#endif
