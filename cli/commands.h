/* SPDX-License-Identifier: Apache-2.0 */
/* What the command table names: entry points and forms, each in the file of its name. */
#pragma once

struct cli_spec;

int completion_main(int argc, char **argv);
int version_main(int argc, char **argv);
extern const char sluice_commit[]; /* that is built: cmake/Commit.cmake */
int help_main(int argc, char **argv);
int no_such_command(const char *name); /* says so and what is like it; the exit code */

int migrate_main(int argc, char **argv);
int plan_main(int argc, char **argv);
int info_main(int argc, char **argv);
int validate_main(int argc, char **argv);
int prune_main(int argc, char **argv);
int baseline_main(int argc, char **argv);
int repair_main(int argc, char **argv);
/* `sluice resolve` without plan/NAME: the verdict goes straight into the database. */
int resolve_database_main(int argc, char **argv);

int run_main(int argc, char **argv);
int controller_main(int argc, char **argv);
int get_main(int argc, char **argv);
int describe_main(int argc, char **argv);
int wait_main(int argc, char **argv);
int gate_main(int argc, char **argv);
int retry_main(int argc, char **argv);
int reconcile_main(int argc, char **argv);
int suspend_main(int argc, char **argv);
int resume_main(int argc, char **argv);
/* With plan/NAME a request to the controller, else resolve_database_main(). */
int resolve_main(int argc, char **argv);

/* The forms: synopsis, options, help. */
extern const struct cli_spec migrate_spec;
extern const struct cli_spec plan_spec;
extern const struct cli_spec info_spec;
extern const struct cli_spec validate_spec;
extern const struct cli_spec prune_spec;
extern const struct cli_spec baseline_spec;
extern const struct cli_spec repair_spec;
extern const struct cli_spec controller_spec;
extern const struct cli_spec get_spec;
extern const struct cli_spec describe_spec;
extern const struct cli_spec wait_spec;
extern const struct cli_spec gate_spec;
extern const struct cli_spec retry_spec;
extern const struct cli_spec resolve_plan_spec;
extern const struct cli_spec resolve_database_spec;
extern const struct cli_spec reconcile_spec;
extern const struct cli_spec suspend_spec;
extern const struct cli_spec resume_spec;
extern const struct cli_spec run_spec;

extern const struct cli_spec completion_spec;
extern const struct cli_spec version_spec;
extern const struct cli_spec help_spec;
