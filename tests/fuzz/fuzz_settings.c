/*
 * settings: the configuration file, the environment and the flags made one struct, and the
 * command line. Whatever they hold, it is taken or refused in one printable line; what is
 * taken is within its bounds, and what `config show` prints of it reads back to the same.
 *
 *   input  flags: 1 a command line, its words separated by NUL;
 *          else a file (2) and texts (by the bits of the next byte, each ended by NUL)
 *
 * Names of hosts are looked up here, not in the world: those that begin with n are known.
 */
#define _GNU_SOURCE // memfd_create()
#include "fuzz/input.h"

#include "base/limits.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "config/settings.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TEXTS = 8, PATH_BYTES = 64, WORDS_MAX = 12, ERROR_BYTES = 2048 };

/* ---- the world that is not there --------------------------------------------------- */

int getaddrinfo(const char *restrict name,
                const char *restrict service,
                const struct addrinfo *restrict hints,
                struct addrinfo **restrict out_found)
{
    (void)service;
    (void)hints;
    if (name[0] != 'n') {
        return EAI_NONAME;
    }
    struct addrinfo *found = calloc(1, sizeof *found);
    struct sockaddr_in *address = calloc(1, sizeof *address);
    CHECK(found != NULL);
    CHECK(address != NULL);
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(0x0a000000u + (uint8_t)name[1]);
    found->ai_addr = (struct sockaddr *)address;
    found->ai_addrlen = sizeof *address;
    *out_found = found;
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    free(found->ai_addr);
    free(found);
}

/* A file of these bytes that has a name; close the descriptor. */
static int make_file(struct cs_view bytes, char out_path[PATH_BYTES])
{
    int handle = memfd_create("settings", 0);
    CHECK(handle >= 0);
    CHECK(bytes.bytes == 0 ||
          write(handle, bytes.data, bytes.bytes) == (ssize_t)bytes.bytes);
    (void)snprintf(out_path, PATH_BYTES, "/proc/self/fd/%d", handle);
    return handle;
}

static bool is_one_line(const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        if ((uint8_t)text[i] < 0x20 || text[i] == 0x7f) {
            return false;
        }
    }
    return text[0] != '\0';
}

/* ---- settings ---------------------------------------------------------------------- */

static bool is_text(const char *text, size_t bytes)
{
    return memchr(text, '\0', bytes) != NULL && text[0] != '\0';
}

static void check_node(const struct settings *settings, uint32_t index)
{
    const struct settings_node *node = &settings->nodes[index];
    CHECK(is_text(node->name, sizeof node->name));
    CHECK(is_text(node->http, sizeof node->http));
    CHECK(is_text(node->peer, sizeof node->peer));
    CHECK(is_text(node->peer_advertise, sizeof node->peer_advertise));
    CHECK(strncmp(node->peer, "tcp://", 6) == 0);
    CHECK(index == 0 || strcmp(settings->nodes[index - 1].name, node->name) < 0);
}

static void check_settings(const struct settings *settings)
{
    CHECK(settings->node_count >= 1);
    CHECK(settings->node_count <= SETTINGS_NODES_MAX);
    CHECK(settings->node_index < settings->node_count);
    for (uint32_t i = 0; i < settings->node_count; i++) {
        check_node(settings, i);
    }
    CHECK(is_text(settings->data, sizeof settings->data));
    CHECK(is_text(settings->data_directory, sizeof settings->data_directory));
    CHECK(settings->http_threads >= 1);
    CHECK(settings->http_threads <= LIMIT_HTTP_THREADS);
    CHECK(settings->log_durability <= SETTINGS_NONE);
    CHECK(settings->limit_value_bytes <= LIMIT_VALUE_BYTES);
    CHECK(settings->log_segment_bytes % 4096 == 0);
    CHECK(settings->heartbeat_ms > 0);
}

static void check_printed(const struct settings *first,
                          const struct settings_source *first_source)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *stream = open_memstream(&text, &bytes);
    CHECK(stream != NULL);
    settings_print(first, stream);
    CHECK(fclose(stream) == 0);
    char path[PATH_BYTES];
    int handle = make_file(view_of(text, bytes), path);
    struct settings_source source = {
        .file = path,
        .node = first_source->node,
        .cluster = first->is_file_cluster ? NULL : first_source->cluster,
        .port = first->is_file_cluster ? NULL : first_source->port,
        .join = first_source->join,
        .is_any_node = first_source->is_any_node,
    };
    char error[ERROR_BYTES] = "";
    struct settings again;
    int code = settings_load(&source, &again, error, sizeof error);
    if (code != 0) {
        (void)fprintf(stderr, "%s\n%s", error, text);
    }
    CHECK(code == 0);
    struct settings expected = *first;
    for (uint32_t i = 0; i < expected.node_count; i++) {
        expected.nodes[i].line = again.nodes[i].line;
    }
    CHECK(memcmp(&expected, &again, sizeof again) == 0);
    CHECK(close(handle) == 0);
    free(text);
}

