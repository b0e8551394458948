/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig files, a pod's mount, credential plugins. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include "base/auto.h"
#include "base/file.h"
#include "base/mem.h"
#include "k8s/client/config.h"
#include "k8s/client/credentials.h"
#include "k8s/client/exec_plugin.h"
#include "k8s/client/kube.h"
#include "model/reason.h"

/* Texts of YAML's flow style, with ' for ". */
static struct err *parse(const char *a, const char *b, const char *context, struct kube_config *out)
{
    char *texts[2] = { mem_strdup(a), mem_strdup(b) };
    struct kubeconfig_file files[2] = { { .path = "/etc/k/one", .text = texts[0] },
                                        { .path = "/etc/other/two", .text = texts[1] } };
    size_t count = b ? 2 : 1;
    for (size_t i = 0; i < count; i++) {
        for (char *at = texts[i]; *at; at++) {
            *at = *at == '\'' ? '"' : *at;
        }
        files[i].length = strlen(texts[i]);
    }
    struct err *error = kubeconfig_parse(files, count, context, out);
    free(texts[0]);
    free(texts[1]);
    return error;
}

#define ONE(cluster, user)                                                                         \
    "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u}}], "                 \
    "clusters: [{name: k, cluster: {" cluster "}}], users: [{name: u, user: {" user "}}]}"
#define HOST "server: 'https://h:6443'"

Test(k8s, a_kubeconfig_is_decoded)
{
    AUTO(kube_config_done) struct kube_config c = { 0 };
    struct err *error = parse(
        "{current-context: c, contexts: [{name: c, context: {cluster: k, user: u, namespace: "
        "shop}}], "
        "clusters: [{name: k, cluster: {server: 'https://h:6443/prefix/', tls-server-name: kube, "
        "certificate-authority: ca.crt, proxy-url: 'socks5://p:1'}}], "
        "users: [{name: u, user: {token: t, tokenFile: ../tok, client-certificate-data: QUJD, "
        "client-key-data: REVG, as: root, as-groups: [a, b]}}]}",
        NULL, NULL, &c);
    cr_assert_null(error, "%s", error ? error->message : "");
    cr_expect_str_eq(c.server, "https://h:6443/prefix");
    cr_expect_str_eq(c.tls_server_name, "kube");
    cr_expect_str_eq(c.ca_file, "/etc/k/ca.crt", "beside the file that names it");
    cr_expect_str_eq(c.token_file, "/etc/k/../tok");
    cr_expect_str_eq(c.proxy, "socks5h://p:1", "the proxy resolves names, as in Go");
    cr_expect_str_eq(c.namespace_, "shop");
    cr_expect_str_eq(c.token.bytes, "t");
    cr_expect_str_eq(c.cert, "ABC");
    cr_expect_str_eq(c.key.bytes, "DEF");
    cr_expect_str_eq(c.as_user, "root");
    cr_expect_eq(c.as_groups.count, 2);
}

Test(k8s, the_first_kubeconfig_that_names_something_decides)
{
    static const char first[] = "{contexts: [{name: a, context: {cluster: k, user: u}}], "
                                "clusters: [{name: k, cluster: {server: 'https://first'}}]}";
    static const char second[] =
        "{current-context: b, contexts: [{name: a, context: {cluster: x, user: w}}, "
        "{name: b, context: {cluster: k, user: u}}], "
        "clusters: [{name: k, cluster: {server: 'https://second'}}], "
        "users: [{name: u, user: {client-certificate: c.crt, client-key: c.key}}]}";
    AUTO(kube_config_done) struct kube_config c = { 0 };
    cr_assert_null(parse(first, second, NULL, &c));
    cr_expect_str_eq(c.server, "https://first", "the current context is the second file's");
    cr_expect_str_eq(c.cert_file, "/etc/other/c.crt");
    cr_expect_str_eq(c.namespace_, "default");
    kube_config_done(&c);
    cr_assert_null(parse(first, second, "a", &c), "a context by name");
    cr_expect_str_eq(c.server, "https://first");
}

