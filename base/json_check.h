/* SPDX-License-Identifier: Apache-2.0 */
/* Internal to json.c: is this text JSON as the standard has it, within our limits? */
#pragma once
#include <stddef.h>

/* NULL, or what is wrong (static text) and the byte offset of it. */
const char *json_check(const char *text, size_t length, size_t *at);
