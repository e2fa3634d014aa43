/* lab/grade.c: a submission judged in a process of its own (theory of operation: lab/grade.h). */
#include "lab/grade.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/control.h"
#include "common/yaml.h"
#include "topo/topo.h"

#define RESULT_MAX (1u << 20)
#define MEMORY     (UINT64_C(1) << 30)
#define JOBS_MAX   64
#define SAID_MOST  100 /* lines */
#define PLACE_MOST 256
#define BAD_LAB    97 /* exit status: what came over the pipe is a sentence about the lab */

struct place { /* shared with the process: where it is */
    char text[PLACE_MOST];
};

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- in the process ---- */

static json_t *text_or_null(const char *s)
{
    json_t *j = s != NULL && text_is_utf8(s, strlen(s)) ? json_string(s) : NULL;
    return j != NULL ? j : s != NULL ? json_string("(not text)") : json_null();
}

void lab_said(json_t *said, char *lines)
{
    char *save = NULL;
    for (char *s = lines != NULL ? strtok_r(lines, "\n", &save) : NULL; s != NULL && json_array_size(said) < SAID_MOST;
         s = strtok_r(NULL, "\n", &save))
        json_array_append_new(said, text_or_null(s));
}

/* The submission's commands for a node. `model`: parameters are put in place, which a student's own file isn't given: it could
 * ask for the answers. */
static void configure(struct lab_world *w, const struct lab *l, bool model, const char *dir, const char *node, struct place *place, json_t *said)
{
    struct text path = {0}, bytes = {0}, made = {0}, told = {0};
    char msg[512], name[TOPO_NAME_MAX + 8];
    unsigned number = 0;
    snprintf(name, sizeof(name), "%s.conf", node);
    text_printf(&path, "%s/%s", dir, name);
    struct stat st;
    bool there = lstat(path.s, &st) == 0;
    if (there && !S_ISREG(st.st_mode))
        json_array_append_new(said, json_sprintf("%s: this is no plain file", name));
    else if (there && !yaml_file_read(path.s, "configuration", &bytes, msg, sizeof(msg)))
        json_array_append_new(said, json_sprintf("%s can't be read", name));
    else if (model && !lab_expand(l->params, name, bytes.s != NULL ? bytes.s : "", bytes.len, &made, msg, sizeof(msg)))
        json_array_append_new(said, json_string(msg));
    else if (!model)
        text_add(&made, bytes.s != NULL ? bytes.s : "", bytes.len);
    for (size_t i = 0; i < made.len;) { /* a line at a time: whoever ends this process is told which it was */
        const char *end = memchr(made.s + i, '\n', made.len - i);
        size_t n = end != NULL ? (size_t)(end - made.s) - i : made.len - i;
        snprintf(place->text, sizeof(place->text), "%s:%u: %.*s", name, ++number, (int)(n < 160 ? n : 160), made.s + i);
        (void)lab_world_configure(w, node, name, number, made.s + i, n, &told);
        i += n + 1;
    }
    lab_said(said, told.s);
    text_free(&path);
    text_free(&bytes);
    text_free(&made);
    text_free(&told);
}

json_t *lab_result(struct lab_world *w, const struct lab *l, const struct lab_work *work, const char *id, char *place, json_t *said)
{
    json_t *tasks = json_array();
    json_int_t points = 0;
    for (const struct lab_task *t = l->tasks; t != NULL; t = t->next) {
        struct lab_verdict v;
        if (place != NULL)
            snprintf(place, PLACE_MOST, "the checks of task %s", t->id);
        lab_judge(w, work, t, &v);
        points += v.points;
        json_array_append_new(tasks, json_pack("{ss ss sb si si so so so}", "id", t->id, "title", t->title, "holds", v.holds, "points",
                                               (int)v.points, "of", (int)t->points, "why", text_or_null(v.holds ? NULL : v.why.s),
                                               "came", text_or_null(v.holds ? NULL : v.came.s), "hint",
                                               text_or_null(v.holds ? NULL : v.hint)));
        lab_verdict_done(&v);
    }
    return json_pack("{ss ss sI si so so}", "lab", l->name, "id", id, "points", points, "of", (int)l->points, "tasks", tasks, "said", said);
}

