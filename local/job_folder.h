/* SPDX-License-Identifier: Apache-2.0 */
/* One Job's folder on disk: made whole and renamed into place, read back after a restart. */
#pragma once
#include <stdbool.h>
#include "local/jobs.h"

/* Makes `jobs_dir`/NAME with everything in it and returns the descriptor that holds `alive`.
 * ERR_CONFLICT NameConflict: the folder is there already. */
struct err *job_folder_make(const char *jobs_dir, const struct job_spec *spec, int *alive_fd)
    ERR_MUST_USE;
/* What manifest.json and the folder's time say; phase and result by job_folder_look(). */
struct err *job_folder_read(const char *jobs_dir, const char *name, struct job_entry *out)
    ERR_MUST_USE;
/* Is a process holding `alive`? *pid: what it wrote there, 0 when it has not yet. */
bool job_folder_held(const char *jobs_dir, const char *name, pid_t *pid);
/* Reads result.json; one that is of another attempt, too long or no result is no result. */
void job_folder_result(const char *jobs_dir, struct job *job);
/* When one that is over ended, UTC: the time of its result, else of the last change of its folder. */
int64_t job_folder_ended_ms(const char *jobs_dir, const char *name);
void job_folder_drop_credentials(const char *jobs_dir, const char *name);
