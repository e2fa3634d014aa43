/* tapdeck/quiz.c: `tapdeck quiz`: its words. The work is done in replay/quiz*.c. */
#include <errno.h>
#include <fcntl.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/nearest.h"
#include "common/parse.h"
#include "replay/quiz.h"
#include "tapdeck/local.h"
#include "tapdeck/words.h"

#define KNOBS_MAX 32
#define FILES_MAX 4096

struct words {
    struct quiz_options o;
    bool json, grade, ask, explain;
    const char *out, *key, *answers, *capture, *seed;
    const char *make_only; /* an option that doesn't go with --key, when marking */
    const char *knob[KNOBS_MAX];
    char **file; /* those without an option before them */
    size_t nfiles;
};

/* ---- words ---- */

static int number(struct session *s, const char *option, const char *word, uint32_t from,
                  uint32_t to, uint32_t *n)
{
    if (word == NULL || !parse_u32(word, to, n) || *n < from)
        return session_fail(s, EXIT_USAGE, "%s needs a number from %u to %u, for example `%s %u`",
                            option, from, to, option, from + 3);
    return EXIT_DONE;
}

static int fields(struct session *s, const char *list, uint32_t *bits)
{
    uint32_t got = 0;
    while (list != NULL && *list != '\0') {
        char name[32];
        size_t n = strcspn(list, ",");
        (void)snprintf(name, sizeof(name), "%.*s", (int)(n < 31 ? n : 31), list);
        enum quiz_field f = quiz_field(name);
        if (f == QUIZ_FIELDS) {
            struct nearest near = {.word = name};
            for (unsigned k = 0; k < QUIZ_FIELDS; k++)
                nearest_offer(&near, quiz_fields[k].name);
            if (near.best[0] != '\0')
                return session_fail(s, EXIT_USAGE,
                                    "--hide %s: there is no such field: did you mean '%s'?", name,
                                    near.best);
            return session_fail(s, EXIT_USAGE,
                                "--hide %s: there is no such field: `help quiz` lists them", name);
        }
        got |= QUIZ_BIT(f);
        list += n + (list[n] == ',');
    }
    if (got == 0)
        return session_fail(s, EXIT_USAGE,
                            "--hide needs fields, for example `--hide tcp.ack,state`");
    *bits = got;
    return EXIT_DONE;
}

static int seed(struct session *s, const char *word, const char **to)
{
    bool ok = word != NULL && *word != '\0' && strlen(word) <= QUIZ_SEED_MAX &&
              text_is_utf8(word, strlen(word));
    for (const char *c = word; ok && *c != '\0'; c++)
        ok = (unsigned char)*c >= ' ' && *c != '#';
    if (!ok)
        return session_fail(
            s, EXIT_USAGE,
            "--seed needs a word of at most %d characters, for example a student's name",
            QUIZ_SEED_MAX);
    *to = word;
    return EXIT_DONE;
}

static int text_option(struct session *s, const char *option, const char *value, const char *what,
                       const char **to)
{
    if (value == NULL || *value == '\0')
        return session_fail(s, EXIT_USAGE, "%s needs %s", option, what);
    *to = value;
    return EXIT_DONE;
}

