/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's options that are the same whoever the peer is. */
#include "base/https.h"
#include <curl/curl.h>
#include <string.h>

static void set_blob(CURL *easy, CURLoption option, const char *bytes, size_t length)
{
    union { // libcurl's field is not const; CURL_BLOB_COPY only reads it
        const char *in;
        void *out;
    } data = { .in = bytes };
    struct curl_blob blob = { .data = data.out, .len = length, .flags = CURL_BLOB_COPY };
    curl_easy_setopt(easy, option, &blob);
}

void https_setup(void *easy, const struct https *h)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, h->protocols);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, h->agent);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // Pausing a stream to make the server wait is sound in HTTP/1.1 only.
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, h->insecure ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, h->insecure ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (h->ca) { // replaces the system's store, does not add to it
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
        curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
        set_blob(easy, CURLOPT_CAINFO_BLOB, h->ca, strlen(h->ca));
    }
    if (h->cert && secret_set(h->key)) {
        set_blob(easy, CURLOPT_SSLCERT_BLOB, h->cert, strlen(h->cert));
        set_blob(easy, CURLOPT_SSLKEY_BLOB, h->key->bytes, h->key->length);
    }
}
