/* SPDX-License-Identifier: Apache-2.0 */
/* One request as libcurl's options. */
#pragma once
#include "k8s/client/transport.h"

/* libcurl's own lists, typeless: its headers stay out of ours. Freed with the handle by the owner. */
struct easy_lists {
    struct curl_slist *headers, *connect_to;
};

/* handle: a new CURL. body: lives as long as the transfer. */
void easy_setup(void *handle, const struct transport_request *request, const char *body,
                struct easy_lists *lists);
