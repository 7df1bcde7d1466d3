#include "cli/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEXT(text) view_of(text, sizeof(text) - 1)

static struct json json;

static int tear_down(void **state)
{
    (void)state;
    buffer_fini(&json.out);
    return 0;
}

static void assert_written(const char *expected)
{
    buffer_append(&json.out, "", 1);
    assert_string_equal((const char *)json.out.data, expected);
}

static void an_object_has_its_fields_in_order(void **state)
{
    (void)state;
    json_begin(&json);
    json_number(&json, "n", UINT64_MAX);
    json_bool(&json, "b", true);
    json_text(&json, "t", "a\"\\\n\x7f");
    assert_written("{\"n\":18446744073709551615,\"b\":true,"
                   "\"t\":\"a\\\"\\\\\\u000a\\u007f\"");
}

static void bytes_are_text_if_they_are_utf8(void **state)
{
    (void)state;
    const struct cs_view rows[] = {TEXT(""), TEXT("\xc3\xa4"), TEXT("\xe2\x82\xac"),
                                   TEXT("\xf0\x9f\x98\x80"), TEXT("\xf4\x8f\xbf\xbf")};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_begin(&json);
        json_bytes(&json, "v", rows[i]);
        assert_int_equal(json.out.bytes, 7 + rows[i].bytes);
        assert_memory_equal(json.out.data, "{\"v\":\"", 6);
    }
}

static void other_bytes_are_base64(void **state)
{
    (void)state;
    const struct {
        struct cs_view bytes;
        const char *text;
    } rows[] = {
        {TEXT("\xff"), "/w=="},                 // no first byte
        {TEXT("\xc0\xaf"), "wK8="},             // too long a form
        {TEXT("\xed\xa0\x80"), "7aCA"},         // half of a pair
        {TEXT("\xf4\x90\x80\x80"), "9JCAgA=="}, // past the last
        {TEXT("a\xe2\x82"), "YeKC"},            // cut
        {TEXT("\xe2\x82z"), "4oJ6"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_begin(&json);
        json_bytes(&json, "v", rows[i].bytes);
        buffer_append(&json.out, "", 1);
        const char *text = (const char *)json.out.data;
        assert_memory_equal(text, "{\"v_base64\":\"", 13);
        assert_memory_equal(text + 13, rows[i].text, strlen(rows[i].text));
        assert_string_equal(text + 13 + strlen(rows[i].text), "\"");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_has_its_fields_in_order),
        cmocka_unit_test(bytes_are_text_if_they_are_utf8),
        cmocka_unit_test(other_bytes_are_base64),
    };
    return cmocka_run_group_tests(tests, NULL, tear_down);
}
