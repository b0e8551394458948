/* SPDX-License-Identifier: Apache-2.0 */
/* Names that fit where Kubernetes puts them. */
#include "k8s/platform/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define LABEL_MAX 63
#define LABEL_READABLE 50
#define LABEL_HASH 10
#define ASSIGNMENT_HEX 16

static bool plain(char c)
{
    return isalnum((unsigned char)c) != 0;
}

static bool is_label_value(const char *text)
{
    size_t length = strlen(text);

    if (length == 0) {
        return true;
    }
    if (length > LABEL_MAX || !plain(text[0]) || !plain(text[length - 1])) {
        return false;
    }
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
           length;
}

char *k8s_label_value(const char *text)
{
    char hex[SHA256_HEX_LEN + 1];
    char readable[LABEL_READABLE + 1];
    size_t length = 0;

    if (is_label_value(text)) {
        return mem_strdup(text);
    }
    sha256_hex(text, strlen(text), hex);
    for (const char *p = text; *p && length < LABEL_READABLE; p++) {
        if (plain(*p) || length > 0) {
            readable[length++] = plain(*p) ? *p : '-';
        }
    }
    readable[length] = '\0';
    return mem_printf("%s%s%.*s", readable, length ? "-" : "", LABEL_HASH, hex);
}

void k8s_assignment_name(const char *manifest_sha256, char out[K8S_NAME_MAX + 1])
{
    snprintf(out, K8S_NAME_MAX + 1, "sluice-assignment-%.*s", ASSIGNMENT_HEX, manifest_sha256);
}

void k8s_part_name(const char *file, char out[K8S_NAME_MAX + 1])
{
    snprintf(out, K8S_NAME_MAX + 1, "%s", file);
    for (char *p = out; *p; p++) {
        *p = *p == '.' ? '-' : *p;
    }
}
