/*
 * src/base: bytes, status, digest, and that CHECK ends the process with its sentence.
 */
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/entropy.h"
#include "base/status.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

/* ---- bytes ------------------------------------------------------------------------ */

static void buffer_keeps_what_was_appended_while_it_grows(void **state)
{
    (void)state;
    struct cs_buffer buffer = {0};
    for (uint32_t i = 0; i < 5000; i++) {
        uint8_t word[4];
        store_u32(word, i);
        buffer_append(&buffer, word, sizeof(word));
        assert_true(buffer.capacity_bytes >= buffer.bytes);
    }
    assert_int_equal(buffer.bytes, 20000);
    for (uint32_t i = 0; i < 5000; i++) {
        assert_int_equal(load_u32(buffer.data + 4 * (size_t)i), i);
    }
    buffer_fini(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer.bytes, 0);
}

static void buffer_extend_answers_where_the_new_bytes_go(void **state)
{
    (void)state;
    struct cs_buffer buffer = {0};
    buffer_append(&buffer, "abc", 3);
    uint8_t *at = buffer_extend(&buffer, 2000);
    assert_ptr_equal(at, buffer.data + 3);
    assert_int_equal(buffer.bytes, 2003);
    assert_memory_equal(buffer.data, "abc", 3);
    buffer_fini(&buffer);
}

static void appending_nothing_changes_nothing(void **state)
{
    (void)state;
    struct cs_buffer buffer = {0};
    buffer_append(&buffer, NULL, 0);
    assert_null(buffer.data);
    assert_int_equal(view_of_buffer(&buffer).bytes, 0);
    buffer_fini(&buffer);
}

static void integers_are_stored_little_endian(void **state)
{
    (void)state;
    uint8_t bytes[8];
    store_u32(bytes, 0x01020304);
    assert_memory_equal(bytes, "\x04\x03\x02\x01", 4);
    assert_int_equal(load_u32(bytes), 0x01020304);
    store_u64(bytes, 0xf102030405060708);
    assert_memory_equal(bytes, "\x08\x07\x06\x05\x04\x03\x02\xf1", 8);
    assert_true(load_u64(bytes) == 0xf102030405060708);
}

/* ---- status ----------------------------------------------------------------------- */

static void every_status_has_a_word_of_its_own_and_a_sentence(void **state)
{
    (void)state;
    for (int i = 0; i < CS_STATUS_COUNT; i++) {
        enum cs_status status = (enum cs_status)i;
        assert_string_not_equal(status_word(status), "unknown_status");
        assert_true(strlen(status_text(status)) > 1);
        assert_in_range(status_http(status), 200, 599);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(status_word(status), status_word((enum cs_status)j));
        }
    }
}

static void only_504_leaves_the_outcome_open_and_503_and_429_never_applied(void **state)
{
    (void)state;
    for (int i = 0; i < CS_STATUS_COUNT; i++) {
        enum cs_status status = (enum cs_status)i;
        int http = status_http(status);
        bool is_open = status_applied(status) == CS_APPLIED_UNKNOWN;
        assert_int_equal(is_open, http == 504);
        if (http == 503 || http == 429 || http == 507) {
            assert_int_equal(status_applied(status), CS_APPLIED_NO);
            assert_true(status_is_retryable(status));
        }
        if (http >= 200 && http < 300) {
            assert_int_equal(status_applied(status), CS_APPLIED_YES);
        }
    }
}

static void a_number_that_is_no_status_is_answered_as_a_server_error(void **state)
{
    (void)state;
    enum cs_status stranger = (enum cs_status)(CS_STATUS_COUNT + 7);
    assert_string_equal(status_word(stranger), "unknown_status");
    assert_int_equal(status_http(stranger), 500);
    assert_int_equal(status_applied(stranger), CS_APPLIED_UNKNOWN);
    assert_false(status_is_retryable(stranger));
    assert_string_equal(status_text(stranger), "unknown status");
}

/* ---- digest ----------------------------------------------------------------------- */

static void digests_equal_those_of_the_installed_library(void **state)
{
    (void)state;
    uint8_t bytes[1200];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 131 + 7);
    }
    // All lengths: XXH3 has its own way for 0, 1-3, 4-8, 9-16, 17-128, 129-240, more.
    for (size_t i = 0; i <= sizeof(bytes); i++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, i, seed);
            struct cs_digest digest = digest_128(bytes, i, seed);
            assert_true(digest.high == hash.high64);
            assert_true(digest.low == hash.low64);
            assert_true(digest_64(bytes, i, seed) ==
                        XXH3_64bits_withSeed(bytes, i, seed));
        }
    }
}

static void digest_of_nothing_is_the_published_one(void **state)
{
    (void)state;
    struct cs_digest digest = digest_128(NULL, 0, 0);
    assert_true(digest.high == 0x99aa06d3014798d8);
    assert_true(digest.low == 0x6001c324468d497f);
    assert_true(digest_64(NULL, 0, 0) == 0x2d06800538d394c2);
}

/* ---- check, clock, entropy -------------------------------------------------------- */

static void check_failed_prints_its_condition_and_aborts(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        int two = 2;
        CHECK(two == 2);
        CHECK(two == 3);
        _exit(0);
    }
    (void)close(ends[1]);
    char said[200] = "";
    assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(said, "event=check_failed condition=\"two == 3\""));
    assert_non_null(strstr(said, "test_base.c:"));
}

static void clock_never_goes_back_and_its_two_units_agree(void **state)
{
    (void)state;
    uint64_t last_us = clock_now_us();
    for (int i = 0; i < 10000; i++) {
        uint64_t now_us = clock_now_us();
        assert_true(now_us >= last_us);
        last_us = now_us;
    }
    uint64_t before_ms = clock_now_us() / 1000;
    uint64_t now_ms = clock_now_ms();
    uint64_t after_ms = clock_now_us() / 1000;
    assert_true(before_ms <= now_ms);
    assert_true(now_ms <= after_ms);
}

static void entropy_draws_differ_and_are_never_zero(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t drawn = entropy_draw_u64();
        assert_true(drawn != 0);
        assert_true(drawn != last);
        last = drawn;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_keeps_what_was_appended_while_it_grows),
        cmocka_unit_test(buffer_extend_answers_where_the_new_bytes_go),
        cmocka_unit_test(appending_nothing_changes_nothing),
        cmocka_unit_test(integers_are_stored_little_endian),
        cmocka_unit_test(every_status_has_a_word_of_its_own_and_a_sentence),
        cmocka_unit_test(only_504_leaves_the_outcome_open_and_503_and_429_never_applied),
        cmocka_unit_test(a_number_that_is_no_status_is_answered_as_a_server_error),
        cmocka_unit_test(digests_equal_those_of_the_installed_library),
        cmocka_unit_test(digest_of_nothing_is_the_published_one),
        cmocka_unit_test(check_failed_prints_its_condition_and_aborts),
        cmocka_unit_test(clock_never_goes_back_and_its_two_units_agree),
        cmocka_unit_test(entropy_draws_differ_and_are_never_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