/* An option with a value. EXIT_DONE: it was one; -1: it isn't. */
static int valued(struct session *s, const char *option, const char *value, void *words)
{
    struct words *w = words;
    uint32_t n = 0;
    int status;
    if (strcmp(option, "-o") == 0)
        return text_option(s, option, value, "the file that is to be written", &w->out);
    if (strcmp(option, "--key") == 0)
        return text_option(s, option, value, "the file of the key", &w->key);
    if (strcmp(option, "--seed") == 0)
        return seed(s, value, &w->seed);
    if (strcmp(option, "--answers") == 0)
        return text_option(s, option, value,
                           "the file that is to be written, for the student to fill in",
                           &w->answers);
    if (strcmp(option, "--capture") == 0)
        return text_option(s, option, value, "the capture that the quiz was made of", &w->capture);
    if (strcmp(option, "--hide") == 0) {
        status = fields(s, value, &w->o.fields);
    } else if (strcmp(option, "--flow") == 0) {
        if ((status = number(s, option, value, 0, UINT32_MAX, &n)) == EXIT_DONE)
            w->o.flow = n;
    } else if (strcmp(option, "--from") == 0) {
        if ((status = number(s, option, value, 1, UINT32_MAX, &n)) == EXIT_DONE)
            w->o.from = n;
    } else if (strcmp(option, "--to") == 0) {
        if ((status = number(s, option, value, 1, UINT32_MAX, &n)) == EXIT_DONE)
            w->o.to = n;
    } else if (strcmp(option, "--count") == 0) {
        if ((status = number(s, option, value, 1, QUIZ_COUNT_MAX, &n)) == EXIT_DONE)
            w->o.count = n;
    } else if (strcmp(option, "--play") == 0) {
        status =
            text_option(s, option, value,
                        "the side that the stack is: client, server, or ADDR:PORT", &w->o.play);
    } else if (strcmp(option, "--knob") == 0) {
        if (value == NULL || w->o.nknobs == KNOBS_MAX)
            return session_fail(s, EXIT_USAGE, "--knob needs NAME=VALUE, and goes at most %d times",
                                KNOBS_MAX);
        w->knob[w->o.nknobs++] = value;
        status = EXIT_DONE;
    } else {
        return -1;
    }
    w->make_only = option;
    return status;
}

static int go_together(struct session *s, const struct words *w)
{
    if (w->grade) {
        if (w->nfiles == 0)
            return session_fail(
                s, EXIT_USAGE,
                "--grade needs files of answers: `quiz --grade --key KEY ANSWERS...`");
        if ((w->key != NULL) == (w->capture != NULL))
            return session_fail(s, EXIT_USAGE,
                                "--grade needs the key (--key KEY), or else the capture (--capture "
                                "FILE) and what the quiz was made with");
        if (w->key != NULL && (w->make_only != NULL || w->seed != NULL))
            return session_fail(s, EXIT_USAGE,
                                "the key knows what the quiz was made with: %s doesn't go with it",
                                w->make_only != NULL ? w->make_only : "--seed");
        if (w->ask || w->answers != NULL)
            return session_fail(s, EXIT_USAGE,
                                "--grade marks what was answered: %s doesn't go with it",
                                w->ask ? "-i" : "--answers");
    } else {
        if (w->capture != NULL)
            return session_fail(s, EXIT_USAGE, "--capture is for --grade: write `quiz FILE`");
        if (w->nfiles == 0)
            return session_fail(
                s, EXIT_USAGE,
                "which capture? write `quiz FILE`, or `quiz --grade --key KEY ANSWERS...`");
        if (w->nfiles > 1)
            return session_fail(s, EXIT_USAGE, "'%s' after '%s': a quiz is made of one capture",
                                w->file[1], w->file[0]);
        if (w->explain && !w->ask)
            return session_fail(s, EXIT_USAGE,
                                "--explain goes with -i or --grade: a sheet has no answers");
        if (w->ask && (w->out != NULL || w->answers != NULL || w->key != NULL || w->json))
            return session_fail(s, EXIT_USAGE, "-i asks here and now: %s doesn't go with it",
                                w->out != NULL       ? "-o"
                                : w->answers != NULL ? "--answers"
                                : w->key != NULL     ? "--key"
                                                     : "-j");
        if (w->out != NULL && w->key != NULL && strcmp(w->out, w->key) == 0)
            return session_fail(
                s, EXIT_USAGE,
                "%s can't be both the sheet and the key: the key is not for students", w->out);
    }
    const char *file = w->grade ? w->capture : w->file[0];
    if ((w->o.play != NULL || (w->o.fields & QUIZ_PLAYED) != 0) && file != NULL &&
        strcmp(file, "-") == 0)
        return session_fail(
            s, EXIT_USAGE,
            "an end that the stack plays takes the capture twice: give it as a file");
    if (w->o.nknobs > 0 && w->o.play == NULL && (w->o.fields & QUIZ_PLAYED) == 0)
        return session_fail(
            s, EXIT_USAGE,
            "--knob %s: only the stack has knobs, and it isn't asked for without --play",
            w->knob[0]);
    if (w->o.to > 0 && w->o.to < w->o.from)
        return session_fail(s, EXIT_USAGE, "--to %llu is before --from %llu",
                            (unsigned long long)w->o.to, (unsigned long long)w->o.from);
    return EXIT_DONE;
}

