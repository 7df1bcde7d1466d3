#include "config/sentence.h"
#include "config/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "unit/support/scratch.h"

static void load(const struct settings_source *source, struct settings *out_settings)
{
    char error[SENTENCE_BYTES] = "";
    (void)settings_load(source, out_settings, error, sizeof error);
    assert_string_equal(error, "");
}

static void print_to(const char *name, const struct settings *settings)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    settings_print(settings, file);
    assert_int_equal(fclose(file), 0);
}

static void read_all(const char *name, char *out_text, size_t text_bytes)
{
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    size_t bytes = fread(out_text, 1, text_bytes - 1, file);
    out_text[bytes] = '\0';
    (void)fclose(file);
}

static void what_is_printed_reads_back_to_the_same_settings(void **state)
{
    (void)state;
    scratch_write("in.cfg",
                  "cluster\n    name = \"it's # one\"\n    insecure = 1\n    node\n"
                  "        n2\n            http = \"10.0.0.1:4000\"\n        n1\n"
                  "server\n    data = \"/a b/c\"\n    heartbeat = 3s\n    http\n"
                  "        threads = 9\n    log\n        segment = 40M\n"
                  "        durability = \"interval:7ms\"\n        level = error\n"
                  "    limits\n        value = 12345\n");
    struct settings first;
    struct settings second;
    load(&(struct settings_source){.file = "in.cfg", .node = "n2"}, &first);
    print_to("out.cfg", &first);
    load(&(struct settings_source){.file = "out.cfg", .node = "n2"}, &second);
    for (uint32_t i = 0; i < first.node_count; i++) {
        first.nodes[i].line = second.nodes[i].line; // the only thing that may differ
    }
    assert_memory_equal(&first, &second, sizeof first);
}

static void sections_are_named_once_and_values_quoted(void **state)
{
    (void)state;
    char text[4096] = "";
    struct settings settings;
    scratch_write("in.cfg", "cluster\n    node\n        n1\n");
    load(&(struct settings_source){.file = "in.cfg"}, &settings);
    print_to("out.cfg", &settings);
    read_all("out.cfg", text, sizeof text);
    assert_string_equal(text,
                        "# What holds after defaults, file, environment and flags.\n"
                        "# Node NAME keeps its data in DATA/NAME.\n"
                        "cluster\n"
                        "    name = \"consens\"\n"
                        "    insecure = 0\n"
                        "    node\n"
                        "        n1\n"
                        "            http = \"127.0.0.1:3000\"\n"
                        "            peer = \"tcp://127.0.0.1:13000\"\n"
                        "            peer-advertise = \"tcp://127.0.0.1:13000\"\n"
                        "            client = \"tcp://127.0.0.1:23000\"\n"
                        "            events = \"tcp://127.0.0.1:33000\"\n"
                        "server\n"
                        "    data = \"./consens-data\"\n"
                        "    heartbeat = 50ms\n"
                        "    http\n"
                        "        threads = 256\n"
                        "    log\n"
                        "        segment = 64M\n"
                        "        durability = \"sync\"\n"
                        "        level = \"info\"\n"
                        "    limits\n"
                        "        value = 1M\n");
}

static void members_of_the_environment_are_comments(void **state)
{
    (void)state;
    char text[4096] = "";
    struct settings first;
    struct settings second;
    const struct settings_source source = {.cluster = "http://localhost:4000"};
    load(&source, &first);
    print_to("out.cfg", &first);
    read_all("out.cfg", text, sizeof text);
    assert_non_null(strstr(text, "# The nodes come from CLUSTER and PORT; this one is "
                                 "127.0.0.1:3000.\n"));
    assert_non_null(strstr(text, "\n#        127.0.0.1:4000\n"
                                 "#            http = \"127.0.0.1:4000\"\n"));
    load(&(struct settings_source){.file = "out.cfg", .cluster = source.cluster},
         &second);
    assert_memory_equal(&first, &second, sizeof first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_reads_back_to_the_same_settings),
        cmocka_unit_test(sections_are_named_once_and_values_quoted),
        cmocka_unit_test(members_of_the_environment_are_comments),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
