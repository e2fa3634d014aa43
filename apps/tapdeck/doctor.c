/* tapdeck/doctor.c: says what this machine lacks, and the command that mends it.
 *
 * Each check is a line: ok, missing or note; a missing thing has the command that mends it on a
 * line of its own, ready to be copied. Whether a TAP can be made is tried, not guessed: in a child
 * process with a network namespace of its own, so that nothing on the machine changes.
 */
#include "tapdeck/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tapdeck/local.h"

#include "common/control.h"

static void line(FILE *out, const char *verdict, const char *what)
{
    fprintf(out, "%-8s %s\n", verdict, what);
}

static void mend(FILE *out, const char *command)
{
    fprintf(out, "%-8s   %s\n", "", command);
}

/* ---- TAP ---- */

static void explain_namespaces(const struct doctor_machine *m, FILE *out)
{
    char word[32];
    if (m->read_word("/proc/sys/kernel/unprivileged_userns_clone", word, sizeof(word)) &&
        strcmp(word, "0") == 0)
        mend(out, "sudo sysctl -w kernel.unprivileged_userns_clone=1");
    else if (m->read_word("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", word,
                          sizeof(word)) &&
             strcmp(word, "1") == 0)
        mend(out, "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    else if (m->read_word("/proc/sys/user/max_user_namespaces", word, sizeof(word)) &&
             strcmp(word, "0") == 0)
        mend(out, "sudo sysctl -w user.max_user_namespaces=10000");
    else
        mend(out, "run tapdeckd and tapdeck with sudo");
}

static bool check_tap(const struct doctor_machine *m, FILE *out)
{
    char text[256];
    if (!m->exists("/dev/net/tun")) {
        line(out, "missing", "/dev/net/tun, the driver of TAP devices");
        mend(out, m->root ? "modprobe tun" : "sudo modprobe tun");
        return false;
    }
    int err = m->try_tap(!m->root);
    if (err == ENOTTY) {
        line(out, "missing", "/dev/net/tun is there, but it isn't the driver of TAP devices");
        mend(out, m->root ? "rm /dev/net/tun; mknod -m 666 /dev/net/tun c 10 200"
                          : "sudo rm /dev/net/tun; sudo mknod -m 666 /dev/net/tun c 10 200");
        return false;
    }
    line(out, "ok", "/dev/net/tun is there");
    if (err == 0) {
        line(out, "ok",
             m->root ? "TAP devices can be made (as root)"
                     : "TAP devices can be made without root, inside `unshare -Urn`");
        return true;
    }
    snprintf(text, sizeof(text), "permission to make a TAP device%s: %s",
             m->root ? "" : " in a user namespace of one's own", strerror(err));
    line(out, "missing", text);
    if (err == EACCES && !m->root)
        mend(out, "sudo chmod 0666 /dev/net/tun");
    else if (m->root)
        mend(out, "give this container the capability NET_ADMIN and the device /dev/net/tun");
    else
        explain_namespaces(m, out);
    return false;
}

/* ---- kernel and directories ---- */

static void check_kernel(const struct doctor_machine *m, FILE *out)
{
    if (m->try_epoll_pwait2() == 0)
        line(out, "ok", "the kernel has epoll_pwait2");
    else
        line(out, "note",
             "the kernel is older than Linux 5.11 (no epoll_pwait2): timers are rounded up to "
             "milliseconds");
}

static bool check_run_dir(const struct doctor_machine *m, FILE *out)
{
    char dir[256], msg[512], text[600];
    if (m->run_dir(dir, sizeof(dir), msg, sizeof(msg))) {
        snprintf(text, sizeof(text), "control sockets go to %s", dir);
        line(out, "ok", text);
        return true;
    }
    line(out, "missing", msg);
    mend(out, "mkdir -m 700 ~/.tapdeck && export TAPDECK_RUN=~/.tapdeck");
    return false;
}

/* ---- packages ---- */

#define GROUPS_MAX 16

struct group {
    char name[32];
    unsigned known, missing;
    struct text packages, why;
};

/* What a group is for, and whether its lack counts. */
static const struct {
    const char *name, *for_what;
    bool needed;
} group_uses[] = {
    {"build", "make", true},
    {"demo", "make demo", true},
    {"test", "make test", true},
    {"bench", "make bench", false},
};

static bool group_needed(const char *name, const char **for_what)
{
    *for_what = name;
    for (size_t i = 0; i < sizeof(group_uses) / sizeof(*group_uses); i++) {
        if (strcmp(name, group_uses[i].name) == 0) {
            *for_what = group_uses[i].for_what;
            return group_uses[i].needed;
        }
    }
    return false;
}

static struct group *group_of(struct group *groups, unsigned *n, const char *name)
{
    for (unsigned i = 0; i < *n; i++)
        if (strcmp(groups[i].name, name) == 0)
            return &groups[i];
    if (*n == GROUPS_MAX || strlen(name) >= sizeof(groups[0].name))
        return NULL;
    memset(&groups[*n], 0, sizeof(groups[*n]));
    strcpy(groups[*n].name, name);
    return &groups[(*n)++];
}

