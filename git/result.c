/* SPDX-License-Identifier: Apache-2.0 */
/* What a poll and a fetch hand over. */
#include <stdlib.h>
#include "git/repo.h"

void repo_tips_done(struct repo_tip *tips, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        err_free(tips[i].error);
        free(tips[i].ref);
        tips[i] = (struct repo_tip){ 0 };
    }
}

void repo_result_done(struct repo_result *result)
{
    for (size_t i = 0; i < result->tree_count; i++) {
        err_free(result->trees[i].error);
        tree_done(&result->trees[i].tree);
    }
    free(result->trees);
    free(result->ref);
    free(result->revision);
    strlist_done(&result->ancestors);
    *result = (struct repo_result){ 0 };
}
