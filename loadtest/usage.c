#include "loadtest/usage.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Fields 14, 15 and 24 of /proc/PID/stat, counted after the name, which may hold anything. */
static bool read_stat(int pid, uint64_t *out_ticks, uint64_t *out_rss_kb)
{
    enum { FIELD_USER = 12, FIELD_SYSTEM = 13, FIELD_RSS = 22, TEXT_BYTES = 1024 };
    char path[64];
    char text[TEXT_BYTES];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = pid > 0 ? fopen(path, "r") : NULL;
    if (file == NULL) {
        return false;
    }
    size_t bytes = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[bytes] = '\0';
    const char *at = strrchr(text, ')');
    *out_ticks = 0;
    for (int field = 2; at != NULL && field <= FIELD_RSS + 1; field++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
        uint64_t number = at == NULL ? 0 : strtoull(at, NULL, 10);
        if (field == FIELD_USER + 1 || field == FIELD_SYSTEM + 1) {
            *out_ticks += number;
        } else if (field == FIELD_RSS + 1) {
            *out_rss_kb = number * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
        }
    }
    return at != NULL;
}

void usage_start(struct usage *usage, int pid)
{
    uint64_t rss_kb = 0;
    memset(usage, 0, sizeof *usage);
    usage->pid = pid;
    if (!read_stat(pid, &usage->seen_ticks, &rss_kb)) {
        usage->seen_ticks = 0;
    }
}

void usage_sample(struct usage *usage, int pid)
{
    uint64_t ticks = 0;
    uint64_t rss_kb = 0;
    if (!read_stat(pid, &ticks, &rss_kb)) {
        return;
    }
    if (pid != usage->pid) {
        usage->pid = pid;
        usage->seen_ticks = 0;
    }
    usage->ticks += ticks > usage->seen_ticks ? ticks - usage->seen_ticks : 0;
    usage->seen_ticks = ticks;
    usage->rss_kb = rss_kb;
    usage->rss_kb_max = rss_kb > usage->rss_kb_max ? rss_kb : usage->rss_kb_max;
}

double usage_cpu_seconds(const struct usage *usage)
{
    return (double)usage->ticks / (double)sysconf(_SC_CLK_TCK);
}
