/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as kubectl users write it; what two readers could read differently is refused. */
#include <stdlib.h>
#include "base/auto.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/yaml.h"
#include "tests/unit/rows.h"

TestSuite(yaml, .timeout = 60);

Test(yaml, documents_become_json)
{
    static const struct {
        const char *name, *text, *want;
    } rows[] = {
        { "a block mapping", "a: 1\nb:\n  c: x\n", "{\"a\":1,\"b\":{\"c\":\"x\"}}" },
        { "block lists, indented or not", "a:\n- x\n- w\nb:\n  - z\n",
          "{\"a\":[\"x\",\"w\"],\"b\":[\"z\"]}" },
        { "flow style", "{a: [1, 2], b: {c: d}}", "{\"a\":[1,2],\"b\":{\"c\":\"d\"}}" },
        { "JSON is YAML", "{\"a\": [1, true, null, \"x\"]}", "{\"a\":[1,true,null,\"x\"]}" },
        { "null in all its forms", "[~, null, Null, NULL, ]", "[null,null,null,null]" },
        { "an absent value is null", "a:\nb: 1", "{\"a\":null,\"b\":1}" },
        { "booleans", "[true, True, TRUE, false, False, FALSE]",
          "[true,true,true,false,false,false]" },
        { "a word like true is a string", "[tRue, truely]", "[\"tRue\",\"truely\"]" },
        { "integers", "[0, 12, -7, +3]", "[0,12,-7,3]" },
        { "floats", "[1.5, .5, 1e3, -2.5e-1, 1.]", "[1.5,0.5,1000,-0.25,1]" },
        { "quoted scalars are strings", "['1', \"true\", 'null', \"0644\", 'yes', '']",
          "[\"1\",\"true\",\"null\",\"0644\",\"yes\",\"\"]" },
        { "words with digits are strings", "[1.2.3, 10m, 1h30m, v1, 4f2c9e, 12e, 1-2, '-']",
          "[\"1.2.3\",\"10m\",\"1h30m\",\"v1\",\"4f2c9e\",\"12e\",\"1-2\",\"-\"]" },
        { "times and ports stay strings", "[2026-11-22, 22:22, 0.0.0.0]",
          "[\"2026-11-22\",\"22:22\",\"0.0.0.0\"]" },
        { "a literal block keeps line breaks", "a: |\n  x\n   y\n\nb: 1\n",
          "{\"a\":\"x\\n y\\n\",\"b\":1}" },
        { "a literal block may strip the last", "a: |-\n  x\n", "{\"a\":\"x\"}" },
        { "a folded block joins lines", "a: >\n  x\n  y\n", "{\"a\":\"x y\\n\"}" },
        { "a block scalar is never a number", "a: |-\n  12\n", "{\"a\":\"12\"}" },
        { "escapes in double quotes", "a: \"x\\ty\\u00e9\\n\"", "{\"a\":\"x\\ty\xc3\xa9\\n\"}" },
        { "doubled single quotes", "a: 'it''s'", "{\"a\":\"it's\"}" },
        { "comments", "# head\na: 1 # tail\n# end\n", "{\"a\":1}" },
        { "a hash inside a word", "a: x#y", "{\"a\":\"x#y\"}" },
        { "a quoted key may be anything", "\"yes\": 1\n'2': 3", "{\"yes\":1,\"2\":3}" },
        { "keys with slash and dot", "sluice.dev/retry: x", "{\"sluice.dev/retry\":\"x\"}" },
        { "several documents", "a: 1\n---\nb: 2\n...\n---\nc: 3\n", "{\"a\":1}{\"b\":2}{\"c\":3}" },
        { "empty documents are left out", "---\n---\n# nothing\n---\na: 1\n---\n", "{\"a\":1}" },
        { "nothing at all", "", "" },
        { "only a comment", "# x\n", "" },
        { "a byte order mark",
          "\xef\xbb\xbf"
          "a: 1",
          "{\"a\":1}" },
        { "carriage returns", "a: 1\r\nb: x\r\n", "{\"a\":1,\"b\":\"x\"}" },
        { "a placeholder is a string", "paths: [\"sql/${database}\"]",
          "{\"paths\":[\"sql/${database}\"]}" },
        { "the same key in two mappings", "- {a: 1}\n- {a: 1}", "[{\"a\":1},{\"a\":1}]" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        AUTO(yaml_docs_done) struct yaml_docs docs = { 0 };
        AUTO(buf_done) struct buf got = BUF(10000);
        check_error(rows[i].name, yaml_parse(rows[i].text, strlen(rows[i].text), "f", &docs), NULL);
        for (size_t d = 0; d < docs.count; d++) {
            json_write(docs.docs[d], false, &got);
        }
        check_text(rows[i].name, buf_text(&got), rows[i].want);
    }
}

Test(yaml, the_doubtful_is_refused_at_its_place)
{
#define N(text_) .text = (text_), .length = sizeof(text_) - 1
    static const struct {
        const char *name;
        const char *text;
        size_t length;
        const char *want;
    } rows[] = {
        { "yes", N("a: yes"), "f:1:4: YAML readers disagree about yes" },
        { "No as a list entry", N("- ok\n- No\n"), "f:2:3: YAML readers disagree" },
        { "off", N("suspend: off"), "f:1:10: YAML readers disagree" },
        { "on as a key", N("on: push"), "f:1:1: YAML readers disagree" },
        { "y", N("a: y"), "disagree" },
        { "an octal mode", N("mode: 0644"), "f:1:7: YAML readers disagree about this number" },
        { "a new octal", N("mode: 0o644"), "disagree about this number" },
        { "hex", N("a: 0xFF"), "disagree about this number" },
        { "binary", N("a: 0b11"), "disagree about this number" },
        { "underscores", N("a: 1_000"), "disagree about this number" },
        { "leading zeros", N("version: 007"), "disagree about this number" },
        { "infinity", N("a: .inf"), "not a number that JSON has" },
        { "no number", N("a: .NaN"), "not a number that JSON has" },
        { "too large an integer", N("a: 9007199254740993"), "too large: quote it" },
        { "a power beyond 2^53", N("a: 1e16"), "too large: quote it" },
        { "more than 2^53 with a point", N("a: 9007199254740994.0"), "too large: quote it" },
        { "too large a float", N("a: 1e400"), "too large: quote it" },
        { "an anchor", N("a: &x 1\nb: 2"), "f:1:4: anchors and aliases" },
        { "an anchor on a mapping", N("a: &x\n  b: 2"), "anchors and aliases" },
        { "an anchor on a list", N("a: &x [1]"), "anchors and aliases" },
        { "an alias", N("a: *x"), "f:1:4: anchors and aliases" },
        { "a merge key", N("a:\n  <<: {b: 1}"), "f:2:3: merge keys" },
        { "a tag", N("a: !!str 1"), "f:1:4: tags" },
        { "a local tag", N("a: !secret x"), "tags" },
        { "a tag on a mapping", N("a: !!map {b: 1}"), "tags" },
        { "a tag directive", N("%TAG ! tag:x,2000:\n---\na: 1"), "%TAG is not supported" },
        { "a duplicate key", N("a: 1\nb: 2\na: 3"), "f:3:1: duplicate key \"a\"" },
        { "a duplicate key in flow style", N("{a: 1, a: 2}"), "f:1:8: duplicate key" },
        { "a duplicate key, once quoted", N("a: 1\n\"a\": 2"), "duplicate key" },
        { "a number as a key", N("1: x"), "f:1:1: a key must be a string: quote it" },
        { "null as a key", N("~: x"), "a key must be a string" },
        { "a list as a key", N("? [a]\n: b"), "a key must be a string" },
        { "a mapping as a key", N("? {a: 1}\n: b"), "a key must be a string" },
        { "a NUL escape", N("a: \"x\\0y\""), "NUL character" },
        { "a raw control character", N("a: x\x01"), "control characters" },
        { "bad UTF-8", N("a: \xff"), "f:" },
        { "wrong indentation", N("a:\n  b: 1\n c: 2"), "f:3:" },
        { "a tab as indentation", N("a:\n\tb: 1"), "f:2:" },
        { "an open bracket", N("a: [1, 2"), "f:2:1: did not find expected" },
        { "an open quote", N("a: \"x"), "f:1:" },
        { "the error of a later document", N("a: 1\n---\nb: yes\n"), "f:3:4:" },
        { "two values without a separator", N("a: 1 b: 2"), "f:1:" },
    };
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct yaml_docs docs = { 0 };
        check_error(rows[i].name, yaml_parse(rows[i].text, rows[i].length, "f", &docs),
                    rows[i].want);
        cr_expect(docs.count == 0, "%s: nothing is given out", rows[i].name);
    }
}

