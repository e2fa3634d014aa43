/* replay/quiz_grade.c: files of answers, and marks as text, JSON and CSV (quiz.h).
 *
 * An answers file is lines `1: 501`; `quiz:`, `seed:` and `student:` stand in it too. What can't be
 * read is said, and the rest is marked. A table for a spreadsheet must not bring formulas with it:
 * text is quoted, and gets an apostrophe before a character that would begin one.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/control.h"
#include "replay/quiz.h"

#define FILE_MOST (1u << 20)

static bool slurp(const char *path, struct text *out, char *msg, size_t msg_size)
{
    char piece[4096];
    size_t n;
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        (void)snprintf(msg, msg_size, "%s: %s", path, strerror(errno));
        return false;
    }
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0 && out->len < FILE_MOST)
        text_add(out, piece, n);
    bool ok = ferror(f) == 0 && out->len < FILE_MOST &&
              (out->len == 0 || memchr(out->s, '\0', out->len) == NULL);
    if (!ok)
        (void)snprintf(msg, msg_size, "%s: %s", path,
                       ferror(f) ? strerror(errno)
                       : out->len >= FILE_MOST
                           ? "it is too large for answers: a line each is enough"
                           : "this is no text: answers are lines such as `1: 12345`");
    (void)fclose(f);
    if (!ok)
        text_free(out);
    return ok;
}

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
    return s;
}

/* The next line without blanks and comments; NULL: the end. */
static char *next_line(char **rest, unsigned *number)
{
    while (*rest != NULL && **rest != '\0') {
        char *line = *rest, *end = strchr(line, '\n');
        *rest = end != NULL ? end + 1 : NULL;
        if (end != NULL)
            *end = '\0';
        (*number)++;
        for (char *c = line; *c != '\0'; c++)
            if (*c == '#' && (c == line || isspace((unsigned char)c[-1])))
                *c = '\0';
        if ((unsigned char)line[0] == 0xef && (unsigned char)line[1] == 0xbb &&
            (unsigned char)line[2] == 0xbf)
            line += 3; /* what some editors begin a file with */
        line = trim(line);
        if (*line != '\0')
            return line;
    }
    return NULL;
}

/* "word: value", "word = value". NULL: it isn't. */
static char *split(char *line)
{
    char *at = strpbrk(line, ":=");
    if (at == NULL)
        return NULL;
    *at = '\0';
    char *value = trim(at + 1);
    (void)trim(line);
    size_t n = strlen(line);
    while (n > 0 && isspace((unsigned char)line[n - 1]))
        line[--n] = '\0';
    return value;
}

static bool heading(struct quiz_paper *p, const char *word, const char *value)
{
    if (strcasecmp(word, "student") == 0 || strcasecmp(word, "name") == 0)
        (void)snprintf(p->student, sizeof(p->student), "%s", value);
    else if (strcasecmp(word, "quiz") == 0)
        (void)snprintf(p->id, sizeof(p->id), "%s", value);
    else if (strcasecmp(word, "seed") == 0)
        (void)snprintf(p->seed, sizeof(p->seed), "%s", value);
    else
        return false;
    return true;
}

bool paper_head(struct quiz_paper *p, const char *path, char *msg, size_t msg_size)
{
    struct text all = {0};
    unsigned number = 0;
    *p = (struct quiz_paper){0};
    if (!slurp(path, &all, msg, msg_size))
        return false;
    char *rest = all.s, *line, *value;
    while (rest != NULL && (line = next_line(&rest, &number)) != NULL)
        if ((value = split(line)) != NULL)
            (void)heading(p, line, value);
    text_free(&all);
    return true;
}

static void complain(struct quiz_paper *p, unsigned line, const char *what)
{
    p->nerrors++;
    text_printf(&p->errors, "%s:%u: %s\n", p->file, line, what);
}