/* All of it; the exit status, with the JSON or a sentence written to fd. */
static int work_through(const struct grade_options *o, const char *lab_dir, bool model, const char *dir, const char *id, struct place *place, int fd)
{
    struct lab_who who = {.id = id, .salt = o->salt};
    struct lab_work work;
    char msg[1024];
    struct lab *l = lab_load(lab_dir, &who, msg, sizeof(msg));
    struct lab_world *w = l != NULL ? lab_world_virtual(l, &who, msg, sizeof(msg)) : NULL;
    if (w == NULL) {
        (void)!write(fd, msg, strlen(msg));
        lab_free(l);
        return BAD_LAB;
    }
    json_t *said = json_array();
    lab_work_open(&work, l, dir, model);
    lab_said(said, work.said.s);
    for (unsigned i = 0; w->ops->node(w, i) != NULL; i++)
        configure(w, l, model, dir, w->ops->node(w, i), place, said);
    json_t *result = lab_result(w, l, &work, id, place->text, said);
    char *text = json_dumps(result, JSON_COMPACT);
    size_t n = text != NULL ? strlen(text) : 0;
    bool ok = n > 0 && n <= RESULT_MAX;
    for (size_t at = 0; ok && at < n;) {
        ssize_t k = write(fd, text + at, n - at);
        ok = k > 0 || (k < 0 && errno == EINTR);
        at += k > 0 ? (size_t)k : 0;
    }
    free(text);
    json_decref(result);
    lab_work_done(&work);
    lab_world_close(w);
    lab_free(l);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

/* ---- outside ---- */

struct job {
    pid_t pid; /* 0: none */
    int fd;
    int64_t until; /* ms */
    size_t index;
    bool late;
    struct text out;
    struct place *place;
    char id[MYSTERY_ID_MAX + 1];
};

static void folder_name(const char *dir, char *dst, size_t size)
{
    size_t n = strlen(dir), from;
    while (n > 1 && dir[n - 1] == '/')
        n--;
    for (from = n; from > 0 && dir[from - 1] != '/'; from--)
        continue;
    snprintf(dst, size, "%.*s", (int)(n - from), dir + from);
}

/* The lab's own solution, or one of its wrong ones. */
static bool is_model(const char *lab, const char *dir)
{
    char a[4096], b[4096];
    if (realpath(lab, a) == NULL || realpath(dir, b) == NULL)
        return false;
    size_t n = strlen(a);
    return strncmp(a, b, n) == 0 && (strcmp(b + n, "/solution") == 0 || strncmp(b + n, "/wrong/", 7) == 0);
}

static bool start(struct job *j, const struct grade_options *o, const char *dir, char *msg, size_t msg_size)
{
    int fds[2];
    if (o->id != NULL)
        snprintf(j->id, sizeof(j->id), "%s", o->id);
    else
        folder_name(dir, j->id, sizeof(j->id));
    j->place = mmap(NULL, sizeof(*j->place), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (j->place == MAP_FAILED || pipe2(fds, O_CLOEXEC) != 0) {
        snprintf(msg, msg_size, "no process can be made: %s", strerror(errno));
        return false;
    }
    bool model = is_model(o->lab, dir);
    fflush(NULL);
    j->pid = fork();
    if (j->pid == 0) {
        struct sandbox box = {.lab = o->lab, .work = dir, .seconds = o->seconds, .memory = MEMORY};
        char why[512];
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null >= 0) { /* it has nothing to say to the terminal */
            dup2(null, STDIN_FILENO);
            dup2(null, STDOUT_FILENO);
            dup2(null, STDERR_FILENO);
        }
        setpgid(0, 0);
        (void)setenv("TMPDIR", "/tmp", 1);
        if (!o->open && !sandbox_enter(&box, why, sizeof(why))) {
            (void)!write(fds[1], why, strlen(why));
            _exit(BAD_LAB);
        }
        if (o->open)
            sandbox_limit(&box);
        char lab[320] = "/lab/";
        folder_name(o->lab, lab + strlen(lab), sizeof(lab) - strlen(lab));
        _exit(work_through(o, o->open ? o->lab : lab, model, o->open ? dir : "/work", j->id, j->place, fds[1]));
    }
    close(fds[1]);
    j->fd = fds[0];
    j->until = clock_ms() + 1000 * (int64_t)o->seconds;
    j->late = false;
    if (j->pid < 0) {
        snprintf(msg, msg_size, "no process can be made: %s", strerror(errno));
        close(j->fd);
    }
    return j->pid > 0;
}

/* What its end means; NULL: a sentence about the lab. */
static json_t *end(struct job *j, const struct grade_options *o, const char *dir, char *msg, size_t msg_size)
{
    int status = 0;
    const char *place = j->place->text[0] != '\0' ? j->place->text : "its beginning";
    if (j->late)
        kill(-j->pid, SIGKILL), kill(j->pid, SIGKILL);
    while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) > 128 ? WEXITSTATUS(status) - 128 : 0;
    json_t *result = NULL;
    json_error_t e;
    if (!j->late && signal == 0 && WEXITSTATUS(status) == BAD_LAB) {
        snprintf(msg, msg_size, "%.*s", (int)j->out.len, j->out.s != NULL ? j->out.s : "");
    } else {
        if (!j->late && signal == 0 && WEXITSTATUS(status) == EXIT_DONE)
            result = json_loads(j->out.s != NULL ? j->out.s : "", 0, &e);
        if (result == NULL) {
            json_t *why = j->late               ? json_sprintf("it was ended after %u seconds, at %s", o->seconds, place)
                          : signal == SIGXCPU   ? json_sprintf("it used up %u seconds of processor time, at %s", o->seconds, place)
                          : signal == SIGXFSZ   ? json_sprintf("it wrote too large a file, at %s", place)
                          : signal != 0         ? json_sprintf("it crashed (%s), at %s", strsignal(signal), place)
                                                : json_sprintf("it ended without a result (more memory than %u MiB?), at %s", (unsigned)(MEMORY >> 20), place);
            result = json_pack("{ss ss si si s[] s[] so}", "lab", "", "id", j->id, "points", 0, "of", 0, "tasks", "said", "failed",
                               why != NULL ? why : json_string("it failed"));
        }
        json_object_set_new(result, "dir", json_string(dir));
    }
    close(j->fd);
    munmap(j->place, sizeof(*j->place));
    text_free(&j->out);
    j->pid = 0;
    return result;
}

