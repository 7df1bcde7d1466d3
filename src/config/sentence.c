#include "config/sentence.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool sentence_set(struct sentence *sentence, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence->text, sizeof sentence->text, format, arguments);
    va_end(arguments);
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
}