static int plain(struct session *s, char *word, void *words)
{
    struct words *w = words;
    if (strcmp(word, "--grade") == 0)
        w->grade = true;
    else if (strcmp(word, "--explain") == 0)
        w->explain = true;
    else if (strcmp(word, "-i") == 0)
        w->ask = true;
    else if (strcmp(word, "-j") == 0)
        w->json = true;
    else if (word[0] == '-' && word[1] != '\0')
        return session_fail(s, EXIT_USAGE, "quiz has no option '%s': `help quiz` lists them", word);
    else
        w->file[w->nfiles++] = word;
    return EXIT_DONE;
}

static int read_words(struct session *s, int argc, char **argv, struct words *w)
{
    static const struct words_reader reader = {valued, plain};
    *w = (struct words){.json = s->json,
                        .o = {.flow = -1, .count = 10},
                        .file = calloc((size_t)argc + 1, sizeof(char *))};
    if (w->file == NULL)
        return session_fail(s, EXIT_FAILED, "out of memory");
    int status = words_read(s, argc, argv, &reader, w);
    w->o.knob = w->knob;
    if (w->o.fields == 0)
        w->o.fields = QUIZ_DEFAULT | QUIZ_OTHER | (w->o.play != NULL ? QUIZ_PLAYED : 0);
    return status == EXIT_DONE ? go_together(s, w) : status;
}

/* ---- making ---- */

static struct capture_reader *open_again(void *ctx, char *msg, size_t msg_size)
{
    return capture_open(ctx, msg, msg_size);
}

static int make(const struct words *w, const char *file, const char *id, struct quiz *q, char *msg,
                size_t msg_size)
{
    struct quiz_options o = w->o;
    o.file = file;
    o.seed = id;
    return quiz_make(q, &o, open_again, (void *)(uintptr_t)file, msg, msg_size);
}

static int write_file(struct session *s, const char *path, const struct text *t, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool ok = fd >= 0;
    for (size_t at = 0; ok && at < t->len;) {
        ssize_t n = write(fd, t->s + at, t->len - at);
        ok = n > 0;
        at += n > 0 ? (size_t)n : 0;
    }
    int error = errno;
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = false;
        error = errno;
    }
    return ok ? EXIT_DONE : session_fail(s, EXIT_FAILED, "%s: %s", path, strerror(error));
}

static void notes(const struct quiz *q)
{
    if (q->nq < q->o.count)
        fprintf(stderr,
                "note: %u questions, not %u: no more of them have an answer that can be worked out "
                "from the rest of the list\n",
                q->nq, q->o.count);
    if (q->played >= 0 && q->differs != 0)
        fprintf(stderr,
                "note: from packet %llu on the stack would have done something else: cwnd, "
                "ssthresh and rto are asked before it\n",
                (unsigned long long)q->differs);
}

static int give_out(struct session *s, const struct words *w, const struct quiz *q)
{
    struct text sheet = {0}, key = {0}, answers = {0};
    int status = EXIT_DONE;
    (w->json ? quiz_sheet_json : quiz_sheet)(q, &sheet);
    if (w->out != NULL)
        status = write_file(s, w->out, &sheet, 0666);
    if (status == EXIT_DONE && w->key != NULL) {
        quiz_key_json(q, &key);
        status = write_file(s, w->key, &key, 0600);
    }
    if (status == EXIT_DONE && w->answers != NULL) {
        quiz_template(q, &answers);
        status = write_file(s, w->answers, &answers, 0666);
    }
    if (status == EXIT_DONE && w->out == NULL)
        (void)fwrite(sheet.s, 1, sheet.len, s->out);
    if (status == EXIT_DONE)
        notes(q);
    text_free(&sheet);
    text_free(&key);
    text_free(&answers);
    return status;
}

