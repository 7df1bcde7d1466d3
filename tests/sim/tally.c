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

/* What else must have happened: not that it was tried, but that it was done. */
static void print_disks(const struct stats *stats)
{
    line("disk", "wiped", stats->wiped, "must", "a disk was lost");
    line("disk", "rolled-back", stats->rolled_back, "must", "one was put back");
    line("disk", "torn-block", stats->torn_blocks, "must", "cut by a start");
    line("disk", "crash-in-open", stats->crashes_in_open, "must", "of a log");
    line("disk", "crash-in-commit", stats->crashes_in_commit, "must", "by its power");
    line("disk", "crash-in-segment", stats->crashes_in_segment, "must", "by its power");
    line("disk", "error", stats->disk_errors, "must", "met by a commit");
    line("disk", "slots-lost", stats->slots_lost, "must", "found by a start");
    line("disk", "refused-start", stats->refused_starts, "rare", "beyond the limit");
    for (uint32_t i = 0; i < ROTS; i++) {
        line("disk", damage_rot_name(i), stats->rots[i], "must", "of the log's bytes");
    }
    for (uint32_t i = 0; i < COPY_ROTS; i++) {
        line("disk", damage_copy_rot_name(i), stats->copy_rots[i], "must",
             "of a superblock");
    }
    line("disk", "halt-wiped", stats->halts[PAXOS_HALT_WIPED], "must", "G1");
    line("disk", "halt-amnesia", stats->halts[PAXOS_HALT_AMNESIA], "must", "G2");
    line("disk", "halt-lost", stats->halts[PAXOS_HALT_LOST], "may",
         "tests/unit/test_paxos_faulty.c");
    line("disk", "stays-full", stats->burdens[BURDEN_FULL_DISK], "must", "of a core");
    line("disk", "stays-slow", stats->burdens[BURDEN_SLOW_DISK], "must", "of a core");
}

static void print_shapes(const struct stats *stats)
{
    for (uint32_t i = 0; shapes_name(i) != NULL; i++) {
        line("shape", shapes_name(i), stats->shapes[i], "must", "while faults strike");
    }
    for (uint32_t i = 0; liveness_name(i) != NULL; i++) {
        line("liveness", liveness_name(i), stats->liveness_shapes[i], "must",
             "once they have ended");
    }
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
    print_disks(stats);
    print_shapes(stats);
    print_pairs(&stats->workload);
    (void)printf("tally ratio conditions-that-hold %" PRIu64 " %" PRIu64 " %d %d\n",
                 stats->condition_held, stats->condition_held + stats->condition_failed,
                 CONDITION_PERCENT_MIN, CONDITION_PERCENT_MAX);
}
