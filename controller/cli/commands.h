/* SPDX-License-Identifier: Apache-2.0 */
/* The entry points that the command table names; each in the file of its name. */
#pragma once

int version_main(int argc, char **argv);
int help_main(int argc, char **argv);
