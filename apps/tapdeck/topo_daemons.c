/* tapdeck/topo_daemons.c: a topology as several daemons in network namespaces.
 *
 * A supervisor stays in the background. It makes one network namespace (in a user namespace of its own, unless it is
 * root's) in which all cables lie: for each link a bridge of the kernel's that only passes frames on, with the TAP
 * device of a tapdeck node or one end of a veth pair on each side; the pair's other end is in the linux node's own
 * namespace, under the interface's name. `tcpdump -i` on a bridge there sees the link. A daemon reads its node's
 * commands from its control socket, where the supervisor puts them one by one, so that one that fails is reported
 * with its line in the file. Impairments are the tapdeck ends' queue disciplines; what a linux node sends is
 * impaired where it arrives, at the other end's ingress.
 *
 * When the supervisor ends (SIGTERM, which is what `topo down` sends, or a failure on the way up), its daemons are asked to
 * end and then made to, and with the last process the namespaces and everything in them go.
 */
#include "tapdeck/topo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/control.h"
#include "tapdeck/client.h"

#define READY_TIME 20000 /* ms: for a daemon to come up */
#define DOWN_TIME  5000  /* ms: for all to end */

struct supervisor {
    const struct topo *t;
    const struct topo_state *s;
    pid_t *child; /* [node index] a daemon, or who holds a linux node's namespace */
    pid_t asker;  /* whose network namespace real TAP devices go to */
    int log;      /* what daemons say */
    char *msg;
    size_t msg_size;
};

