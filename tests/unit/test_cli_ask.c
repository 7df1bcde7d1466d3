/*
 * The exit code of each kind of answer: the whole command against a node of the test's.
 */
#include "cli/ask.h"

#include "cli/cli.h"
#include "unit/support/fake_node.h"
#include "unit/support/scratch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 16 };

struct asking {
    const char *words[WORDS_MAX];
    struct scratch_run run;
    atomic_bool is_over;
};

static void *ask(void *context)
{
    struct asking *asking = context;
    scratch_run(cli_main, asking->words, &asking->run);
    atomic_store(&asking->is_over, true);
    return NULL;
}

/* The code of `consens COMMAND... --endpoints NODE` if the node says this to every try. */
static void
run_against(enum cs_status status, const char *const *command, struct asking *asking)
{
    struct fake_node node = {0};
    pthread_t thread;
    size_t count = 0;
    fake_node_open(&node);
    asking->words[count++] = "consens";
    for (; *command != NULL; command++) {
        assert_true(count < WORDS_MAX - 3);
        asking->words[count++] = *command;
    }
    asking->words[count++] = "--endpoints";
    asking->words[count++] = node.endpoint;
    asking->words[count] = NULL;
    assert_int_equal(pthread_create(&thread, NULL, ask, asking), 0);
    while (!atomic_load(&asking->is_over)) {
        if (!fake_node_is_quiet(&node, 5)) {
            struct fake_call call = fake_node_take(&node);
            fake_node_say(&node, &call, status);
            fake_call_fini(&call);
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    fake_node_close(&node);
}

/* What may be retried is retried for so long: time enough for a first answer. */
#define WITHIN "--timeout", "1200ms"

static void every_kind_of_answer_has_its_exit_code(void **state)
{
    (void)state;
    static const struct {
        enum cs_status status;
        int code;
        const char *command[WORDS_MAX];
        const char *word; // on stderr
    } ROWS[] = {
        {CS_OK, 0, {"get", "k"}, ""},
        {CS_NOT_FOUND, 1, {"get", "k"}, "not_found: "},
        {CS_TOO_LARGE, 2, {"put", "k", "v", "--at-most-once"}, "too_large: "},
        {CS_PRECONDITION,
         3,
         {"put", "k", "v", "--at-most-once", "--if-absent"},
         "precondition_failed: "},
        {CS_NO_QUORUM, 4, {"get", "k", WITHIN}, "no_quorum: "},
        {CS_UNKNOWN, 5, {"put", "k", "v", "--at-most-once"}, "outcome_unknown: "},
        {CS_TIMED_OUT, 7, {"get", "k", "--min-revision", "99", WITHIN}, "timed_out: "},
        {CS_TIMED_OUT, 7, {"del", "k", WITHIN}, "timed_out: "},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct asking asking = {0};
        run_against(ROWS[i].status, ROWS[i].command, &asking);
        if (asking.run.code != ROWS[i].code ||
            strstr(asking.run.err, ROWS[i].word) == NULL) {
            fail_msg("%s: %d, not %d: %s", ROWS[i].word, asking.run.code, ROWS[i].code,
                     asking.run.err);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_answer_has_its_exit_code),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
