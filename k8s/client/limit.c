/* SPDX-License-Identifier: Apache-2.0 */
/* How often we may ask the server: the limit as options say it, and as it is kept. */
#include <string.h>

#include "base/auto.h"
#include "base/mem.h"
#include "base/str.h"
#include "k8s/client/client.h"
#include "model/reason.h"

#define RATE_MAX 10000 /* far beyond what any controller asks for: a slip of the keyboard */

/* "50" or "12.5". */
static bool parse_thousandths(const char *text, int64_t max, int64_t *out)
{
    const char *point = strchr(text, '.');
    size_t decimals = point ? strlen(point + 1) : 0;
    AUTO(free_auto) char *whole = mem_strndup(text, point ? (size_t)(point - text) : strlen(text));
    AUTO(free_auto) char *fraction = mem_printf("%s000", point ? point + 1 : "");
    int64_t units = 0;
    int64_t thousandths = 0;

    if (decimals > 3 || (point && decimals == 0) || !str_to_int64(whole, 0, max, &units)) {
        return false;
    }
    fraction[3] = '\0';
    if (!str_to_int64(fraction, 0, 999, &thousandths)) {
        return false;
    }
    *out = units * 1000 + thousandths;
    return true;
}

struct err *kube_limit_parse(const char *qps, int64_t burst, struct kube_limit *out)
{
    struct kube_limit limit = KUBE_LIMIT_DEFAULT;
    int64_t thousandths = 0;

    if (qps) {
        if (!parse_thousandths(qps, RATE_MAX, &thousandths) || thousandths == 0 ||
            thousandths > RATE_MAX * 1000) {
            return err_new(ERR_TERMINAL, REASON_USAGE,
                           "--kube-api-qps: \"%s\" is not a number above 0 and at most %d", qps,
                           RATE_MAX);
        }
        limit.every_us = 1000000000 / thousandths;
    }
    if (burst > RATE_MAX) {
        return err_new(ERR_TERMINAL, REASON_USAGE, "--kube-api-burst: at most %d", RATE_MAX);
    }
    limit.burst = burst > 0 ? burst : limit.burst;
    *out = limit;
    return NULL;
}

int64_t kube_limit_us(const struct kube_limit *limit, int64_t *free_at_us, int64_t now_us)
{
    int64_t earliest = now_us - limit->burst * limit->every_us; /* a full bucket holds no more */

    *free_at_us = (*free_at_us < earliest ? earliest : *free_at_us) + limit->every_us;
    return *free_at_us > now_us ? *free_at_us - now_us : 0;
}
