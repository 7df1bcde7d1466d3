#include "config/names.h"

#include <stdbool.h>
#include <string.h>

enum { ROW_CELLS = NAMES_BYTES_MAX + 1 };

static void fill_row(size_t rows[3][ROW_CELLS],
                     size_t row,
                     const char *left,
                     const char *right,
                     size_t right_bytes);
static size_t min_of(size_t left, size_t right);

size_t name_distance(const char *left, const char *right)
{
    size_t left_bytes = strlen(left);
    size_t right_bytes = strlen(right);
    if (left_bytes > NAMES_BYTES_MAX || right_bytes > NAMES_BYTES_MAX) {
        return NAMES_BYTES_MAX;
    }

    size_t rows[3][ROW_CELLS] = {0}; // row i lives in rows[i % 3]
    for (size_t column = 0; column <= right_bytes; column++) {
        rows[0][column] = column;
    }
    for (size_t row = 1; row <= left_bytes; row++) {
        fill_row(rows, row, left, right, right_bytes);
    }
    return rows[left_bytes % 3][right_bytes];
}

const char *name_find_nearest(const char *given, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t nearest_distance = (strlen(given) + 2) / 3 + 1; // the first distance too far
    for (size_t i = 0; i < count; i++) {
        size_t distance = name_distance(given, names[i]);
        // All letters replaced is another name, not a mistake.
        if (distance < nearest_distance && distance < strlen(names[i])) {
            nearest = names[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}

static void fill_row(size_t rows[3][ROW_CELLS],
                     size_t row,
                     const char *left,
                     const char *right,
                     size_t right_bytes)
{
    size_t *now = rows[row % 3];
    const size_t *above = rows[(row + 2) % 3];
    const size_t *above_two = rows[(row + 1) % 3];
    now[0] = row;
    for (size_t column = 1; column <= right_bytes; column++) {
        bool is_same = left[row - 1] == right[column - 1];
        size_t cost = above[column - 1] + (is_same ? 0 : 1);
        cost = min_of(cost, above[column] + 1);
        cost = min_of(cost, now[column - 1] + 1);
        bool is_swap = row > 1 && column > 1 && left[row - 1] == right[column - 2] &&
                       left[row - 2] == right[column - 1];
        if (is_swap) {
            cost = min_of(cost, above_two[column - 2] + 1);
        }
        now[column] = cost;
    }
}

static size_t min_of(size_t left, size_t right)
{
    return left < right ? left : right;
}
