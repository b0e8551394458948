/* SPDX-License-Identifier: Apache-2.0 */
/* `sluice version`: which program this is, and with -o json what it was built from and runs with. */
#include "base/auto.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/yaml.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "controller/http.h"
#include "git/repo.h"

struct version_values {
    const char *output;
};

static const struct option_row version_rows[] = {
    { "output", 'o', OPTION_WORD, "json", "with commit, compiler and libraries",
      offsetof(struct version_values, output) },
};

const struct cli_spec version_spec = {
    .command = "version",
    .synopsis = "[-o json]",
    .about = "Shows the version of sluice; with -o json also the commit and the compiler it was\n"
             "built with, and the versions of the libraries that it has loaded.",
    .rows = version_rows,
    .row_count = sizeof version_rows / sizeof *version_rows,
};

static void print_json(void)
{
    AUTO(kvlist_done) struct kvlist loaded = { 0 };
    struct json *root = json_object();
    struct json *libraries = json_object();

    db_libraries(&loaded);
    repo_libraries(&loaded);
    json_libraries(&loaded);
    yaml_libraries(&loaded);
    hash_libraries(&loaded);
    http_libraries(&loaded);
    for (size_t i = 0; i < loaded.count; i++) {
        json_set_string(libraries, loaded.items[i].key, loaded.items[i].value);
    }
    json_set_string(root, "version", SLUICE_VERSION);
    json_set_string(root, "commit", sluice_commit);
    json_set_string(root, "compiler", SLUICE_COMPILER);
    json_set(root, "libraries", libraries);
    render_print(root);
}

int version_main(int argc, char **argv)
{
    struct version_values values = { 0 };
    bool help = false;

    struct err *failed = cli_parse(&version_spec, argc, argv, &values, NULL, &help);
    if (help) {
        return 0;
    }
    if (failed) {
        return cli_fail("version", failed, false);
    }
    if (values.output) {
        print_json();
    } else {
        say("sluice %s\n", SLUICE_VERSION);
    }
    return 0;
}
