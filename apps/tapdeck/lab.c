/* tapdeck/lab.c: `tapdeck lab`: its words. The work is done in lab/. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/parse.h"
#include "lab/find.h"
#include "lab/lint.h"
#include "tapdeck/lab_live.h"
#include "tapdeck/local.h"

#define SECONDS 60

struct lab_words {
    const char *lab;
    char **dirs; /* argv's */
    int ndirs;
    const char *id, *salt, *output, *junit, *gradescope;
    bool json, open, hints, quiet;
    unsigned jobs, seconds;
};

static int read_words(struct session *s, int argc, char **argv, struct lab_words *w)
{
    const struct {
        const char *name;
        const char **to;
    } texts[] = {{"--id", &w->id}, {"--salt", &w->salt}, {"-o", &w->output}, {"--junit", &w->junit}, {"--gradescope", &w->gradescope}};
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    *w = (struct lab_words){.json = s->json, .jobs = cpus > 0 ? (unsigned)cpus : 1, .seconds = SECONDS};
    int kept = 0;
    for (int i = 2; i < argc; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
            if (strcmp(argv[i], texts[k].name) != 0)
                continue;
            if (i + 1 == argc)
                return session_fail(s, EXIT_USAGE, "%s needs a value", argv[i]);
            *texts[k].to = argv[++i];
            known = true;
            break;
        }
        if (known)
            continue;
        if (strcmp(argv[i], "-j") == 0)
            w->json = true;
        else if (strcmp(argv[i], "--open") == 0)
            w->open = true;
        else if (strcmp(argv[i], "--no-shell") == 0)
            w->quiet = true;
        else if (strcmp(argv[i], "--hints") == 0)
            w->hints = true;
        else if (strcmp(argv[i], "--jobs") == 0 || strcmp(argv[i], "--seconds") == 0) {
            unsigned *to = argv[i][2] == 'j' ? &w->jobs : &w->seconds;
            uint32_t n;
            if (i + 1 == argc || !parse_u32(argv[i + 1], 3600, &n) || n == 0)
                return session_fail(s, EXIT_USAGE, "%s needs a number from 1 to 3600", argv[i]);
            *to = n;
            i++;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            return session_fail(s, EXIT_USAGE, "lab %s has no option '%s': `help lab` lists them", argv[1], argv[i]);
        } else if (w->lab == NULL) {
            w->lab = argv[i];
        } else {
            argv[2 + kept++] = argv[i];
        }
    }
    w->dirs = argv + 2;
    w->ndirs = kept;
    if (w->id != NULL && (w->id[0] == '\0' || strlen(w->id) > MYSTERY_ID_MAX || strpbrk(w->id, "'\"\\\n\r") != NULL))
        return session_fail(s, EXIT_USAGE, "--id: a student's id has 1 to %d bytes, and no quotes or backslashes", MYSTERY_ID_MAX);
    return EXIT_DONE;
}

/* ---- list ---- */

static int lab_list(struct session *s, const struct lab_words *w)
{
    char msg[1024];
    char *folder = labs_folder(msg, sizeof(msg));
    int n, status = EXIT_DONE;
    const struct lab_who nobody = {.id = ""};
    if (folder == NULL)
        return session_fail(s, EXIT_FAILED, "%s", msg);
    char **names = labs_names(folder, &n);
    json_t *all = json_array();
    for (int i = 0; i < n; i++) {
        struct text dir = {0};
        text_printf(&dir, "%s/%s", folder, names[i]);
        struct lab *l = lab_load(dir.s, &nobody, msg, sizeof(msg));
        if (l == NULL)
            status = session_fail(s, EXIT_USAGE, "%s", msg);
        else if (w->json)
            json_array_append_new(all, json_pack("{ss ss ss si si si ss}", "name", l->name, "title", l->title, "about", l->about, "minutes",
                                                 (int)l->minutes, "tasks", (int)l->ntasks, "points", (int)l->points, "dir", dir.s));
        else
            fprintf(s->out, "%-24s %3u min  %2u tasks  %s\n", l->name, l->minutes, l->ntasks, l->about);
        lab_free(l);
        text_free(&dir);
    }
    if (w->json) {
        json_dumpf(all, s->out, JSON_COMPACT);
        fputc('\n', s->out);
    } else if (n == 0) {
        fprintf(s->out, "no labs in %s\n", folder);
    }
    json_decref(all);
    words_free(names);
    free(folder);
    return status;
}

/* ---- grade ---- */

static void progress(void *ctx, size_t done)
{
    fprintf(stderr, "\r%zu of %d", done, *(int *)ctx);
}

static FILE *create(struct session *s, const char *name, int *status)
{
    FILE *f = fopen(name, "we");
    if (f == NULL)
        *status = session_fail(s, EXIT_USAGE, "%s can't be written: %s", name, strerror(errno));
    return f;
}

static int finish(struct session *s, FILE *f, const char *name)
{
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad)
        return session_fail(s, EXIT_FAILED, "%s can't be written: %s", name, strerror(errno));
    return EXIT_DONE;
}

