/*
 * The command line of the load test: what it means, and what is refused in words.
 */
#include "loadtest/command_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARGUMENTS_MAX = 32 };

static char the_error[COMMAND_LINE_ERROR_BYTES];

/* The words of a line, parted by spaces. */
static bool read_line(const char *line, struct plan *out_plan)
{
    static char copy[512];
    static char name[] = "loadtest";
    char *arguments[ARGUMENTS_MAX] = {name};
    int count = 1;
    (void)snprintf(copy, sizeof copy, "%s", line);
    for (char *at = copy; *at != '\0' && count < ARGUMENTS_MAX;) {
        arguments[count++] = at;
        at += strcspn(at, " ");
        if (*at == ' ') {
            *at++ = '\0';
        }
    }
    return command_line_read(count, arguments, out_plan, the_error);
}

static void a_plan_is_read(void **state)
{
    (void)state;
    struct plan plan;
    assert_true(read_line("--endpoints tcp://127.0.0.1:23000,tcp://n2:24000 --clients 64 "
                          "--batch 8 --rate 1000 --duration 1500ms --warmup 2s "
                          "--mix put=3,get --value-size 16..2000 --distribution zipf:1.2",
                          &plan));
    assert_int_equal(plan.protocol, PLAN_ZEROMQ);
    assert_int_equal(plan.endpoint_count, 2);
    assert_string_equal(plan.endpoints[1].host, "n2");
    assert_int_equal(plan.endpoints[1].port, 24000);
    assert_int_equal(plan.connections, 2);
    assert_int_equal(plan.duration_ms, 1500);
    assert_int_equal(plan.warmup_ms, 2000);
    assert_int_equal(plan.mix[OPERATION_PUT], 3);
    assert_int_equal(plan.mix[OPERATION_GET], 1);
    assert_int_equal(plan.mix_sum, 4);
    assert_int_equal(plan.value_bytes_max, 2000);
    assert_true(plan.zipf_exponent > 1.19 && plan.zipf_exponent < 1.21);
    assert_true(read_line("--protocol etcd --endpoints http://127.0.0.1:2379", &plan));
    assert_int_equal(plan.protocol, PLAN_ETCD);
    assert_true(read_line("--local 3 --protocol http --nemesis kill,partition", &plan));
    assert_int_equal(plan.protocol, PLAN_HTTP);
    assert_int_equal(plan.faults, PLAN_KILL | PLAN_PARTITION);
}

static void a_checked_run_has_keys_of_its_own(void **state)
{
    (void)state;
    struct plan one;
    struct plan two;
    assert_true(read_line("--local 1 --check", &one));
    assert_true(read_line("--local 1 --check", &two));
    assert_string_not_equal(one.prefix, two.prefix);
}

static void help_is_no_error(void **state)
{
    (void)state;
    struct plan plan;
    assert_false(read_line("--help", &plan));
    assert_string_equal(the_error, "");
}

static void what_cannot_be_meant_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *word; // of the sentence
    } cases[] = {
        {"", "--endpoints or --local"},
        {"--bogus 3", "--bogus"},
        {"--local 3 --clients", "missing"},
        {"--local 3 --clients 0", "from 1"},
        {"--local 3 --clients 1x", "from 1"},
        {"--local 3 --clients -1", "from 1"},
        {"--local 9", "to 7"},
        {"--local 3 --duration 1h", "ms"},
        {"--local 3 --duration 1ms", "100"},
        {"--local 3 --mix put=1,fly=2", "fly"},
        {"--local 3 --mix put=0", "shares"},
        {"--local 3 --value-size 8", "16"},
        {"--local 3 --value-size 200..100", "16"},
        {"--local 3 --value-size 16..9999999", "16"},
        {"--local 3 --distribution zipf:0", "exponent"},
        {"--local 3 --distribution normal", "zipf"},
        {"--local 3 --prefix a/b", "letters"},
        {"--local 3 --nemesis fire", "partition"},
        {"--local 3 --pids 12,x", "process"},
        {"--local 3 --history f", "--check"},
        {"--local 3 --protocol etcd", "etcd"},
        {"--local 3 --protocol http --batch 2", "ZeroMQ"},
        {"--local 3 --threads 2", "--clients"},
        {"--local 3 --rate 3 --batch 4", "--batch"},
        {"--local 3 --connections 8", "at most 7"},
        {"--endpoints udp://127.0.0.1:1", "tcp://HOST:PORT"},
        {"--endpoints tcp://127.0.0.1:0", "tcp://HOST:PORT"},
        {"--endpoints tcp://127.0.0.1:70000", "tcp://HOST:PORT"},
        {"--endpoints tcp://:1", "tcp://HOST:PORT"},
        {"--endpoints tcp://a:1,http://a:2", "all tcp"},
        {"--endpoints tcp://a:1 --nemesis kill", "--local"},
        {"--endpoints tcp://a:1 --protocol etcd", "speak"},
        {"--endpoints http://a:1 --protocol etcd --check", "etcd"},
        {"--endpoints tcp://a:1 --local 3", "either"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct plan plan;
        if (read_line(cases[i].line, &plan) || strstr(the_error, cases[i].word) == NULL) {
            fail_msg("[%s] says [%s]", cases[i].line, the_error);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_is_read),
        cmocka_unit_test(a_checked_run_has_keys_of_its_own),
        cmocka_unit_test(help_is_no_error),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
