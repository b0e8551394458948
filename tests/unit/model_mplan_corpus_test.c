/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder's verdict on every MigrationPlan of tests/corpus/mplan/; tests/cluster/crd_corpus.sh asks the
 * API server for its own. */
#include <glob.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/yaml.h"
#include "manifest/manifest.h"
#include "model/mplan.h"
#include "model/status.h"
#include "tests/support/mplan_corpus.h"
#include "tests/unit/rows.h"

TestSuite(mplan_corpus, .timeout = 120);

static void read_corpus(struct corpus *out)
{
    glob_t found = { 0 };
    cr_assert(glob("tests/corpus/mplan/*.yaml", 0, NULL, &found) == 0);
    /* The cases borrow the paths. */
    static char paths[64][128];
    static const char *list[64];
    cr_assert(found.gl_pathc <= 64);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "%s", found.gl_pathv[i]);
        list[i] = paths[i];
    }
    size_t count = found.gl_pathc;
    globfree(&found);
    struct err *e = corpus_read(list, count, out);
    cr_assert(!e, "%s", e ? e->message : "");
}

Test(mplan_corpus, the_decoder_judges_as_it_is_written)
{
    AUTO(corpus_done) struct corpus corpus;
    size_t wants[3] = { 0 };

    read_corpus(&corpus);
    for (size_t i = 0; i < corpus.count; i++) {
        const struct corpus_case *c = &corpus.cases[i];
        AUTO(mplan_done) struct mplan plan;
        AUTO(err_free_auto) struct err *e = mplan_decode(c->object, &plan);
        const char *said = e ? e->message : "valid";
        wants[c->want]++;
        cr_expect(c->error ? e && str_starts(said, c->error) : !e, "%s:%d: %s\ngot:  %s\nwant: %s",
                  c->file, c->line, c->name, said, c->error ? c->error : "valid");
        cr_expect(!c->defaulted || e || corpus_contains(plan.defaulted, c->defaulted),
                  "%s:%d: %s: other defaults", c->file, c->line, c->name);
    }
    cr_expect(wants[CORPUS_VALID] >= 50 && wants[CORPUS_INVALID] >= 100, "%zu valid, %zu invalid",
              wants[CORPUS_VALID], wants[CORPUS_INVALID]);
}

/* What is taken once is taken again, and changes nothing. */
Test(mplan_corpus, a_defaulted_spec_is_its_own)
{
    AUTO(corpus_done) struct corpus corpus;

    read_corpus(&corpus);
    for (size_t i = 0; i < corpus.count; i++) {
        const struct corpus_case *c = &corpus.cases[i];
        AUTO(mplan_done) struct mplan once;
        AUTO(mplan_done) struct mplan twice = { 0 };
        AUTO(err_free_auto) struct err *e = mplan_decode(c->object, &once);
        if (e) {
            continue;
        }
        AUTO(json_free_auto) struct json *again = json_copy(c->object);
        json_set(again, "spec", json_copy(once.defaulted));
        AUTO(err_free_auto) struct err *f = mplan_decode(again, &twice);
        cr_expect(!f && json_equal(once.defaulted, twice.defaulted), "%s:%d: %s", c->file, c->line,
                  c->name);
    }
}
