/* SPDX-License-Identifier: Apache-2.0 */
/* A Job's manifest: what is read is written as a manifest that says the same. */
#include "fuzz.h"
#include "model/assignment.h"
#include "model/reason.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(assignment_done) struct assignment found = { 0 };
    AUTO(assignment_done) struct assignment again = { 0 };
    struct err *e = assignment_parse((const char *)data, size, &found);

    if (e) {
        assert(str_eq(e->reason, REASON_ASSIGNMENT_STALE) ||
               str_eq(e->reason, REASON_FORMAT_TOO_NEW));
        fuzz_refused(e, NULL, "assignment: ");
        return 0;
    }
    int64_t at = 0;
    int32_t bundle = 0;
    for (size_t i = 0; i < found.file_count; i++) { /* they fill the bundles without a gap */
        const struct assignment_file *f = &found.files[i];
        at = f->bundle == bundle ? at : 0;
        bundle = f->bundle;
        assert(f->bundle >= 0 && (size_t)f->bundle < found.bundle_count);
        assert(f->offset == at && f->bytes >= 0);
        at += f->bytes;
        assert(at <= found.bundles[f->bundle].bytes);
    }
    AUTO(free_auto) char *text = assignment_format(&found);
    fuzz_read_again(assignment_parse(text, strlen(text), &again), text);
    AUTO(free_auto) char *twice = assignment_format(&again);
    fuzz_same("written twice", twice, text);
    return 0;
}
