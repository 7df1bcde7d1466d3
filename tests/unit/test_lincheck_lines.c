/*
 * Histories as text: every field, every way to get one wrong; and the shortest bad prefix.
 */
#include "lincheck/lines.h"
#include "lincheck/sample.h"
#include "lincheck/witness.h"
#include "unit/support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOT_TOLD LINCHECK_NOT_TOLD

enum { BUDGET = 1000000 };

static void reads_every_field(void **state)
{
    (void)state;
    struct lines lines;
    scratch_write("history", "# client call return ...\n"
                             "\n"
                             "3 10 20 put a%20b 17 rev:4 updated 5 5 2\n"
                             "4 11 - put a%20b 18 absent unknown - -\n"
                             "5 12 13 get c - - absent 0 4\n"
                             "5 14 15 get c ? - found 3 6\n"
                             "6 16 17 delete c - exists deleted - 7\n"
                             "6 18 19 put c 21 - failed - -\n"
                             "7 20 - get c - - unknown - -\n"
                             "7 22 23 put c 22 absent refused 3 7\n");
    assert_true(lines_read(&lines, "history"));
    assert_int_equal(lines.count, 6);
    assert_int_equal(lines.key_count, 2);
    assert_int_equal(lines.failed_count, 1);
    assert_int_equal(lines.unread_count, 1);
    assert_int_equal(lines.unknown_count, 1);
    const struct lincheck_operation *first = &lines.operations[0];
    assert_int_equal(first->id, 3);
    assert_int_equal(first->client, 3);
    assert_int_equal(first->invoked, 10);
    assert_int_equal(first->returned, 20);
    assert_int_equal(first->kind, LINCHECK_PUT);
    assert_int_equal(first->value, 17);
    assert_int_equal(first->condition, LINCHECK_IF_REVISION);
    assert_int_equal(first->condition_revision, 4);
    assert_int_equal(first->outcome, LINCHECK_UPDATED);
    assert_int_equal(first->revision, 5);
    assert_int_equal(first->seen, 5);
    assert_int_equal(first->version, 2);
    assert_int_equal(lines.operations[1].outcome, LINCHECK_UNKNOWN);
    assert_int_equal(lines.operations[1].key, first->key);
    assert_int_equal(lines.operations[2].outcome, LINCHECK_ABSENT);
    assert_int_not_equal(lines.operations[2].key, first->key);
    assert_true(lines.operations[3].value > LINES_VALUE_MAX);
    assert_int_equal(lines.operations[4].revision, 7);
    assert_int_equal(lines.operations[5].outcome, LINCHECK_REFUSED);
    assert_int_equal(lines.keys[0].bytes, 5);
    assert_memory_equal(lines.keys[0].name, "a%20b", 5);
    lines_fini(&lines);
}

static void names_the_line_that_it_cannot_read(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"1 1 2 put k 1 - created 1\n", "line 1: not the 10 or 11 fields of a line"},
        {"1 1 2 put k 1 - created 1 1 1 1\n",
         "line 1: not the 10 or 11 fields of a line"},
        {"x 1 2 put k 1 - created 1 1\n", "line 1: CLIENT cannot be so"},
        {"1 -1 2 put k 1 - created 1 1\n", "line 1: CALL cannot be so"},
        {"1 3 2 put k 1 - created 1 1\n", "line 1: RETURN cannot be so"},
        {"1 1 - put k 1 - created 1 1\n", "line 1: RETURN cannot be so"},
        {"1 1 2 post k 1 - created 1 1\n", "line 1: KIND cannot be so"},
        {"1 1 2 put  1 - created 1 1\n", "line 1: KEY cannot be so"},
        {"1 1 2 put k ? - created 1 1\n", "line 1: VALUE cannot be so"},
        {"1 1 2 get k 1 - absent 0 1\n", "line 1: VALUE cannot be so"},
        {"1 1 2 put k 18446744073709551616 - created 1 1\n",
         "line 1: VALUE cannot be so"},
        {"1 1 2 put k 1 rev: updated 1 1\n", "line 1: CONDITION cannot be so"},
        {"1 1 2 get k 1 exists found 1 1\n", "line 1: CONDITION cannot be so"},
        {"1 1 2 get k 1 - created 1 1\n", "line 1: OUTCOME cannot be so"},
        {"1 1 2 put k 1 - done 1 1\n", "line 1: OUTCOME cannot be so"},
        {"1 1 2 put k 1 - created one 1\n", "line 1: REVISION cannot be so"},
        {"1 1 2 put k 1 - created 1 x\n", "line 1: SEEN cannot be so"},
        {"1 1 2 put k 1 - created 1 1 v\n", "line 1: VERSION cannot be so"},
        {"#\n1 1 2 put k 1 - created 1 1\n1 3 4 put k 1 - updated 2 2\n",
         "line 3: its value was put to this key before"},
        {"1 1 2 put k 1 - created 1 1", "line 1: it does not end"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct lines lines;
        scratch_write("history", bad[i][0]);
        assert_false(lines_read(&lines, "history"));
        assert_string_equal(lines.error, bad[i][1]);
        lines_fini(&lines);
    }
    struct lines lines;
    assert_false(lines_read(&lines, "nowhere"));
    assert_non_null(strstr(lines.error, "nowhere"));
    lines_fini(&lines);
}

