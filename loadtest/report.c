#include "loadtest/report.h"

#include "base/check.h"
#include "loadtest/now.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static const double percents[] = {50, 90, 99, 99.9, 99.99};
enum { PERCENT_COUNT = sizeof percents / sizeof *percents };

static double measured_seconds(const struct report *report)
{
    return (double)report->counts->measured_ns / (double)NS_PER_S;
}

static double per_measured_second(const struct report *report, double amount)
{
    return report->counts->measured_ns == 0 ? 0 : amount / measured_seconds(report);
}

double report_throughput(const struct report *report)
{
    return per_measured_second(report, (double)report->counts->answered_in_time);
}

static double to_us(uint64_t ns)
{
    return (double)ns / 1e3;
}

/*
 * ---- text
 * --------------------------------------------------------------------------------
 */

static void print_latencies(FILE *out, const char *name, const struct histogram *latency)
{
    if (latency == NULL || histogram_total(latency) == 0) {
        return;
    }
    (void)fprintf(out, "  %-7s %12" PRIu64, name, histogram_total(latency));
    for (size_t i = 0; i < PERCENT_COUNT; i++) {
        (void)fprintf(out, " %10.1f", to_us(histogram_percentile(latency, percents[i])));
    }
    (void)fprintf(out, " %10.1f\n", to_us(histogram_max(latency)));
}

static void print_results(FILE *out, const struct engine_counts *counts)
{
    (void)fputs("  results", out);
    for (uint32_t i = 0; i < DRIVER_RESULTS; i++) {
        uint64_t count = atomic_load(&counts->results[i]);
        if (count > 0) {
            (void)fprintf(out, "%s %s %" PRIu64,
                          driver_result_is_answer(i) ? "" : "  FAILED",
                          driver_result_name(i), count);
        }
    }
    (void)fputs("\n", out);
    if (counts->unsent > 0) {
        (void)fprintf(out,
                      "  %" PRIu64 " operations were due and not sent when the time was "
                      "over, the oldest for %.0f ms: this rate was not reached\n",
                      counts->unsent, (double)counts->unsent_wait_ns / 1e6);
    }
}

static void print_plan(FILE *out, const struct plan *plan)
{
    (void)fprintf(out, "%s%s%s, %u endpoint%s, ", plan->label,
                  plan->label[0] == '\0' ? "" : ": ", plan_protocol_name(plan->protocol),
                  plan->endpoint_count, plan->endpoint_count == 1 ? "" : "s");
    if (plan->rate > 0) {
        (void)fprintf(out, "open loop at %" PRIu64 "/s, up to ", plan->rate);
    } else {
        (void)fputs("closed loop, ", out);
    }
    (void)fprintf(out, "%u client%s", plan->clients, plan->clients == 1 ? "" : "s");
    if (plan->batch > 1) {
        (void)fprintf(out, " with batches of %u", plan->batch);
    }
    (void)fputs(", mix", out);
    for (uint32_t i = 0; i < OPERATION_KINDS; i++) {
        if (plan->mix[i] > 0) {
            (void)fprintf(out, " %s %.0f %%", operation_kind_name(i),
                          100.0 * plan->mix[i] / plan->mix_sum);
        }
    }
    (void)fprintf(out, ", values of %u", plan->value_bytes_min);
    if (plan->value_bytes_max > plan->value_bytes_min) {
        (void)fprintf(out, " to %u", plan->value_bytes_max);
    }
    (void)fprintf(out, " bytes, %" PRIu64 " keys ", plan->key_count);
    if (plan->zipf_exponent > 0) {
        (void)fprintf(out, "(zipf %.2f)", plan->zipf_exponent);
    } else {
        (void)fputs("(uniform)", out);
    }
    (void)fprintf(out, ", %g s after %g s of warm-up, seed %" PRIu64 "\n",
                  (double)plan->duration_ms / 1e3, (double)plan->warmup_ms / 1e3,
                  plan->seed);
}

/* Processor time of all servers for an operation, in microseconds. */
static double cpu_us_each(const struct report *report)
{
    double seconds = 0;
    for (uint32_t i = 0; i < report->server_count; i++) {
        seconds += usage_cpu_seconds(&report->servers[i]);
    }
    uint64_t count = report->counts->answered_in_time;
    return count == 0 ? 0 : seconds * 1e6 / (double)count;
}

static double cpu_percent(const struct report *report, uint32_t server)
{
    return per_measured_second(report, 100 * usage_cpu_seconds(&report->servers[server]));
}

static void print_servers(FILE *out, const struct report *report)
{
    for (uint32_t i = 0; i < report->server_count; i++) {
        (void)fprintf(
            out, "  server %u: %.0f %% of a core, memory %.1f MB (at most %.1f)\n", i + 1,
            cpu_percent(report, i), (double)report->servers[i].rss_kb / 1024,
            (double)report->servers[i].rss_kb_max / 1024);
    }
    if (report->server_count > 0) {
        (void)fprintf(out, "  all servers: %.1f us of processor an operation\n",
                      cpu_us_each(report));
    }
}

