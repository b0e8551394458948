/* SPDX-License-Identifier: Apache-2.0 */
/* Internal to yaml.c: what a plain scalar means. */
#pragma once
#include "base/json.h"

/* Sets *out by the YAML 1.2 core schema, or says (static text) why the scalar must be quoted. */
const char *yaml_scalar_read(const char *text, struct json **out);
