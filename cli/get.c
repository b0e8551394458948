/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice get`: plans as a table, or whole as kubectl would print them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/plans.h"
#include "cli/render.h"
#include "cli/table.h"
#include "model/reason.h"

struct get_values {
    struct plan_args plan;
};

static const struct option_row get_rows[] = {
    PLAN_OPTIONS(struct get_values),
    { "all-namespaces", 'A', OPTION_FLAG, NULL, "of a cluster, not only of one namespace",
      offsetof(struct get_values, plan.all_namespaces) },
    PLAN_OUTPUT(struct get_values, "wide|json", "more columns; or the whole object"),
};

const struct cli_spec get_spec = {
    .command = "get",
    .synopsis = "[plans | plan/NAME | NAME]",
    .about =
        "Shows the plans, or one of them. Without -n: of a folder every namespace, of a cluster "
        "the\ncontext's (-A: all).",
    .rows = get_rows,
    .row_count = sizeof get_rows / sizeof *get_rows,
    .argument = "plans|plan/NAME",
    .max_words = 2,
};

static void add_head(struct table *t, bool namespaces, bool wide)
{
    static const char *const plain[] = { "NAME", "READY", "REASON", "PROGRESS", "REVISION" };
    static const char *const more[] = { "AGE", "WAVE", "SUSPENDED", "MESSAGE" };

    if (namespaces) {
        table_add(t, INK_HEAD, "NAMESPACE");
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        table_add(t, INK_HEAD, plain[i]);
    }
    for (size_t i = 0; i < (wide ? sizeof more / sizeof *more : 1); i++) {
        table_add(t, INK_HEAD, more[i]);
    }
    t->columns = t->count;
}

static enum ink ready_ink(const struct plan_text *text)
{
    return text->deleting                ? INK_DIM
           : str_eq(text->ready, "True") ? INK_GOOD
           : plan_text_stalled(text)     ? INK_BAD
                                         : INK_WAIT;
}

static void add_row(struct table *t, const struct json *object, bool namespaces, bool wide)
{
    AUTO(plan_text_done) struct plan_text text = { 0 };

    plan_text_make(object, &text);
    if (namespaces) {
        table_add(t, INK_PLAIN, text.namespace_);
    }
    table_add(t, INK_PLAIN, text.name);
    table_add(t, ready_ink(&text), text.deleting ? "Deleting" : text.ready);
    table_add(t, INK_PLAIN, text.reason);
    table_add(t, INK_PLAIN, text.progress);
    table_add(t, INK_PLAIN, text.revision);
    table_add(t, INK_PLAIN, text.age);
    if (wide) {
        table_add(t, INK_PLAIN,
                  text.status.rollout.present && text.status.rollout.wave ? text.status.rollout.wave
                                                                          : "");
        table_add(t, INK_PLAIN, text.suspended ? "True" : "False");
        table_add(t, INK_PLAIN, text.message);
    }
}

static void print_plans(struct json *const *objects, size_t count, bool wide)
{
    AUTO(table_done) struct table t = { .gap = "   " };
    bool namespaces = false;

    for (size_t i = 0; i < count; i++) {
        const char *namespace_ = json_get_string(json_get(objects[i], "metadata"), "namespace");
        namespaces = namespaces || !str_eq(namespace_, "default");
    }
    add_head(&t, namespaces, wide);
    for (size_t i = 0; i < count; i++) {
        add_row(&t, objects[i], namespaces, wide);
    }
    table_print(&t);
}

static struct json *list_of(struct json *const *objects, size_t count)
{
    struct json *list = json_object();
    struct json *items = json_array();

    json_set_string(list, "apiVersion", "v1");
    json_set_string(list, "kind", "List");
    for (size_t i = 0; i < count; i++) {
        json_push(items, json_copy(objects[i]));
    }
    json_set(list, "items", items);
    return list;
}

/* ---- which ones ---------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const struct plan_key *x = a;
    const struct plan_key *y = b;
    int order = strcmp(x->namespace_, y->namespace_);

    return order ? order : strcmp(x->name, y->name);
}

static struct err *read_all(const struct platform *platform, const char *namespace_,
                            struct json ***out, size_t *count)
{
    struct plan_keys keys = { 0 };
    struct err *failed = platform->ops->list_plans(platform->self, &keys);
    size_t cap = 0;

    if (keys.count) {
        qsort(keys.items, keys.count, sizeof *keys.items, by_key);
    }
    for (size_t i = 0; !failed && i < keys.count; i++) {
        struct json *object = NULL;
        if (namespace_ && !str_eq(keys.items[i].namespace_, namespace_)) {
            continue;
        }
        failed = platform->ops->read_plan(platform->self, keys.items[i].namespace_,
                                          keys.items[i].name, &object);
        if (failed && str_eq(failed->reason, REASON_NOT_FOUND)) {
            err_free(failed); /* it went between the two looks */
            failed = NULL;
        } else if (!failed) {
            *out = mem_grow(*out, &cap, *count + 1, sizeof **out);
            (*out)[(*count)++] = object;
        }
    }
    plan_keys_done(&keys);
    return failed;
}

static bool means_all(const struct strlist *words)
{
    return words->count == 0 ||
           (words->count == 1 &&
            (str_eq(words->items[0], "plans") || str_eq(words->items[0], "plan") ||
             str_eq(words->items[0], "mplan") || str_eq(words->items[0], "migrationplans")));
}

static struct err *show(const struct platform *platform, const struct get_values *values,
                        const struct strlist *words, bool json)
{
    bool wide = str_eq(values->plan.output, "wide");
    struct json **objects = NULL;
    size_t count = 0;
    bool all = means_all(words);
    const char *name = NULL;
    struct err *failed = NULL;

    if (all) {
        failed = read_all(platform, values->plan.namespace_, &objects, &count);
    } else {
        const char *namespace_ = plans_namespace(&values->plan, platform);
        objects = mem_array(1, sizeof *objects);
        failed = plan_word(words->items[words->count - 1], &name);
        failed = failed ? failed
                        : platform->ops->read_plan(platform->self, namespace_, name, &objects[0]);
        count = failed ? 0 : 1;
    }
    plans_warn(platform);
    plans_warn_unattended(platform);
    if (!failed && json) {
        render_print(all ? list_of(objects, count) : json_copy(objects[0]));
    } else if (!failed && count == 0) {
        complain("no MigrationPlans found\n");
    } else if (!failed) {
        print_plans(objects, count, wide);
    }
    for (size_t i = 0; i < count; i++) {
        json_free(objects[i]);
    }
    free(objects);
    return failed;
}

int get_main(int argc, char **argv)
{
    struct get_values values = { 0 };
    AUTO(strlist_done) struct strlist words = { 0 };
    AUTO(plans_close) struct platform platform = { 0 };
    bool json = false;
    bool help = false;

    struct err *failed = cli_parse(&get_spec, argc, argv, &values, &words, &help);
    if (help) {
        return 0;
    }
    json = str_eq(values.plan.output, "json");
    failed = failed ? failed : plans_open(&values.plan, &platform);
    failed = failed ? failed : show(&platform, &values, &words, json);
    return failed ? cli_fail("get", failed, json) : 0;
}
