#include "config/sentence.h"

#include "base/mutant.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* It may quote what somebody set: a terminal is to show that, not to obey it. */
static void make_printable(char *text)
{
    for (; *text != '\0' && !MUTANT_IS(140); text++) {
        *text = (uint8_t)*text < 0x20 || *text == 0x7f ? '?' : *text;
    }
}

bool sentence_set(struct sentence *sentence, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence->text, sizeof sentence->text, format, arguments);
    va_end(arguments);
    make_printable(sentence->text);
    return false;
}

void sentence_add(struct sentence *sentence, const char *format, ...)
{
    size_t used_bytes = strlen(sentence->text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence->text + used_bytes, sizeof sentence->text - used_bytes,
                    format, arguments);
    va_end(arguments);
    make_printable(sentence->text + used_bytes);
}
