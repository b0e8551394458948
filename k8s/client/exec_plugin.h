/* SPDX-License-Identifier: Apache-2.0 */
/* Exec credential plugins: ExecCredential of client.authentication.k8s.io v1 and v1beta1. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "k8s/client/config.h"

struct exec_credential {
    struct secret token;
    char *cert;
    struct secret key;
    int64_t expires_utc_ms; /* 0: never */
};

void exec_credential_done(struct exec_credential *credential);

/* The text of KUBERNETES_EXEC_INFO. Owned. */
char *exec_plugin_info(const struct kube_config *config, bool interactive);

/* Pure. What the plugin printed. ERR_TRANSIENT Forbidden, never with the text itself. */
struct err *exec_plugin_parse(const struct kube_config *config, const char *text, size_t length,
                              struct exec_credential *out) ERR_MUST_USE;

/* Runs it: its messages go to our stderr. ERR_TRANSIENT Forbidden, ERR_TERMINAL InvalidSpec when the
 * command is not there or needs a terminal and we have none. */
struct err *exec_plugin_run(const struct kube_config *config, struct exec_credential *out)
    ERR_MUST_USE;
