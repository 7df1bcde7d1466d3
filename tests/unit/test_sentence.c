#include "config/sentence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void setting_a_sentence_answers_false_and_replaces_the_old_one(void **state)
{
    (void)state;
    struct sentence sentence = {0};
    assert_false(sentence_set(&sentence, "%s", "a longer text"));
    assert_false(sentence_set(&sentence, "port %d", 3000));
    assert_string_equal(sentence.text, "port 3000");
}

static void adding_goes_behind_what_is_there(void **state)
{
    (void)state;
    struct sentence sentence = {0};
    sentence_add(&sentence, "one");
    sentence_add(&sentence, ", %s", "two");
    assert_string_equal(sentence.text, "one, two");
}

static void a_text_too_long_is_cut_and_still_ends(void **state)
{
    (void)state;
    char text[SENTENCE_BYTES + 10];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    struct sentence sentence = {0};
    (void)sentence_set(&sentence, "%s", text);
    assert_int_equal(strlen(sentence.text), SENTENCE_BYTES - 1);
    sentence_add(&sentence, "more");
    assert_int_equal(strlen(sentence.text), SENTENCE_BYTES - 1);
    assert_int_equal(sentence.text[SENTENCE_BYTES - 2], 'x');
}

static void what_a_terminal_would_obey_is_not_repeated(void **state)
{
    (void)state;
    struct sentence sentence = {0};
    (void)sentence_set(&sentence, "PORT=%s", "\x1b[2J\n\x7fz\xc3\xa9");
    assert_string_equal(sentence.text, "PORT=?[2J??z\xc3\xa9");
    sentence_add(&sentence, "\r\t%s", "\x01");
    assert_string_equal(sentence.text, "PORT=?[2J??z\xc3\xa9???");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_a_sentence_answers_false_and_replaces_the_old_one),
        cmocka_unit_test(adding_goes_behind_what_is_there),
        cmocka_unit_test(a_text_too_long_is_cut_and_still_ends),
        cmocka_unit_test(what_a_terminal_would_obey_is_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
