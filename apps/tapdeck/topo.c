/* tapdeck/topo.c: `tapdeck topo up|down|run|show|graph|exec`.
 *
 * Two ways to run a file. Simulated: one tapdeckd holds all nodes and the wires between them
 * (tapdeckd/net.h); it needs no rights, and can have virtual time. As daemons: a tapdeckd a node, their TAP
 * devices joined by the kernel's bridges in a network namespace of their own (tapdeck/topo_daemons.c), so that
 * Linux hosts can be nodes too. Either way each tapdeck node answers to `tapdeck -n TOPOLOGY.NODE`.
 */
#include "tapdeck/topo.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/control.h"
#include "common/jsonw.h"
#include "tapdeck/client.h"
#include "tapdeck/local.h"

static const char about[] =
    "A topology file is YAML: nodes, and links between their interfaces.\n"
    "\n"
    "  nodes:\n"
    "    client:\n"
    "      interfaces: {eth0: 10.0.1.2/24}\n"
    "      routes: [default via 10.0.1.1]      # words after `ip route add`\n"
    "    router:\n"
    "      interfaces: {left: 10.0.1.1/24, right: {address: 10.0.2.1/24, mtu: 1400}}\n"
    "      forward: yes\n"
    "    server:\n"
    "      interfaces: {eth0: 10.0.2.2/24}\n"
    "      routes: [default via 10.0.2.1]\n"
    "      apps: [httpd -p 80 site]            # words after `app start`\n"
    "  links:\n"
    "    - [client.eth0, router.left]\n"
    "    - ends: [router.right, server]        # the interface may be left out if there is one\n"
    "      impair: delay 20ms loss 1%          # words after `tc qdisc add dev X root`; or there:, back:\n"
    "\n"
    "A node also has kind (tapdeck; switch, a learning bridge whose ports needn't be named; linux, a network\n"
    "namespace of this machine), sysctl (knob: value), commands (console commands; a shell's in a linux node),\n"
    "profile (linux or rfc) and faults (yes: deliberate bugs may be switched on). At the top of the file may stand\n"
    "name, time (real or virtual), seed, and taps ({tap0: router.up}: that TAP device of this machine is the\n"
    "interface's cable).\n"
    "\n"
    "`up` runs all nodes in one process with simulated wires (--simulated), or, with --daemons and when there are\n"
    "linux nodes, as a daemon each, joined by TAP devices in a network namespace of their own. Each answers to\n"
    "`tapdeck -n NAME.NODE`. In virtual time the clock stands still until a command runs, and then nobody waits.\n"
    "`run` does the commands in virtual time without leaving anything behind; same file, same output. A storm of\n"
    "broadcasts (switches in a loop) ends it with a sentence. File names in apps and commands are relative to where\n"
    "`up` or `run` is called.\n"
    "\n"
    "Exit status: 0 done, 1 what was asked for failed, 2 bad usage or a bad file (FILE:LINE: a sentence).\n"
    "\n"
    "Example: tapdeck topo run two-nets.yaml 'client ping -c 3 10.0.2.2' 'router ip -s link'\n";