/* Reads group<TAB>package<TAB>why lines. False: this is not Debian. */
static bool read_packages(const struct doctor_machine *m, struct group *groups, unsigned *n)
{
    char buf[512];
    while (fgets(buf, sizeof(buf), m->packages) != NULL) {
        buf[strcspn(buf, "\n")] = '\0';
        char *package = strchr(buf, '\t');
        if (buf[0] == '#' || package == NULL)
            continue;
        *package++ = '\0';
        char *why = strchr(package, '\t');
        if (why != NULL)
            *why++ = '\0';
        struct group *g = group_of(groups, n, buf);
        int installed = g != NULL ? m->package(package) : 1;
        if (installed < 0)
            return false;
        if (g == NULL)
            continue;
        g->known++;
        if (installed == 0) {
            g->missing++;
            text_printf(&g->packages, " %s", package);
            text_printf(&g->why, "%s%s (%s)", g->why.len ? ", " : "", package,
                        why != NULL ? why : "");
        }
    }
    return true;
}

static bool check_packages(const struct doctor_machine *m, FILE *out)
{
    struct group groups[GROUPS_MAX];
    unsigned n = 0;
    bool good = true;
    if (m->packages == NULL) {
        line(out, "note",
             "scripts/packages.txt is not here, so packages were not checked: run doctor in the "
             "source tree");
        return true;
    }
    bool debian = read_packages(m, groups, &n);
    if (!debian)
        line(out, "note",
             "dpkg is not here, so packages were not checked: scripts/packages.txt lists what "
             "Debian calls them");
    for (unsigned i = 0; i < n; i++) {
        struct group *g = &groups[i];
        const char *for_what;
        bool needed = group_needed(g->name, &for_what);
        struct text t = {0};
        if (debian && g->missing == 0) {
            text_printf(&t, "the %u packages for `%s` are installed", g->known, for_what);
            line(out, "ok", t.s);
        } else if (debian) {
            text_printf(&t, "%u of %u packages for `%s`: %s", g->missing, g->known, for_what,
                        g->why.s);
            line(out, needed ? "missing" : "note", t.s);
            text_consume(&t, t.len);
            text_printf(&t, "%sapt-get install -y%s", m->root ? "" : "sudo ", g->packages.s);
            mend(out, t.s);
            good = good && !needed;
        }
        text_free(&t);
        text_free(&g->packages);
        text_free(&g->why);
    }
    return good;
}

int doctor(const struct doctor_machine *m, FILE *out)
{
    bool tap = check_tap(m, out);
    check_kernel(m, out);
    bool dir = check_run_dir(m, out), packages = check_packages(m, out);
    if (tap && dir && packages) {
        fputs("Nothing that is needed is missing.\n", out);
        return EXIT_DONE;
    }
    fputs("Something that is needed is missing: the lines below each `missing` mend it.\n", out);
    return EXIT_FAILED;
}

/* ---- this machine ---- */

static bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* In the child: the errno, 0 = it works. */
static int make_tap_here(bool user_namespace)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (unshare(CLONE_NEWNET | (user_namespace ? CLONE_NEWUSER : 0)) < 0)
        return errno;
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
        return errno;
    return 0;
}

static int try_tap(bool user_namespace)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0)
        _exit(make_tap_here(user_namespace));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

static bool read_word(const char *path, char *dst, size_t size)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool ok = fgets(dst, (int)size, f) != NULL;
    if (ok)
        dst[strcspn(dst, "\n")] = '\0';
    fclose(f);
    return ok;
}

static int try_epoll_pwait2(void)
{
    struct timespec none = {0};
    struct epoll_event ev;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return errno;
    int err = epoll_pwait2(fd, &ev, 1, &none, NULL) < 0 ? errno : 0;
    close(fd);
    return err;
}

static int package_installed(const char *name)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR), pipe_fd[2];
        char buf[128] = "";
        if (null < 0 || pipe(pipe_fd) < 0)
            _exit(2);
        pid_t query = fork();
        if (query == 0) {
            dup2(pipe_fd[1], 1);
            dup2(null, 2);
            execlp("dpkg-query", "dpkg-query", "-W", "-f", "${Status}\n", "--", name, (char *)NULL);
            _exit(127);
        }
        close(pipe_fd[1]);
        ssize_t n = read(pipe_fd[0], buf, sizeof(buf) - 1);
        int query_status = 0;
        waitpid(query, &query_status, 0);
        if (WIFEXITED(query_status) && WEXITSTATUS(query_status) == 127)
            _exit(2);
        _exit(n > 0 && strstr(buf, "install ok installed") != NULL ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 2)
        return -1;
    return WEXITSTATUS(status) == 0;
}

/* The list lies in the source tree: here, or beside the directory of the program. */
static FILE *open_packages(void)
{
    char path[1024];
    FILE *f = fopen("scripts/packages.txt", "re");
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
    if (f != NULL || n <= 0)
        return f;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    strcpy(slash != NULL ? slash : path, "/../scripts/packages.txt");
    return fopen(path, "re");
}

int doctor_main(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "tapdeck: `doctor` takes no words, '%s' is one too many\n", argv[1]);
        return EXIT_USAGE;
    }
    struct doctor_machine m = {
        .root = geteuid() == 0,
        .exists = file_exists,
        .try_tap = try_tap,
        .read_word = read_word,
        .try_epoll_pwait2 = try_epoll_pwait2,
        .package = package_installed,
        .packages = open_packages(),
        .run_dir = run_dir_make,
    };
    int status = doctor(&m, stdout);
    if (m.packages != NULL)
        fclose(m.packages);
    return status;
}

static int doctor_command(struct session *s, int argc, char **argv)
{
    (void)s;
    return doctor_main(argc, argv);
}

const struct local_command local_doctor = {
    .name = "doctor",
    .usage = "doctor",
    .doc = "says what this machine lacks, and the command that mends it",
    .more = "Exit status: 0 nothing that is needed is missing, 1 something is.",
    .fn = doctor_command,
};
