/* SPDX-License-Identifier: Apache-2.0 */
/* Files of SQL for PostgreSQL, cut into statements and classified. */
#include "split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int32_t versions[] = { 0, 90600, 120000, 150020 };

    if (size < 1) {
        return 0;
    }
    const bool backslash = data[0] & 4;
    const struct fuzz_settings settings = {
        .server = { .engine = ENGINE_POSTGRESQL,
                    .server_version = versions[data[0] & 3],
                    .other_strings = backslash },
        .backslash = backslash,
    };
    fuzz_split(&settings, data + 1, size - 1);
    return 0;
}