static int say(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int say(int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("tapdeck: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return status;
}

/* ---- what runs ---- */

static bool state_path(const char *name, char *dst, size_t size, char *msg, size_t msg_size)
{
    char dir[256];
    if (!run_dir_make(dir, sizeof(dir), msg, msg_size))
        return false;
    return snprintf(dst, size, "%s/topo-%s.json", dir, name) < (int)size;
}

/* When a process began, in ticks since boot (proc(5), field 22 of stat); 0: it isn't there. */
static long long began(long pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    char *p = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; p != NULL && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p != NULL ? strtoll(p, NULL, 10) : 0;
}

bool topo_state_read(const char *name, struct topo_state *s)
{
    char path[512], msg[512];
    if (!state_path(name, path, sizeof(path), msg, sizeof(msg)))
        return false;
    json_t *j = json_load_file(path, 0, NULL);
    const char *file = json_string_value(json_object_get(j, "file"));
    memset(s, 0, sizeof(*s));
    snprintf(s->name, sizeof(s->name), "%s", name);
    snprintf(s->file, sizeof(s->file), "%s", file != NULL ? file : "");
    s->daemons = json_is_true(json_object_get(j, "daemons"));
    s->pid = (long)json_integer_value(json_object_get(j, "pid"));
    bool alive = file != NULL && s->pid > 0 && json_integer_value(json_object_get(j, "began")) == began(s->pid);
    json_decref(j);
    return alive;
}

bool topo_state_write(const struct topo_state *s, char *msg, size_t msg_size)
{
    char path[512];
    struct text t = {0};
    if (!state_path(s->name, path, sizeof(path), msg, msg_size))
        return false;
    struct jsonw w = {.t = &t};
    jw_open(&w, NULL, '{');
    jw_str(&w, "file", s->file);
    jw_bool(&w, "daemons", s->daemons);
    jw_i64(&w, "pid", s->pid);
    jw_i64(&w, "began", began(s->pid));
    jw_close(&w, '}');
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write(fd, t.s, t.len) == (ssize_t)t.len;
    if (!ok)
        snprintf(msg, msg_size, "%s can't be written: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    text_free(&t);
    return ok;
}

void topo_state_remove(const char *name)
{
    char path[512], msg[512];
    if (!state_path(name, path, sizeof(path), msg, sizeof(msg)))
        return;
    unlink(path);
    memcpy(path + strlen(path) - strlen("json"), "log", sizeof("log")); /* nothing went wrong: nobody needs it */
    unlink(path);
}

void topo_program(const char *name, char *dst, size_t size)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash != NULL)
        *slash = '\0';
    if (slash == NULL || snprintf(dst, size, "%s/%s", self, name) >= (int)size || access(dst, X_OK) < 0)
        snprintf(dst, size, "%s", name); /* from $PATH */
}

/* ---- the words of the command line ---- */

struct words {
    const char *operand[256];
    int n;
    const char *name, *seed;
    bool simulated, daemons, virtual_time, real, mermaid, dot, json;
};

static bool refuse(const char *fmt, const char *word)
{
    char msg[512];
    snprintf(msg, sizeof(msg), "'%s' %s", word, fmt);
    return say(EXIT_DONE, "%s", msg) != EXIT_DONE;
}

/* Options anywhere, operands in order. */
static bool read_words(int argc, char **argv, struct words *w)
{
    const struct {
        const char *word;
        bool *flag;
        const char **value;
    } options[] = {{"--simulated", &w->simulated, NULL}, {"--daemons", &w->daemons, NULL},
                   {"--virtual", &w->virtual_time, NULL}, {"--real", &w->real, NULL},
                   {"--mermaid", &w->mermaid, NULL},     {"--dot", &w->dot, NULL},
                   {"-j", &w->json, NULL},               {"--json", &w->json, NULL},
                   {"--name", NULL, &w->name},           {"--seed", NULL, &w->seed}};
    for (int i = 0; i < argc; i++) {
        size_t k = 0, n = sizeof(options) / sizeof(*options);
        while (k < n && strcmp(argv[i], options[k].word) != 0)
            k++;
        if (k < n && options[k].value != NULL && i + 1 >= argc)
            return refuse("needs a value after it", argv[i]);
        if (k < n && options[k].value != NULL)
            *options[k].value = argv[++i];
        else if (k < n)
            *options[k].flag = true;
        else if (argv[i][0] == '-')
            return refuse("is no option of `tapdeck topo`: `tapdeck topo --help` lists them", argv[i]);
        else if (w->n == 256)
            return refuse("is one word too many: there are at most 256", argv[i]);
        else
            w->operand[w->n++] = argv[i];
    }
    return true;
}

/* A file, or the file of a topology that runs. */
static struct topo *load(const char *what, struct topo_state *s, bool *running)
{
    char msg[1024];
    *running = strchr(what, '/') == NULL && topo_state_read(what, s);
    struct topo *t = topo_load(*running ? s->file : what, msg, sizeof(msg));
    if (t == NULL)
        say(0, "%s", msg);
    return t;
}

/* ---- up, run ---- */

static int run_program(char *const *argv)
{
    pid_t pid = fork();
    int status;
    if (pid < 0)
        return say(EXIT_FAILED, "it can't be started: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody is left to write down that it runs */
        execvp(argv[0], argv);
        _exit(say(127, "%s can't be started: %s", argv[0], strerror(errno)));
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_FAILED;
    return WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : EXIT_FAILED;
}

static int simulate(const struct words *w, const char *name, const char *file, bool virtual_time, int first_run)
{
    const char *argv[600] = {0};
    char program[PATH_MAX];
    int n = 0;
    topo_program("tapdeckd", program, sizeof(program));
    argv[n++] = program;
    argv[n++] = "--topo";
    argv[n++] = file;
    argv[n++] = "-n";
    argv[n++] = name;
    if (virtual_time)
        argv[n++] = "--virtual";
    else if (w->real)
        argv[n++] = "--real";
    if (w->seed != NULL) {
        argv[n++] = "--seed";
        argv[n++] = w->seed;
    }
    if (first_run == 0)
        argv[n++] = "--daemon";
    for (int i = first_run; first_run > 0 && i < w->n; i++) {
        argv[n++] = "--run";
        argv[n++] = w->operand[i];
    }
    return run_program((char *const *)argv);
}

static const struct topo_node *first_stack(const struct topo *t)
{
    const struct topo_node *n = t->nodes;
    while (n != NULL && n->kind == TOPO_LINUX)
        n = n->next;
    return n;
}

long topo_holder(const char *name, const char *node)
{
    char dir[256], path[512], msg[256], text[32] = "";
    if (!run_dir_make(dir, sizeof(dir), msg, sizeof(msg)))
        return 0;
    snprintf(path, sizeof(path), "%s/%s.%s.lock", dir, name, node);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fgets(text, sizeof(text), f) == NULL)
        text[0] = '\0';
    fclose(f);
    return strtol(text, NULL, 10);
}

static int up(const struct words *w)
{
    struct topo_state s = {0}, other;
    char msg[1024];
    if (w->n != 1 || (w->simulated && w->daemons))
        return say(EXIT_USAGE, "write `tapdeck topo up FILE [--simulated | --daemons]`");
    struct topo *t = topo_load(w->operand[0], msg, sizeof(msg));
    if (t == NULL)
        return say(EXIT_USAGE, "%s", msg);
    int status = EXIT_USAGE;
    const struct topo_node *linux_node = topo_has(t, TOPO_LINUX);
    snprintf(s.name, sizeof(s.name), "%s", w->name != NULL ? w->name : t->name);
    s.daemons = w->daemons || (linux_node != NULL && !w->simulated);
    bool virtual_time = w->virtual_time || (t->virtual_time && !w->real);
    if (w->name != NULL && (strlen(w->name) > TOPO_NAME_MAX || !daemon_name_ok(w->name)))
        say(0, "'%s' is not a name for a topology: letters, digits, '_' and '-', at most %d", w->name, TOPO_NAME_MAX);
    else if (first_stack(t) == NULL)
        say(0, "%s has no node that is a tapdeck", t->file);
    else if (topo_state_read(s.name, &other))
        say(0, "a topology named '%s' is up already: end it with `tapdeck topo down %s`, or choose another --name",
            s.name, s.name);
    else if (s.daemons && virtual_time)
        say(0, "daemons live in real time: virtual time goes with --simulated");
    else if (realpath(w->operand[0], s.file) == NULL)
        say(0, "%s can't be found: %s", w->operand[0], strerror(errno));
    else
        status = EXIT_DONE;
    if (status == EXIT_DONE && s.daemons) {
        status = topo_daemons_up(t, &s, msg, sizeof(msg));
        if (status != EXIT_DONE)
            say(0, "%s", msg);
    } else if (status == EXIT_DONE) {
        status = simulate(w, s.name, w->operand[0], virtual_time, 0);
        s.pid = topo_holder(s.name, first_stack(t)->name);
        if (status == EXIT_DONE && !topo_state_write(&s, msg, sizeof(msg)))
            status = say(EXIT_FAILED, "%s", msg);
    }
    for (const struct topo_node *n = t->nodes; n != NULL && status == EXIT_DONE; n = n->next)
        printf(n->kind == TOPO_LINUX ? "tapdeck topo exec %s.%s COMMAND\n" : "tapdeck -n %s.%s COMMAND\n", s.name,
               n->name);
    topo_free(t);
    return status;
}

static int run(const struct words *w)
{
    char msg[1024];
    if (w->n < 2)
        return say(EXIT_USAGE, "write `tapdeck topo run FILE 'NODE COMMAND'...`");
    struct topo *t = topo_load(w->operand[0], msg, sizeof(msg));
    if (t == NULL)
        return say(EXIT_USAGE, "%s", msg);
    bool virtual_time = !w->real && t->taps == NULL;
    char name[TOPO_NAME_MAX + 1];
    snprintf(name, sizeof(name), "%s", t->name);
    topo_free(t);
    return simulate(w, name, w->operand[0], virtual_time, 1);
}

/* ---- down ---- */

static int down_one(void *ctx, const struct topo_state *s)
{
    (void)ctx;
    char msg[1024], node[2 * TOPO_NAME_MAX + 2];
    int status = EXIT_DONE;
    if (s->daemons) {
        kill((pid_t)s->pid, SIGTERM);
    } else {
        struct topo *t = topo_load(s->file, msg, sizeof(msg));
        const struct topo_node *n = t != NULL ? first_stack(t) : NULL;
        struct client c;
        snprintf(node, sizeof(node), "%s.%s", s->name, n != NULL ? n->name : "");
        if (n != NULL && client_connect(&c, node, msg, sizeof(msg)) == EXIT_DONE) {
            client_run(&c, 1, (char *[]){"shutdown", NULL}, false, false, stdout, msg, sizeof(msg));
            client_end(&c);
        } else {
            kill((pid_t)s->pid, SIGTERM); /* its file has changed since, or is gone */
        }
        topo_free(t);
    }
    struct topo_state now;
    for (int i = 0; i < 500 && topo_state_read(s->name, &now); i++)
        usleep(20000);
    if (topo_state_read(s->name, &now))
        status = say(EXIT_FAILED, "topology '%s' (process %ld) doesn't end", s->name, s->pid);
    else
        topo_state_remove(s->name);
    return status;
}

/* Calls fn for each topology that runs; the number of them. */
static int each_running(int (*fn)(void *ctx, const struct topo_state *s), void *ctx, int *status)
{
    char dir[256], msg[256];
    int n = 0;
    DIR *d = run_dir_make(dir, sizeof(dir), msg, sizeof(msg)) ? opendir(dir) : NULL;
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char name[TOPO_NAME_MAX + 1];
        struct topo_state s;
        size_t len = strlen(e->d_name);
        if (len < 11 || len - 10 > TOPO_NAME_MAX || strncmp(e->d_name, "topo-", 5) != 0 ||
            strcmp(e->d_name + len - 5, ".json") != 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(len - 10), e->d_name + 5);
        if (!topo_state_read(name, &s))
            continue;
        n++;
        int rc = fn(ctx, &s);
        if (rc != EXIT_DONE)
            *status = rc;
    }
    if (d != NULL)
        closedir(d);
    return n;
}

