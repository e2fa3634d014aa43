/* lab/lint.c: see lint.h. */
#include "lab/lint.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/control.h"
#include "topo/topo.h"

#define STUDENTS 3
#define WRONG_MOST 40

static const char *const students[STUDENTS] = {"alice", "bob", "carol"};
static const char *const headings[] = {"## Goal", "## Background", "## Steps", "## Questions"};

struct lint {
    const char *dir;
    struct text *said;
    unsigned mistakes;
    bool open;
    char empty[64];
};

static void complain(struct lint *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void complain(struct lint *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(t->said, fmt, ap);
    va_end(ap);
    text_puts(t->said, "\n");
    t->mistakes++;
}

/* Whether a line of the file begins so. */
static bool has_line(const char *text, const char *begin)
{
    size_t n = strlen(begin);
    for (const char *s = text; s != NULL; s = strchr(s, '\n'), s = s != NULL ? s + 1 : NULL)
        if (strncmp(s, begin, n) == 0)
            return true;
    return false;
}

static void lint_page(struct lint *t, const struct lab *l)
{
    struct text path = {0}, made = {0};
    char msg[512];
    text_printf(&path, "%s/README.md", t->dir);
    if (!lab_file(l, path.s, "page", false, &made, msg, sizeof(msg))) {
        complain(t, "%s", msg);
    } else {
        if (strncmp(made.s != NULL ? made.s : "", "# ", 2) != 0)
            complain(t, "%s:1: a page begins with its title: `# %s`", path.s, l->title);
        for (size_t i = 0; i < sizeof(headings) / sizeof(*headings); i++)
            if (!has_line(made.s, headings[i]))
                complain(t, "%s: a line `%s` is missing: a student's page has Goal, Background, Steps and Questions", path.s, headings[i]);
    }
    text_free(&path);
    text_free(&made);
}

static bool named_in(const struct topo *net, const char *file)
{
    size_t n = strlen(file);
    char name[TOPO_NAME_MAX + 1];
    if (n <= 5 || n - 5 > TOPO_NAME_MAX || strcmp(file + n - 5, ".conf") != 0)
        return false;
    snprintf(name, sizeof(name), "%.*s", (int)(n - 5), file);
    return topo_node(net, name) != NULL;
}

/* Configurations for nodes that aren't there would be silently ignored. */
static void lint_confs(struct lint *t, const struct topo *net, const char *folder)
{
    struct text path = {0};
    struct dirent *e;
    text_printf(&path, "%s/%s", t->dir, folder);
    DIR *d = opendir(path.s);
    while (d != NULL && (e = readdir(d)) != NULL) {
        size_t n = strlen(e->d_name);
        if (n > 5 && strcmp(e->d_name + n - 5, ".conf") == 0 && !named_in(net, e->d_name))
            complain(t, "%s/%s: the topology has no node %.*s: a configuration is NODE.conf", path.s, e->d_name, (int)(n - 5), e->d_name);
    }
    if (d != NULL)
        closedir(d);
    text_free(&path);
}

/* What a file's sentence begins with in a submission, as the author finds it. */
static void said_lines(struct lint *t, const char *folder, const json_t *result)
{
    size_t i;
    const json_t *s;
    json_array_foreach(json_object_get(result, "said"), i, s)
        complain(t, "%s/%s/%s", t->dir, folder, json_string_value(s));
    const char *failed = json_string_value(json_object_get(result, "failed"));
    if (failed != NULL)
        complain(t, "%s/%s: %s", t->dir, folder, failed);
}

static json_t *grade_folder(struct lint *t, const char *folder, const char *id)
{
    struct text path = {0};
    char msg[1024];
    const struct grade_options o = {.lab = t->dir, .id = id, .seconds = 60, .jobs = 1, .open = t->open};
    if (folder[0] == '/')
        text_puts(&path, folder);
    else
        text_printf(&path, "%s/%s", t->dir, folder);
    json_t *r = grade(&o, path.s, msg, sizeof(msg));
    if (r == NULL)
        complain(t, "%s", msg);
    text_free(&path);
    return r;
}

static const json_t *task_result(const json_t *result, const char *id)
{
    size_t i;
    const json_t *task;
    json_array_foreach(json_object_get(result, "tasks"), i, task)
        if (strcmp(json_string_value(json_object_get(task, "id")), id) == 0)
            return task;
    return NULL;
}

static bool holds(const json_t *task)
{
    return json_is_true(json_object_get(task, "holds"));
}

static bool lint_solution(struct lint *t, const struct lab *l, const char *id)
{
    json_t *r = grade_folder(t, "solution", id);
    unsigned before = t->mistakes;
    if (r == NULL)
        return false;
    said_lines(t, "solution", r);
    for (const struct lab_task *k = l->tasks; k != NULL; k = k->next) {
        const json_t *task = task_result(r, k->id);
        if (task != NULL && !holds(task))
            complain(t, "%s/lab.yaml:%u: the solution doesn't do task %s (for %s): %s; saw: %s", t->dir, k->line, k->id, id,
                     json_string_value(json_object_get(task, "why")),
                     json_is_string(json_object_get(task, "came")) ? json_string_value(json_object_get(task, "came")) : "-");
    }
    json_decref(r);
    return t->mistakes == before;
}

static void lint_empty(struct lint *t, const struct lab *l)
{
    json_t *r = grade_folder(t, t->empty, students[0]);
    for (const struct lab_task *k = r != NULL ? l->tasks : NULL; k != NULL; k = k->next) {
        const json_t *task = task_result(r, k->id);
        if (task != NULL && holds(task) && k->points > 0)
            complain(t, "%s/lab.yaml:%u: task %s holds before anything is done: its checks must fail at the start", t->dir, k->line, k->id);
    }
    json_decref(r);
}

static void lint_expectation(struct lint *t, const struct lab *l, const char *where, const json_t *result, char *line)
{
    char *colon = strchr(line, ':');
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#')
        return;
    if (colon == NULL) {
        complain(t, "%s: a line is `TASK: words that must be said`", where);
        return;
    }
    *colon = '\0';
    const char *words = colon + 1 + strspn(colon + 1, " \t");
    const json_t *task = task_result(result, line);
    if (lab_task(l, line) == NULL)
        complain(t, "%s: there is no task '%s' in lab.yaml", where, line);
    else if (task == NULL)
        return; /* it failed as a whole, which has been said */
    else if (holds(task))
        complain(t, "%s: task %s holds, and it must not", where, line);
    else {
        const char *why = json_string_value(json_object_get(task, "why"));
        if (why == NULL || strstr(why, words) == NULL)
            complain(t, "%s: task %s says '%s', which hasn't '%s' in it", where, line, why != NULL ? why : "", words);
    }
}

static void lint_wrong(struct lint *t, const struct lab *l, const char *name)
{
    struct text folder = {0}, path = {0}, made = {0};
    char msg[512], where[512];
    text_printf(&folder, "wrong/%s", name);
    text_printf(&path, "%s/%s/expect.txt", t->dir, folder.s);
    json_t *r = grade_folder(t, folder.s, students[0]);
    if (!lab_file(l, path.s, "list of expectations", false, &made, msg, sizeof(msg))) {
        complain(t, "%s: write a line `TASK: words that must be said` for each task that must fail", msg);
    } else if (r != NULL) {
        unsigned number = 0;
        for (char *s = made.s, *next; s != NULL && *s != '\0'; s = next) {
            next = s + strcspn(s, "\n");
            if (*next == '\n')
                *next++ = '\0';
            snprintf(where, sizeof(where), "%s:%u", path.s, ++number);
            lint_expectation(t, l, where, r, s);
        }
        if (json_integer_value(json_object_get(r, "points")) >= (json_int_t)l->points)
            complain(t, "%s/%s: this wrong solution gets all points", t->dir, folder.s);
    }
    json_decref(r);
    text_free(&folder);
    text_free(&path);
    text_free(&made);
}

static void lint_wrongs(struct lint *t, const struct lab *l, const struct topo *net)
{
    struct text path = {0};
    struct dirent **names;
    unsigned n = 0;
    text_printf(&path, "%s/wrong", t->dir);
    int count = scandir(path.s, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (names[i]->d_name[0] != '.' && n < WRONG_MOST) {
            struct text folder = {0};
            n++;
            text_printf(&folder, "wrong/%s", names[i]->d_name);
            lint_confs(t, net, folder.s);
            lint_wrong(t, l, names[i]->d_name);
            text_free(&folder);
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    if (n < LINT_WRONG_LEAST)
        complain(t, "%s: a lab has at least %d wrong solutions, a folder each: there are %u", path.s, LINT_WRONG_LEAST, n);
    text_free(&path);
}

/* The topology as each student gets it; NULL: it has been told why not. */
static struct topo *lint_topology(struct lint *t, const struct lab *l)
{
    struct text path = {0}, made = {0};
    char msg[1024];
    struct topo *net = NULL;
    text_printf(&path, "%s/%s", t->dir, l->topology != NULL ? l->topology : "net.yaml");
    if (!lab_file(l, path.s, "topology", false, &made, msg, sizeof(msg)) ||
        (net = topo_parse(path.s, made.s != NULL ? made.s : "", made.len, msg, sizeof(msg))) == NULL)
        complain(t, "%s", msg);
    text_free(&path);
    text_free(&made);
    return net;
}

unsigned lab_lint(const char *dir, bool open, struct text *said)
{
    struct lint t = {.dir = dir, .said = said, .open = open};
    char msg[1024];
    const struct lab_who who = {.id = students[0]};
    struct lab *l = lab_load(dir, &who, msg, sizeof(msg));
    if (l == NULL) {
        complain(&t, "%s", msg);
        return t.mistakes;
    }
    snprintf(t.empty, sizeof(t.empty), "/tmp/tapdeck-lint-XXXXXX");
    if (mkdtemp(t.empty) == NULL) {
        complain(&t, "no empty folder can be made in /tmp");
        lab_free(l);
        return t.mistakes;
    }
    lint_page(&t, l);
    struct topo *net = lint_topology(&t, l);
    if (net != NULL) {
        lint_confs(&t, net, "start");
        lint_confs(&t, net, "solution");
        bool ok = true;
        for (int i = 0; i < STUDENTS && ok; i++)
            ok = lint_solution(&t, l, students[i]);
        if (ok) { /* else what follows would say the same again */
            lint_empty(&t, l);
            lint_wrongs(&t, l, net);
        }
    }
    topo_free(net);
    (void)rmdir(t.empty);
    lab_free(l);
    return t.mistakes;
}
