/*
 * replay.c - main of a target without libFuzzer: takes files, or all files of folders, one
 * by one. Without arguments, what the repository keeps for this target:
 * tests/fuzz/corpus/NAME. A file that the target or a sanitizer refuses ends the process;
 * its name is the last line before the report. Closes with `N passed, 0 failed`.
 *
 * Thread: main only.
 */
#include "fuzz/input.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { PATH_BYTES = 1024, INPUT_BYTES_MAX = 4 * 1024 * 1024 };

static int taken_count;

static void take_file(const char *program, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    CHECK(data != NULL);
    size_t bytes = fread(data, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    // Exactly so large, or a read past the end would go unseen.
    uint8_t *exact = malloc(bytes == 0 ? 1 : bytes);
    CHECK(exact != NULL);
    memcpy(exact, data, bytes);
    free(data);
    (void)printf("%s %s\n", program, path);
    (void)fflush(stdout);
    (void)LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
    taken_count++;
}

static void take_path(const char *program, const char *path)
{
    struct stat status = {0};
    if (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
        take_file(program, path);
        return;
    }
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inner[PATH_BYTES];
        (void)snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            take_file(program, inner);
        }
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    char corpus[PATH_BYTES];
    (void)snprintf(corpus, sizeof corpus, "tests/fuzz/corpus/%s",
                   slash == NULL ? argv[0] : slash + 1);
    if (argc < 2) {
        take_path(argv[0], corpus);
    }
    for (int i = 1; i < argc; i++) {
        take_path(argv[0], argv[i]);
    }
    (void)printf("%d passed, 0 failed\n", taken_count);
    return taken_count > 0 ? 0 : 1;
}
