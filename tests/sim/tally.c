#include "sim/tally.h"

#include "sim/world.h"

#include "base/buggify.h"
#include "base/marks.h"

#include <inttypes.h>
#include <stdio.h>

enum { CONDITION_PERCENT_MIN = 20, CONDITION_PERCENT_MAX = 80 };

struct mark_text {
    const char *name;
    const char *what;
    const char *elsewhere; // the test that goes there, if no seed can
};

#define MARK_TEXT(name, what, elsewhere) {#name, what, elsewhere},
static const struct mark_text marks[MARK_COUNT] = {MARKS(MARK_TEXT)};

struct point_text {
    const char *name;
    const char *what;
};

#define POINT_TEXT(name, what) {#name, what},
static const struct point_text points[BUGGIFY_COUNT] = {BUGGIFY_POINTS(POINT_TEXT)};

/* tally GROUP NAME COUNT must|rare|may WORDS... */
static void line(const char *group,
                 const char *name,
                 uint64_t count,
                 const char *need,
                 const char *words)
{
    (void)printf("tally %s %s %" PRIu64 " %s %s\n", group, name, count, need, words);
}

static void print_pairs(const struct workload *workload)
{
    for (uint32_t i = 0; i < WORK_KINDS; i++) {
        for (uint32_t j = i; j < WORK_KINDS; j++) {
            char name[40];
            (void)snprintf(name, sizeof name, "%s+%s", workload_name(i),
                           workload_name(j));
            line("work", name, workload->pairs[i][j], "must", "of one key at once");
        }
    }
    line("work", "read-over-change", workload->reads_over_change, "must",
         "reads that a change of leader overtook");
    line("work", "write-over-change", workload->writes_over_change, "must",
         "writes that a change of leader overtook");
}

void tally_print(const struct stats *stats)
{
    (void)printf("tally seeds %" PRIu64 "\n", stats->seeds);
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        const struct mark_text *text = &marks[i];
        bool is_rare = text->elsewhere != NULL && strcmp(text->elsewhere, MARK_RARE) == 0;
        bool is_elsewhere = text->elsewhere != NULL && !is_rare;
        line("mark", text->name, mark_hits[i],
             is_elsewhere ? "may"
             : is_rare    ? "rare"
                          : "must",
             is_elsewhere ? text->elsewhere : text->what);
    }
    for (uint32_t i = 0; i < BUGGIFY_COUNT; i++) {
        line("point", points[i].name, buggify_hits[i], "must", points[i].what);
    }
    for (uint32_t i = 0; i < FAULT_KINDS; i++) {
        line("fault", faults_name(i), stats->faults[i], "must", "strikes");
    }
    print_pairs(&stats->workload);
    (void)printf("tally ratio conditions-that-hold %" PRIu64 " %" PRIu64 " %d %d\n",
                 stats->condition_held, stats->condition_held + stats->condition_failed,
                 CONDITION_PERCENT_MIN, CONDITION_PERCENT_MAX);
}
