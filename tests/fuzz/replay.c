/* SPDX-License-Identifier: Apache-2.0 */
/* The driver without a fuzzer: calls the target once with each file of its corpus, or with the files that are named. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include "fuzz.h"

static void replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = -1;

    /* Said first: a target that gives up ends the program. */
    fprintf(stderr, "%s\n", path);
    if (!file || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0) {
        perror(path);
        exit(1);
    }
    rewind(file);
    AUTO(free_auto) uint8_t *bytes =
        malloc((size_t)size + !size); /* not a byte too many: the sanitizer sees a step beyond */
    assert(bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size);
    (void)fclose(file);
    (void)LLVMFuzzerTestOneInput(bytes, (size_t)size);
}

static int replay_folder(const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort), replayed = 0;

    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            AUTO(free_auto) char *path = mem_printf("%s/%s", folder, entries[i]->d_name);
            replay(path);
            replayed++;
        }
        free(entries[i]);
    }
    free(entries);
    return replayed;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    int replayed = argc > 1 ? argc - 1 : replay_folder(FUZZ_CORPUS);
    if (replayed == 0) {
        fprintf(stderr, "no file in %s\n", FUZZ_CORPUS);
        return 1;
    }
    printf("%d inputs\n", replayed);
    return 0;
}
