/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a folder, read and compared as a short script of one's own would do it. */
#include "bench/loop.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

void loop_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static int is_sql(const struct dirent *entry)
{
    const size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".sql") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_file(int folder, struct loop_file *file)
{
    struct stat st;
    const int fd = openat(folder, file->name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        loop_fail(file->name, strerror(errno));
    }
    file->length = (size_t)st.st_size;
    file->text = malloc(file->length + 1);
    if (!file->text) {
        loop_fail(file->name, "out of memory");
    }
    if (read(fd, file->text, file->length) != (ssize_t)file->length) {
        loop_fail(file->name, "could not be read");
    }
    file->text[file->length] = '\0';
    close(fd);
    file->checksum = (uint32_t)crc32(0, (const unsigned char *)file->text, (unsigned)file->length);
}

void loop_read(const char *folder, struct loop_files *out)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_sql, by_name);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (count < 0 || fd < 0) {
        loop_fail(folder, strerror(errno));
    }
    *out = (struct loop_files){ .items = calloc((size_t)count + 1, sizeof *out->items),
                                .count = (size_t)count };
    if (!out->items) {
        loop_fail(folder, "out of memory");
    }
    for (int i = 0; i < count; i++) {
        struct loop_file *file = &out->items[i];
        file->name = strdup(entries[i]->d_name);
        free(entries[i]);
        if (!file->name) {
            loop_fail(folder, "out of memory");
        }
        file->pending = 1;
        read_file(fd, file);
    }
    free(entries);
    close(fd);
}

void loop_compare(struct loop_files *files, const char *name, const char *checksum)
{
    char here[16];
    while (files->compared < files->count && strcmp(files->items[files->compared].name, name) < 0) {
        files->compared++;
    }
    if (files->compared == files->count || strcmp(files->items[files->compared].name, name) != 0) {
        loop_fail(name, "is applied, but there is no such file");
    }
    struct loop_file *file = &files->items[files->compared++];
    snprintf(here, sizeof here, "%u", file->checksum);
    if (strcmp(here, checksum) != 0) {
        loop_fail(name, "was changed after it was applied");
    }
    file->pending = 0;
}
