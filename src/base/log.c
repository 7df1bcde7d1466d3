#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum { NAME_BYTES = 32 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int level_now = LOG_LEVEL_INFO;
static char name_now[NAME_BYTES];

static const char *const LEVEL_WORDS[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
    atomic_store(&level_now, (int)level);
}

void log_set_name(const char *name)
{
    (void)pthread_mutex_lock(&lock);
    (void)snprintf(name_now, sizeof name_now, "%s", name);
    (void)pthread_mutex_unlock(&lock);
}

static void print_head(enum log_level level)
{
    struct timespec now = {0};
    struct tm parts = {0};
    char stamp[32] = "";
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)fprintf(stderr, "%s.%03ldZ %s ", stamp, now.tv_nsec / 1000000,
                  LEVEL_WORDS[level]);
    if (name_now[0] != '\0') {
        (void)fprintf(stderr, "%s ", name_now);
    }
}

void log_line(enum log_level level, const char *format, ...)
{
    if ((int)level > atomic_load(&level_now)) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)pthread_mutex_lock(&lock);
    print_head(level);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
    (void)pthread_mutex_unlock(&lock);
    va_end(arguments);
}

void log_sentence(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)pthread_mutex_lock(&lock);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
    (void)pthread_mutex_unlock(&lock);
    va_end(arguments);
}