/* ---- asking ---- */

static char *read_answer(unsigned n)
{
    char prompt[24], *line = NULL;
    size_t room = 0;
    (void)snprintf(prompt, sizeof(prompt), "%u> ", n);
    if (isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)) {
        line = readline(prompt);
        if (line != NULL && *line != '\0')
            add_history(line);
        return line;
    }
    ssize_t got = getline(&line, &room, stdin);
    if (got < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    return line;
}

static void score(struct session *s, const struct quiz *q, const unsigned *got,
                  const unsigned *asked, unsigned right, unsigned done)
{
    fprintf(s->out, "\n%u of %u", right, q->nq);
    if (done < q->nq)
        fprintf(s->out, " (%u answered)", done);
    fputc('\n', s->out);
    for (unsigned f = 0; f < QUIZ_FIELDS; f++)
        if (asked[f] > 0)
            fprintf(s->out, "  %-12s %u of %u\n", quiz_fields[f].name, got[f], asked[f]);
}

/* One question at a time, each answered as often as the student likes; the first answer counts. */
static int ask_all(struct session *s, const struct words *w, const struct quiz *q)
{
    struct text sheet = {0};
    unsigned got[QUIZ_FIELDS] = {0}, asked[QUIZ_FIELDS] = {0}, right = 0, done = 0;
    bool leave = false;
    quiz_sheet(q, &sheet);
    char *questions = strstr(sheet.s, "\nQuestions\n");
    fprintf(s->out,
            "%.*s\nAn empty line leaves a question out, `back` shows the packets again, "
            "`quit` ends.\n",
            (int)(questions - sheet.s), sheet.s);
    text_free(&sheet);
    for (unsigned i = 0; i < q->nq && !leave; i++) {
        const struct question *x = &q->q[i];
        const char *said;
        fprintf(s->out, "\n%u. [%s] %s\n   (%s)\n", x->n, quiz_fields[x->field].name, x->ask,
                quiz_fields[x->field].form);
        for (bool again = true; again;) {
            char *line = read_answer(x->n);
            again = false;
            if (line == NULL || strcmp(line, "quit") == 0 || strcmp(line, "q") == 0) {
                leave = true;
            } else if (strcmp(line, "back") == 0) {
                struct text list = {0};
                quiz_list(q, &list);
                fprintf(s->out, "%s", list.s);
                text_free(&list);
                again = true;
            } else if (*line != '\0') {
                enum quiz_mark m = quiz_mark(x, line, &said);
                again = m == ANSWER_MALFORMED;
                if (again) {
                    fprintf(s->out, "That can't be read: %s.\n", said);
                } else {
                    done++;
                    right += m == ANSWER_RIGHT;
                    got[x->field] += m == ANSWER_RIGHT;
                    fprintf(s->out, "%s%s%s\n", m == ANSWER_RIGHT ? "Right." : "No. ",
                            m == ANSWER_RIGHT ? "" : said, "");
                }
            }
            if (!again && !leave && w->explain)
                fprintf(s->out, "%s (%s)\n", x->explanation, x->clause);
            free(line);
        }
        asked[x->field] += !leave;
    }
    score(s, q, got, asked, right, done);
    return EXIT_DONE;
}

static int make_quiz(struct session *s, const struct words *w)
{
    struct quiz q;
    char msg[1024];
    int status = make(w, w->file[0], w->seed != NULL ? w->seed : "1", &q, msg, sizeof(msg));
    if (status != EXIT_DONE)
        (void)session_fail(s, status, "%s", msg);
    else
        status = w->ask ? ask_all(s, w, &q) : EXIT_DONE;
    if (status == EXIT_DONE && !w->ask)
        status = give_out(s, w, &q);
    quiz_done(&q);
    return status;
}

/* ---- marking ---- */

