/* SPDX-License-Identifier: Apache-2.0 */
/* The database engines. */
#pragma once

enum engine {
    ENGINE_UNKNOWN,
    ENGINE_POSTGRESQL,
    ENGINE_MARIADB,
    ENGINE_MYSQL,
    ENGINE_MAX_
};

const char *engine_text(enum engine engine); /* postgresql | mariadb | mysql; "" */
enum engine engine_parse(const char *text);  /* also the uri schemes postgres, pgsql */
