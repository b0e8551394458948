/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus against an API server: writes what is posted, and compares the answers with the decoder.
 *
 *   mplan_post plans DIR FILE...      DIR/NNN.json, one MigrationPlan each
 *   mplan_post compare DIR FILE...    DIR/NNN.answer against the decoder: same verdict, same defaults
 *   mplan_post messages DIR CRD       each rule's message of the CRD is in some answer
 *   mplan_post statuses DIR FILE      DIR/NNN.json, what status_format() makes of each status
 *   mplan_post kept DIR FILE          DIR/NNN.answer has exactly that status
 *
 * Says what differs on stdout; the exit code is 1 then. */
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/yaml.h"
#include "manifest/manifest.h"
#include "model/mplan.h"
#include "model/status.h"
#include "tests/support/mplan_corpus.h"

#define ANSWER_MAX ((size_t)16 * 1024 * 1024)

static int problems;

__attribute__((format(printf, 2, 3))) static void differs(const char *name, const char *fmt, ...)
{
    va_list args;
    problems++;
    (void)printf("%s: ", name);
    va_start(args, fmt);
    (void)vprintf(fmt, args);
    va_end(args);
    (void)printf("\n");
}

static struct err *write_json(const char *dir, size_t number, const struct json *object)
{
    AUTO(free_auto) char *path = mem_printf("%s/%04zu.json", dir, number);
    AUTO(free_auto) char *text = json_text(object);
    return file_write_atomic(path, text, strlen(text), 0644);
}

static struct err *read_answer(const char *dir, size_t number, struct json **out)
{
    AUTO(free_auto) char *path = mem_printf("%s/%04zu.answer", dir, number);
    AUTO(buf_done) struct buf text = BUF(ANSWER_MAX);
    TRY(file_read(path, &text));
    return json_parse(buf_text(&text), text.len, path, out);
}

/* ---- plans ------------------------------------------------------------------------------------- */

static struct err *write_plans(const char *dir, char **files, size_t count)
{
    AUTO(corpus_done) struct corpus corpus;
    TRY(corpus_read((const char *const *)files, count, &corpus));
    for (size_t i = 0; i < corpus.count; i++) {
        TRY(write_json(dir, i, corpus.cases[i].object));
    }
    return NULL;
}

/* Decoder: "spec.a[0].b: ..."; the API server names the same field, or what it is in: the map of a
 * key, the list of a name that is used twice. */
static bool names_path(const char *said, const char *error)
{
    size_t n = strcspn(error, " ");
    n -= n > 0 && error[n - 1] == ':';
    AUTO(free_auto) char *path = mem_strndup(error, n);

    do { /* spec alone says nothing about spec.source */
        path[n] = '\0';
        if (strstr(said, path)) {
            return true;
        }
        while (n > 0 && path[n] != '.' && path[n] != '[') {
            n--;
        }
    } while (n > strlen("spec"));
    return false;
}

static void compare_case(const struct corpus_case *c, const struct json *answer)
{
    AUTO(mplan_done) struct mplan plan;
    AUTO(err_free_auto) struct err *e = mplan_decode(c->object, &plan);
    const char *kind = json_get_string(answer, "kind");
    bool taken = str_eq(kind, "MigrationPlan");
    const char *said = taken ? "" : json_get_string(answer, "message");
    int64_t code = json_get_int64(answer, "code", 0);

    if (!taken && code != 400 && code != 422) {
        differs(c->name, "no verdict: %s", said ? said : "(not an answer)");
    } else if (taken != (c->want != CORPUS_INVALID)) {
        differs(c->name, "the API server says: %s", taken ? "valid" : said);
    } else if ((e == NULL) != (c->want == CORPUS_VALID)) {
        differs(c->name, "the decoder says: %s", e ? e->message : "valid");
    } else if (e && !taken && !names_path(said, e->message)) {
        differs(c->name, "the API server names another field: %s", said);
    } else if (!e && !json_equal(json_get(answer, "spec"), plan.defaulted)) {
        AUTO(free_auto) char *theirs = json_text_sorted(json_get(answer, "spec"));
        AUTO(free_auto) char *ours = json_text_sorted(plan.defaulted);
        differs(c->name, "other defaults\n  API server: %.2000s\n  decoder:    %.2000s", theirs,
                ours);
    }
}

static struct err *compare_plans(const char *dir, char **files, size_t count)
{
    AUTO(corpus_done) struct corpus corpus;
    TRY(corpus_read((const char *const *)files, count, &corpus));
    for (size_t i = 0; i < corpus.count; i++) {
        AUTO(json_free_auto) struct json *answer = NULL;
        TRY(read_answer(dir, i, &answer));
        compare_case(&corpus.cases[i], answer);
    }
    return NULL;
}

/* ---- messages ---------------------------------------------------------------------------------- */

