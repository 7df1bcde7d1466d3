#include "lincheck/self_test.h"

#include "lincheck/fast.h"
#include "lincheck/sample.h"
#include "unit/support/draw.h"

#include <inttypes.h>
#include <stdio.h>

enum { STEPS_MAX = 2000000 };

struct tally {
    uint32_t made;
    uint32_t flagged_by_fast;
    uint32_t flagged_by_search;
    uint32_t undecided;
    uint32_t failed; // judged wrongly by either
};

static void judge(struct lincheck *lincheck,
                  const struct sample *sample,
                  bool is_good,
                  struct tally *tally)
{
    struct fast_result fast_result;
    struct lincheck_result result;
    lincheck_clear(lincheck);
    for (uint32_t i = 0; i < sample->count; i++) {
        lincheck_add(lincheck, &sample->operations[i]);
    }
    bool passes_fast = fast_check(sample->operations, sample->count, &fast_result);
    enum lincheck_verdict verdict = lincheck_run(lincheck, STEPS_MAX, &result);
    enum lincheck_verdict expected = is_good ? LINCHECK_PASSED : LINCHECK_VIOLATED;
    tally->made++;
    tally->flagged_by_fast += !passes_fast;
    tally->flagged_by_search += verdict == LINCHECK_VIOLATED;
    tally->undecided += verdict == LINCHECK_UNDECIDED;
    tally->failed += verdict != expected || passes_fast != is_good;
}

bool self_test_run(uint64_t seed)
{
    struct tally tallies[SAMPLE_SORTS] = {0};
    struct lincheck *lincheck = lincheck_new();
    struct sample *sample = sample_new();
    for (uint32_t i = 0; i < SELF_TEST_GOOD + SELF_TEST_BAD; i++) {
        uint32_t bad = i < SELF_TEST_GOOD ? 0 : 1 + i % (SAMPLE_SORTS - 1);
        sample_make(sample, bad, draw(&seed));
        judge(lincheck, sample, bad == SAMPLE_GOOD, &tallies[bad]);
    }
    sample_destroy(&sample);
    lincheck_destroy(&lincheck);
    uint32_t failed = 0;
    for (uint32_t i = 0; i < SAMPLE_SORTS; i++) {
        const struct tally *tally = &tallies[i];
        (void)printf("%-18s %5" PRIu32 " made, %5" PRIu32
                     " flagged by the fast path, %5" PRIu32 " by search, %" PRIu32
                     " undecided\n",
                     sample_sort_name(i), tally->made, tally->flagged_by_fast,
                     tally->flagged_by_search, tally->undecided);
        failed += tally->failed;
    }
    (void)printf("%" PRIu32 " passed, %" PRIu32 " failed\n",
                 SELF_TEST_GOOD + SELF_TEST_BAD - failed, failed);
    return failed == 0;
}
