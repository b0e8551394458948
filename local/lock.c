/* SPDX-License-Identifier: Apache-2.0 */
/* One controller works on a folder: its lock, and who has it. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "local/internal.h"
#include "model/reason.h"

#define LOCK_TRIES 10
#define LOCK_PAUSE_NS 20000000

/* Who else could write there would tell us what to run, and read the credentials of Jobs. */
static struct err *check_private(const char *folder)
{
    struct stat st;

    if (lstat(folder, &st) || !S_ISDIR(st.st_mode)) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "%s is not a folder: remove it", folder);
    }
    if (st.st_uid != geteuid()) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC,
                       "%s belongs to user %ld and the controller runs as user %ld: run it as that "
                       "user, or chown -R the folder",
                       folder, (long)st.st_uid, (long)geteuid());
    }
    if (st.st_mode & 077) {
        return err_new(
            ERR_TERMINAL, REASON_INVALID_SPEC,
            "%s may be used by others (mode %04o), and it holds credentials: chmod 700 %s", folder,
            (unsigned)(st.st_mode & 07777), folder);
    }
    return NULL;
}

/* Commands hold the lock for a moment to see whether anybody does. */
static bool take_lock(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return true;
        }
        const struct timespec moment = { .tv_nsec = LOCK_PAUSE_NS };
        nanosleep(&moment, NULL);
    }
    return false;
}

/* "pid 4711, bob@db1, since 2026-11-30T09:00:00Z": as that controller has written it. Owned. */
static char *holder_of(int fd)
{
    char text[512] = "";
    ssize_t got = pread(fd, text, sizeof text - 1, 0);

    if (got <= 0) {
        return mem_strdup("its pid is not known");
    }
    text[text[got - 1] == '\n' ? got - 1 : got] = '\0';
    AUTO(buf_done) struct buf out = BUF(1024);
    buf_adds(&out, "pid ");
    for (const char *p = text; *p; p++) {
        if (*p == '\n') {
            buf_adds(&out, ", ");
        } else {
            buf_addc(&out, *p);
        }
    }
    return buf_take(&out);
}

static char *who_we_are(void)
{
    const struct passwd *user = getpwuid(geteuid());
    char host[256] = "localhost";
    char now[TIME_TEXT_LEN];

    gethostname(host, sizeof host - 1);
    time_format(clock_utc_ms(), now);
    return mem_printf("%ld\n%s@%s\nsince %s\n", (long)getpid(), user ? user->pw_name : "unknown",
                      host, now);
}

struct err *local_lock(struct local *l)
{
    AUTO(free_auto) char *folder = mem_printf("%s/.sluice", l->dir);
    AUTO(free_auto) char *path = mem_printf("%s/lock", folder);

    TRY(file_mkdirs(folder, 0700));
    TRY(check_private(folder));
    l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (l->lock_fd < 0) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "could not open %s: %s", path,
                       strerror(errno));
    }
    if (!take_lock(l->lock_fd)) {
        AUTO(free_auto) char *holder = holder_of(l->lock_fd);
        close(l->lock_fd);
        l->lock_fd = -1;
        return err_new(ERR_WAIT, REASON_CONTROLLER_RUNNING,
                       "another controller works on %s already (%s)", l->dir, holder);
    }
    AUTO(free_auto) char *own = who_we_are();
    if (ftruncate(l->lock_fd, 0) || pwrite(l->lock_fd, own, strlen(own), 0) < 0) {
        return err_new(ERR_TERMINAL, REASON_INVALID_SPEC, "could not write %s: %s", path,
                       strerror(errno));
    }
    return NULL;
}

/* Seen by commands once we are gone. */
void local_sign(const struct local *l)
{
    (void)futimens(l->lock_fd, NULL);
}
