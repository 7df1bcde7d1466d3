/*
 * The heap against a dumb twin: the smallest by looking at all.
 */
#include "engine/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MEMBERS = 50, STEPS = 20000 };

static uint64_t draw(uint64_t *seed, uint64_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % below;
}

static void heap_is_empty_at_first(void **state)
{
    (void)state;
    struct heap heap;
    uint32_t member = 0;
    uint64_t key = 0;
    heap_init(&heap, 4);
    assert_false(heap_first(&heap, &member, &key));
    heap_remove(&heap, 2); // not in: nothing happens
    assert_int_equal(heap.count, 0);
    heap_fini(&heap);
}

static void heap_gives_members_in_order(void **state)
{
    (void)state;
    const uint64_t keys[] = {50, 10, 40, 10, 30};
    const uint64_t sorted[] = {10, 10, 30, 40, 50};
    struct heap heap;
    heap_init(&heap, 5);
    for (uint32_t i = 0; i < 5; i++) {
        heap_add(&heap, i, keys[i]);
    }
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t member = 0;
        uint64_t key = 0;
        assert_true(heap_first(&heap, &member, &key));
        assert_int_equal(key, sorted[i]);
        heap_remove(&heap, member);
    }
    assert_int_equal(heap.count, 0);
    heap_fini(&heap);
}

static void heap_agrees_with_its_dumb_twin(void **state)
{
    (void)state;
    struct heap heap;
    uint64_t keys[MEMBERS];
    bool is_in[MEMBERS] = {false};
    uint64_t seed = 1;
    heap_init(&heap, MEMBERS);
    for (int step = 0; step < STEPS; step++) {
        uint32_t member = (uint32_t)draw(&seed, MEMBERS);
        if (is_in[member]) {
            heap_remove(&heap, member);
            is_in[member] = false;
        } else {
            keys[member] = draw(&seed, 30);
            heap_add(&heap, member, keys[member]);
            is_in[member] = true;
        }
        uint64_t lowest = UINT64_MAX;
        for (uint32_t i = 0; i < MEMBERS; i++) {
            lowest = is_in[i] && keys[i] < lowest ? keys[i] : lowest;
        }
        uint32_t first = 0;
        uint64_t key = UINT64_MAX;
        bool has_first = heap_first(&heap, &first, &key);
        assert_int_equal(has_first, lowest != UINT64_MAX);
        assert_int_equal(key, lowest);
        assert_true(!has_first || (is_in[first] && keys[first] == key));
    }
    heap_fini(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_is_empty_at_first),
        cmocka_unit_test(heap_gives_members_in_order),
        cmocka_unit_test(heap_agrees_with_its_dumb_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