static const struct {
    const char *text, *context, *says;
} refused[] = {
    { "{}", NULL, "kubeconfig /etc/k/one: there is no current-context" },
    { ONE(HOST, ""), "nix", "there is no context 'nix'" },
    { "{current-context: c, contexts: [{name: c, context: {user: u}}]}", NULL, "names no cluster" },
    { "{current-context: c, contexts: [{name: c, context: {cluster: k}}]}", NULL,
      "there is no cluster 'k'" },
    { "{current-context: c, contexts: [{name: c, context: {cluster: k, user: z}}], "
      "clusters: [{name: k, cluster: {server: 'https://h'}}]}",
      NULL, "there is no user 'z'" },
    { ONE("", ""), NULL, "server must be an https:// or http:// address" },
    { ONE("server: 'ftp://h'", ""), NULL, "server must be" },
    { ONE("server: 'https://u:p@h'", ""), NULL, "without user, query and fragment" },
    { ONE(HOST ", insecure-skip-tls-verify: true, certificate-authority: x", ""), NULL,
      "remove one of them" },
    { ONE(HOST ", certificate-authority-data: '%%'", ""), NULL,
      "certificate-authority-data is not base64" },
    { ONE(HOST ", proxy-url: 'ftp://p'", ""), NULL, "proxy-url must begin with" },
    { ONE(HOST, "auth-provider: {name: gcp}"), NULL,
      "auth-provider is not supported: use an exec credential plugin" },
    { ONE(HOST, "username: a, password: b"), NULL, "username is not supported" },
    { ONE(HOST, "token: 12345"), NULL, "token must be a string: put it into quotes" },
    { ONE(HOST, "client-certificate: c"), NULL, "a client certificate and its key" },
    { ONE(HOST, "as-groups: [a]"), NULL, "need as" },
    { ONE(HOST, "as: a, as-user-extra: {x: [v]}"), NULL, "as-user-extra is not supported" },
    { ONE(HOST, "exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}"), NULL,
      "v1alpha1' is not supported: use" },
    { ONE(HOST, "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}"),
      NULL, "exec needs a command" },
    { ONE(HOST, "exec: {command: x, apiVersion: client.authentication.k8s.io/v1}"), NULL,
      "interactiveMode must be" },
    { ONE(HOST, "exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1, "
                "env: [{name: A}]}"),
      NULL, "exec.env needs a name and a value" },
    { "[]", NULL, "a kubeconfig is one YAML document" },
    { "{a: &x 1}", NULL, "/etc/k/one:1:" },
};

Test(k8s, a_kubeconfig_that_cannot_be_used_says_why)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct kube_config c = { 0 };
        AUTO(err_free_auto) struct err *error =
            parse(refused[i].text, NULL, refused[i].context, &c);
        cr_assert_not_null(error, "%s", refused[i].text);
        cr_expect_not_null(strstr(error->message, refused[i].says), "%s: %s", refused[i].text,
                           error->message);
        cr_expect_eq(error->kind, ERR_TERMINAL);
        cr_expect_str_eq(error->reason, REASON_INVALID_SPEC);
    }
}

/* ---- plugins --------------------------------------------------------------------------------- */

#define EXEC                                                                                       \
    "exec: {command: ./bin/login, args: [a, b], env: [{name: X, value: v}], provideClusterInfo: "  \
    "true, apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable}"

Test(k8s, a_plugin_is_told_where_it_is)
{
    AUTO(kube_config_done) struct kube_config c = { 0 };
    struct err *error =
        parse(ONE(HOST ", certificate-authority-data: QUJD, extensions: [{name: "
                       "client.authentication.k8s.io/exec, extension: {audience: me}}]",
                  EXEC),
              NULL, NULL, &c);
    cr_assert_null(error, "%s", error ? error->message : "");
    cr_expect_str_eq(c.exec_command, "/etc/k/./bin/login", "relative to the kubeconfig");
    cr_expect_eq(c.exec_args.count, 2);
    cr_expect_str_eq(kvlist_get(&c.exec_env, "X"), "v");
    AUTO(free_auto) char *info = exec_plugin_info(&c, false);
    cr_expect_str_eq(
        info,
        "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
        "\"spec\":{\"interactive\":false,\"cluster\":{\"server\":\"https://h:6443\","
        "\"certificate-authority-data\":\"QUJD\",\"config\":{\"audience\":\"me\"}}}}",
        "%s", info);
}

#define ANSWER(status)                                                                             \
    "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","             \
    "\"status\":" status "}"

static const struct {
    const char *text, *says; /* NULL: fine */
} answers[] = {
    { ANSWER("{\"token\":\"t\"}"), NULL },
    { ANSWER("{\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\","
             "\"expirationTimestamp\":\"2026-11-22T10:00:00Z\"}"),
      NULL },
    { ANSWER("{\"clientCertificateData\":\"c\"}"), "needed together" },
    { ANSWER("{}"), "neither a token nor a certificate" },
    { ANSWER("{\"token\":\"t\",\"expirationTimestamp\":\"soon\"}"), "is not a time" },
    { "{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\"}",
      "no ExecCredential of client.authentication.k8s.io/v1" },
    { "hello", "is not JSON" },
};