/* The paper's own key: the one that was given, or one that is made again of capture and seed. */
static int key_for(const struct words *w, const char *path, struct quiz *q, struct quiz_key *k,
                   char *msg, size_t msg_size)
{
    struct quiz_paper head;
    if (!paper_head(&head, path, msg, msg_size))
        return EXIT_USAGE;
    const char *id = w->seed != NULL ? w->seed : head.seed;
    if (*id == '\0') {
        (void)snprintf(
            msg, msg_size,
            "%s: for whom was the quiz made? It has no line `seed: ID`, and --seed isn't given",
            path);
        return EXIT_USAGE;
    }
    int status = make(w, w->capture, id, q, msg, msg_size);
    if (status == EXIT_DONE)
        quiz_key_of(q, k);
    return status;
}

static int mark_one(struct session *s, const struct words *w, const struct quiz_key *given,
                    const char *path, struct quiz_paper *p, struct text *out, struct jsonw *json)
{
    struct quiz q = {0};
    struct quiz_key own = {0};
    const struct quiz_key *k = given;
    char msg[1024];
    int status = EXIT_DONE;
    if (w->capture != NULL) {
        status = key_for(w, path, &q, &own, msg, sizeof(msg));
        k = &own;
    }
    if (status == EXIT_DONE && !paper_mark(p, path, k, msg, sizeof(msg)))
        status = EXIT_USAGE;
    if (status != EXIT_DONE) {
        (void)session_fail(s, status, "%s", msg);
    } else if (w->json) {
        paper_json(p, k, w->explain, json);
    } else {
        if (out->len > 0)
            text_puts(out, "\n");
        paper_text(p, k, w->explain, out);
    }
    for (unsigned i = 0; status == EXIT_DONE && i < p->nq; i++)
        p->a[i].feedback = ""; /* they were the key's words */
    quiz_done(&q);
    return status;
}

static int grade(struct session *s, const struct words *w)
{
    struct quiz_key k = {0};
    struct quiz_paper *p = calloc(w->nfiles, sizeof(*p));
    struct text out = {0}, csv = {0};
    struct jsonw json = {.t = &out};
    char msg[1024];
    size_t marked = 0;
    int status = EXIT_DONE, worst = EXIT_DONE;
    if (p == NULL)
        return session_fail(s, EXIT_FAILED, "out of memory");
    if (w->key != NULL && (status = quiz_key_read(&k, w->key, msg, sizeof(msg))) != EXIT_DONE) {
        free(p);
        return session_fail(s, status, "%s", msg);
    }
    if (w->json) {
        jw_open(&json, NULL, '{');
        jw_open(&json, "students", '[');
    }
    for (size_t i = 0; i < w->nfiles; i++) {
        status = mark_one(s, w, &k, w->file[i], &p[marked], &out, &json);
        worst = status > worst ? status : worst;
        if (status != EXIT_DONE)
            continue;
        if (p[marked].nerrors > 0) {
            fflush(s->out);
            fputs(p[marked].errors.s, stderr);
            worst = worst == EXIT_DONE ? EXIT_FAILED : worst;
        }
        marked++;
    }
    if (w->json) {
        jw_close(&json, ']');
        jw_close(&json, '}');
        text_puts(&out, "\n");
    }
    if (marked > 0 || w->json)
        (void)fwrite(out.s, 1, out.len, s->out);
    if (w->out != NULL && marked > 0) {
        papers_csv(p, marked, &csv);
        status = write_file(s, w->out, &csv, 0666);
        worst = status > worst ? status : worst;
    }
    for (size_t i = 0; i < marked; i++)
        paper_done(&p[i]);
    free(p);
    text_free(&out);
    text_free(&csv);
    quiz_key_done(&k);
    return worst;
}

static int quiz_main(struct session *s, int argc, char **argv)
{
    struct words w;
    int status = read_words(s, argc, argv, &w);
    if (status == EXIT_DONE)
        status = w.grade ? grade(s, &w) : make_quiz(s, &w);
    free(w.file);
    return status;
}

