#include "http/refusal.h"

#include "http/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct cs_buffer out;

static int give_back(void **state)
{
    (void)state;
    buffer_fini(&out);
    return 0;
}

static const char *text_of(const struct refusal *refusal)
{
    out.bytes = 0;
    refusal_render_text(&out, refusal);
    buffer_append(&out, "", 1);
    return (const char *)out.data;
}

static const char *json_of(const struct refusal *refusal)
{
    out.bytes = 0;
    refusal_render_json(&out, refusal);
    buffer_append(&out, "", 1);
    return (const char *)out.data;
}

static void refusing_answers_false(void **state)
{
    (void)state;
    struct refusal refusal = {0};
    assert_false(refuse(&refusal, CS_MALFORMED, "%d is %s", 7, "odd"));
    assert_string_equal(refusal.detail, "7 is odd");
    assert_int_equal(refusal.status, CS_MALFORMED);
    assert_false(refusal.must_close);
    assert_false(refuse_and_close(&refusal, CS_TOO_LARGE, "no"));
    assert_true(refusal.must_close);
}

static void text_is_one_line(void **state)
{
    (void)state;
    struct refusal refusal = {0};
    (void)refuse(&refusal, CS_MALFORMED, "that is wrong");
    assert_string_equal(text_of(&refusal), "that is wrong\n");
    struct refusal plain = {.status = CS_NOT_FOUND};
    assert_string_equal(text_of(&plain), "not found\n");
}

static void json_has_what_a_program_needs(void **state)
{
    (void)state;
    struct refusal refusal = {.limit = 1024, .actual = 1025};
    (void)refuse(&refusal, CS_KEY_TOO_LONG, "a \"long\" key");
    assert_string_equal(
        json_of(&refusal),
        "{\"type\":\"about:blank\",\"title\":\"URI Too Long\",\"status\":414,"
        "\"code\":\"key_too_long\",\"detail\":\"a \\\"long\\\" key\","
        "\"applied\":\"no\",\"retryable\":false,"
        "\"limit\":1024,\"actual\":1025}\n");
    refusal.is_more_than_actual = true;
    assert_non_null(strstr(json_of(&refusal), "\"actual\":\"more than 1025\"}"));
}

static void only_unknown_outcomes_are_called_unknown(void **state)
{
    (void)state;
    struct refusal unknown = {.status = CS_UNKNOWN};
    assert_non_null(
        strstr(json_of(&unknown), "\"applied\":\"unknown\",\"retryable\":true"));
    struct refusal no_quorum = {.status = CS_NO_QUORUM};
    assert_non_null(strstr(json_of(&no_quorum), "\"applied\":\"no\",\"retryable\":true"));
}

static void the_engines_sentence_is_cut_and_cleaned(void **state)
{
    (void)state;
    char sentence[2 * REFUSAL_DETAIL_BYTES];
    memset(sentence, 's', sizeof(sentence));
    sentence[1] = '\n';
    struct refusal refusal = {.status = CS_NO_QUORUM};
    refusal_take_detail(&refusal, view_of(sentence, sizeof(sentence)));
    assert_int_equal(strlen(refusal.detail), REFUSAL_DETAIL_BYTES - 1);
    assert_memory_equal(refusal.detail, "s?s", 3);
    refusal_take_detail(&refusal, view_of(NULL, 0));
    assert_string_equal(refusal_detail(&refusal), status_text(CS_NO_QUORUM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusing_answers_false),
        cmocka_unit_test(text_is_one_line),
        cmocka_unit_test(json_has_what_a_program_needs),
        cmocka_unit_test(only_unknown_outcomes_are_called_unknown),
        cmocka_unit_test(the_engines_sentence_is_cut_and_cleaned),
    };
    return cmocka_run_group_tests(tests, NULL, give_back);
}
