/* SPDX-License-Identifier: Apache-2.0 */
/* A command on a database that a MigrationPlan owns: its controller may be at work, and does not know what a person does.
 * So the command asks for --force, and then tells the plan. */
#pragma once
#include "cli/dbargs.h"

struct owner_question { /* release with owner_done() */
    const char *command;
    bool force;
    /* What to do with the plan instead, for people, in one clause; NULL: what the command has in owner.c. Owned. */
    char *(*instead)(const void *values, const struct command_place *place);
    const void *values;
    /* Of the lease, once asked; uid NULL: no plan owns the database. Owned. */
    char *uid, *namespace_, *name, *database;
};

/* For apply_request.owned, with the question as payload. ERR TargetIdConflict without --force. */
struct err *owner_ask(void *payload, const struct lease *lease);
/* Lets the plan look at its databases now, where its platform is named by the environment ($SLUICE_STANDALONE,
 * $KUBECONFIG, a pod), else says how. A sentence; NULL when there was nothing to tell. Owned. */
char *owner_tell(const struct owner_question *question);
void owner_done(struct owner_question *question);
