#include "loadtest/words.h"

#include <string.h>

const char *words_of(int error, char out[WORDS_BYTES])
{
    if (strerror_r(error, out, WORDS_BYTES) != 0) {
        out[0] = '\0';
    }
    return out;
}
