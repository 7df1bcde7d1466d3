/*
 * Reports say what was counted; the page carries the same JSON and asks nobody for more.
 */
#include "loadtest/report.h"

#include "loadtest/now.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct plan the_plan = {.protocol = PLAN_ZEROMQ,
                                     .endpoint_count = 3,
                                     .clients = 8,
                                     .batch = 1,
                                     .threads = 1,
                                     .rate = 500,
                                     .duration_ms = 1000,
                                     .mix = {[OPERATION_PUT] = 3, [OPERATION_GET] = 1},
                                     .mix_sum = 4,
                                     .value_bytes_min = 100,
                                     .value_bytes_max = 200,
                                     .key_count = 10,
                                     .label = "</script>\"\\\n"};

/* 100 puts of 1 .. 100 ms, 10 that failed. */
static void count(struct engine_counts *counts, uint64_t measured_ms)
{
    memset(counts, 0, sizeof *counts);
    engine_counts_init(counts, &the_plan);
    for (uint64_t i = 1; i <= 100; i++) {
        histogram_add(counts->latency[OPERATION_PUT], i * NS_PER_MS, 1);
        histogram_add(counts->all, i * NS_PER_MS, 1);
        histogram_add(counts->moments[i / 20].latency, i * NS_PER_MS, 1);
    }
    counts->results[CS_CREATED] = 100;
    counts->results[DRIVER_TIMED_OUT] = 10;
    counts->moments[2].failed = 10;
    counts->answered_in_time = 100;
    counts->measured_ns = measured_ms * NS_PER_MS;
    counts->unsent = 390;
    counts->unsent_wait_ns = 780 * NS_PER_MS;
}

static char *print_after(uint64_t measured_ms,
                         void (*printer)(FILE *out, const struct report *report))
{
    static const struct nemesis_fault fault = {.kind = PLAN_PAUSE,
                                               .node = 1,
                                               .from_ns = 5 * NS_PER_S + 250 * NS_PER_MS,
                                               .to_ns = 5 * NS_PER_S + 750 * NS_PER_MS};
    static const struct usage server = {.rss_kb = 2048, .rss_kb_max = 4096};
    struct engine_counts counts;
    count(&counts, measured_ms);
    const struct report report = {.plan = &the_plan,
                                  .counts = &counts,
                                  .measure_ns = 5 * NS_PER_S,
                                  .faults = &fault,
                                  .fault_count = 1,
                                  .servers = &server,
                                  .server_count = 1};
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    printer(out, &report);
    assert_int_equal(fclose(out), 0);
    engine_counts_fini(&counts);
    return text;
}

static char *print(void (*printer)(FILE *out, const struct report *report))
{
    return print_after(the_plan.duration_ms, printer);
}

static void must_have(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("[%s] is not in [%.3000s]", part, text);
    }
}

static void text_says_what_was_counted(void **state)
{
    (void)state;
    char *text = print(report_print_text);
    must_have(text, "100 operations/s, 10 failed");
    must_have(text, "open loop at 500/s");
    must_have(text, "put 75 % get 25 %");
    must_have(text, "FAILED no_answer 10");
    must_have(text, "390 operations were due and not sent");
    must_have(text, "fault: pause node 2 from 0.25 to 0.75 s");
    must_have(text, "memory 2.0 MB (at most 4.0)");
    must_have(text, "100000.0\n"); // the largest, in microseconds
    assert_null(strstr(text, "interrupted"));
    free(text);
}

static void a_run_that_was_cut_short_is_measured_by_its_own_time(void **state)
{
    (void)state;
    char *text = print_after(250, report_print_text);
    must_have(text, "400 operations/s, 10 failed");
    must_have(text, "interrupted after 0.25 s");
    free(text);
    text = print_after(250, report_print_json);
    must_have(text, "\"throughput\":400.0");
    must_have(text, "\"measured_ms\":250");
    must_have(text, "[0.050,"); // two moments of 100 ms, and what there was of a third
    must_have(text, "[0.225,");
    assert_null(strstr(text, "[0.350,"));
    free(text);
    text = print_after(0, report_print_text); // during the warm-up
    must_have(text, "  0 operations/s");
    free(text);
}

static void json_says_the_same(void **state)
{
    (void)state;
    char *text = print(report_print_json);
    must_have(text, "\"throughput\":100.0,\"failed\":10,\"unsent\":390");
    must_have(text, "\"results\":{\"created\":100,\"no_answer\":10}");
    must_have(text, "{\"kind\":\"pause\",\"node\":2,\"from_s\":0.250,\"to_s\":0.750}");
    must_have(text, "\"max_us\":100000.0");
    must_have(text, "\"put\":{\"count\":100");
    must_have(text, "\"label\":\"\\u003c/script>\\u0022\\u005c\\u000a\"");
    free(text);
}

static void the_page_is_whole_and_alone(void **state)
{
    (void)state;
    char *page = print(report_print_page);
    char *json = print(report_print_json);
    must_have(page, json);
    must_have(page, "</html>");
    assert_null(strstr(page, "@REPORT@"));
    assert_null(strstr(page, "https://"));
    assert_null(strstr(page, "src="));
    assert_null(strstr(page, "<link"));
    free(page);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_says_what_was_counted),
        cmocka_unit_test(a_run_that_was_cut_short_is_measured_by_its_own_time),
        cmocka_unit_test(json_says_the_same),
        cmocka_unit_test(the_page_is_whole_and_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