Test(yaml, each_document_knows_its_first_line)
{
    const char *text = "# c\na: 1\n---\n\n\nb: 2\n---\n[x]\n";
    AUTO(yaml_docs_done) struct yaml_docs docs = { 0 };
    check_error("lines", yaml_parse(text, strlen(text), "f", &docs), NULL);
    cr_assert(docs.count == 3);
    cr_expect(docs.lines[0] == 2 && docs.lines[1] == 6 && docs.lines[2] == 8, "%d %d %d",
              docs.lines[0], docs.lines[1], docs.lines[2]);
}

Test(yaml, depth_and_size_are_bounded)
{
    static const char *const pieces[] = { "[", "{a: ", "- ", "? ", "[{a: " };
    for (size_t i = 0; i < ROWS(pieces); i++) {
        AUTO(buf_done) struct buf text = BUF(LIMIT_YAML_TEXT);
        while (!text.failed) {
            buf_adds(&text, pieces[i]);
        }
        struct yaml_docs docs = { 0 };
        struct err *e = yaml_parse(text.data, text.len, "f", &docs);
        cr_expect(e != NULL, "4 MiB of \"%s\" are refused", pieces[i]);
        err_free(e);
    }
    AUTO(free_auto) char *big = mem_alloc(LIMIT_YAML_TEXT + 2);
    memset(big, ' ', LIMIT_YAML_TEXT + 1);
    struct yaml_docs docs = { 0 };
    check_error("one byte too many", yaml_parse(big, LIMIT_YAML_TEXT + 1, "f", &docs),
                "larger than");
}