/* clang-format off */
const struct local_command local_quiz = {
    .name = "quiz",
    .usage = "quiz [--hide FIELDS] [--seed ID] [--count N] [--flow N] [--from N] [--to N]\n"
             "     [--play {client|server|ADDR:PORT}] [--knob NAME=VALUE]... [-o FILE] [--key FILE] [--answers FILE] [-j] FILE\n"
             "quiz -i [--explain] [--hide FIELDS] [--seed ID] [--count N] [--flow N] [--from N] [--to N]\n"
             "     [--play {client|server|ADDR:PORT}] [--knob NAME=VALUE]... FILE\n"
             "quiz --grade --key FILE [-o FILE] [--explain] [-j] FILE...\n"
             "quiz --grade --capture FILE [--hide FIELDS] [--seed ID] [--count N] [--flow N] [--from N] [--to N]\n"
             "     [--play {client|server|ADDR:PORT}] [--knob NAME=VALUE]... [-o FILE] [--explain] [-j] FILE...",
    .doc = "questions about a capture, their key, and the marking of answers",
    .more = "quiz FILE makes a sheet: the packets of a connection, with cells blanked, and questions about them. Each\n"
            "can be worked out from the rest of the sheet, which has no answer in it. The same capture, words and seed make\n"
            "the same sheet, another seed asks about other packets: give each student another one. Who has the capture, this\n"
            "program and the seed can make the key as well, so give out the sheet and not the capture.\n"
            "\n"
            "  --hide     what is asked, joined by commas: tcp.seq, tcp.ack, tcp.flags, tcp.len, tcp.window, state,\n"
            "             in_flight (bytes), rtt (samples), mark (what kind of packet), next (what is sent in answer);\n"
            "             cwnd, ssthresh and rto (when does it fire) of an end that the stack plays; arp, ip.ttl and ip.frag\n"
            "             of a capture without TCP. Without it tcp.seq, tcp.ack, tcp.flags, state and in_flight\n"
            "  --seed     an ID of the student or the class; 1 without it\n"
            "  --count    how many questions, 10 without it; fewer if the packets don't have as many\n"
            "  --flow     the connection (replay --list); without it the first\n"
            "  --from, --to  numbers of packets: which are listed; without them the connection's first 60\n"
            "  --play     the end that the stack plays, as in replay, without it the one that says more. Its own congestion\n"
            "             window, threshold and timer are known, and can be asked, up to the first packet that the stack\n"
            "             wouldn't have sent so; what observing infers of them is no key for a quiz\n"
            "  -o         the sheet goes to this file (with -j as JSON); --answers: a file for the student to fill in\n"
            "  --key      the key: answers, what is accepted, tolerances, wrong answers and what to say to them, clauses\n"
            "  -i         asks here, a question at a time, and says what is wrong with an answer; --explain: and the right one\n"
            "\n"
            "quiz --grade marks files of answers: a line `1: 501` for each question, `student:`, `quiz:` and `seed:` lines as in\n"
            "the file that --answers wrote; # begins a comment. Relative and absolute sequence numbers, flags by letter or\n"
            "name in any order, states as the RFC or Linux call them and times in any unit are all taken. With --capture\n"
            "instead of --key the key is made again for the seed in each file: one call for a class of different quizzes,\n"
            "with the same words as they were made with. Each wrong answer gets what is wrong about it, and with --explain the\n"
            "right one. -o writes a table for a spreadsheet (CSV: a line a student, a column a question: 1 right, 0 wrong,\n"
            "empty not answered), -j prints JSON. Exit status 1: something in an answers file couldn't be read; a sentence says\n"
            "where, and the rest is marked. 2: a file couldn't be read at all.\n"
            "Examples:\n"
            "  quiz pcaps/half-close/half-close.pcapng\n"
            "  quiz --hide tcp.ack,tcp.flags,cwnd --seed alice -o alice.txt --answers alice.ans --key alice.key pcaps/fast-retransmit/fast-retransmit.pcapng\n"
            "  quiz --grade --key alice.key --explain alice.ans\n"
            "  quiz --grade --capture pcaps/half-close/half-close.pcapng -o results.csv alice.ans bob.ans\n"
            "  quiz -i --hide mark,next,rtt pcaps/fast-retransmit/fast-retransmit.pcapng",
    .fn = quiz_main,
    .screen = true,
};
/* clang-format on */
