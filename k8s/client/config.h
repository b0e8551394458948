/* SPDX-License-Identifier: Apache-2.0 */
/* Where the API server is and who we are there, as kubeconfig files or a pod's mount tell it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/str.h"

enum exec_interactive {
    EXEC_NEVER = 1,
    EXEC_IF_AVAILABLE,
    EXEC_ALWAYS,
};

/* Everything owned; NULL: not given. Of each pair TEXT/file the text wins. */
struct kube_config {
    char *server;          /* without '/' at its end */
    char *tls_server_name; /* the name in the certificate, if not the server's */
    char *proxy;           /* a libcurl proxy URL */
    char *ca, *ca_file;    /* PEM; both NULL: the system's store */
    bool insecure;         /* certificates are not verified */
    char *namespace_;      /* never NULL */

    struct secret token;
    char *token_file; /* re-read; token is the value until the first reading */
    char *cert, *cert_file;
    struct secret key;
    char *key_file;
    char *as_user, *as_uid; /* impersonation */
    struct strlist as_groups;

    char *exec_command; /* NULL: no plugin */
    struct strlist exec_args;
    struct kvlist exec_env; /* values wiped */
    char *exec_api_version;
    char *exec_hint; /* how to install it */
    enum exec_interactive exec_interactive;
    bool exec_cluster_info;
    struct json *exec_config; /* the cluster's extension for plugins */
};

void kube_config_done(struct kube_config *config);

struct kubeconfig_file {
    const char *path; /* absolute or relative to the working folder; for relative names in it */
    const char *text;
    size_t length;
};

/* Pure. The first file that names a cluster, user, context or current-context decides. context NULL:
 * the current one. ERR_TERMINAL InvalidSpec with the file or name, and what to do. */
struct err *kubeconfig_parse(const struct kubeconfig_file *files, size_t count, const char *context,
                             struct kube_config *out) ERR_MUST_USE;

/* file NULL: $KUBECONFIG, a list in which files may be missing, else ~/.kube/config. */
struct err *kubeconfig_load(const char *file, const char *context, struct kube_config *out)
    ERR_MUST_USE;

/* What the kubelet mounts, and KUBERNETES_SERVICE_HOST and _PORT. mount: the folder with token, ca.crt
 * and namespace. */
extern const char INCLUSTER_MOUNT[];
struct err *incluster_load(const char *mount, struct kube_config *out) ERR_MUST_USE;