static const char *take_text(struct input *input, struct cs_buffer *texts)
{
    const uint8_t *end =
        input->left_bytes == 0 ? NULL : memchr(input->at, '\0', input->left_bytes);
    size_t bytes = end == NULL ? input->left_bytes : (size_t)(end - input->at) + 1;
    struct cs_view view = input_take(input, bytes);
    char *text = malloc(view.bytes + 1);
    CHECK(text != NULL);
    if (view.bytes > 0) {
        memcpy(text, view.data, view.bytes);
    }
    text[view.bytes] = '\0';
    buffer_append(texts, &text, sizeof text);
    return text;
}

static void free_texts(struct cs_buffer *texts)
{
    for (size_t at = 0; at < texts->bytes; at += sizeof(char *)) {
        char *text = NULL;
        memcpy(&text, texts->data + at, sizeof text);
        free(text);
    }
    buffer_fini(texts);
}

static void take_settings(struct input *input, bool has_file)
{
    struct cs_buffer texts = {0};
    struct settings_source source = {0};
    const char **const targets[TEXTS] = {
        &source.node, &source.cluster,    &source.port,      &source.join,
        &source.data, &source.durability, &source.log_level, NULL};
    uint8_t given = input_take_byte(input);
    for (int i = 0; i < TEXTS; i++) {
        if ((given >> i & 1) != 0 && targets[i] != NULL) {
            *targets[i] = take_text(input, &texts);
        }
    }
    source.is_any_node = (given & 128) != 0;
    char path[PATH_BYTES] = "";
    int handle = has_file ? make_file(input_rest(input), path) : -1;
    source.file = has_file ? path : NULL;
    char error[ERROR_BYTES] = "";
    struct settings settings;
    int code = settings_load(&source, &settings, error, sizeof error);
    if (code == 0) {
        CHECK(error[0] == '\0');
        check_settings(&settings);
        check_printed(&settings, &source);
    } else {
        CHECK(code == 2);
        CHECK(is_one_line(error));
    }
    CHECK(!has_file || close(handle) == 0);
    free_texts(&texts);
}

/* ---- the command line -------------------------------------------------------------- */

struct told { // on stdout and stderr
    FILE *kept_out;
    FILE *kept_error;
    char *out;
    char *error;
    size_t out_bytes;
    size_t error_bytes;
};

static void begin_telling(struct told *told)
{
    *told = (struct told){.kept_out = stdout, .kept_error = stderr};
    stdout = open_memstream(&told->out, &told->out_bytes);
    stderr = open_memstream(&told->error, &told->error_bytes);
    CHECK(stdout != NULL);
    CHECK(stderr != NULL);
}

static void end_telling(struct told *told)
{
    (void)fclose(stdout);
    (void)fclose(stderr);
    stdout = told->kept_out;
    stderr = told->kept_error;
}

static void take_options(int count, char **words)
{
    const char *values[3] = {NULL, NULL, NULL};
    const struct cli_option options[] = {{"config", &values[0]},
                                         {"node", &values[1]},
                                         {"data", &values[2]}};
    struct cli_arguments arguments = {0};
    struct told told;
    begin_telling(&told);
    int code = cli_parse_options(count, words, options, 3, &arguments);
    end_telling(&told);
    CHECK((code == CLI_USAGE) == (told.error_bytes > 0));
    CHECK((code == CLI_OK) == (told.out_bytes > 0));
    CHECK(code != CLI_GO_ON || (arguments.count >= 0 && arguments.count < count));
    free(told.out);
    free(told.error);
}

/* Whole, if it starts no node and asks none. */
static bool is_harmless(const char *command)
{
    static const char *const others[] = {"server", "dev", "get", "put", "del", "status"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(command, others[i]) == 0) {
            return false;
        }
    }
    return true;
}

static void take_command(int count, char **words)
{
    struct told told;
    if (count > 1 && !is_harmless(words[1])) {
        take_options(count - 1, words + 1);
        return;
    }
    begin_telling(&told);
    int code = cli_main(count, words);
    end_telling(&told);
    CHECK(code == 0 || code == 2);
    CHECK((code == 0) == (told.error_bytes == 0));
    free(told.out);
    free(told.error);
}

static void take_command_line(struct input *input)
{
    static char program[] = "consens";
    struct cs_buffer texts = {0};
    char *words[WORDS_MAX + 2] = {program};
    int count = 1;
    while (count <= WORDS_MAX && input->left_bytes > 0) {
        const char *text = take_text(input, &texts);
        memcpy(&words[count++], &text, sizeof text);
    }
    take_command(count, words);
    free_texts(&texts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct input input = input_over(data, bytes);
    uint8_t flags = input_take_byte(&input);
    if ((flags & 1) != 0) {
        take_command_line(&input);
    } else {
        take_settings(&input, (flags & 2) != 0);
    }
    return 0;
}
