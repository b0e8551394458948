/* SPDX-License-Identifier: Apache-2.0 */
/* Files of SQL for MariaDB and MySQL, cut into statements and classified. */
#include "split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        enum engine engine;
        int32_t version;
    } servers[] = { { ENGINE_MARIADB, 101119 },
                    { ENGINE_MYSQL, 80036 },
                    { ENGINE_MYSQL, 50744 },
                    { ENGINE_MARIADB, 0 } };

    if (size < 1) {
        return 0;
    }
    const struct fuzz_settings settings = {
        .server = { .engine = servers[data[0] & 3].engine,
                    .server_version = servers[data[0] & 3].version,
                    .other_strings = data[0] & 4,
                    .ansi_quotes = data[0] & 8 },
        .backslash = !(data[0] & 4),
        .ansi_quotes = data[0] & 8,
    };
    fuzz_split(&settings, data + 1, size - 1);
    return 0;
}
