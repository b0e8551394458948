/* SPDX-License-Identifier: Apache-2.0 */
/* A watch as a stream of bytes. */
#include <string.h>
#include "base/auto.h"
#include "base/mem.h"
#include "k8s/client/calls.h"
#include "k8s/client/client.h"

struct kube_stream {
    struct kube *kube;
    struct transfer *transfer;
    const atomic_bool *cancel;
    char *path;
    uint64_t generation; /* of the credentials it was opened with */
};

struct err *kube_stream_open(struct kube *kube, const char *path, size_t max,
                             const atomic_bool *cancel, struct kube_stream **out)
{
    struct auth auth = { 0 };
    kube_call_hook(kube, "before", "WATCH", path);
    if (!kube_take_turn(kube, cancel)) {
        return kube_transfer_error("WATCH", path, TRANSFER_CANCELLED, "");
    }
    TRY(credentials_get(kube->credentials, &auth));
    const struct transport_request request = {
        .method = "GET",
        .path = path,
        .user_agent = kube->user_agent,
        .config = credentials_config(kube->credentials),
        .auth = &auth,
        .max = max,
        .stream = true,
    };
    kube_enter(kube);
    struct kube_stream *stream = mem_alloc(sizeof *stream);
    stream->kube = kube;
    stream->cancel = cancel;
    stream->path = mem_strdup(path);
    stream->generation = auth.generation;
    stream->transfer = transfer_start(kube->transport, &request);
    auth_done(&auth);
    kube_call_hook(kube, "after", "WATCH", path);
    *out = stream;
    return NULL;
}

static struct err *stream_error(const struct kube_stream *s, struct kube_answer *answer)
{
    size_t length = 0;
    const char *bytes = transfer_body(s->transfer, &length);
    AUTO(free_auto) char *text = mem_strndup(bytes, length);
    if (answer->code == 200) {
        return NULL;
    }
    err_free(kube_answer_parse(text, length, "the answer", &answer->body));
    if (answer->code == 401) {
        credentials_reject(s->kube->credentials, s->generation);
    }
    return kube_answer_error(KUBE_GET, s->path, answer->code ? answer->code : 500, answer->body);
}

bool kube_stream_read(struct kube_stream *s, int64_t deadline_ms, struct buf *out,
                      struct err **error, struct kube_answer *answer, int64_t *retry_after_ms)
{
    enum transfer_end end = transfer_read(s->transfer, s->cancel, deadline_ms, out);
    if (end == TRANSFER_RUNNING) {
        return true;
    }
    *answer = (struct kube_answer){ 0 };
    *retry_after_ms = -1;
    if (end == TRANSFER_CANCELLED) {
        *error = kube_transfer_error("WATCH", s->path, end, "");
        return false;
    }
    answer->code = transfer_code(s->transfer);
    *retry_after_ms = transfer_retry_after_ms(s->transfer);
    kube_count(s->kube, "WATCH", end == TRANSFER_COMPLETE ? answer->code : 0);
    *error = end == TRANSFER_COMPLETE
                 ? stream_error(s, answer)
                 : kube_transfer_error("WATCH", s->path, end, transfer_message(s->transfer));
    return false;
}

void kube_stream_close(struct kube_stream *s)
{
    if (s) {
        transfer_done(s->transfer);
        kube_leave(s->kube);
        free(s->path);
        free(s);
    }
}
