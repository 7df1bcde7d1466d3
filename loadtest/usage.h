/*
 * usage.h - processor time and memory of server processes, read from /proc.
 *
 * Thread: main.
 */
#ifndef CONSENS_LOADTEST_USAGE_H
#define CONSENS_LOADTEST_USAGE_H

#include <stdint.h>

struct usage {           // of one server, through restarts
    int pid;             // as last sampled; 0: none
    uint64_t seen_ticks; // of that process
    uint64_t ticks;      // in all since usage_start()
    uint64_t rss_kb;
    uint64_t rss_kb_max;
};

/* Begins to count. A process that is not there counts nothing. */
void usage_start(struct usage *usage, int pid);
/* The same process, or the one that took its place. */
void usage_sample(struct usage *usage, int pid);
double usage_cpu_seconds(const struct usage *usage);

#endif
