/* SPDX-License-Identifier: Apache-2.0 */
/* The live line: the last line of a terminal says what runs and for how long, and leaves nothing behind. Whatever say()
 * prints stands above it. Where stdout is no terminal it does not exist. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

bool live_terminal(FILE *stream); /* one that can move its cursor? */
bool live_start(void);            /* once; then a thread draws. False: there is no live line here */
/* Runs since now: "HEAD 12s  TAIL", cut at the width of the terminal. Not drawn while it is over at once. */
void live_show(const char *head, const char *tail);
void live_hide(void); /* nothing runs */

/* Around each output, by say.c alone. True: there is a live line, which is off the terminal until live_resume(). */
bool live_pause(void);
void live_resume(bool line_ended); /* not drawn into a line that has only begun */
