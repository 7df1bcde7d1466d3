/*
 * status.c - `consens status`: what a node says of itself, as lines.
 *
 * The node answers with JSON; it is laid out here without being understood, so that what a
 * later node says is shown too.
 */
#include "base/bytes.h"
#include "cli/ask.h"
#include "cli/commands.h"

enum { STEP = 2, INDENT_MAX = 64 };

struct layout {
    struct cs_buffer out;
    int indent;
    bool is_line_open; // something stands on the line
};

static void say(struct layout *layout, char byte)
{
    if (!layout->is_line_open) {
        for (int i = 0; i < layout->indent; i++) {
            buffer_append(&layout->out, " ", 1);
        }
        layout->is_line_open = true;
    }
    buffer_append(&layout->out, &byte, 1);
}

static void end_line(struct layout *layout)
{
    if (layout->is_line_open) {
        buffer_append(&layout->out, "\n", 1);
        layout->is_line_open = false;
    }
}

/* `{` and `[` go one step in, `}` and `]` one out, `,` ends a line. */
static void lay_out(struct layout *layout, char byte)
{
    bool is_deeper = byte == '{' || byte == '[';
    if (is_deeper || byte == '}' || byte == ']') {
        if (is_deeper && layout->out.bytes > 0 && !layout->is_line_open) {
            say(layout, '-'); // an item of a list
        }
        end_line(layout);
        int indent = layout->indent + (is_deeper ? STEP : -STEP);
        layout->indent = indent < -STEP        ? -STEP
                         : indent > INDENT_MAX ? INDENT_MAX
                                               : indent;
    } else if (byte == ',') {
        end_line(layout);
    } else if (byte == ':') {
        say(layout, ':');
        say(layout, ' ');
    } else if ((unsigned char)byte > ' ') {
        say(layout, byte);
    }
}

static void lay_out_all(struct layout *layout, const char *json, size_t bytes)
{
    bool is_in_string = false;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)json[i];
        bool is_escaped = is_in_string && byte == '\\' && i + 1 < bytes;
        if (is_escaped) {
            say(layout, '\\');
            byte = (unsigned char)json[++i];
        } else if (byte == '"') {
            is_in_string = !is_in_string;
            continue;
        }
        if (!is_in_string) {
            lay_out(layout, (char)byte);
        } else {
            say(layout, byte < 0x20 || byte == 0x7f ? '?' : (char)byte);
        }
    }
    end_line(layout);
}

int cli_run_status(int argc, char **argv)
{
    struct ask ask;
    int code = 0;
    if (!ask_parse(&ask, ASK_STATUS, argc, argv, &code)) {
        return code;
    }
    consens_request_t *request = consens_request_status();
    consens_future_t *future = ask_send(&ask, &request, &code);
    if (future == NULL) {
        return code;
    }
    const struct consens_answer *answer = consens_future_get(future);
    bool is_written = true;
    if (code == CLI_OK && answer->value != NULL) {
        struct layout layout = {.indent = -STEP};
        if (ask.is_json) {
            buffer_append(&layout.out, answer->value, answer->value_bytes);
            buffer_append(&layout.out, "\n", 1);
        } else {
            lay_out_all(&layout, answer->value, answer->value_bytes);
        }
        is_written =
            fwrite(layout.out.data, 1, layout.out.bytes, stdout) == layout.out.bytes;
        is_written = fflush(stdout) == 0 && is_written;
        buffer_fini(&layout.out);
    } else if (ask.is_json) {
        is_written = ask_print_json(&ask, answer);
    }
    return ask_end(&future, code, is_written);
}