static int count_only(void *ctx, const struct topo_state *s)
{
    (void)ctx;
    (void)s;
    return EXIT_DONE;
}

static int down(const struct words *w)
{
    struct topo_state s;
    int status = EXIT_DONE;
    if (w->n > 1)
        return say(EXIT_USAGE, "write `tapdeck topo down [NAME]`");
    if (w->n == 1 && !topo_state_read(w->operand[0], &s))
        return say(EXIT_FAILED, "no topology named '%s' is up: `tapdeck topo show` lists those that are", w->operand[0]);
    if (w->n == 1)
        return down_one(NULL, &s);
    int n = each_running(count_only, NULL, &status);
    if (n != 1)
        return say(n == 0 ? EXIT_FAILED : EXIT_USAGE,
                   n == 0 ? "no topology is up" : "several are up: write `tapdeck topo down NAME`");
    each_running(down_one, NULL, &status);
    return status;
}

/* ---- show, graph ---- */

/* ctx: a struct jsonw, or NULL for text */
static int show_one(void *ctx, const struct topo_state *s)
{
    if (ctx != NULL) {
        jw_open(ctx, NULL, '{');
        jw_str(ctx, "name", s->name);
        jw_str(ctx, "file", s->file);
        jw_str(ctx, "mode", s->daemons ? "daemons" : "simulated");
        jw_i64(ctx, "pid", s->pid);
        jw_close(ctx, '}');
        return EXIT_DONE;
    }
    printf("%s: %s, %s, process %ld\n", s->name, s->file, s->daemons ? "a daemon a node" : "simulated", s->pid);
    return EXIT_DONE;
}

