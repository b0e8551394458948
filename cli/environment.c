/* SPDX-License-Identifier: Apache-2.0 */
/* The table of variables. */
#include "cli/environment.h"

const struct environment environment[] = {
    { "SLUICE_URL",
      "the database, where --url is not given; other users of the machine do not see it", false },
    { "SLUICE_PASSWORD", "its password, where neither --password-file nor the URL has one", false },
    { "SLUICE_STANDALONE", "the folder of manifests, where --standalone is not given", false },
    { "SLUICE_RUNNER_IMAGE", "the image of the Jobs, where --runner-image is not given", false },
    { "KUBECONFIG", "kubeconfig files, separated by colons, where --kubeconfig is not given",
      false },
    { "https_proxy", "the proxy to git servers", false },
    { "no_proxy", "hosts that are reached without it", false },
    { "SSL_CERT_FILE", "the certificates that are trusted, instead of the system's", true },
    { "TMPDIR", "where temporary files go (default /tmp)", true },
    { "NO_COLOR", "set to anything: no colour, unless --color says otherwise", true },
    { "TERM", "dumb: no colour and no line that changes", true },
};
const size_t environment_count = sizeof environment / sizeof *environment;
