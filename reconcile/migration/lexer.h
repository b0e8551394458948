/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of PostgreSQL and of MySQL/MariaDB, as their servers read them. Internal to migration/.
 * Blanks and comments are skipped. A lexer is a plain value: copy it to remember a place. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "model/engine.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,      /* unquoted identifier or keyword */
    TOKEN_NAME,      /* quoted identifier, with its quotes */
    TOKEN_STRING,    /* literal, with prefix and quotes; a dollar quote is one too */
    TOKEN_NUMBER,    /* also $1 */
    TOKEN_SYMBOL,    /* one byte */
    TOKEN_DELIMITER, /* the delimiter in force (MySQL: not ';' only) */
    TOKEN_CODE_OPEN, /* MySQL: start of a conditional comment that the server executes */
    TOKEN_CODE_CLOSE,
    TOKEN_ERROR, /* lexer.problem at lexer.problem_at */
};

struct token {
    enum token_kind kind;
    size_t start, end; /* bytes [start, end) of the text */
};

#define LEXER_NOWHERE SIZE_MAX

struct lexer {
    enum engine engine;
    int32_t server_version; /* 150020, 101119, 80036; 0: unknown, taken as new */
    const char *text;
    size_t length;
    size_t pos;
    bool backslash;      /* is '\' an escape in plain strings? */
    bool ansi_quotes;    /* MySQL: "x" is an identifier */
    bool in_code;        /* MySQL: inside a conditional comment */
    size_t code_at;      /* where that one began */
    char delimiter[64];  /* MySQL: as DELIMITER set it; "" = ';' */
    size_t directive_at; /* first "-- sluice:" comment passed since this was LEXER_NOWHERE */
    const char *problem; /* static text */
    size_t problem_at;
};

struct lexer lexer_make(enum engine engine, int32_t server_version, const char *text,
                        size_t length);
struct token lexer_next(struct lexer *lx);

/* Behind the quote that ends the text quoted at `at`; a doubled quote stands for itself. 0: no end. */
size_t lexer_quoted_end(const struct lexer *lx, size_t at, char quote, bool backslash);
size_t lexer_line_end(const struct lexer *lx, size_t at); /* of the LF or CR, or the text's end */
struct token lexer_fail(struct lexer *lx, size_t at, const char *problem);
bool lexer_is_digit(char c);

struct token lexer_next_pg(struct lexer *lx);
struct token lexer_next_my(struct lexer *lx);
