/* SPDX-License-Identifier: Apache-2.0 */
/* Flyway's checksum: every vector that its own calculator confirmed, and stored names. */
#include "migration_support.h"

struct vector {
    const char *rule;
    const char *bytes;
    size_t size;
    bool error;
    size_t bad_offset;
    int32_t checksum;
};

#define ROW(rule, bytes, checksum)                                                                 \
    {                                                                                              \
        rule, bytes, sizeof(bytes) - 1, false, 0, checksum                                         \
    }
#define BAD(rule, bytes, offset)                                                                   \
    {                                                                                              \
        rule, bytes, sizeof(bytes) - 1, true, offset, 0                                            \
    }
#define BOM "\xef\xbb\xbf"

static const struct vector vectors[] = {
    ROW("an empty file is 0", "", 0),
    ROW("one newline is 0", "\n", 0),
    ROW("a byte order mark alone is 0", BOM, 0),
    ROW("a final newline may be missing", "SELECT 1;", 78787420),
    ROW("LF does not count", "SELECT 1;\n", 78787420),
    ROW("CRLF does not count", "SELECT 1;\r\n", 78787420),
    ROW("CR does not count", "SELECT 1;\r", 78787420),
    ROW("blank lines at the end do not count", "SELECT 1;\n\n\n", 78787420),
    ROW("blank lines at the start do not count", "\n\nSELECT 1;\n", 78787420),
    ROW("a byte order mark does not count", BOM "SELECT 1;\n", 78787420),
    ROW("only one mark is removed", BOM BOM "SELECT 1;\n", -1606921097),
    ROW("a mark in line 2 counts", "SELECT 1;\n" BOM "SELECT 2;\n", -737986772),
    ROW("a mark behind an empty first line counts", "\n" BOM "SELECT 1;\n", -1606921097),
    ROW("several lines", "CREATE TABLE t (\n  id INT\n);\n", -1540334349),
    ROW("several lines, CRLF", "CREATE TABLE t (\r\n  id INT\r\n);\r\n", -1540334349),
    ROW("line breaks inside do not count", "CREATE TABLE t (  id INT);", -1540334349),
    ROW("a trailing blank counts", "SELECT 1; \n", -1951047511),
    ROW("a tab counts", "SELECT\t1;\n", 858672691),
    ROW("UTF-8",
        "INSERT INTO t VALUES ('\xc5\xbelu\xc5\xa5ou\xc4\x8dk\xc3\xbd k\xc5\xaf\xc5\x88 "
        "\xe2\x82\xac');\n",
        -539513205),
    ROW("UTF-8 of four bytes", "-- \xf0\x9f\x9a\x80\n", 1607120404),
    ROW("U+2028 is no line break",
        "a\xe2\x80\xa8"
        "b\n",
        978390342),
    ROW("NEL is no line break",
        "a\xc2\x85"
        "b\n",
        -709009106),
    ROW("VT and FF are no line breaks",
        "a\x0b"
        "b\x0c"
        "c\n",
        -2043916735),
    ROW("NUL is an ordinary character", "a\0b\n", 367556721),
    ROW("LF and then CR are two breaks", "a\n\rb\n", -1635563411),
    ROW("plain", "create table t1(id int);\n", -582081068),
    ROW("a placeholder is not replaced", "INSERT INTO t VALUES ('${env}');\n", 318952014),
    ROW("a comment alone counts", "-- only\n", -2006429054),
    BAD("a stray byte is an error", "SELECT '\xff';\n", 8),
    BAD("an encoded surrogate is an error", "SELECT '\xed\xa0\x80';\n", 8),
    BAD("a cut sequence is an error", "SELECT '\xe2\x82", 8),
    BAD("Latin-1 is an error", "INSERT INTO t VALUES ('caf\xe9');\n", 26),
    BAD("an overlong form is an error", "\xc0\xaf", 0),
};

