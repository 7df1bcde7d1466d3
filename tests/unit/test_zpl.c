#include "config/zpl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/support/scratch.h"

// One line an item: LINE DEPTH PARENT NAME[=VALUE]; or the error.
static const char *read_text(const char *text)
{
    static char result[4096];
    struct sentence error = {0};
    struct zpl *zpl = zpl_parse("a.cfg", text, strlen(text), &error);
    if (zpl == NULL) {
        (void)snprintf(result, sizeof result, "%s", error.text);
        return result;
    }
    size_t used = 0;
    result[0] = '\0';
    for (size_t i = 0; i < zpl_item_count(zpl); i++) {
        const struct zpl_item *item = zpl_item(zpl, i);
        int parent = item->parent == ZPL_NO_PARENT ? -1 : (int)item->parent;
        used += (size_t)snprintf(result + used, sizeof result - used, "%u %u %d %s%s%s\n",
                                 item->line, item->depth, parent, item->name,
                                 item->has_value ? "=" : "", item->value);
    }
    zpl_destroy(&zpl);
    assert_null(zpl);
    return result;
}

static void items_come_with_their_lines_depths_and_parents(void **state)
{
    (void)state;
    assert_string_equal(
        read_text("# head\n\nserver\n    http\n  # odd comment\n"
                  "        threads = 5 # why\n    data = \"a # b\"\nlast\n"),
        "3 0 -1 server\n4 1 0 http\n6 2 1 threads=5\n7 1 0 data=a # b\n"
        "8 0 -1 last\n");
}

static void values_come_bare_quoted_and_empty(void **state)
{
    (void)state;
    assert_string_equal(
        read_text("a=1\nb = two words \nc = 'q'\nd =\ne = \"\"\nf"),
        "1 0 -1 a=1\n2 0 -1 b=two words\n3 0 -1 c=q\n4 0 -1 d=\n5 0 -1 e=\n"
        "6 0 -1 f\n");
}

static void empty_texts_have_no_items(void **state)
{
    (void)state;
    assert_string_equal(read_text(""), "");
    assert_string_equal(read_text("\n\n# only this\n"), "");
}

static void lines_that_end_in_cr_lf_are_read(void **state)
{
    (void)state;
    assert_string_equal(read_text("a\r\n    b = 1\r\n"), "1 0 -1 a\n2 1 0 b=1\n");
}

static void odd_indentation_is_refused_with_the_line(void **state)
{
    (void)state;
    assert_string_equal(read_text("a\n  b = 1\n"),
                        "a.cfg:2: indented by 2 spaces; indent by 4 a level");
    assert_string_equal(read_text("a\n        b = 1\n"),
                        "a.cfg:2: indented by 8 spaces, but nothing above it is by 4");
    assert_string_equal(read_text("    b = 1\n"),
                        "a.cfg:1: indented by 4 spaces, but nothing above it is by 0");
    assert_string_equal(read_text("a\n\tb = 1\n"),
                        "a.cfg:2: there is a tab; indent by 4 spaces");
}

static void nesting_has_an_end(void **state)
{
    (void)state;
    char text[1024] = "";
    size_t used = 0;
    for (int depth = 0; depth <= ZPL_DEPTH_MAX; depth++) {
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%*sa\n", depth * 4, "");
    }
    assert_string_equal(read_text(text), "a.cfg:9: nested deeper than 8 levels");
}

static void broken_lines_are_refused_with_the_line(void **state)
{
    (void)state;
    assert_string_equal(read_text("a = \"x\n"), "a.cfg:1: the closing \" is missing");
    assert_string_equal(read_text("a = '\n"), "a.cfg:1: the closing ' is missing");
    assert_string_equal(read_text("a = \"x\" y\n"),
                        "a.cfg:1: unexpected text after the value: \"y\"");
    assert_string_equal(read_text("a 5\n"),
                        "a.cfg:1: expected \"=\" after the name of the key, not \"5\"");
    assert_string_equal(read_text("b: 5\n"),
                        "a.cfg:1: expected \"=\" after the name of the key, not \": 5\"");
    assert_string_equal(read_text("\n= 5\n"),
                        "a.cfg:2: expected the name of a key, not \"= 5\"");
    assert_string_equal(read_text("a = \001\n"),
                        "a.cfg:1: there is a control character (byte 0x01)");
}

