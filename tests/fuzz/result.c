/* SPDX-License-Identifier: Apache-2.0 */
/* A runner's last line: what is read fits into a pod's message when it is written, and loses nothing the second time. */
#include "base/limits.h"
#include "fuzz.h"
#include "model/reason.h"
#include "model/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(result_done) struct result found = { 0 };
    AUTO(result_done) struct result again = { 0 };
    struct err *e = result_parse((const char *)data, size, &found);

    if (e) {
        assert(str_eq(e->reason, REASON_INTERNAL) || str_eq(e->reason, REASON_FORMAT_TOO_NEW));
        fuzz_refused(e, NULL, "result: ");
        return 0;
    }
    AUTO(free_auto) char *text = result_format(&found);
    assert(strlen(text) <= LIMIT_RESULT && !strchr(text, '\n'));
    fuzz_read_again(result_parse(text, strlen(text), &again), text);
    assert(again.outcome == found.outcome && again.code == found.code);
    assert(again.attempt == found.attempt && again.epoch == found.epoch);
    assert(again.head.journal_seq == found.head.journal_seq);
    fuzz_same("nonce", again.nonce, found.nonce);
    AUTO(free_auto) char *twice = result_format(&again);
    fuzz_same("written twice", twice, text);
    return 0;
}