Test(k8s, a_plugin_s_answer_is_checked)
{
    struct kube_config c = { 0 };
    c.exec_command = mem_strdup("login");
    c.exec_api_version = mem_strdup("client.authentication.k8s.io/v1");
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct exec_credential out = { 0 };
        AUTO(err_free_auto) struct err *error =
            exec_plugin_parse(&c, answers[i].text, strlen(answers[i].text), &out);
        cr_expect_eq(error == NULL, answers[i].says == NULL, "%s", answers[i].text);
        if (error && answers[i].says) {
            cr_expect_not_null(strstr(error->message, answers[i].says), "%s", error->message);
            cr_expect_eq(error->reason, KUBE_FORBIDDEN);
        }
        exec_credential_done(&out);
    }
    kube_config_done(&c);
}

/* ---- a pod's mount --------------------------------------------------------------------------- */

static void write_text(const char *folder, const char *name, const char *text)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", folder, name);
    struct err *error = file_write_atomic(path, text, strlen(text), 0600);
    cr_assert_null(error, "%s", error ? error->message : "");
}

Test(k8s, a_pod_finds_its_server_and_reads_its_token_again)
{
    char folder[] = "/tmp/k8s-config-XXXXXX";
    AUTO(kube_config_done) struct kube_config c = { 0 };
    cr_assert_not_null(mkdtemp(folder));
    (void)unsetenv("POD_NAMESPACE");
    (void)unsetenv("KUBERNETES_SERVICE_HOST");
    AUTO(err_free_auto) struct err *nowhere = incluster_load(folder, &c);
    cr_assert_not_null(nowhere);
    cr_expect_not_null(strstr(nowhere->message, "KUBERNETES_SERVICE_HOST"));
    (void)setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    (void)setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    AUTO(err_free_auto) struct err *bare = incluster_load(folder, &c);
    cr_assert_not_null(bare);
    cr_expect_not_null(strstr(bare->message, "automountServiceAccountToken"));

    write_text(folder, "token", "one\n");
    write_text(folder, "namespace", "shop\n");
    write_text(folder, "ca.crt", "-----BEGIN CERTIFICATE-----\n");
    cr_assert_null(incluster_load(folder, &c));
    cr_expect_str_eq(c.server, "https://[fd00::1]:443");
    cr_expect_str_eq(c.namespace_, "shop");

    struct credentials *credentials = NULL;
    struct auth auth = { 0 };
    cr_assert_null(credentials_open(&c, 60000, &credentials));
    cr_assert_null(credentials_get(credentials, &auth));
    cr_expect_str_eq(auth.token.bytes, "one", "without the line's end");
    uint64_t first = auth.generation;
    auth_done(&auth);
    write_text(folder, "token", "two");
    cr_assert_null(credentials_get(credentials, &auth));
    cr_expect_str_eq(auth.token.bytes, "one", "not read for every request");
    auth_done(&auth);
    credentials_reject(credentials, first - 1);
    cr_assert_null(credentials_get(credentials, &auth));
    cr_expect_str_eq(auth.token.bytes, "one", "an older one was refused: nothing new");
    auth_done(&auth);
    credentials_reject(credentials, first);
    cr_assert_null(credentials_get(credentials, &auth));
    cr_expect_str_eq(auth.token.bytes, "two", "after 401 it is");
    auth_done(&auth);
    write_text(folder, "token", "");
    credentials_reject(credentials, first + 1);
    cr_assert_null(credentials_get(credentials, &auth));
    cr_expect_str_eq(auth.token.bytes, "two", "a file under replacement keeps the old value");
    auth_done(&auth);
    credentials_close(credentials);

    (void)setenv("POD_NAMESPACE", "other", 1);
    cr_assert_null(incluster_load(folder, &c));
    cr_expect_str_eq(c.namespace_, "other");
    AUTO(err_free_auto) struct err *error = file_remove_tree(folder);
    cr_expect_null(error);
}

Test(k8s, a_token_is_read_again_in_time)
{
    char folder[] = "/tmp/k8s-config-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    struct kube_config c = { .token_file = mem_printf("%s/token", folder) };
    struct credentials *credentials = NULL;
    struct auth auth = { 0 };
    write_text(folder, "token", "one");
    cr_assert_null(credentials_open(&c, 0, &credentials));
    write_text(folder, "token", "two");
    cr_assert_null(credentials_get(credentials, &auth));
    cr_expect_str_eq(auth.token.bytes, "two");
    auth_done(&auth);
    credentials_close(credentials);
    AUTO(err_free_auto) struct err *error = file_remove_tree(folder);
    cr_expect_null(error);
}
