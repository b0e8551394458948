/* SPDX-License-Identifier: Apache-2.0 */
/* The one way of a command's text to stdout and stderr. Whatever comes as an argument may be foreign (of a repository,
 * a database, a server): it is made printable here, so that no caller can forget it. The format itself is ours.
 * Any thread. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

/* Takes %d %i %u %x %c %s %f %% with flags, width, precision and the lengths h l ll z. A %s is one line: its line breaks
 * are spelled out (str_printable); its width counts columns of a terminal, its precision bytes. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));      /* stdout */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* stderr */
/* Foreign text of several lines, as it is but for what a terminal would obey (str_printable_lines). */
void say_lines(const char *text);
void complain_lines(const char *text);

enum ink { /* meaning, not colour: few, and never the only sign of anything */
    INK_PLAIN,
    INK_HEAD, /* of a table */
    INK_GOOD,
    INK_BAD,
    INK_WAIT, /* not yet, or a person should look */
    INK_DIM,  /* neither here nor there */
};
/* In colour where that is wanted. */
void say_in(enum ink ink, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void complain_in(enum ink ink, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --color WHEN: "auto" (a terminal, TERM is not dumb, NO_COLOR is not set), "always", "never"; false: another word. */
bool say_color(const char *when);
