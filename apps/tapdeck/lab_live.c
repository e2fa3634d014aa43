/* tapdeck/lab_live.c: see lab_live.h. The folder and the network are lab/live.h's. */
#include "tapdeck/lab_live.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lab/find.h"
#include "lab/grade.h"
#include "lab/live.h"
#include "topo/topo.h"

static int topo_words(struct session *s, const char *verb, const char *what, const char *how)
{
    char *argv[] = {(char *)"topo", (char *)verb, (char *)what, (char *)how, NULL};
    FILE *out = s->out, *nowhere = fopen("/dev/null", "we");
    if (nowhere != NULL)
        s->out = nowhere; /* what it says of nodes is said here in the lab's terms */
    int status = session_command(s, how != NULL ? 4 : 3, argv, s->where);
    s->out = out;
    if (nowhere != NULL)
        fclose(nowhere);
    return status;
}

static int up(struct session *s, const struct lab_place *p)
{
    char msg[1024];
    int status = topo_words(s, "up", p->net, "--simulated");
    if (status != EXIT_DONE)
        return status;
    struct lab_world *w = lab_world_live(p, msg, sizeof(msg));
    if (w == NULL || !lab_prepare(w, p, msg, sizeof(msg)))
        status = session_fail(s, EXIT_FAILED, "%s", msg);
    lab_world_close(w);
    if (status != EXIT_DONE)
        (void)topo_words(s, "down", p->name, NULL);
    return status;
}

static void show_map(struct session *s, const struct lab_place *p)
{
    char msg[512];
    struct topo *net = topo_load(p->net, msg, sizeof(msg));
    struct text t = {0};
    if (net == NULL)
        return;
    topo_text(&t, net);
    fprintf(s->out, "%s\n%s\n\n%s\n", p->l->title, p->l->about, t.s != NULL ? t.s : "");
    fprintf(s->out, "Folder: %s (README.md says what to do, answers.txt takes answers).\n", p->folder);
    fprintf(s->out, "In the folder: `tapdeck lab check`, `tapdeck lab hint`, `tapdeck lab reset`, `tapdeck lab stop`.\n");
    text_free(&t);
    topo_free(net);
}

/* A shell in the lab's folder, in which NODE is a command. */
static void shell(const struct lab_place *p)
{
    char msg[512];
    struct topo *net = topo_load(p->net, msg, sizeof(msg));
    struct text rc = {0};
    char path[] = "/tmp/tapdeck-lab-rc-XXXXXX";
    int fd = mkstemp(path);
    text_printf(&rc, "PS1='%s$ '\n", p->l->name);
    for (const struct topo_node *n = net != NULL ? net->nodes : NULL; n != NULL; n = n->next)
        text_printf(&rc, "%s() { tapdeck -n %s.%s \"$@\"; }\n", n->name, p->name, n->name);
    text_puts(&rc, "check() { tapdeck lab check \"$@\"; }\nhint() { tapdeck lab hint \"$@\"; }\n");
    bool ok = fd >= 0 && write(fd, rc.s, rc.len) == (ssize_t)rc.len;
    text_free(&rc);
    topo_free(net);
    if (fd >= 0)
        close(fd);
    pid_t pid = ok ? fork() : -1;
    if (pid == 0) {
        if (chdir(p->folder) == 0)
            execlp("bash", "bash", "--noprofile", "--rcfile", path, "-i", (char *)NULL);
        _exit(127);
    }
    void (*before)(int) = signal(SIGINT, SIG_IGN); /* it is the shell's */
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    signal(SIGINT, before);
    (void)unlink(path);
}

int lab_start(struct session *s, const struct lab_live_words *w)
{
    char msg[1024];
    struct lab_place p;
    const char *user = getenv("USER");
    if (w->lab == NULL)
        return session_fail(s, EXIT_USAGE, "which lab? write `lab start LAB`; `lab list` shows them");
    char *lab = lab_find(w->lab, msg, sizeof(msg));
    if (lab == NULL)
        return session_fail(s, EXIT_USAGE, "%s", msg);
    const char *base = strrchr(lab, '/') != NULL ? strrchr(lab, '/') + 1 : lab;
    const char *folder = w->folder != NULL ? w->folder : base;
    int status = EXIT_USAGE;
    if (lab_place_make(&p, lab, w->id != NULL ? w->id : user != NULL && *user != '\0' ? user : "student", w->salt != NULL ? w->salt : "",
                       folder, msg, sizeof(msg))) {
        status = up(s, &p);
        if (status == EXIT_DONE)
            show_map(s, &p);
        if (status == EXIT_DONE && w->shell && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
            fputs("`exit` leaves the shell; the network goes on.\n\n", s->out);
            fflush(s->out);
            shell(&p);
        }
    } else {
        status = session_fail(s, EXIT_USAGE, "%s", msg);
    }
    lab_place_done(&p);
    free(lab);
    return status;
}