/* Reads what has come. True: that was all. */
static bool drained(struct job *j)
{
    char buf[16384];
    ssize_t n = read(j->fd, buf, sizeof(buf));
    if (n > 0 && j->out.len + (size_t)n <= RESULT_MAX) {
        text_add(&j->out, buf, (size_t)n);
        return false;
    }
    return n >= 0 || errno != EINTR;
}

/* Waits for one of them to come to its end; its place among the jobs. */
static unsigned wait_any(struct job *jobs, unsigned n)
{
    for (;;) {
        struct pollfd p[JOBS_MAX];
        int64_t now = clock_ms(), soonest = now + 60000;
        for (unsigned i = 0; i < n; i++) {
            p[i] = (struct pollfd){.fd = jobs[i].pid > 0 ? jobs[i].fd : -1, .events = POLLIN};
            if (jobs[i].pid > 0 && jobs[i].until < soonest)
                soonest = jobs[i].until;
        }
        (void)poll(p, n, soonest > now ? (int)(soonest - now) : 0);
        for (unsigned i = 0; i < n; i++) {
            if (jobs[i].pid <= 0)
                continue;
            if (p[i].revents != 0 && drained(&jobs[i]))
                return i;
            if (clock_ms() >= jobs[i].until) {
                jobs[i].late = true;
                return i;
            }
        }
    }
}

json_t *grade_all(const struct grade_options *o, char *const *dirs, size_t n, void (*progress)(void *ctx, size_t done), void *ctx,
                  char *msg, size_t msg_size)
{
    struct job jobs[JOBS_MAX];
    unsigned njobs = o->jobs == 0 ? 1 : o->jobs < JOBS_MAX ? o->jobs : JOBS_MAX, running = 0;
    json_t *results = json_array();
    size_t next = 0, done = 0;
    bool ok = true;
    memset(jobs, 0, sizeof(jobs));
    for (size_t i = 0; i < n; i++)
        json_array_append_new(results, json_null());
    while (ok ? done < n : running > 0) {
        for (unsigned i = 0; ok && i < njobs && next < n; i++) {
            if (jobs[i].pid != 0)
                continue;
            jobs[i].index = next;
            ok = start(&jobs[i], o, dirs[next++], msg, msg_size);
            running += ok;
        }
        if (running == 0)
            break;
        unsigned i = wait_any(jobs, njobs);
        char why[1024];
        json_t *r = end(&jobs[i], o, dirs[jobs[i].index], why, sizeof(why));
        running--;
        done++;
        if (r == NULL && ok) {
            ok = false;
            snprintf(msg, msg_size, "%s", why);
        }
        if (r != NULL)
            json_array_set_new(results, jobs[i].index, r);
        if (progress != NULL)
            progress(ctx, done);
    }
    if (ok)
        return results;
    json_decref(results);
    return NULL;
}

json_t *grade(const struct grade_options *o, const char *dir, char *msg, size_t msg_size)
{
    char *const dirs[] = {(char *)dir};
    json_t *all = grade_all(o, dirs, 1, NULL, NULL, msg, msg_size);
    json_t *one = json_incref(json_array_get(all, 0));
    json_decref(all);
    return one;
}