static int write_marks(struct session *s, const struct lab_words *w, const json_t *results)
{
    int status = EXIT_DONE;
    const struct {
        const char *name;
        void (*write)(const json_t *results, FILE *out);
    } files[] = {{w->output, marks_csv}, {w->junit, marks_junit}};
    for (size_t i = 0; i < 2 && status == EXIT_DONE; i++) {
        FILE *f = files[i].name != NULL ? create(s, files[i].name, &status) : NULL;
        if (f == NULL)
            continue;
        files[i].write(results, f);
        status = finish(s, f, files[i].name);
    }
    if (w->gradescope != NULL && status == EXIT_DONE) {
        FILE *f = create(s, w->gradescope, &status);
        if (f != NULL) {
            json_t *one = marks_gradescope(json_array_get(results, 0));
            json_dumpf(one, f, JSON_INDENT(2));
            fputc('\n', f);
            json_decref(one);
            status = finish(s, f, w->gradescope);
        }
    }
    return status;
}

static int lab_grade(struct session *s, const struct lab_words *w)
{
    char msg[1024];
    static struct salt salt;
    if (w->lab == NULL || w->ndirs == 0)
        return session_fail(s, EXIT_USAGE, "which submissions? write `lab grade LAB DIR...`");
    if (w->gradescope != NULL && w->ndirs != 1)
        return session_fail(s, EXIT_USAGE, "--gradescope writes the results of one submission: %d are given", w->ndirs);
    if (w->salt != NULL && !salt_read(&salt, w->salt, msg, sizeof(msg)))
        return session_fail(s, EXIT_USAGE, "%s", msg);
    char *lab = lab_find(w->lab, msg, sizeof(msg));
    if (lab == NULL)
        return session_fail(s, EXIT_USAGE, "%s", msg);
    for (int i = 0; i < w->ndirs; i++) {
        struct text here = {0};
        text_printf(&here, "%s/.", w->dirs[i]);
        bool ok = access(here.s, R_OK | X_OK) == 0;
        text_free(&here);
        if (!ok) {
            free(lab);
            return session_fail(s, EXIT_USAGE, "%s is no folder with a submission: %s", w->dirs[i], strerror(errno));
        }
    }
    struct grade_options o = {.lab = lab, .salt = w->salt != NULL ? &salt : NULL, .id = w->id, .seconds = w->seconds, .jobs = w->jobs, .open = w->open};
    int n = w->ndirs;
    bool bar = n > 1 && isatty(STDERR_FILENO);
    json_t *results = grade_all(&o, w->dirs, (size_t)n, bar ? progress : NULL, &n, msg, sizeof(msg));
    if (bar)
        fputs("\r\033[K", stderr);
    free(lab);
    salt_forget(&salt);
    if (results == NULL)
        return session_fail(s, EXIT_USAGE, "%s", msg);
    if (w->json) {
        json_dumpf(results, s->out, JSON_COMPACT);
        fputc('\n', s->out);
    } else {
        marks_text(results, w->hints, s->out);
    }
    int status = write_marks(s, w, results);
    size_t i;
    json_t *r;
    json_array_foreach(results, i, r)
        if (status == EXIT_DONE && json_integer_value(json_object_get(r, "points")) != json_integer_value(json_object_get(r, "of")))
            status = n == 1 ? EXIT_FAILED : EXIT_DONE;
    if (status == EXIT_DONE && n == 1 && json_object_get(json_array_get(results, 0), "failed") != NULL)
        status = EXIT_FAILED;
    json_decref(results);
    return status;
}

/* ---- lint ---- */

static int lab_lints(struct session *s, const struct lab_words *w)
{
    char msg[1024];
    unsigned mistakes = 0;
    if (w->lab == NULL)
        return session_fail(s, EXIT_USAGE, "which lab? write `lab lint LAB...`");
    for (int i = -1; i < w->ndirs; i++) {
        struct text said = {0};
        char *dir = lab_find(i < 0 ? w->lab : w->dirs[i], msg, sizeof(msg));
        if (dir == NULL)
            return session_fail(s, EXIT_USAGE, "%s", msg);
        unsigned n = lab_lint(dir, w->open, &said);
        if (n == 0)
            fprintf(s->out, "%s: all right\n", dir);
        else
            fputs(said.s, s->out);
        mistakes += n;
        text_free(&said);
        free(dir);
    }
    return mistakes == 0 ? EXIT_DONE : session_fail(s, EXIT_FAILED, "%u mistake%s", mistakes, mistakes == 1 ? "" : "s");
}

/* ---- work ---- */

