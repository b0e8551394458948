/* SPDX-License-Identifier: Apache-2.0 */
/* How the child of ask.c ends when it has no answer. Internal to database/. */
#pragma once
#define ASK_EXIT_MEMORY 77 /* it needs more memory than it may take */
#define ASK_ANSWER_PART 4  /* of its memory, so much may be its answer */
