#include "base/thread_error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void it_names_what_why_and_the_limits(void **state)
{
    (void)state;
    char text[512] = "";
    thread_error_say("its 256 HTTP threads", EAGAIN, text, sizeof text);
    static const char *const words[] = {"cannot start its 256 HTTP threads",
                                        "temporarily",
                                        "ulimit -u",
                                        "TasksMax=",
                                        "pids.max",
                                        "server/http/threads"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_non_null(strstr(text, words[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_names_what_why_and_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