/* start LAB [FOLDER]; hint [TASK]; the others [FOLDER]. */
static int lab_work(struct session *s, const char *verb, const struct lab_words *w)
{
    static const struct {
        const char *verb;
        int (*fn)(struct session *s, const struct lab_live_words *w);
        int words;
    } verbs[] = {{"start", lab_start, 2}, {"hint", lab_hint, 1}, {"check", lab_check, 1}, {"reset", lab_reset, 1}, {"stop", lab_stop, 1}};
    struct lab_live_words l = {.id = w->id, .salt = w->salt, .json = w->json, .hints = w->hints, .shell = !w->quiet};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
        if (strcmp(verb, verbs[i].verb) != 0)
            continue;
        if ((w->lab != NULL) + w->ndirs > verbs[i].words)
            return session_fail(s, EXIT_USAGE, "'%s' after 'lab %s': too many words; `help lab` lists them", w->dirs[w->ndirs - 1], verb);
        if (i == 0) {
            l.lab = w->lab;
            l.folder = w->ndirs > 0 ? w->dirs[0] : NULL;
        } else if (i == 1) {
            l.task = w->lab;
        } else {
            l.folder = w->lab;
        }
        return verbs[i].fn(s, &l);
    }
    return session_fail(s, EXIT_USAGE, "lab knows no '%s': write list, start, check, hint, reset, stop, grade or lint", verb);
}

static int lab_main(struct session *s, int argc, char **argv)
{
    struct lab_words w;
    if (argc < 2)
        return session_fail(s, EXIT_USAGE, "write `lab list`, `lab start LAB` or another: `help lab` lists them");
    int status = read_words(s, argc, argv, &w);
    if (status != EXIT_DONE)
        return status;
    if (strcmp(argv[1], "list") == 0)
        return w.lab == NULL ? lab_list(s, &w) : session_fail(s, EXIT_USAGE, "'%s' after 'lab list': it takes no more words", w.lab);
    if (strcmp(argv[1], "grade") == 0)
        return lab_grade(s, &w);
    if (strcmp(argv[1], "lint") == 0)
        return lab_lints(s, &w);
    return lab_work(s, argv[1], &w);
}

const struct local_command local_lab = {
    .name = "lab",
    .usage = "lab list [-j]\n"
             "lab start LAB [FOLDER] [--id ID] [--salt FILE] [--no-shell]\n"
             "lab check [FOLDER] [--hints] [-j]\n"
             "lab hint [TASK]\n"
             "lab {reset | stop} [FOLDER]\n"
             "lab grade LAB [--id ID] [--salt FILE] [--hints] [--open] [--jobs N] [--seconds N] [-o FILE] [--junit FILE]\n"
             "          [--gradescope FILE] [-j] DIR...\n"
             "lab lint [--open] LAB...",
    .doc = "exercises: a network, tasks in it, and marks for what was handed in",
    .more = "LAB is a lab's folder, its number or the beginning of its name; labs are looked for in $TAPDECK_LABS, else in ./labs.\n"
            "\n"
            "start makes a FOLDER (by default with the lab's name) with the lab's page, its network and answers.txt, runs the\n"
            "network without needing any rights, and opens a shell in which each node is a command (--no-shell: doesn't). In the\n"
            "folder, check says of each task whether it holds, and what was seen if not; hint helps with the first that doesn't, or\n"
            "with TASK; reset begins anew, stop ends the network. What you wrote stays.\n"
            "\n"
            "A submission DIR holds answers.txt (`TASK: answer` a line), NODE.conf (console commands\n"
            "for a node) and whatever other files the lab asks for; its name is the student's id.\n"
            "\n"
            "grade builds the lab's network anew for each submission, in virtual time, gives the nodes its commands and looks\n"
            "whether each task is done. Each is judged in a process that sees the lab and the submission, nothing else of this\n"
            "machine and no network, with limits of time and memory: one that crashes or never ends is named, and the others\n"
            "go on. The same submissions get the same marks.\n"
            "\n"
            "  --id ID       the student's, for one submission: parameters of the lab follow from it\n"
            "  --salt FILE   the instructor's secret, which they follow from too (or env:NAME)\n"
            "  --hints       says the lab's hints\n"
            "  -o FILE       marks as CSV, a line a student\n"
            "  --junit FILE  as JUnit's XML; --gradescope FILE: results.json of one submission\n"
            "  --seconds N   for each at most (60), of the clock and of the processor\n"
            "  --jobs N      at once (as many as there are processors)\n"
            "  --open        without the sandbox: for your own work, where the machine allows no namespaces\n"
            "\n"
            "lint is for whoever writes a lab (labs/README.md says how): it reads its files, and looks that nobody gets points for\n"
            "doing nothing, that its solution gets them all, and that each wrong one is told what expect.txt says.\n"
            "\n"
            "Exit status: 0 graded (of one submission: all points), 1 it lacks points, 2 bad usage or a lab that\n"
            "can't be read. lint: 0 no mistake, 1 mistakes.\n"
            "Examples:\n"
            "  lab list\n"
            "  lab start 5\n"
            "  lab check --hints\n"
            "  lab grade 5 --hints my-work\n"
            "  lab lint labs/05-three-routers\n"
            "  lab grade three-routers --salt salt -o marks.csv handed-in/*",
    .fn = lab_main,
};
