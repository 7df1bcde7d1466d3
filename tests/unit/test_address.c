#include "config/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

// Reads and writes again; the result, or the error.
static const char *again(const char *prefix, const char *text)
{
    static char result[SENTENCE_BYTES];
    struct address address = {0};
    struct sentence error = {0};
    if (address_parse(prefix, text, &address, &error)) {
        address_format(prefix, &address, result, sizeof result);
    } else {
        (void)snprintf(result, sizeof result, "%s", error.text);
    }
    return result;
}

static void addresses_are_made_numeric(void **state)
{
    (void)state;
    assert_string_equal(again("", "127.0.0.1:3000"), "127.0.0.1:3000");
    assert_string_equal(again("", "localhost:3000"), "127.0.0.1:3000");
    assert_string_equal(again("", "*:3000"), "0.0.0.0:3000");
    assert_string_equal(again("tcp://", "tcp://10.1.2.3:13000"), "tcp://10.1.2.3:13000");
    assert_string_equal(again("", "255.255.255.255:65535"), "255.255.255.255:65535");
    assert_string_equal(again("", "127.0.0.1:003000"), "127.0.0.1:3000");
}

static void ports_are_one_to_65535(void **state)
{
    (void)state;
    assert_string_equal(again("", "127.0.0.1:1"), "127.0.0.1:1");
    assert_string_equal(again("", "127.0.0.1:0"),
                        "its port 0 is not between 1 and 65535");
    assert_string_equal(again("", "127.0.0.1:65536"),
                        "its port 65536 is not between 1 and 65535");
    assert_string_equal(again("", "127.0.0.1:4294967297"),
                        "its port 4294967297 is not between 1 and 65535");
    assert_string_equal(again("", "127.0.0.1:"), "its port \"\" is not a number");
    assert_string_equal(again("", "127.0.0.1:-1"), "its port \"-1\" is not a number");
    assert_string_equal(again("", "127.0.0.1:3000x"),
                        "its port \"3000x\" is not a number");
    assert_string_equal(again("", "127.0.0.1: 3000"),
                        "its port \" 3000\" is not a number");
}

static void a_text_of_another_shape_is_refused_with_the_reason(void **state)
{
    (void)state;
    assert_string_equal(again("", "127.0.0.1"), "it has no port");
    assert_string_equal(again("", ""), "it has no port");
    assert_string_equal(again("", ":3000"), "its host has 0 characters, not 1 to 255");
    assert_string_equal(again("tcp://", "127.0.0.1:3000"),
                        "it does not begin with tcp://");
    assert_string_equal(again("tcp://", "ipc:///x:1"), "it does not begin with tcp://");
    assert_string_equal(again("", "1.2.3:80"), "its host 1.2.3 is not an IPv4 address");
    assert_string_equal(again("", "1.2.3.256:80"),
                        "its host 1.2.3.256 is not an IPv4 address");
    assert_string_equal(again("", "1:80"), "its host 1 is not an IPv4 address");
    assert_non_null(strstr(again("", "[::1]:3000"), "IPv6"));
    assert_non_null(strstr(again("", "::1:3000"), "IPv6"));
    assert_non_null(strstr(again("", "tcp://127.0.0.1:3000"), "IPv6"));
}

static void a_host_name_too_long_is_refused(void **state)
{
    (void)state;
    char text[400];
    memset(text, 'a', sizeof text);
    memcpy(text + 300, ":3000", 6);
    assert_string_equal(again("", text), "its host has 300 characters, not 1 to 255");
}

static void a_name_that_nobody_knows_is_an_error_in_words(void **state)
{
    (void)state;
    // A space is in no host name: no name server is asked.
    const char *error = again("", "no such host:3000");
    assert_non_null(strstr(error, "its host name no such host cannot be looked up ("));
    assert_non_null(strstr(error, "; check the name or write the IPv4 address"));
}

static void loopback_is_all_of_127_and_any_is_zero(void **state)
{
    (void)state;
    struct address address = {.ip = 0x7f000001, .port = 1};
    assert_true(address_is_loopback(&address));
    address.ip = 0x7fffffff;
    assert_true(address_is_loopback(&address));
    address.ip = 0x80000001;
    assert_false(address_is_loopback(&address));
    assert_false(address_is_any(&address));
    address.ip = 0;
    assert_false(address_is_loopback(&address));
    assert_true(address_is_any(&address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_made_numeric),
        cmocka_unit_test(ports_are_one_to_65535),
        cmocka_unit_test(a_text_of_another_shape_is_refused_with_the_reason),
        cmocka_unit_test(a_host_name_too_long_is_refused),
        cmocka_unit_test(a_name_that_nobody_knows_is_an_error_in_words),
        cmocka_unit_test(loopback_is_all_of_127_and_any_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
