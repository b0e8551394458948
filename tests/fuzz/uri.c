/* SPDX-License-Identifier: Apache-2.0 */
/* Database uris: written out and read again they name the same target, and no message shows a password. */
#include "base/limits.h"
#include "fuzz.h"
#include "model/reason.h"
#include "model/target_uri.h"

#define PASSWORD "S3cr3t" /* in the corpus: where it stands in front of an '@' it may be one */

static void check_equal(const char *uri, const struct target *a, const struct target *b)
{
    assert(a->engine == b->engine && a->port == b->port);
    assert(a->tls == b->tls || a->socket ||
           (a->tls == TLS_VERIFY_FULL && b->tls == TLS_UNSET)); /* the default is not written */
    fuzz_same(uri, b->host, a->host);
    fuzz_same(uri, b->socket, a->socket);
    fuzz_same(uri, b->database, a->database);
    fuzz_same(uri, b->user, a->user);
    fuzz_same(uri, b->ca_file, a->ca_file);
    fuzz_same(uri, b->cert_file, a->cert_file);
    fuzz_same(uri, b->key_file, a->key_file);
}

static void check_written(const struct target *target)
{
    AUTO(free_auto) char *uri = target_uri_text(target);
    AUTO(target_done) struct target again = { 0 };

    if (strlen(uri) > LIMIT_URL) { /* escapes are longer */
        return;
    }
    fuzz_read_again(target_uri_read(uri, &again), uri);
    check_equal(uri, target, &again);
    AUTO(free_auto) char *twice = target_uri_text(&again);
    fuzz_same("written twice", twice, uri);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(free_auto) char *uri = fuzz_text(data, size);
    AUTO(target_done) struct target target = { 0 };
    AUTO(target_done) struct target whole = { 0 };
    const char *at = strrchr(uri, '@'), *scheme = strstr(uri, "://");
    const char *password = scheme ? strstr(scheme, PASSWORD) : NULL;
    const bool secret = at && password && password < at && strstr(at, PASSWORD) == NULL;

    struct err *e = target_uri_read(uri, &target);
    AUTO(err_free_auto) struct err *also = target_parse_uri(uri, &whole);
    assert(!e || also); /* a target needs more than a uri that can be read */
    if (e) {
        assert(!secret || !strstr(e->message, PASSWORD));
        fuzz_refused(e, REASON_SECRET_INVALID, "database uri: ");
        return 0;
    }
    AUTO(free_auto) char *label = target_label(&target);
    const bool is_user = target.user && strstr(target.user, PASSWORD);
    assert(!secret || is_user || !strstr(label, PASSWORD));
    check_written(&target);
    return 0;
}