static bool fail(struct supervisor *v, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static bool fail(struct supervisor *v, unsigned line, const char *fmt, ...)
{
    va_list ap;
    int n = line > 0 ? snprintf(v->msg, v->msg_size, "%s:%u: ", v->t->file, line) : 0;
    va_start(ap, fmt);
    if (n >= 0 && (size_t)n < v->msg_size)
        vsnprintf(v->msg + n, v->msg_size - (size_t)n, fmt, ap);
    va_end(ap);
    return false;
}

/* ---- processes ---- */

/* The first line that the log got since it was `before` bytes long. */
static void first_line(const struct supervisor *v, off_t before, char *line, size_t size)
{
    ssize_t n = pread(v->log, line, size - 1, before);
    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

static void quiet(const struct supervisor *v)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(v->log, STDOUT_FILENO);
    dup2(v->log, STDERR_FILENO);
    signal(SIGTERM, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Runs a program to its end, in the network namespace of process `where` (0: here). What it says goes to the log, and
 * the first line of that to `said`; a program that it leaves in the background isn't waited for. */
static bool run_in(const struct supervisor *v, pid_t where, char *said, size_t size, const char *const *argv)
{
    int status = -1;
    off_t before = lseek(v->log, 0, SEEK_END);
    pid_t pid = fork();
    if (pid == 0) {
        quiet(v);
        if (where > 0) {
            char path[64];
            snprintf(path, sizeof(path), "/proc/%ld/ns/net", (long)where);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
                _exit(126);
        }
        execvp(argv[0], (char *const *)argv);
        dprintf(STDERR_FILENO, "%s can't be started: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    first_line(v, before, said, size);
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* `ip WORDS` here, or in a linux node's namespace. */
static bool ip(struct supervisor *v, unsigned line, pid_t where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool ip(struct supervisor *v, unsigned line, pid_t where, const char *fmt, ...)
{
    char command[512], said[256], trouble[256], **words;
    va_list ap;
    va_start(ap, fmt);
    memcpy(command, "ip ", 3);
    vsnprintf(command + 3, sizeof(command) - 3, fmt, ap);
    va_end(ap);
    int n = words_split(command, &words, trouble, sizeof(trouble));
    bool ok = n > 0 && run_in(v, where, said, sizeof(said), (const char *const *)words);
    words_free(words);
    return ok || fail(v, line, "`%s` failed: %s", command, said);
}

/* ---- nodes ---- */

static void tap_name(char dst[16], const struct topo_end *e)
{
    unsigned i = 0;
    for (const struct topo_if *f = e->node->interfaces; f != e->interface; f = f->next)
        i++;
    snprintf(dst, 16, "n%ui%u", e->node->index, i);
}

/* Waits until fd (a daemon's --ready-fd) speaks. */
static bool wait_ready(int fd)
{
    char word[8];
    for (int waited = 0; waited < READY_TIME; waited += 10) {
        ssize_t n = read(fd, word, sizeof(word));
        if (n > 0)
            return true;
        if (n == 0 || errno != EAGAIN)
            return false; /* it ended */
        usleep(10000);
    }
    return false;
}

static bool start_daemon(struct supervisor *v, const struct topo_node *n)
{
    const char *argv[600];
    char program[PATH_MAX], name[80], fd_word[16], log_line[300];
    struct text commands[256] = {{0}};
    int argc = 0, ncommands = 0, ready[2];
    topo_program("tapdeckd", program, sizeof(program));
    snprintf(name, sizeof(name), "%s.%s", v->s->name, n->name);
    if (pipe2(ready, O_NONBLOCK | O_CLOEXEC) < 0)
        return fail(v, n->line, "no pipe can be made: %s", strerror(errno));
    snprintf(fd_word, sizeof(fd_word), "%d", ready[1]);
    const char *fixed[] = {program, "-n", name, "--ready-fd", fd_word, "--profile", n->rfc ? "rfc" : "linux"};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
        argv[argc++] = fixed[i];
    if (n->faults)
        argv[argc++] = "--allow-faults";
    for (struct topo_if *f = n->interfaces; f != NULL && ncommands < 256; f = f->next) {
        struct topo_end e = {.node = v->t->nodes, .interface = f};
        while (e.node != n)
            e.node = e.node->next;
        char tap[16];
        tap_name(tap, &e);
        text_printf(&commands[ncommands], "tap add %s as %s mtu %u", tap, f->name, f->mtu != 0 ? f->mtu : 1500);
        argv[argc++] = "-e";
        argv[argc++] = commands[ncommands++].s;
    }
    argv[argc] = NULL;
    off_t log_before = lseek(v->log, 0, SEEK_END);
    pid_t pid = fork();
    if (pid == 0) {
        quiet(v);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        fcntl(ready[1], F_SETFD, 0);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(ready[1]);
    v->child[n->index] = pid;
    bool ok = pid > 0 && wait_ready(ready[0]);
    close(ready[0]);
    for (int i = 0; i < ncommands; i++)
        text_free(&commands[i]);
    if (ok)
        return true;
    first_line(v, log_before, log_line, sizeof(log_line));
    return fail(v, n->line, "node %s doesn't come up: %s", n->name, log_line[0] != '\0' ? log_line : "no word from it");
}

/* A process that does nothing but hold a network namespace; its number is in NAME.NODE.lock. */
static bool start_linux(struct supervisor *v, const struct topo_node *n)
{
    int ready[2];
    char byte = 0, dir[256], path[400], msg[256];
    if (pipe2(ready, O_CLOEXEC) < 0)
        return fail(v, n->line, "no pipe can be made: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        quiet(v);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        byte = unshare(CLONE_NEWNET) == 0;
        ssize_t ignored = write(ready[1], &byte, 1);
        (void)ignored;
        closefrom(STDERR_FILENO + 1); /* this one runs no program that would close them */
        for (;;)
            pause();
    }
    close(ready[1]);
    v->child[n->index] = pid;
    bool ok = pid > 0 && read(ready[0], &byte, 1) == 1 && byte == 1;
    close(ready[0]);
    if (!ok || !run_dir_make(dir, sizeof(dir), msg, sizeof(msg)))
        return fail(v, n->line, "no network namespace can be made for node %s", n->name);
    snprintf(path, sizeof(path), "%s/%s.%s.lock", dir, v->s->name, n->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || dprintf(fd, "%ld\n", (long)pid) < 0)
        ok = fail(v, n->line, "%s can't be written: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok && ip(v, n->line, pid, "link set lo up");
}

/* One of a node's commands. */
static bool obey(struct supervisor *v, const struct topo_node *n, unsigned line, const char *command)
{
    char said[512] = "", name[80];
    if (n->kind == TOPO_LINUX) {
        const char *argv[] = {"sh", "-c", command, NULL};
        return run_in(v, v->child[n->index], said, sizeof(said), argv) ||
               fail(v, line, "node %s: `%s` failed: %s", n->name, command, said);
    }
    struct client c;
    char **words;
    int argc = words_split(command, &words, said, sizeof(said));
    if (argc <= 0) {
        words_free(words);
        return argc == 0 || fail(v, line, "node %s: %s", n->name, said);
    }
    snprintf(name, sizeof(name), "%s.%s", v->s->name, n->name);
    int status = client_connect(&c, name, said, sizeof(said));
    if (status == EXIT_DONE) {
        FILE *out = fdopen(dup(v->log), "a");
        status = client_run(&c, argc, words, false, false, out != NULL ? out : stderr, said, sizeof(said));
        if (out != NULL)
            fclose(out);
        client_end(&c);
    }
    words_free(words);
    return status == EXIT_DONE || fail(v, line, "node %s: %s", n->name, said);
}

/* ---- links ---- */

/* One side of link number i; the device that lies at the bridge. */
static bool lay_end(struct supervisor *v, const struct topo_link *l, unsigned i, int side)
{
    const struct topo_end *e = &l->end[side];
    char device[16];
    tap_name(device, e);
    if (e->node->kind == TOPO_LINUX) {
        unsigned mtu = e->interface->mtu != 0 ? e->interface->mtu : 1500;
        if (!ip(v, l->line, 0, "link add name %s mtu %u type veth peer name %s mtu %u netns %ld", device, mtu,
                e->interface->name, mtu, (long)v->child[e->node->index]) ||
            !ip(v, l->line, v->child[e->node->index], "link set %s up", e->interface->name))
            return false;
    }
    return ip(v, l->line, 0, "link set %s master link%u", device, i) && ip(v, l->line, 0, "link set %s up", device);
}

static bool lay_links(struct supervisor *v)
{
    unsigned i = 0;
    for (const struct topo_link *l = v->t->links; l != NULL; l = l->next, i++) {
        /* ageing_time 0: it learns nothing, so that what a switch or an ARP lesson does isn't undone here */
        if (!ip(v, l->line, 0, "link add name link%u type bridge ageing_time 0 mcast_snooping 0", i) ||
            !ip(v, l->line, 0, "link set link%u up", i) || !lay_end(v, l, i, 0) || !lay_end(v, l, i, 1))
            return false;
    }
    for (const struct topo_tap *t = v->t->taps; t != NULL; t = t->next) {
        char device[16];
        tap_name(device, &t->end);
        if (!ip(v, t->line, 0, "link set %s name %s", device, t->device) ||
            !ip(v, t->line, 0, "link set %s netns %ld", t->device, (long)v->asker))
            return false;
    }
    return true;
}

static bool impair(struct supervisor *v)
{
    for (const struct topo_link *l = v->t->links; l != NULL; l = l->next) {
        for (int dir = 0; dir < 2; dir++) {
            const struct topo_words *w = l->impair[dir];
            const struct topo_end *from = &l->end[dir], *to = &l->end[1 - dir];
            bool here = from->node->kind != TOPO_LINUX;
            char command[2200]; /* an impairment has at most 2000 bytes */
            if (w == NULL)
                continue;
            snprintf(command, sizeof(command), "tc qdisc add dev %s %s %s",
                     here ? from->interface->name : to->interface->name, here ? "root" : "ingress", w->text);
            if (!obey(v, here ? from->node : to->node, w->line, command))
                return false;
        }
    }
    return true;
}

static bool can_be_laid(struct supervisor *v)
{
    for (const struct topo_link *l = v->t->links; l != NULL; l = l->next)
        if (l->end[0].node->kind == TOPO_LINUX && l->end[1].node->kind == TOPO_LINUX &&
            (l->impair[0] != NULL || l->impair[1] != NULL))
            return fail(v, l->line, "a link is impaired by its tapdeck end, and both ends of this one are linux nodes");
    if (v->t->taps != NULL && geteuid() != 0)
        return fail(v, v->t->taps->line,
                    "only root can hand a TAP device from the topology's namespace to this one: run it with "
                    "--simulated, or as root");
    return true;
}

/* ---- the supervisor ---- */

static bool write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool make_namespace(struct supervisor *v)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(uid == 0 ? CLONE_NEWNET : CLONE_NEWNET | CLONE_NEWUSER) < 0)
        return fail(v, 0,
                    "this user may not make a network namespace (%s): run it as root, or with --simulated, which needs none",
                    strerror(errno));
    if (uid != 0) {
        snprintf(map, sizeof(map), "0 %u 1", uid);
        bool ok = write_file("/proc/self/uid_map", map) && write_file("/proc/self/setgroups", "deny");
        snprintf(map, sizeof(map), "0 %u 1", gid);
        if (!ok || !write_file("/proc/self/gid_map", map))
            return fail(v, 0, "the user namespace can't be set up: %s", strerror(errno));
    }
    /* No neighbour discovery on the cables: they carry what the nodes send, nothing else. */
    write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    return ip(v, 0, 0, "link set lo up");
}

static bool bring_up(struct supervisor *v)
{
    if (!can_be_laid(v) || !make_namespace(v))
        return false;
    for (const struct topo_node *n = v->t->nodes; n != NULL; n = n->next)
        if (!(n->kind == TOPO_LINUX ? start_linux(v, n) : start_daemon(v, n)))
            return false;
    if (!lay_links(v))
        return false;
    for (const struct topo_node *n = v->t->nodes; n != NULL; n = n->next)
        for (const struct topo_words *w = n->commands; w != NULL; w = w->next)
            if (!obey(v, n, w->line, w->text))
                return false;
    return impair(v);
}

/* Sends sig to all that run below the supervisor, which orphans come to as well; their number. */
static int signal_all(int sig)
{
    char path[64];
    long pid;
    int n = 0;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)getpid());
    FILE *f = fopen(path, "re");
    while (f != NULL && fscanf(f, "%ld", &pid) == 1) {
        n++;
        kill((pid_t)pid, sig);
    }
    if (f != NULL)
        fclose(f);
    return n;
}

static void take_down(struct supervisor *v)
{
    char dir[256], path[400], msg[256];
    bool have_dir = run_dir_make(dir, sizeof(dir), msg, sizeof(msg));
    for (const struct topo_node *n = v->t->nodes; n != NULL; n = n->next) {
        if (v->child[n->index] <= 0 || n->kind != TOPO_LINUX || !have_dir)
            continue;
        snprintf(path, sizeof(path), "%s/%s.%s.lock", dir, v->s->name, n->name);
        unlink(path);
    }
    signal_all(SIGTERM);
    for (int waited = 0; waited < DOWN_TIME && signal_all(0) > 0; waited += 20)
        usleep(20000);
    for (int i = 0; i < 100 && signal_all(SIGKILL) > 0; i++)
        usleep(10000);
}

static void supervise(struct supervisor *v, int report)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct topo_state s = *v->s;
    s.pid = (long)getpid();
    bool ok = bring_up(v) && topo_state_write(&s, v->msg, v->msg_size);
    if (!ok) {
        take_down(v);
        dprintf(report, "%s", v->msg);
        _exit(1);
    }
    close(report); /* without a word: all is well */
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2; fd++)
        dup2(null, fd);
    for (;;) {
        struct timespec second = {.tv_sec = 1};
        int sig = sigtimedwait(&set, NULL, &second);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        if (sig > 0)
            break;
    }
    take_down(v);
    topo_state_remove(s.name);
    _exit(0);
}

int topo_daemons_up(const struct topo *t, const struct topo_state *s, char *msg, size_t msg_size)
{
    struct supervisor v = {.t = t, .s = s, .asker = getpid(), .msg = msg, .msg_size = msg_size};
    int report[2];
    char dir[256], path[400];
    if (!run_dir_make(dir, sizeof(dir), msg, msg_size))
        return EXIT_USAGE;
    snprintf(path, sizeof(path), "%s/topo-%s.log", dir, s->name);
    v.log = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    v.child = calloc(t->nnodes, sizeof(*v.child));
    if (v.log < 0 || v.child == NULL || pipe2(report, O_CLOEXEC) < 0) {
        snprintf(msg, msg_size, "%s can't be made: %s", path, strerror(errno));
        return EXIT_FAILED;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        close(report[0]);
        supervise(&v, report[1]);
    }
    close(report[1]);
    size_t n = 0;
    ssize_t got;
    msg[0] = '\0';
    while (n + 1 < msg_size && (got = read(report[0], msg + n, msg_size - 1 - n)) > 0)
        n += (size_t)got;
    msg[n] = '\0';
    close(report[0]);
    close(v.log);
    free(v.child);
    if (n == 0)
        return EXIT_DONE;
    waitpid(pid, NULL, 0);
    return msg[0] == t->file[0] && strncmp(msg, t->file, strlen(t->file)) == 0 ? EXIT_USAGE : EXIT_FAILED;
}
