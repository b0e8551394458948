/* SPDX-License-Identifier: Apache-2.0 */
/* The entry points that the command table names; each in the file of its name. */
#pragma once

int version_main(int argc, char **argv);
int help_main(int argc, char **argv);

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