static int print_text(struct text *t)
{
    fwrite(t->s, 1, t->len, stdout);
    text_free(t);
    return EXIT_DONE;
}

static int show(const struct words *w)
{
    struct topo_state s;
    bool running;
    int status = EXIT_DONE;
    struct text out = {0};
    if (w->n > 1)
        return say(EXIT_USAGE, "write `tapdeck topo show [FILE | NAME]`");
    if (w->n == 0 && w->json) {
        struct jsonw jw = {.t = &out};
        jw_open(&jw, NULL, '[');
        each_running(show_one, &jw, &status);
        jw_close(&jw, ']');
        text_puts(&out, "\n");
        return print_text(&out);
    }
    if (w->n == 0) {
        if (each_running(show_one, NULL, &status) == 0)
            puts("no topology is up");
        return status;
    }
    struct topo *t = load(w->operand[0], &s, &running);
    if (t == NULL)
        return EXIT_USAGE;
    if (running && !w->json)
        show_one(NULL, &s);
    (w->json ? topo_json : topo_text)(&out, t);
    topo_free(t);
    return print_text(&out);
}

static int graph(const struct words *w)
{
    struct topo_state s;
    bool running;
    struct text out = {0};
    if (w->n != 1 || (w->mermaid && w->dot))
        return say(EXIT_USAGE, "write `tapdeck topo graph FILE|NAME [--mermaid | --dot]`");
    struct topo *t = load(w->operand[0], &s, &running);
    if (t == NULL)
        return EXIT_USAGE;
    (w->mermaid ? topo_mermaid : w->dot ? topo_dot : topo_text)(&out, t);
    topo_free(t);
    return print_text(&out);
}

