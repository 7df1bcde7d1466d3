/*
 * raw_fsync: what one durable write costs on this disk, alone. Overwrites a zero-filled
 * file in order, one fdatasync a write, and prints the distribution.
 */
#include "raw_log.h"
#include "stats.h"

int main(int argc, char **argv)
{
    const char *directory = ".";
    int bytes = 4096;
    int writes = 2000;
    int seconds = 30;
    const struct program_flag flags[] = {
        {"directory", "where the file is made, for the time of the run", NULL,
         &directory},
        {"bytes", "of each write", &bytes, NULL},
        {"writes", "how many", &writes, NULL},
        {"seconds", "end after", &seconds, NULL},
        {0},
    };
    program_read_flags(argc, argv, flags);
    if (bytes < 1 || bytes > RAW_LOG_CHUNK_BYTES || writes < 1) {
        program_usage(argv[0], flags);
    }

    struct raw_log log;
    raw_log_open(&log, directory, true);
    char *data = malloc((size_t)bytes);
    uint64_t *took_ns = calloc((size_t)writes, sizeof *took_ns);
    if (data == NULL || took_ns == NULL) {
        program_fail_errno("no memory");
    }
    memset(data, 'x', (size_t)bytes);
    program_stop_after(seconds);

    size_t done = 0;
    while (done < (size_t)writes && !program_must_stop()) {
        const uint64_t started_ns = stats_now_ns();
        raw_log_append(&log, data, (size_t)bytes);
        raw_log_sync(&log);
        took_ns[done] = stats_now_ns() - started_ns;
        done++;
    }
    stats_print("fdatasync", took_ns, done);
    free(took_ns);
    free(data);
    (void)close(log.file);
    return 0;
}