static void prints_what_it_reads(void **state)
{
    (void)state;
    struct sample *sample = sample_new();
    struct sample_shape shape = {500, 6, 3, 100, .tells_versions = true};
    sample_make_good(sample, &shape, 11);
    FILE *out = fopen("history", "w");
    assert_non_null(out);
    for (uint32_t i = 0; i < sample->count; i++) {
        const struct lines_key key = {&"abc"[sample->operations[i].key], 1};
        lines_print(out, &sample->operations[i], &key);
    }
    assert_int_equal(fclose(out), 0);
    struct lines lines;
    assert_true(lines_read(&lines, "history"));
    size_t at = 0;
    for (uint32_t i = 0; i < sample->count; i++) {
        const struct lincheck_operation *made = &sample->operations[i];
        bool is_unknown = made->outcome == LINCHECK_UNKNOWN;
        if (is_unknown && made->kind == LINCHECK_GET) {
            continue;
        }
        const struct lincheck_operation *got = &lines.operations[at++];
        assert_int_equal(got->id, i + 1);
        assert_int_equal(got->kind, made->kind);
        assert_int_equal(got->outcome, made->outcome);
        assert_int_equal(got->condition, made->condition);
        assert_int_equal(lines.keys[got->key].name[0], 'a' + (int)made->key);
        assert_int_equal(got->seen, is_unknown ? NOT_TOLD : made->seen);
        assert_int_equal(got->version, is_unknown ? NOT_TOLD : made->version);
    }
    assert_int_equal(at, lines.count);
    lines_fini(&lines);
    sample_destroy(&sample);
}

/* After the bad read the history goes on; before it are operations that do not matter. */
static void cuts_a_bad_history_to_its_shortest_prefix(void **state)
{
    (void)state;
    struct lines lines;
    scratch_write("history", "1 1 2 put k 1 - created 1 1\n"
                             "1 3 4 put k 2 - updated 2 2\n"
                             "2 5 20 put k 3 - updated 5 5\n"
                             "3 6 7 get k 1 - found 1 2\n"
                             "3 9 10 get k 2 - found 2 2\n"
                             "4 11 - get k - - unknown - -\n"
                             "1 30 31 put k 4 - updated 6 6\n");
    assert_true(lines_read(&lines, "history"));
    size_t last = 0;
    size_t left = witness_cut(lines.operations, lines.count, BUDGET, &last);
    assert_int_equal(left, 4);
    assert_int_equal(last, 3);
    assert_int_equal(lines.operations[last].id, 4);
    assert_int_equal(lines.operations[2].outcome, LINCHECK_UNKNOWN); // had not returned
    lines_fini(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_field),
        cmocka_unit_test(names_the_line_that_it_cannot_read),
        cmocka_unit_test(prints_what_it_reads),
        cmocka_unit_test(cuts_a_bad_history_to_its_shortest_prefix),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