static bool open_place(struct session *s, const struct lab_live_words *w, struct lab_place *p, int *status)
{
    char msg[1024];
    bool ok = lab_place_open(p, w->folder != NULL ? w->folder : ".", msg, sizeof(msg));
    *status = ok ? EXIT_DONE : session_fail(s, EXIT_USAGE, "%s", msg);
    return ok;
}

/* Judges the tasks in the network that runs; as `lab grade -j` has them. */
static json_t *judge_live(struct session *s, const struct lab_place *p, int *status)
{
    char msg[1024];
    struct lab_world *w = lab_world_live(p, msg, sizeof(msg));
    struct lab_work work;
    if (w == NULL) {
        *status = session_fail(s, EXIT_FAILED, "%s", msg);
        return NULL;
    }
    lab_work_open(&work, p->l, p->folder, false);
    json_t *said = json_array();
    lab_said(said, work.said.s);
    json_t *result = lab_result(w, p->l, &work, p->id, NULL, said);
    lab_work_done(&work);
    lab_world_close(w);
    return result;
}

int lab_check(struct session *s, const struct lab_live_words *w)
{
    struct lab_place p;
    int status;
    if (open_place(s, w, &p, &status)) {
        json_t *result = judge_live(s, &p, &status), *all = json_array();
        if (result != NULL) {
            if (json_integer_value(json_object_get(result, "points")) != json_integer_value(json_object_get(result, "of")))
                status = EXIT_FAILED;
            json_array_append_new(all, result);
            if (w->json) {
                json_dumpf(all, s->out, JSON_COMPACT);
                fputc('\n', s->out);
            } else {
                marks_text(all, w->hints, s->out);
            }
        }
        json_decref(all);
    }
    lab_place_done(&p);
    return status;
}

int lab_hint(struct session *s, const struct lab_live_words *w)
{
    struct lab_place p;
    int status;
    if (open_place(s, w, &p, &status)) {
        json_t *result = judge_live(s, &p, &status);
        size_t i;
        const json_t *t;
        bool found = false, known = w->task == NULL || lab_task(p.l, w->task) != NULL;
        json_array_foreach(json_object_get(result, "tasks"), i, t) {
            const char *id = json_string_value(json_object_get(t, "id")), *hint = json_string_value(json_object_get(t, "hint"));
            if (found || (w->task != NULL ? strcmp(id, w->task) != 0 : json_is_true(json_object_get(t, "holds"))))
                continue;
            found = true;
            if (json_is_true(json_object_get(t, "holds")))
                fprintf(s->out, "%s is done\n", id);
            else
                fprintf(s->out, "%s: %s\n", id, hint != NULL ? hint : "there is no hint for this one: README.md's background has it");
        }
        if (result != NULL && !known)
            status = session_fail(s, EXIT_USAGE, "there is no task '%s': `lab check` shows them", w->task);
        else if (result != NULL && !found)
            fputs("all is done\n", s->out);
        json_decref(result);
    }
    lab_place_done(&p);
    return status;
}

int lab_reset(struct session *s, const struct lab_live_words *w)
{
    struct lab_place p;
    int status;
    char msg[1024];
    if (open_place(s, w, &p, &status)) {
        struct lab_world *running = lab_world_live(&p, msg, sizeof(msg));
        if (running != NULL)
            status = topo_words(s, "down", p.name, NULL);
        lab_world_close(running);
        if (status == EXIT_DONE)
            status = up(s, &p);
        if (status == EXIT_DONE)
            fprintf(s->out, "%s is as it was at the start; your files are as they are\n", p.l->name);
    }
    lab_place_done(&p);
    return status;
}

int lab_stop(struct session *s, const struct lab_live_words *w)
{
    struct lab_place p;
    int status;
    if (open_place(s, w, &p, &status))
        status = topo_words(s, "down", p.name, NULL);
    lab_place_done(&p);
    return status;
}
