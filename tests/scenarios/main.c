#include "scenarios/world.h"

#include <string.h>

/* scenarios [--rewrite] FILE...: replays transcripts; ends with `N passed, N failed`. */

int main(int argc, char **argv)
{
    bool is_rewritten = argc > 1 && strcmp(argv[1], "--rewrite") == 0;
    int passed = 0;
    int failed = 0;
    for (int i = is_rewritten ? 2 : 1; i < argc; i++) {
        struct world *world = world_new(); // a file knows nothing of the one before
        bool is_good = transcript_replay(world, argv[i], is_rewritten);
        passed += is_good;
        failed += !is_good;
        world_destroy(&world);
    }
    (void)printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
