/* SPDX-License-Identifier: Apache-2.0 */
/* Directives at the head of a file: written out and read again they are the same. */
#include "base/buf.h"
#include "fuzz.h"
#include "model/reason.h"
#include "reconcile/migration/directive.h"

#define FUZZ_PATH "V1__x.sql"

static struct err *read_text(const char *text, size_t length, struct directives *out)
{
    const struct migration m = { .kind = MIGRATION_VERSIONED,
                                 .script = (char *)(uintptr_t)FUZZ_PATH,
                                 .path = (char *)(uintptr_t)FUZZ_PATH,
                                 .bytes = (const uint8_t *)text,
                                 .size = length };
    return directives_parse(&m, out);
}

static void add_ms(struct buf *out, const char *key, int64_t ms)
{
    if (ms >= 0) {
        buf_addf(out, "-- sluice: %s=%lldms\n", key, (long long)ms);
    }
}

static void write_out(const struct directives *d, struct buf *out)
{
    buf_adds(out, d->transaction_none ? "-- sluice: transaction=none\n" : "");
    buf_adds(out, d->idempotent ? "--sluice: idempotent=true\n" : "");
    buf_adds(out, d->out_of_order_allow ? "-- SLUICE: out-of-order=allow\n" : "");
    add_ms(out, "lock-timeout", d->lock_timeout_ms);
    add_ms(out, "statement-timeout", d->statement_timeout_ms);
    for (size_t i = 0; i < d->after.count; i++) {
        buf_addf(out, "-- sluice: after=%s/%s\n", d->after.items[i].key, d->after.items[i].value);
    }
    if (d->verify) {
        buf_addf(out, "-- sluice: verify=%s\n", d->verify);
    }
    buf_adds(out, "select 1;\n");
}

static void check_equal(const char *text, const struct directives *a, const struct directives *b)
{
    assert(a->transaction_none == b->transaction_none && a->idempotent == b->idempotent);
    assert(a->out_of_order_allow == b->out_of_order_allow);
    assert(a->lock_timeout_ms == b->lock_timeout_ms);
    assert(a->statement_timeout_ms == b->statement_timeout_ms);
    fuzz_same(text, b->verify, a->verify);
    assert(a->after.count == b->after.count);
    for (size_t i = 0; i < a->after.count; i++) {
        fuzz_same(text, b->after.items[i].key, a->after.items[i].key);
        fuzz_same(text, b->after.items[i].value, a->after.items[i].value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free_auto) char *text = fuzz_text(data, size);
    AUTO(directives_done) struct directives found = { 0 };
    struct err *e = read_text(text, size, &found);

    if (e) {
        fuzz_refused(e, REASON_INVALID_MIGRATION, FUZZ_PATH ":");
        return 0;
    }
    AUTO(buf_done) struct buf written = BUF((size_t)1024 * 1024);
    AUTO(directives_done) struct directives again = { 0 };
    write_out(&found, &written);
    fuzz_read_again(read_text(written.data, written.len, &again), written.data);
    check_equal(written.data, &found, &again);
    return 0;
}
