/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the manual pages and the shells' completions into a folder; runs in the build, and is not installed:
 *
 *     sluice-pages FOLDER        sluice.1, sluice-COMMAND.1; sluice.bash, _sluice, sluice.fish */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/completion.h"
#include "cli/man.h"

#define PAGE_MAX (1024 * 1024) /* bytes */

static struct err *write_file(const char *folder, const char *name, struct buf *text)
{
    AUTO(free_auto) char *path = mem_printf("%s/%s", folder, name);
    struct err *failed = file_write_atomic(path, buf_text(text), text->len, 0644);

    buf_reset(text);
    return failed;
}

static struct err *write_all(const char *folder)
{
    AUTO(buf_done) struct buf text = BUF(PAGE_MAX);

    TRY(file_mkdirs(folder, 0755));
    man_program(SLUICE_VERSION, &text);
    TRY(write_file(folder, "sluice.1", &text));
    for (size_t i = 0; i < command_count; i++) {
        if (!commands[i].hidden) {
            AUTO(free_auto) char *name = mem_printf("sluice-%s.1", commands[i].name);
            man_command(&commands[i], SLUICE_VERSION, &text);
            TRY(write_file(folder, name, &text));
        }
    }
    completion_bash(&text);
    TRY(write_file(folder, "sluice.bash", &text));
    completion_zsh(&text);
    TRY(write_file(folder, "_sluice", &text));
    completion_fish(&text);
    return write_file(folder, "sluice.fish", &text);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        complain("usage: sluice-pages FOLDER\n");
        return 1;
    }
    struct err *failed = write_all(argv[1]);
    return failed ? cli_fail("pages", failed, false) : 0;
}
