/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of manifests: which objects it defines now, and what is wrong with the rest. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/json.h"
#include "base/str.h"
#include "model/platform.h"

struct manifest {
    enum platform_kind kind;
    char *namespace_, *name; /* owned */
    struct json *object;     /* owned */
    char *where;             /* "shop.yaml:12"; owned */
    bool shadowed;           /* an earlier manifest defines the same object: not used */
};

struct manifest_signature { /* equal: the file has not changed */
    int64_t mtime_ns, ctime_ns;
    off_t size;
    ino_t inode;
};

struct manifest_file {
    char *name; /* in the folder; owned */
    struct manifest_signature signature;
    int64_t absent_since_ms; /* UTC; 0: the last scan saw it */
    bool read;               /* signature and items are of one reading */
    bool fresh;  /* read so soon after a write that another may hide behind equal times */
    bool broken; /* something in it is no object: what is missing may be in there */
    struct manifest *items;
    size_t count;
    size_t cap;
    struct strlist problems; /* "shop.yaml:3: ..." */
};

struct manifests {
    char *dir;                   /* owned */
    struct manifest_file *files; /* by name */
    size_t count;
    size_t cap;
    struct strlist problems; /* of the folder: unreadable, duplicates */
};

struct manifests_change { /* what a scan found to differ */
    enum platform_kind kind;
    char *namespace_, *name; /* owned */
};

struct manifests_changes {
    struct manifests_change *items;
    size_t count;
    size_t cap;
    bool unsettled; /* a file is being written: scan again soon */
};

struct manifests_patience { /* zero: take everything as it is at this moment */
    int64_t settle_ms;      /* a file written less than this ago is left for the next scan */
    int64_t absence_ms; /* a file missing less than this is still there: editors and git replace */
};

/* Reads *.yaml and *.yml that changed since the last scan. A file that no longer parses keeps the
 * objects of its last good reading, as a cluster keeps what was applied. */
void manifests_scan(struct manifests *m, int64_t now_utc_ms,
                    const struct manifests_patience *patience, struct manifests_changes *out);
/* NULL: not there. Borrowed until the next scan. */
const struct manifest *manifests_find(const struct manifests *m, enum platform_kind kind,
                                      const char *namespace_, const char *name);
/* True: absence of an object means nothing, because some file could not be read whole. */
bool manifests_broken(const struct manifests *m);
void manifests_problems(const struct manifests *m, struct strlist *out);
void manifests_done(struct manifests *m);
void manifests_changes_add(struct manifests_changes *changes, enum platform_kind kind,
                           const char *namespace_, const char *name);
void manifests_changes_done(struct manifests_changes *changes);
