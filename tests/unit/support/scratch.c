#include "unit/support/scratch.h"

#include "base/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 16, WORD_BYTES = 512 };

static char directory[] = "/tmp/consens-test.XXXXXX";
static char directory_before[4096];

static int redirect(int descriptor, const char *name);
static void restore(int descriptor, int saved);
static void read_back(const char *name, char *out_text, size_t text_bytes);

int scratch_enter(void **state)
{
    (void)state;
    CHECK(getcwd(directory_before, sizeof directory_before) != NULL);
    memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
    CHECK(mkdtemp(directory) != NULL);
    return chdir(directory);
}

int scratch_leave(void **state)
{
    (void)state;
    DIR *listing = opendir(".");
    CHECK(listing != NULL);
    for (struct dirent *entry = readdir(listing); entry != NULL;
         entry = readdir(listing)) {
        if (entry->d_name[0] != '.') {
            CHECK(remove(entry->d_name) == 0);
        }
    }
    (void)closedir(listing);
    CHECK(chdir(directory_before) == 0);
    return rmdir(directory);
}

void scratch_write(const char *name, const char *text)
{
    scratch_write_bytes(name, text, strlen(text));
}

void scratch_write_bytes(const char *name, const void *data, size_t bytes)
{
    FILE *file = fopen(name, "w");
    CHECK(file != NULL);
    CHECK(fwrite(data, 1, bytes, file) == bytes);
    CHECK(fclose(file) == 0);
}

void scratch_run(int (*main_function)(int argc, char **argv),
                 const char *const *words,
                 struct scratch_run *out_run)
{
    static char texts[WORDS_MAX][WORD_BYTES];
    char *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0;
    while (words[argc] != NULL) {
        CHECK(argc < WORDS_MAX);
        (void)snprintf(texts[argc], WORD_BYTES, "%s", words[argc]);
        argv[argc] = texts[argc];
        argc++;
    }
    int saved_out = redirect(STDOUT_FILENO, "captured-out");
    int saved_err = redirect(STDERR_FILENO, "captured-err");
    out_run->code = main_function(argc, argv);
    restore(STDOUT_FILENO, saved_out);
    restore(STDERR_FILENO, saved_err);
    read_back("captured-out", out_run->out, sizeof out_run->out);
    read_back("captured-err", out_run->err, sizeof out_run->err);
}

static int redirect(int descriptor, const char *name)
{
    (void)fflush(NULL);
    int saved = dup(descriptor);
    int file = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(saved >= 0 && file >= 0);
    CHECK(dup2(file, descriptor) == descriptor);
    (void)close(file);
    return saved;
}

static void restore(int descriptor, int saved)
{
    (void)fflush(NULL);
    CHECK(dup2(saved, descriptor) == descriptor);
    (void)close(saved);
}

static void read_back(const char *name, char *out_text, size_t text_bytes)
{
    FILE *file = fopen(name, "r");
    CHECK(file != NULL);
    size_t bytes = fread(out_text, 1, text_bytes - 1, file);
    out_text[bytes] = '\0';
    (void)fclose(file);
}
