/*
 * replay.h - a file of engine/step_trace.h, life by life and step by step, before a
 * monitor.
 *
 * Thread: any one at a time.
 */
#ifndef CONSENS_TESTS_MONITOR_REPLAY_H
#define CONSENS_TESTS_MONITOR_REPLAY_H

#include "monitor/monitor.h"

struct replay_result {
    bool is_readable;      // a trace of this build, whole but for torn records
    uint64_t torn_records; // a process was killed while it wrote one
    uint64_t ends;         // lives whose later steps are not in the file
    char sentence[200];    // why it is not readable
};

/* To the end of the file, or the monitor's first finding. */
void replay_file(const char *path,
                 struct monitor *monitor,
                 struct replay_result *out_result);

#endif