static void read_line(struct quiz_paper *p, const struct quiz_key *k, unsigned number, char *line)
{
    char what[400], *end;
    const char *said = line;
    char *value = split(line);
    unsigned at = 0;
    if (value != NULL && heading(p, line, value))
        return;
    unsigned long n = strtoul(line, &end, 10);
    if (value == NULL || end == line || *end != '\0' || !isdigit((unsigned char)*line)) {
        (void)snprintf(what, sizeof(what),
                       "'%.60s' is no answer: write the question's number, a colon and the answer, "
                       "such as `1: 12345`",
                       said);
        complain(p, number, what);
        return;
    }
    while (at < k->nq && k->q[at].n != n)
        at++;
    if (at == k->nq) {
        (void)snprintf(what, sizeof(what), "there is no question %lu: they are numbered 1 to %u", n,
                       k->nq);
        complain(p, number, what);
        return;
    }
    struct quiz_answer *a = &p->a[at];
    if (*value == '\0')
        return;
    if (a->given[0] != '\0') {
        (void)snprintf(what, sizeof(what),
                       "question %lu has an answer already: the first one counts", n);
        complain(p, number, what);
        return;
    }
    (void)snprintf(a->given, sizeof(a->given), "%s", value);
    a->mark = quiz_mark(&k->q[at], value, &a->feedback);
    if (a->mark == ANSWER_MALFORMED) {
        (void)snprintf(what, sizeof(what), "question %lu: '%.60s' can't be read: %s", n, value,
                       a->feedback);
        complain(p, number, what);
    }
}

bool paper_mark(struct quiz_paper *p, const char *path, const struct quiz_key *k, char *msg,
                size_t msg_size)
{
    struct text all = {0};
    unsigned number = 0;
    *p = (struct quiz_paper){.nq = k->nq};
    (void)snprintf(p->file, sizeof(p->file), "%s", path);
    if (!slurp(path, &all, msg, msg_size))
        return false;
    p->a = calloc(k->nq, sizeof(*p->a));
    if (p->a == NULL) {
        text_free(&all);
        (void)snprintf(msg, msg_size, "out of memory");
        return false;
    }
    for (unsigned i = 0; i < k->nq; i++)
        p->a[i].feedback = "";
    char *rest = all.s, *line;
    while (rest != NULL && (line = next_line(&rest, &number)) != NULL)
        read_line(p, k, number, line);
    text_free(&all);
    if (p->student[0] == '\0') {
        const char *slash = strrchr(path, '/');
        (void)snprintf(p->student, sizeof(p->student), "%.90s", slash != NULL ? slash + 1 : path);
        char *dot = strrchr(p->student, '.');
        if (dot != NULL && dot != p->student)
            *dot = '\0';
    }
    if (p->id[0] != '\0' && strcmp(p->id, k->id) != 0) {
        (void)snprintf(msg, msg_size,
                       "%s: these are answers to quiz %s, and the key is that of quiz %s", path,
                       p->id, k->id);
        paper_done(p);
        return false;
    }
    (void)snprintf(p->id, sizeof(p->id), "%s", k->id);
    (void)snprintf(p->seed, sizeof(p->seed), "%s", k->seed);
    for (unsigned i = 0; i < k->nq; i++) {
        bool right = p->a[i].mark == ANSWER_RIGHT;
        p->right += right;
        p->asked[k->q[i].field]++;
        p->got[k->q[i].field] += right;
    }
    return true;
}

void paper_done(struct quiz_paper *p)
{
    free(p->a);
    text_free(&p->errors);
    *p = (struct quiz_paper){0};
}

/* ---- marks ---- */

static const char *const mark_words[] = {"no answer", "wrong", "right", "can't be read"};

static unsigned percent(const struct quiz_paper *p)
{
    return p->nq > 0 ? (200 * p->right + p->nq) / (2 * p->nq) : 0;
}

void paper_text(const struct quiz_paper *p, const struct quiz_key *k, bool explain,
                struct text *out)
{
    text_printf(out, "%s: %u of %u (%u %%), quiz %s\n", p->student, p->right, p->nq, percent(p),
                p->id);
    for (unsigned f = 0; f < QUIZ_FIELDS; f++)
        if (p->asked[f] > 0)
            text_printf(out, "  %-12s %u of %u\n", quiz_fields[f].name, p->got[f], p->asked[f]);
    for (unsigned i = 0; i < p->nq; i++) {
        const struct quiz_answer *a = &p->a[i];
        const struct question *x = &k->q[i];
        text_printf(out, "  %3u. %-12s %s", x->n, quiz_fields[x->field].name, mark_words[a->mark]);
        if (a->given[0] != '\0')
            text_printf(out, ": %s", a->given);
        if (a->mark != ANSWER_RIGHT && a->feedback[0] != '\0')
            text_printf(out, ". %s", a->feedback);
        text_puts(out, "\n");
        if (explain && a->mark != ANSWER_RIGHT)
            text_printf(out, "       %s (%s)\n", x->explanation, x->clause);
    }
}

