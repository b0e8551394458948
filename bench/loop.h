/* SPDX-License-Identifier: Apache-2.0 */
/* What both raw loops share: the files of a folder, sorted by name, with a checksum of each. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct loop_file {
    char *name;
    char *text; /* ends with a NUL that is not counted in length */
    size_t length;
    uint32_t checksum; /* CRC-32 of the text */
    int pending;       /* no row of the versions table has this name */
};

struct loop_files {
    struct loop_file *items;
    size_t count;
    size_t compared; /* how many of them have a row, up to now */
};

/* Reads every *.sql of FOLDER, contents too. Ends the program with a message on any error. */
void loop_read(const char *folder, struct loop_files *out);

/*
 * A row of the versions table, in the order of names: the file of this name must be there and have this
 * checksum. Ends the program with a message if it does not.
 */
void loop_compare(struct loop_files *files, const char *name, const char *checksum);

/* Says on stderr what is wrong, and ends with code 1. */
void loop_fail(const char *what, const char *why) __attribute__((noreturn));
