/*
 * report.h - what a run found, as text, as JSON and as a page.
 *
 * Thread: main.
 */
#ifndef CONSENS_LOADTEST_REPORT_H
#define CONSENS_LOADTEST_REPORT_H

#include "loadtest/engine.h"
#include "loadtest/nemesis.h"
#include "loadtest/usage.h"

#include <stdio.h>

struct report {
    const struct plan *plan;
    const struct engine_counts *counts;
    uint64_t measure_ns; // when the warm-up ended: times of faults count from there
    uint64_t started_s;  // wall clock
    const struct nemesis_fault *faults;
    uint32_t fault_count;
    const struct usage *servers;
    uint32_t server_count;
};

double report_throughput(const struct report *report);

void report_print_text(FILE *out, const struct report *report);
void report_print_json(FILE *out, const struct report *report);
/* One file that needs no other: loadtest/page.html with the JSON in it. */
void report_print_page(FILE *out, const struct report *report);

#endif