Test(yaml, a_large_mapping_does_not_take_quadratic_time)
{
    AUTO(buf_done) struct buf text = BUF(LIMIT_YAML_TEXT);
    for (int i = 0; i < 100000; i++) {
        buf_addf(&text, "key%d: %d\n", i, i);
    }
    AUTO(yaml_docs_done) struct yaml_docs docs = { 0 };
    check_error("100,000 keys", yaml_parse(text.data, text.len, "f", &docs), NULL);
    cr_assert(docs.count == 1);
    cr_expect(json_count(docs.docs[0]) == 100000);
}

/* 4 MiB of them took 12 s: the list grew by one at a time. */
Test(yaml, ten_thousand_documents_are_the_most)
{
    static const char *const tiny[] = { "a\n---\n", "---\n", "--- {}\n" };
    for (size_t i = 0; i < ROWS(tiny); i++) {
        AUTO(buf_done) struct buf text = BUF(LIMIT_YAML_TEXT);
        struct yaml_docs docs = { 0 };
        for (int n = 0; n < LIMIT_YAML_DOCUMENTS - 1; n++) {
            buf_adds(&text, tiny[i]);
        }
        check_error(tiny[i], yaml_parse(buf_text(&text), text.len, "f", &docs), NULL);
        yaml_docs_done(&docs);
        while (text.len + 16 < LIMIT_YAML_TEXT) {
            buf_adds(&text, tiny[i]);
        }
        check_error(tiny[i], yaml_parse(buf_text(&text), text.len, "f", &docs),
                    "more than 10000 documents in one file");
    }
}