static double fault_second(const struct report *report, uint64_t at_ns)
{
    return at_ns == UINT64_MAX
               ? measured_seconds(report)
               : ((double)at_ns - (double)report->measure_ns) / (double)NS_PER_S;
}

void report_print_text(FILE *out, const struct report *report)
{
    print_plan(out, report->plan);
    if (report->counts->measured_ns < report->plan->duration_ms * NS_PER_MS) {
        (void)fprintf(out,
                      "  interrupted after %.2f s: all figures are of that time, without "
                      "what was under way at its end\n",
                      measured_seconds(report));
    }
    (void)fprintf(out, "  %.0f operations/s, %" PRIu64 " failed\n",
                  report_throughput(report), engine_counts_failed(report->counts));
    (void)fputs(
        "  latency        count     p50 us     p90 us     p99 us   p99.9 us  p99.99 "
        "us     max us\n",
        out);
    for (uint32_t i = 0; i < OPERATION_KINDS; i++) {
        print_latencies(out, operation_kind_name(i), report->counts->latency[i]);
    }
    print_results(out, report->counts);
    print_servers(out, report);
    for (uint32_t i = 0; i < report->fault_count; i++) {
        const struct nemesis_fault *fault = &report->faults[i];
        (void)fprintf(out, "  fault: %s node %u from %.2f to %.2f s\n",
                      nemesis_fault_name(fault->kind), fault->node + 1,
                      fault_second(report, fault->from_ns),
                      fault_second(report, fault->to_ns));
    }
}

/*
 * ---- JSON
 * --------------------------------------------------------------------------------
 */

/* Safe inside a script element too. */
static void put_string(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x20 || byte == '"' || byte == '\\' || byte == '<') {
            (void)fprintf(out, "\\u%04x", byte);
        } else {
            (void)fputc(byte, out);
        }
    }
    (void)fputc('"', out);
}

static void put_plan(FILE *out, const struct report *report)
{
    const struct plan *plan = report->plan;
    (void)fputs("\"label\":", out);
    put_string(out, plan->label);
    (void)fprintf(out,
                  ",\"started\":%" PRIu64 ",\"protocol\":\"%s\",\"endpoints\":%u,"
                  "\"local_nodes\":%u,\"rate\":%" PRIu64 ",\"clients\":%u,\"batch\":%u,"
                  "\"threads\":%u,\"warmup_ms\":%" PRIu64 ",\"duration_ms\":%" PRIu64
                  ",\"timeout_ms\":%" PRIu64 ",\"value_bytes\":[%u,%u],\"keys\":%" PRIu64
                  ",\"zipf\":%.3f,\"seed\":%" PRIu64 ",\"mix\":{",
                  report->started_s, plan_protocol_name(plan->protocol),
                  plan->endpoint_count, plan->local_nodes, plan->rate, plan->clients,
                  plan->batch, plan->threads, plan->warmup_ms, plan->duration_ms,
                  plan->timeout_ms, plan->value_bytes_min, plan->value_bytes_max,
                  plan->key_count, plan->zipf_exponent, plan->seed);
    const char *comma = "";
    for (uint32_t i = 0; i < OPERATION_KINDS; i++) {
        if (plan->mix[i] > 0) {
            (void)fprintf(out, "%s\"%s\":%u", comma, operation_kind_name(i),
                          plan->mix[i]);
            comma = ",";
        }
    }
    (void)fputs("}", out);
}

/* Along the curve: each step halves what is left above it. */
static void put_curve(FILE *out, const struct histogram *latency)
{
    double left = 100;
    (void)fputs(",\"curve\":[", out);
    for (uint64_t total = 2 * histogram_total(latency); total > 1 && left > 0.0005;
         total /= 2) {
        for (int i = 0; i < 4; i++) {
            double percent = 100 - left * (1 - 0.125 * i);
            (void)fprintf(out, "%s[%.5f,%.1f]", left < 100 || i > 0 ? "," : "", percent,
                          to_us(histogram_percentile(latency, percent)));
        }
        left /= 2;
    }
    (void)fputs("]", out);
}

static void put_latency(FILE *out, const char *name, const struct histogram *latency)
{
    (void)fprintf(out, "\"%s\":{\"count\":%" PRIu64 ",\"mean_us\":%.1f", name,
                  histogram_total(latency), histogram_mean(latency) / 1e3);
    for (size_t i = 0; i < PERCENT_COUNT; i++) {
        (void)fprintf(out, ",\"p%g_us\":%.1f", percents[i],
                      to_us(histogram_percentile(latency, percents[i])));
    }
    (void)fprintf(out, ",\"max_us\":%.1f", to_us(histogram_max(latency)));
    put_curve(out, latency);
    (void)fputs("}", out);
}

