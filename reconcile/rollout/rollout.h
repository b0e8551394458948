/* SPDX-License-Identifier: Apache-2.0 */
/* Waves, soak, gates' verdicts (docs/reference/migrationplan.md 5), the digest of a roll-out. PURE. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/limits.h"
#include "base/str.h"
#include "model/mplan.h"
#include "reconcile/plan/plan.h"

#define ROLLOUT_HASH_LEN 16 /* hex digits of the short hashes kept in status */

struct rollout_wave {
    const char *name; /* borrowed from the plan, or static */
    int64_t soak_ms;
    const struct mplan_gate *gates; /* borrowed; NULL: none */
    size_t gate_count;
};

struct rollout_waves {
    struct rollout_wave *items; /* owned */
    size_t count;               /* >= 1 when there is a database */
    int32_t *member;            /* owned: wave index per database, in the spec's order */
    size_t database_count;
};

enum rollout_take { /* how a wave may select a database */
    ROLLOUT_TAKE_ANY,
    ROLLOUT_TAKE_BY_NAME, /* else it comes last: an empty database proves nothing */
    ROLLOUT_TAKE_LAST     /* it does not answer */
};

/* Stable: names and labels first (first match wins), then count and percent of those not yet taken,
 * ordered by SHA-256(UID NUL name), rounded up; what is left is the wave `rest`. Canary without waves:
 * one canary (label tier=canary if any has it), then the rest. AllAtOnce: one wave `all`. Waves without
 * a member stay (they pass at once); `rest` exists only when it has one. `take`: one a database; NULL:
 * ROLLOUT_TAKE_ANY for all. */
void rollout_waves_make(const struct mplan *plan, const enum rollout_take *take,
                        struct rollout_waves *out);
/* Puts `lead` more waves with the name, soak and gates of the first one in front. Members stay. */
void rollout_waves_lead(struct rollout_waves *waves, int32_t lead);
void rollout_waves_done(struct rollout_waves *waves);

/* "strategy.waves[0]: wave canary selects none of 3 databases: no label teir; did you mean tier": the
 * first wave that selects none of these databases and may not. Owned; NULL: all is well. */
char *rollout_empty_wave(const struct mplan *plan);

/* ---- who goes first (docs/reference/migrationplan.md 5) --------------------------------------------------- */

struct rollout_standing { /* where one database stands when a roll-out starts; pointers borrowed */
    const struct plan *plan; /* its states and actions as last seen; NULL: not known */
    const char *inputs;      /* rollout_inputs_hash; never NULL */
    size_t waits_on;         /* the database that an after= of it waits for; SIZE_MAX: none */
    bool silent;             /* it does not answer */
    bool refused;            /* its plan has an error: what is left is not known */
    bool empty;              /* no history, and no table but ours */
    bool begun;              /* it has got files that no finished roll-out has verified */
};
/* Files left, those behind an after= too; INT64_MAX: not known. */
int64_t rollout_left(const struct rollout_standing *standing);

/* Which files (name and bytes) and sets of trees are pending somewhere. */
struct rollout_files {
    uint64_t *ids; /* owned, ascending, each once */
    size_t *wants; /* owned: databases that have it pending */
    size_t count;
};
/* An empty database does not count. */
void rollout_files_make(const struct rollout_standing *standings, size_t count,
                        struct rollout_files *out);
void rollout_files_done(struct rollout_files *files);
/* Has it applied one that another has pending? */
bool rollout_files_applied(const struct rollout_files *files,
                           const struct rollout_standing *standing);

/* Rearranges `waves`, of rollout_waves_make(), so that who has begun goes first and everything that many
 * databases get is proven by one: the first wave is those who have begun with the fewest files left
 * (while these have some, no more than the first wave selects, selected ones first), else the selection.
 * More waves with the same soak and gates follow for those who have begun and have what others are to
 * get, and where nobody so far proves that. At no time has a file, or something of a set of trees, been
 * given to more databases than the first wave selects before one that has it all is proven. Returns how
 * many waves more than one come with the soak and gates of the first: what rollout_waves_lead() puts
 * there. */
int32_t rollout_first(const struct mplan *plan, const struct rollout_standing *standings,
                      struct rollout_waves *waves);
/* Does database `index`, which has come since, get what more databases get than the first wave selects,
 * and what none of the waves 0 to `lead` proves? `members`: the wave of each database. */
bool rollout_unproven(const struct mplan *plan, const struct rollout_standing *standings,
                      const int32_t *members, int32_t lead, size_t index);

/* ---- soak and gates ---------------------------------------------------------------------------- */

/* One measurement of a gate over all the databases it asks. Start with (struct gate_answer){0}. */
struct gate_answer {
    bool taken;    /* there is one */
    bool answered; /* false: at least one database gave no answer and none said no */
    bool pass;
    char text[64];     /* value for status */
    char message[256]; /* for people: which database, which error */
};
/* A no outweighs silence, silence outweighs a yes. `message` is the error's when !answered. */
void gate_answer_add(struct gate_answer *sum, const char *database, bool answered, bool pass,
                     const char *text, const char *message);

/* Does this gate ask a database of that engine? */
bool gate_applies(const struct mplan_gate *gate, enum engine engine);

struct gate_count { /* what status remembers of a gate */
    int32_t successes, failures;
    bool at_end; /* judged at least once since the soak ended */
};
enum gate_verdict {
    GATE_VERDICT_OPEN,
    GATE_VERDICT_PASS,
    GATE_VERDICT_FAIL
};
enum gate_verdict gate_judge(const struct mplan_gate *gate, const struct gate_count *count);

/* Elapsed on the database's clock: now - max(newest journal row, since). No journal row: soaked. */
int64_t soak_left_ms(int64_t soak_ms, int64_t database_now_ms, int64_t newest_finished_ms,
                     int64_t since_ms);

/* ---- supersession ------------------------------------------------------------------------------ */

#define ROLLOUT_SUPERSESSIONS 2 /* in the first wave; then the present roll-out finishes first */

/* May a newer commit replace a roll-out that has been superseded `supersessions` times? */
bool rollout_may_supersede(int32_t supersessions, bool failed);
/* The count of the roll-out that replaces it. */
int32_t rollout_supersede(int32_t supersessions, bool failed, int32_t wave_index);

/* ---- digests ----------------------------------------------------------------------------------- */

/* 16 hex over a database's tree OIDs and its resolved migrations: same = nothing new to apply. */
void rollout_inputs_hash(const struct mplan_database *database, const struct strlist *oids,
                         char out[ROLLOUT_HASH_LEN + 1]);
/* Over strategy.type and waves, gates included: what a roll-out's order is made of. */
void rollout_order_hash(const struct mplan *plan, char out[ROLLOUT_HASH_LEN + 1]);
/* Over source.url, ref, paths and revision: where commits come from. */
void rollout_source_hash(const struct mplan *plan, char out[ROLLOUT_HASH_LEN + 1]);
/* Over the whole strategy: what the versions before rollout_order_hash() compared. */
void rollout_strategy_hash(const struct mplan *plan, char out[ROLLOUT_HASH_LEN + 1]);

struct rollout_entry { /* one database at the start of a roll-out */
    bool reachable;    /* false: head null, no files */
    int32_t head;      /* history head's rank */
    const struct strlist *oids;
    const struct plan *plan; /* its actions = pending files; NULL: none */
};
/* planDigest (docs/reference/formats.md 5): "sha256:<64 hex>". entries: one a database, in the spec's order. */
void rollout_digest(const struct mplan *plan, const struct rollout_entry *entries, char out[72]);