/* ---- exec ---- */

static bool enter(long pid, const char *space, int type)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%ld/ns/%s", pid, space);
    struct stat theirs, ours;
    char self[64];
    snprintf(self, sizeof(self), "/proc/self/ns/%s", space);
    if (stat(path, &theirs) == 0 && stat(self, &ours) == 0 && theirs.st_ino == ours.st_ino)
        return true;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && setns(fd, type) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static int exec_in(int argc, char **argv)
{
    char name[2 * TOPO_NAME_MAX + 2];
    struct topo_state s;
    if (argc < 2 || strlen(argv[0]) >= sizeof(name) || strchr(argv[0], '.') == NULL)
        return say(EXIT_USAGE, "write `tapdeck topo exec NAME.NODE COMMAND...`");
    snprintf(name, sizeof(name), "%s", argv[0]);
    char *node = strrchr(name, '.');
    *node++ = '\0';
    if (!topo_state_read(name, &s))
        return say(EXIT_FAILED, "no topology named '%s' is up", name);
    char msg[1024];
    struct topo *t = topo_load(s.file, msg, sizeof(msg));
    const struct topo_node *n = t != NULL ? topo_node(t, node) : NULL;
    bool is_linux = n != NULL && n->kind == TOPO_LINUX;
    topo_free(t);
    if (!is_linux)
        return say(EXIT_USAGE, "%s has no linux node '%s' (a tapdeck node's commands: `tapdeck -n %s COMMAND`)", name,
                   node, argv[0]);
    long pid = topo_holder(name, node);
    if (pid == 0 || !enter(pid, "user", CLONE_NEWUSER) || !enter(pid, "net", CLONE_NEWNET))
        return say(EXIT_FAILED, "the namespace of %s can't be entered: %s", argv[0], strerror(errno));
    execvp(argv[1], argv + 1);
    return say(EXIT_FAILED, "%s can't be started: %s", argv[1], strerror(errno));
}

int topo_main(int argc, char **argv, bool json)
{
    static const struct {
        const char *word;
        int (*fn)(const struct words *w);
    } verbs[] = {{"up", up}, {"down", down}, {"run", run}, {"show", show}, {"graph", graph}};
    struct words w = {.json = json};
    if (argc < 2)
        return say(EXIT_USAGE, "write `tapdeck topo up|down|run|show|graph|exec`; `tapdeck topo --help` explains them");
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        local_print_help(&local_topo, stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "exec") == 0)
        return exec_in(argc - 2, argv + 2);
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(argv[1], verbs[i].word) == 0)
            return read_words(argc - 2, argv + 2, &w) ? verbs[i].fn(&w) : EXIT_USAGE;
    return say(EXIT_USAGE, "'%s' is no word of `tapdeck topo`: there are up, down, run, show, graph and exec", argv[1]);
}

static int topo_command(struct session *s, int argc, char **argv)
{
    return topo_main(argc, argv, s->json);
}

const struct local_command local_topo = {
    .name = "topo",
    .usage = "topo up FILE [--name NAME] [--simulated | --daemons] [--virtual | --real] [--seed N]\n"
             "topo down [NAME]\n"
             "topo run FILE [--real] [--seed N] 'NODE COMMAND'...\n"
             "topo show [FILE | NAME]\n"
             "topo graph {FILE | NAME} [--mermaid | --dot]\n"
             "topo exec NAME.NODE COMMAND...",
    .doc = "networks from a file, simulated or as daemons",
    .more = about,
    .fn = topo_command,
};
