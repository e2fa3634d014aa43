/* lab/sandbox.c: a process shut in with what it may see (lab/grade.h).
 *
 * A user namespace gives an ordinary user the right to make the others, and takes from root the right to do anything outside. In
 * a mount namespace a file system in memory becomes the root; the lab's and the submission's folders are bound into it
 * read-only, and the old root is let go. A network namespace is left as it comes: nothing is in it but a loopback that is down. In
 * a process namespace this process can't see, trace or signal any other; and when its first process ends, the kernel ends
 * all that it started. Limits (setrlimit) bound time and memory. No new privileges: set-user-ID programs don't help.
 *
 * man pages: user_namespaces(7), mount_namespaces(7), pid_namespaces(7), pivot_root(2), setrlimit(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/grade.h"

#define FILE_MOST (64u << 20) /* bytes of a file that it writes */
#define FILES_MOST 256

static bool failed(char *msg, size_t msg_size, const char *what)
{
    snprintf(msg, msg_size, "submissions can't be shut in on this machine (%s: %s): --open does without, for work you trust", what,
             strerror(errno));
    return false;
}

static bool write_file(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool write_file(const char *path, const char *fmt, ...)
{
    char text[64];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, (size_t)n) == n;
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool bind_folder(const char *from, const char *to)
{
    /* The flags of the mount that is bound may not be taken off in a user namespace, so they are asked for again. */
    return mkdir(to, 0755) == 0 && mount(from, to, NULL, MS_BIND | MS_REC, NULL) == 0 &&
           (mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) == 0 ||
            mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_RELATIME | MS_NOEXEC, NULL) == 0);
}

/* An empty folder over DIR, if it is there. */
static bool cover(const char *dir)
{
    struct stat st;
    return stat(dir, &st) != 0 || mount("none", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "size=4k") == 0;
}

static bool make_root(const struct sandbox *s, char *msg, size_t msg_size)
{
    static const char root[] = "/tmp";
    char lab[4096], work[4096];
    if (realpath(s->lab, lab) == NULL || realpath(s->work, work) == NULL)
        return failed(msg, msg_size, "the folders");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return failed(msg, msg_size, "a mount namespace");
    /* The folders may themselves lie below /tmp: they are held open while it is covered. */
    int lab_fd = open(lab, O_PATH | O_DIRECTORY | O_CLOEXEC), work_fd = open(work, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char lab_path[64], work_path[64];
    snprintf(lab_path, sizeof(lab_path), "/proc/self/fd/%d", lab_fd);
    snprintf(work_path, sizeof(work_path), "/proc/self/fd/%d", work_fd);
    char to[NAME_MAX + 16], solution[NAME_MAX + 32], wrong[NAME_MAX + 32];
    snprintf(to, sizeof(to), "lab/%s", strrchr(lab, '/') + 1); /* a lab's name is its folder's */
    snprintf(solution, sizeof(solution), "%s/solution", to);
    snprintf(wrong, sizeof(wrong), "%s/wrong", to);
    bool ok = lab_fd >= 0 && work_fd >= 0 && mount("none", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=755") == 0 &&
              chdir(root) == 0 && mkdir("lab", 0755) == 0 && bind_folder(lab_path, to) && bind_folder(work_path, "work") &&
              cover(solution) && cover(wrong) && mkdir("tmp", 0700) == 0 && mkdir("old", 0700) == 0;
    ok = ok && syscall(SYS_pivot_root, ".", "old") == 0 && chdir("/work") == 0 && umount2("/old", MNT_DETACH) == 0;
    int err = errno;
    if (lab_fd >= 0)
        close(lab_fd);
    if (work_fd >= 0)
        close(work_fd);
    errno = err;
    return ok || failed(msg, msg_size, "a file system of its own");
}

void sandbox_limit(const struct sandbox *s)
{
    const struct {
        int what;
        rlim_t most;
    } limits[] = {{RLIMIT_CPU, s->seconds},
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes of addresses */
                  {RLIMIT_AS, s->memory},
#endif
                  {RLIMIT_FSIZE, FILE_MOST},
                  {RLIMIT_NOFILE, FILES_MOST},
                  {RLIMIT_CORE, 0}};
    for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
        struct rlimit r = {limits[i].most, limits[i].most};
        if (limits[i].what == RLIMIT_CPU)
            r.rlim_max++; /* SIGXCPU first: it is told from other deaths */
        (void)setrlimit((__rlimit_resource_t)limits[i].what, &r);
    }
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* In the process that stays outside the process namespace. */
static void wait_for(pid_t inside)
{
    int status;
    while (waitpid(inside, &status, 0) < 0 && errno == EINTR)
        continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

bool sandbox_enter(const struct sandbox *s, char *msg, size_t msg_size)
{
    unsigned uid = (unsigned)geteuid(), gid = (unsigned)getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID) != 0)
        return failed(msg, msg_size, "namespaces");
    if (!write_file("/proc/self/setgroups", "deny") || !write_file("/proc/self/uid_map", "0 %u 1", uid) ||
        !write_file("/proc/self/gid_map", "0 %u 1", gid))
        return failed(msg, msg_size, "a user namespace");
    if (!make_root(s, msg, msg_size))
        return false;
    pid_t inside = fork();
    if (inside < 0)
        return failed(msg, msg_size, "a process");
    if (inside > 0)
        wait_for(inside);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    sandbox_limit(s);
    return true;
}
