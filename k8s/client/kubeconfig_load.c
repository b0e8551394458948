/* SPDX-License-Identifier: Apache-2.0 */
/* Which files tell us about the API server: $KUBECONFIG, ~/.kube/config, or a pod's mount. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/mem.h"
#include "k8s/client/config.h"
#include "k8s/client/kube.h"
#include "model/reason.h"

#define BAD(...) err_new(ERR_TERMINAL, REASON_INVALID_SPEC, __VA_ARGS__)

const char INCLUSTER_MOUNT[] = "/var/run/secrets/kubernetes.io/serviceaccount";

/* ---- kubeconfig ------------------------------------------------------------------------------ */

struct loading {
    struct strlist paths;
    struct buf *texts; /* of each path */
    struct kubeconfig_file *files;
    size_t count; /* files that are there */
};

static void loading_done(struct loading *l)
{
    for (size_t i = 0; l->texts && i < l->paths.count; i++) {
        secret_buf_done(&l->texts[i]);
    }
    free(l->texts);
    free(l->files);
    strlist_done(&l->paths);
}

/* Sets *listed if the files come from $KUBECONFIG and may be missing one by one. */
static struct err *choose(const char *file, struct strlist *out, bool *listed)
{
    const char *list = getenv("KUBECONFIG");
    *listed = !file && list && *list;
    if (file) {
        strlist_add(out, file);
        return NULL;
    }
    if (*listed) {
        for (const char *at = list; at;) {
            const char *end = strchrnul(at, ':');
            if (end > at) {
                strlist_addn(out, at, (size_t)(end - at));
            }
            at = *end ? end + 1 : NULL;
        }
        return NULL;
    }
    const char *home = getenv("HOME");
    if (!home || !*home) {
        return BAD("there is no kubeconfig: give --kubeconfig FILE, or set KUBECONFIG or HOME");
    }
    AUTO(free_auto) char *path = mem_printf("%s/.kube/config", home);
    strlist_add(out, path);
    return NULL;
}

static struct err *read_files(struct loading *l, bool listed)
{
    for (size_t i = 0; i < l->paths.count; i++) {
        const char *path = l->paths.items[i];
        l->texts[i] = BUF(LIMIT_YAML_TEXT);
        if (!file_exists(path)) {
            if (listed) {
                continue; /* as kubectl does */
            }
            return BAD("there is no kubeconfig %s: give --kubeconfig FILE or set KUBECONFIG", path);
        }
        TRY(file_read(path, &l->texts[i]));
        l->files[l->count++] = (struct kubeconfig_file){
            .path = path,
            .text = buf_text(&l->texts[i]),
            .length = l->texts[i].len,
        };
    }
    return l->count ? NULL
                    : BAD("none of the files of KUBECONFIG is there: %s", getenv("KUBECONFIG"));
}

struct err *kubeconfig_load(const char *file, const char *context, struct kube_config *out)
{
    AUTO(loading_done) struct loading l = { 0 };
    bool listed = false;
    TRY(choose(file, &l.paths, &listed));
    l.texts = mem_array(l.paths.count + 1, sizeof *l.texts);
    l.files = mem_array(l.paths.count + 1, sizeof *l.files);
    TRY(read_files(&l, listed));
    return kubeconfig_parse(l.files, l.count, context, out);
}

/* ---- in a pod -------------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

bool kube_in_cluster(void)
{
    AUTO(free_auto) char *token = mem_printf("%s/token", INCLUSTER_MOUNT);
    return environment("KUBERNETES_SERVICE_HOST") && file_exists(token);
}

static char *namespace_of(const char *mount)
{
    const char *told = environment("POD_NAMESPACE");
    AUTO(free_auto) char *path = mem_printf("%s/namespace", mount);
    AUTO(buf_done) struct buf text = BUF(253);
    if (told) {
        return mem_strdup(told);
    }
    struct err *error = file_read(path, &text);
    size_t length = error ? 0 : strcspn(buf_text(&text), " \t\r\n");
    err_free(error);
    return length ? mem_strndup(text.data, length) : mem_strdup("default");
}

struct err *incluster_load(const char *mount, struct kube_config *out)
{
    const char *host = environment("KUBERNETES_SERVICE_HOST");
    const char *port = environment("KUBERNETES_SERVICE_PORT");
    if (!host || !port) {
        return BAD("this is not a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
                   "set; give --kubeconfig FILE");
    }
    AUTO(free_auto) char *token = mem_printf("%s/token", mount);
    if (!file_exists(token)) {
        return BAD("%s is not there: the pod needs automountServiceAccountToken: true", token);
    }
    bool bare_v6 = strchr(host, ':') && host[0] != '[';
    *out = (struct kube_config){
        .server = mem_printf(bare_v6 ? "https://[%s]:%s" : "https://%s:%s", host, port),
        .ca_file = mem_printf("%s/ca.crt", mount),
        .token_file = TAKE(token),
        .namespace_ = namespace_of(mount),
    };
    return NULL;
}