static void add_messages(const struct json *node, struct strlist *out)
{
    const struct json *rules = json_get(node, "x-kubernetes-validations");
    for (const struct json *r = json_first(rules); r; r = json_next(r)) {
        const char *message = json_get_string(r, "message");
        if (message && !strlist_has(out, message)) {
            strlist_add(out, message);
        }
    }
    for (const struct json *n = json_first(node); n; n = json_next(n)) {
        add_messages(n, out);
    }
}

static struct err *all_answers(const char *dir, struct buf *out)
{
    AUTO(free_auto) char *pattern = mem_printf("%s/*.answer", dir);
    glob_t found = { 0 };
    struct err *e = NULL;
    (void)glob(pattern, 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc && !e; i++) {
        AUTO(buf_done) struct buf one = BUF(ANSWER_MAX);
        AUTO(json_free_auto) struct json *answer = NULL;
        e = file_read(found.gl_pathv[i], &one);
        e = e ? e : json_parse(buf_text(&one), one.len, found.gl_pathv[i], &answer);
        const char *message = json_get_string(answer, "message");
        buf_adds(out, message ? message : "");
    }
    globfree(&found);
    return e;
}

static struct err *check_messages(const char *dir, const char *crd)
{
    AUTO(buf_done) struct buf text = BUF((size_t)1024 * 1024);
    AUTO(buf_done) struct buf answers = BUF(ANSWER_MAX);
    AUTO(yaml_docs_done) struct yaml_docs docs = { 0 };
    AUTO(strlist_done) struct strlist messages = { 0 };

    TRY(file_read(crd, &text));
    TRY(yaml_parse(buf_text(&text), text.len, crd, &docs));
    TRY(all_answers(dir, &answers));
    add_messages(docs.docs[0], &messages);
    for (size_t i = 0; i < messages.count; i++) {
        if (!strstr(buf_text(&answers), messages.items[i])) {
            differs(crd, "no answer says: %s", messages.items[i]);
        }
    }
    if (messages.count < 20) {
        differs(crd, "only %zu messages", messages.count);
    }
    return NULL;
}

/* ---- statuses ---------------------------------------------------------------------------------- */

static struct json *formatted(const struct json *document)
{
    AUTO(status_done) struct status status;
    int64_t copies = json_get_int64(document, "databases", 0);
    status_parse(json_get(document, "status"), &status);
    if (copies > 0 && status.database_count == 1) {
        AUTO(json_free_auto) struct json *large = json_copy(json_get(document, "status"));
        struct json *list = json_get_mut(large, "databases");
        for (int64_t i = 1; i < copies; i++) {
            json_push(list, json_copy(json_first(list)));
        }
        status_done(&status);
        status_parse(large, &status);
    }
    return status_format(&status);
}

static struct err *each_status(const char *dir, const char *file, bool compare)
{
    AUTO(buf_done) struct buf text = BUF((size_t)1024 * 1024);
    AUTO(yaml_docs_done) struct yaml_docs docs = { 0 };
    TRY(file_read(file, &text));
    TRY(yaml_parse(buf_text(&text), text.len, file, &docs));
    for (size_t i = 0; i < docs.count; i++) {
        AUTO(json_free_auto) struct json *object = NULL;
        AUTO(json_free_auto) struct json *status = formatted(docs.docs[i]);
        const char *name = json_get_string(docs.docs[i], "name");
        if (!compare) {
            object = json_object();
            struct json *metadata = json_object();
            json_set_string(metadata, "name", "shop");
            json_set_string(object, "apiVersion", "sluice.dev/v1alpha1");
            json_set_string(object, "kind", "MigrationPlan");
            json_set(object, "metadata", metadata);
            json_set(object, "status", json_copy(status));
            TRY(write_json(dir, i, object));
            continue;
        }
        TRY(read_answer(dir, i, &object));
        if (!json_equal(json_get(object, "status"), status)) {
            AUTO(free_auto) char *theirs = json_text_sorted(object);
            AUTO(free_auto) char *ours = json_text_sorted(status);
            differs(name, "not kept\n  API server: %.2000s\n  written:    %.2000s", theirs, ours);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const char *what = argc > 3 ? argv[1] : "";
    AUTO(err_free_auto) struct err *e = NULL;

    if (str_eq(what, "plans")) {
        e = write_plans(argv[2], argv + 3, (size_t)argc - 3);
    } else if (str_eq(what, "compare")) {
        e = compare_plans(argv[2], argv + 3, (size_t)argc - 3);
    } else if (str_eq(what, "messages")) {
        e = check_messages(argv[2], argv[3]);
    } else if (str_eq(what, "statuses") || str_eq(what, "kept")) {
        e = each_status(argv[2], argv[3], str_eq(what, "kept"));
    } else {
        (void)fprintf(stderr, "mplan_post plans|compare|messages|statuses|kept DIR FILE...\n");
        return 2;
    }
    if (e) {
        (void)printf("%s\n", e->message);
    }
    return e || problems ? 1 : 0;
}
