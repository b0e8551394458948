/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of plan_make in words: files, history rows, journal rows, and what must come of them. */
#pragma once
#include <criterion/criterion.h>
#include <stdbool.h>
#include "model/reason.h"
#include "reconcile/plan/plan.h"
#include "rows.h"

#define MOST 12

struct plan_case {
    const char *rule;
    /* "V2__two=text": file and content; "V2__two{DIRECTIVE}=text" carries one in its head */
    const char *files[MOST];
    /* "RANK TYPE VERSION|- DESCRIPTION CONTENT|NULL ok|failed"; '_' in a description is a blank */
    const char *rows[MOST];
    /* "RANK VERSION|- DESCRIPTION STEP CLASS STATE CONTENT"; "B2": a baseline file; "?": no version
     * where there should be one */
    const char *journal[MOST];
    const char *target;
    const char *ignore[4];
    bool out_of_order, validate, no_table, full_schema, baseline_on_migrate, held, by_journal;
    bool wait_for_others;
    int64_t journal_head;          /* the journal goes on before what was read of it */
    enum migration_kind last_kind; /* what the last file is instead */
    const char *token;
    const char *assume;                  /* DB=VERSION; NULL: nothing is known of other databases */
    const char *placeholder;             /* NAME=VALUE */
    const char *ran_with;                /* NAME=VALUE when the last journal row was written */
    const char *error_code, *error_text; /* of the last journal row, which is at line 3 then */
    /* expected */
    const char *states; /* "1:Success 2:Pending views:Pending"; NULL: not compared */
    const char *actions;
    const char *ahead;
    const char *current; /* NULL: not compared */
    const char *stores;  /* the last action's checksum is that of this text; NULL: not compared */
    bool no_files;       /* repair: none are given */
    const char *kept;    /* repair: the first sentence about what stays; NULL: nothing */
    const char *waits;   /* NULL: waits for nobody */
    const char *reason;  /* NULL: no error */
    const char *message; /* a piece of the error's; NULL: not compared */
};

void plan_check(const struct plan_case *c);
void repair_check(const struct plan_case *c); /* actions: as changes_text() writes them */