void paper_json(const struct quiz_paper *p, const struct quiz_key *k, bool explain, struct jsonw *w)
{
    static const char *const words[] = {"none", "wrong", "right", "malformed"};
    jw_open(w, NULL, '{');
    jw_str(w, "student", p->student);
    jw_str(w, "file", p->file);
    jw_str(w, "quiz", p->id);
    jw_str(w, "seed", p->seed);
    jw_u64(w, "right", p->right);
    jw_u64(w, "asked", p->nq);
    jw_u64(w, "percent", percent(p));
    jw_open(w, "fields", '{');
    for (unsigned f = 0; f < QUIZ_FIELDS; f++) {
        if (p->asked[f] == 0)
            continue;
        jw_open(w, quiz_fields[f].name, '{');
        jw_u64(w, "right", p->got[f]);
        jw_u64(w, "asked", p->asked[f]);
        jw_close(w, '}');
    }
    jw_close(w, '}');
    jw_open(w, "questions", '[');
    for (unsigned i = 0; i < p->nq; i++) {
        const struct question *x = &k->q[i];
        jw_open(w, NULL, '{');
        jw_u64(w, "question", x->n);
        jw_str(w, "field", quiz_fields[x->field].name);
        jw_u64(w, "packet", x->packet);
        jw_str(w, "mark", words[p->a[i].mark]);
        if (p->a[i].given[0] != '\0')
            jw_str(w, "given", p->a[i].given);
        if (p->a[i].mark != ANSWER_RIGHT && p->a[i].feedback[0] != '\0')
            jw_str(w, "feedback", p->a[i].feedback);
        if (explain) {
            jw_str(w, "answer", x->accepted[0]);
            jw_str(w, "explanation", x->explanation);
            jw_str(w, "clause", x->clause);
        }
        jw_close(w, '}');
    }
    jw_close(w, ']');
    jw_open(w, "errors", '[');
    for (const char *s = p->errors.s; s != NULL && *s != '\0'; s = strchr(s, '\n') + 1) {
        struct text line = {0};
        text_add(&line, s, strcspn(s, "\n"));
        jw_str(w, NULL, line.s);
        text_free(&line);
    }
    jw_close(w, ']');
    jw_close(w, '}');
}

static void csv_text(const char *s, struct text *out)
{
    text_puts(out, "\"");
    if (strchr("=+-@\t\r\n|%", *s) != NULL && *s != '\0')
        text_puts(out, "'");
    for (; *s != '\0'; s++)
        text_printf(out, "%s",
                    *s == '"'                  ? "\"\""
                    : *s == '\n' || *s == '\r' ? " "
                                               : (const char[]){*s, '\0'});
    text_puts(out, "\"");
}

void papers_csv(const struct quiz_paper *p, size_t n, struct text *out)
{
    unsigned most = 0;
    bool field[QUIZ_FIELDS] = {false};
    for (size_t i = 0; i < n; i++) {
        most = p[i].nq > most ? p[i].nq : most;
        for (unsigned f = 0; f < QUIZ_FIELDS; f++)
            field[f] = field[f] || p[i].asked[f] > 0;
    }
    text_puts(out, "student,file,quiz,seed,right,asked,percent");
    for (unsigned f = 0; f < QUIZ_FIELDS; f++)
        if (field[f])
            text_printf(out, ",%s right,%s asked", quiz_fields[f].name, quiz_fields[f].name);
    for (unsigned i = 0; i < most; i++)
        text_printf(out, ",q%u", i + 1);
    text_puts(out, "\r\n");
    for (size_t i = 0; i < n; i++) {
        const char *const words[] = {p[i].student, p[i].file, p[i].id, p[i].seed};
        for (unsigned k = 0; k < 4; k++) {
            csv_text(words[k], out);
            text_puts(out, ",");
        }
        text_printf(out, "%u,%u,%u", p[i].right, p[i].nq, percent(&p[i]));
        for (unsigned f = 0; f < QUIZ_FIELDS; f++)
            if (field[f])
                text_printf(out, ",%u,%u", p[i].got[f], p[i].asked[f]);
        for (unsigned k = 0; k < most; k++)
            text_puts(out, k >= p[i].nq || p[i].a[k].mark == ANSWER_NONE ? ","
                           : p[i].a[k].mark == ANSWER_RIGHT              ? ",1"
                                                                         : ",0");
        text_puts(out, "\r\n");
    }
}
