#include "loadtest/driver.h"

enum { STAMP_DIGITS = 16 };

const char *driver_result_name(uint32_t result)
{
    static const char *const names[] = {"no_answer", "disconnected", "not_connected",
                                        "unavailable", "garbled"};
    if (result < CS_STATUS_COUNT) {
        return status_word((enum cs_status)result);
    }
    return result < DRIVER_RESULTS ? names[result - CS_STATUS_COUNT] : "unknown_result";
}

bool driver_result_is_answer(uint32_t result)
{
    return result < CS_STATUS_COUNT &&
           (status_applied((enum cs_status)result) == CS_APPLIED_YES ||
            result == CS_NOT_FOUND || result == CS_NOT_MODIFIED ||
            result == CS_PRECONDITION);
}

bool driver_result_is_unknown(uint32_t result)
{
    return result >= CS_STATUS_COUNT
               ? result != DRIVER_NOT_SENT && result != DRIVER_UNAVAILABLE
               : status_applied((enum cs_status)result) == CS_APPLIED_UNKNOWN;
}

void driver_put_value(uint8_t *to, uint64_t value, uint32_t value_bytes)
{
    static const char digits[] = "0123456789abcdef";
    memset(to, '.', value_bytes);
    for (uint32_t i = 0; i < STAMP_DIGITS && i < value_bytes; i++) {
        to[i] = (uint8_t)digits[value >> (60 - 4 * i) & 15];
    }
}

static int digit_of(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

uint64_t driver_read_value(struct cs_view bytes)
{
    uint64_t value = 0;
    if (bytes.bytes < STAMP_DIGITS) {
        return DRIVER_NO_VALUE;
    }
    for (size_t i = 0; i < bytes.bytes; i++) {
        int digit = i < STAMP_DIGITS ? digit_of(bytes.data[i]) : 0;
        if (digit < 0 || (i >= STAMP_DIGITS && bytes.data[i] != '.')) {
            return DRIVER_NO_VALUE;
        }
        if (i < STAMP_DIGITS) {
            value = value << 4 | (uint64_t)digit;
        }
    }
    return value;
}