static void put_latencies(FILE *out, const struct engine_counts *counts)
{
    (void)fputs(",\"latency\":{", out);
    put_latency(out, "all", counts->all);
    for (uint32_t i = 0; i < OPERATION_KINDS; i++) {
        if (counts->latency[i] != NULL) {
            (void)fputs(",", out);
            put_latency(out, operation_kind_name(i), counts->latency[i]);
        }
    }
    (void)fputs("},\"results\":{", out);
    const char *comma = "";
    for (uint32_t i = 0; i < DRIVER_RESULTS; i++) {
        uint64_t count = atomic_load(&counts->results[i]);
        if (count > 0) {
            (void)fprintf(out, "%s\"%s\":%" PRIu64, comma, driver_result_name(i), count);
            comma = ",";
        }
    }
    (void)fputs("}", out);
}

/* [second, operations/s, p50, p99, max in us, failed] of each moment, at its middle. */
static void put_moments(FILE *out, const struct engine_counts *counts)
{
    (void)fputs(",\"moments\":[", out);
    for (uint32_t i = 0; i < counts->moment_count; i++) {
        uint64_t from_ns = i * counts->moment_ns;
        if (from_ns >= counts->measured_ns) {
            break;
        }
        uint64_t left_ns = counts->measured_ns - from_ns; // of the last one less
        uint64_t long_ns = left_ns < counts->moment_ns ? left_ns : counts->moment_ns;
        double seconds = (double)long_ns / (double)NS_PER_S;
        const struct histogram *latency = counts->moments[i].latency;
        (void)fprintf(out, "%s[%.3f,%.1f,%.1f,%.1f,%.1f,%" PRIu64 "]", i > 0 ? "," : "",
                      (double)from_ns / (double)NS_PER_S + seconds / 2,
                      (double)histogram_total(latency) / seconds,
                      to_us(histogram_percentile(latency, 50)),
                      to_us(histogram_percentile(latency, 99)),
                      to_us(histogram_max(latency)),
                      atomic_load(&counts->moments[i].failed));
    }
    (void)fputs("]", out);
}

static void put_surroundings(FILE *out, const struct report *report)
{
    (void)fputs(",\"faults\":[", out);
    for (uint32_t i = 0; i < report->fault_count; i++) {
        const struct nemesis_fault *fault = &report->faults[i];
        (void)fprintf(
            out, "%s{\"kind\":\"%s\",\"node\":%u,\"from_s\":%.3f,\"to_s\":%.3f}",
            i > 0 ? "," : "", nemesis_fault_name(fault->kind), fault->node + 1,
            fault_second(report, fault->from_ns), fault_second(report, fault->to_ns));
    }
    (void)fputs("],\"servers\":[", out);
    for (uint32_t i = 0; i < report->server_count; i++) {
        (void)fprintf(out, "%s{\"cpu_percent\":%.1f,\"rss_mb\":%.1f,\"rss_mb_max\":%.1f}",
                      i > 0 ? "," : "", cpu_percent(report, i),
                      (double)report->servers[i].rss_kb / 1024,
                      (double)report->servers[i].rss_kb_max / 1024);
    }
    (void)fprintf(out, "],\"server_cpu_us\":%.2f", cpu_us_each(report));
}

void report_print_json(FILE *out, const struct report *report)
{
    const struct engine_counts *counts = report->counts;
    (void)fputs("{", out);
    put_plan(out, report);
    (void)fprintf(out,
                  ",\"measured_ms\":%" PRIu64 ",\"throughput\":%.1f,\"failed\":%" PRIu64
                  ",\"unsent\":%" PRIu64 ",\"unsent_wait_ms\":%.1f",
                  counts->measured_ns / NS_PER_MS, report_throughput(report),
                  engine_counts_failed(counts), counts->unsent,
                  (double)counts->unsent_wait_ns / 1e6);
    put_latencies(out, counts);
    put_moments(out, counts);
    put_surroundings(out, report);
    (void)fputs("}\n", out);
}

/*
 * ---- the page
 * --------------------------------------------------------------------------------
 */

// The file as it is: a page is read and mended as a page.
__asm__(".section .rodata\n"
        ".global report_page\n"
        "report_page:\n"
        ".incbin \"loadtest/page.html\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char report_page[];

void report_print_page(FILE *out, const struct report *report)
{
    static const char mark[] = "@REPORT@";
    const char *at = strstr(report_page, mark);
    CHECK(at != NULL);
    (void)fwrite(report_page, 1, (size_t)(at - report_page), out);
    report_print_json(out, report);
    (void)fputs(at + strlen(mark), out);
}