Test(checksum, vectors)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const struct vector *v = &vectors[i];
        int32_t checksum = 0;
        size_t bad = 0;
        bool ok = checksum_make((const uint8_t *)v->bytes, v->size, &checksum, &bad);
        cr_expect_eq(ok, !v->error, "%s", v->rule);
        cr_expect_eq(checksum, v->checksum, "%s: %d", v->rule, checksum);
        cr_expect_eq(bad, v->bad_offset, "%s: offset %zu", v->rule, bad);
    }
}

struct replaced {
    const char *text;
    int32_t checksum;
};

static const struct replaced replaced[] = {
    { "INSERT INTO t VALUES ('${env}');\n", -1189995806 },
    { "a ${env} b\n", -1324385391 },
    { "$${env}\n", -1379834139 },
    { "$$${env}\n", 855731879 },
    { "x$${env}y\n", -481928306 },
    { "${ENV} ${Env}\n", -2109818073 },
    { "${empty}${env}\n", 292811013 },
    { "${multi};\n", 1351915524 },
    { "$\n{env}\n", -1164114505 },
    { BOM "${env}\n", 292811013 },
    { "'$$ ${env} $$'\n", 1044107092 },
    { "${FLYWAY:TABLE}\n", -107113078 },
};

Test(checksum, a_repeatable_is_stored_with_the_checksum_after_replacement)
{
    struct kvlist user = { 0 };
    kvlist_set(&user, "env", "dev");
    kvlist_set(&user, "empty", "");
    kvlist_set(&user, "multi", "a\nb");
    struct placeholders p = { .replacement = true,
                              .user = &user,
                              .table = "flyway_schema_history" };

    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) {
        struct migration m =
            support_migration("R__x.sql", replaced[i].text, strlen(replaced[i].text));
        int32_t checksum = 0;
        m.kind = MIGRATION_REPEATABLE;
        support_expect_ok(placeholders_checksum(&m, &p, &checksum), replaced[i].text);
        cr_expect_eq(checksum, replaced[i].checksum, "%s: %d", replaced[i].text, checksum);
    }
    kvlist_set(&user, "env", "prod");
    struct migration prod =
        support_migration("R__x.sql", replaced[0].text, strlen(replaced[0].text));
    int32_t checksum = 0;
    prod.kind = MIGRATION_REPEATABLE;
    support_expect_ok(placeholders_checksum(&prod, &p, &checksum), "prod");
    cr_expect_eq(checksum, 919421664);
    kvlist_done(&user);
}

Test(checksum, a_versioned_file_keeps_its_raw_checksum)
{
    struct placeholders p = { .replacement = true };
    struct migration m = support_migration("V1__x.sql", "${undefined}", 12);
    int32_t checksum = 0;

    m.raw_checksum = 4711;
    support_expect_ok(placeholders_checksum(&m, &p, &checksum), "versioned");
    cr_expect_eq(checksum, 4711);
}

static void expect_stored(char *actual, const char *expected)
{
    cr_expect_str_eq(actual, expected);
    free(actual);
}

Test(checksum, long_descriptions_and_scripts_are_cut_as_flyway_cuts)
{
    char text[1202];
    memset(text, 'x', sizeof text);
    text[200] = '\0';
    expect_stored(description_stored(text), text);
    text[200] = 'y';
    text[201] = '\0';
    char cut[204];
    memset(cut, 'x', 197);
    memcpy(cut + 197, "...", 4);
    expect_stored(description_stored(text), cut);

    /* 100 rockets are 200 UTF-16 units; one more unit cuts at 197, inside the 99th. */
    char rockets[512] = "";
    for (int i = 0; i < 100; i++) {
        memcpy(rockets + 4 * i, "\xf0\x9f\x9a\x80", 5);
    }
    expect_stored(description_stored(rockets), rockets);
    memcpy(rockets + 400, "a", 2);
    char *stored = description_stored(rockets);
    cr_expect_eq(strlen(stored), 98 * 4 + 3);
    free(stored);

    memset(text, 's', 1201);
    memcpy(text, "abcdef", 6);
    text[1001] = '\0';
    char *script = script_stored(text);
    cr_expect_eq(strlen(script), 1000);
    cr_expect(strncmp(script, "...defss", 8) == 0);
    free(script);
    text[1000] = '\0';
    expect_stored(script_stored(text), text);
}