static void the_same_key_twice_is_refused_with_both_lines(void **state)
{
    (void)state;
    assert_string_equal(read_text("a\n    x = 1\n    y = 2\n    x = 1\n"),
                        "a.cfg:4: \"x\" is given twice; the first is on line 2");
    assert_string_equal(read_text("a\nb\na\n"),
                        "a.cfg:3: \"a\" is given twice; the first is on line 1");
    assert_string_equal(read_text("a\n    x = 1\nb\n    x = 1\n"),
                        "1 0 -1 a\n2 1 0 x=1\n3 0 -1 b\n4 1 2 x=1\n");
}

static void long_lines_and_too_many_keys_are_refused(void **state)
{
    (void)state;
    enum { TEXT_BYTES = ZPL_ITEMS_MAX * 8 };
    char text[TEXT_BYTES + 16] = "a = ";
    memset(text + 4, 'x', ZPL_LINE_BYTES_MAX - 4);
    assert_int_equal(strlen(read_text(text)),
                     strlen("1 0 -1 a=") + ZPL_LINE_BYTES_MAX - 3);
    text[ZPL_LINE_BYTES_MAX] = 'x';
    assert_string_equal(read_text(text), "a.cfg:1: the line is longer than 1000 bytes");

    size_t used = 0;
    for (int i = 0; i <= ZPL_ITEMS_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "k%d\n", i);
    }
    assert_string_equal(read_text(text), "a.cfg:513: more than 512 keys");
}

static void a_null_byte_is_a_control_character(void **state)
{
    (void)state;
    struct sentence error = {0};
    assert_null(zpl_parse("a.cfg", "a\0b = 1\n", 8, &error));
    assert_string_equal(error.text, "a.cfg:1: there is a control character (byte 0x00)");
}

static void files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    struct sentence error = {0};
    assert_null(zpl_load("missing.cfg", &error));
    assert_string_equal(
        error.text, "missing.cfg: the configuration file cannot be read (No such file or "
                    "directory); check the path and its permissions");
    assert_null(zpl_load("/tmp", &error));
    assert_non_null(strstr(error.text, "/tmp: the configuration file cannot be read ("));
}

static void a_huge_file_is_refused(void **state)
{
    (void)state;
    static char text[ZPL_FILE_BYTES_MAX + 1];
    struct sentence error = {0};
    memset(text, '\n', sizeof text);
    scratch_write_bytes("huge.cfg", text, sizeof text);
    assert_null(zpl_load("huge.cfg", &error));
    assert_string_equal(error.text,
                        "huge.cfg: the configuration file is larger than 65536 "
                        "bytes; is it the right one?");
    scratch_write_bytes("full.cfg", text, sizeof text - 1);
    struct zpl *zpl = zpl_load("full.cfg", &error);
    assert_non_null(zpl);
    zpl_destroy(&zpl);
}

// Whatever the bytes: a list or a sentence with the file's name. ASan watches.
static void any_bytes_give_a_list_or_a_sentence(void **state)
{
    (void)state;
    static const char LETTERS[] = "a =\"'#\n\n    /\t\r\001\377$b1";
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t bytes = 0;
        for (; bytes < sizeof text; bytes++) {
            seed = seed * 6364136223846793005U + 1442695040888963407U;
            text[bytes] = LETTERS[(seed >> 33) % sizeof LETTERS];
        }
        struct sentence error = {0};
        struct zpl *zpl = zpl_parse("a.cfg", text, (size_t)(seed >> 40) % bytes, &error);
        assert_int_equal(zpl == NULL, error.text[0] != '\0');
        // What the scanner lets through, zconfig takes.
        assert_null(strstr(error.text, "cannot be read as ZPL"));
        zpl_destroy(&zpl);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_come_with_their_lines_depths_and_parents),
        cmocka_unit_test(values_come_bare_quoted_and_empty),
        cmocka_unit_test(empty_texts_have_no_items),
        cmocka_unit_test(lines_that_end_in_cr_lf_are_read),
        cmocka_unit_test(odd_indentation_is_refused_with_the_line),
        cmocka_unit_test(nesting_has_an_end),
        cmocka_unit_test(broken_lines_are_refused_with_the_line),
        cmocka_unit_test(the_same_key_twice_is_refused_with_both_lines),
        cmocka_unit_test(long_lines_and_too_many_keys_are_refused),
        cmocka_unit_test(a_null_byte_is_a_control_character),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
        cmocka_unit_test(a_huge_file_is_refused),
        cmocka_unit_test(any_bytes_give_a_list_or_a_sentence),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
