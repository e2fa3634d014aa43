/* replay/quiz_key.c: the key as a file, written and read (quiz.h). It is the teacher's: the sheet
 * has nothing of it. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/control.h"
#include "replay/quiz.h"

static const char *const forms[] = {"number", "time", "flags", "state", "word", "address"};
#define FORMS (sizeof(forms) / sizeof(*forms))

void quiz_key_of(const struct quiz *q, struct quiz_key *k)
{
    *k = (struct quiz_key){.q = q->q, .nq = q->nq};
    (void)snprintf(k->id, sizeof(k->id), "%s", q->id);
    (void)snprintf(k->seed, sizeof(k->seed), "%s", q->o.seed);
}

void quiz_key_json(const struct quiz *q, struct text *out)
{
    struct jsonw w = {.t = out};
    jw_open(&w, NULL, '{');
    jw_str(&w, "tapdeck_quiz_key", "1");
    jw_str(&w, "quiz", q->id);
    jw_str(&w, "seed", q->o.seed);
    jw_str(&w, "file", q->o.file);
    jw_open(&w, "questions", '[');
    for (unsigned i = 0; i < q->nq; i++) {
        const struct question *x = &q->q[i];
        jw_open(&w, NULL, '{');
        jw_u64(&w, "question", x->n);
        jw_u64(&w, "packet", x->packet);
        jw_str(&w, "field", quiz_fields[x->field].name);
        jw_str(&w, "form", forms[x->form]);
        jw_str(&w, "ask", x->ask);
        jw_str(&w, "answer", x->accepted[0]);
        jw_open(&w, "accepted", '[');
        for (unsigned k = 0; k < x->naccepted; k++)
            jw_str(&w, NULL, x->accepted[k]);
        jw_close(&w, ']');
        if (x->tolerance > 0)
            jw_u64(&w, "tolerance_ns", x->tolerance);
        if (x->ignore != 0)
            jw_u64(&w, "ignored_flags", x->ignore);
        jw_str(&w, "explanation", x->explanation);
        jw_str(&w, "clause", x->clause);
        jw_open(&w, "wrong", '[');
        for (unsigned k = 0; k < x->nwrong; k++) {
            jw_open(&w, NULL, '{');
            jw_str(&w, "answer", x->wrong[k].answer);
            jw_str(&w, "feedback", x->wrong[k].feedback);
            jw_close(&w, '}');
        }
        jw_close(&w, ']');
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    text_puts(out, "\n");
}

static bool copy(const json_t *o, const char *name, char *dst, size_t size)
{
    const char *s = json_string_value(json_object_get(o, name));
    if (s == NULL || strlen(s) >= size)
        return false;
    memcpy(dst, s, strlen(s) + 1);
    return true;
}

static bool read_question(const json_t *o, struct question *x)
{
    char word[32];
    const json_t *list = json_object_get(o, "accepted"), *wrong = json_object_get(o, "wrong");
    json_int_t n = json_integer_value(json_object_get(o, "question"));
    *x = (struct question){.n = (unsigned)n,
                           .packet = (uint64_t)json_integer_value(json_object_get(o, "packet"))};
    if (n < 1 || n > QUIZ_COUNT_MAX || !copy(o, "field", word, sizeof(word)))
        return false;
    x->field = (uint8_t)quiz_field(word);
    if (x->field == QUIZ_FIELDS || !copy(o, "form", word, sizeof(word)))
        return false;
    while (x->form < FORMS && strcmp(word, forms[x->form]) != 0)
        x->form++;
    if (x->form == FORMS || !copy(o, "ask", x->ask, sizeof(x->ask)) ||
        !copy(o, "explanation", x->explanation, sizeof(x->explanation)) ||
        !copy(o, "clause", x->clause, sizeof(x->clause)))
        return false;
    for (size_t k = 0; k < json_array_size(list) && k < QUIZ_ACCEPTED; k++) {
        const char *s = json_string_value(json_array_get(list, k));
        if (s == NULL)
            return false;
        question_accept(x, "%s", s);
    }
    for (size_t k = 0; k < json_array_size(wrong) && k < QUIZ_WRONG; k++) {
        struct quiz_wrong *to = &x->wrong[x->nwrong++];
        if (!copy(json_array_get(wrong, k), "answer", to->answer, sizeof(to->answer)) ||
            !copy(json_array_get(wrong, k), "feedback", to->feedback, sizeof(to->feedback)))
            return false;
    }
    x->tolerance = (uint64_t)json_integer_value(json_object_get(o, "tolerance_ns"));
    x->ignore = (uint32_t)json_integer_value(json_object_get(o, "ignored_flags"));
    return x->naccepted > 0;
}

int quiz_key_read(struct quiz_key *k, const char *path, char *msg, size_t msg_size)
{
    json_error_t e;
    json_t *o = json_load_file(path, 0, &e);
    *k = (struct quiz_key){.own = true};
    if (o == NULL) {
        if (e.line < 0)
            (void)snprintf(msg, msg_size, "%s", e.text);
        else
            (void)snprintf(msg, msg_size,
                           "%s:%d: this is no key of a quiz (`quiz FILE --key KEY` writes one): %s",
                           path, e.line, e.text);
        return EXIT_USAGE;
    }
    const json_t *list = json_object_get(o, "questions");
    size_t n = json_array_size(list);
    bool ok = json_object_get(o, "tapdeck_quiz_key") != NULL && n > 0 && n <= QUIZ_COUNT_MAX &&
              copy(o, "quiz", k->id, sizeof(k->id)) && copy(o, "seed", k->seed, sizeof(k->seed));
    k->q = ok ? calloc(n, sizeof(*k->q)) : NULL;
    for (size_t i = 0; k->q != NULL && ok && i < n; i++)
        ok = read_question(json_array_get(list, i), &k->q[k->nq++]);
    json_decref(o);
    if (k->q != NULL && ok)
        return EXIT_DONE;
    if (k->nq > 0)
        (void)snprintf(msg, msg_size,
                       "%s: question %u of this key is not as `quiz FILE --key KEY` writes it",
                       path, k->nq);
    else
        (void)snprintf(msg, msg_size,
                       "%s: this is no key of a quiz: `quiz FILE --key KEY` writes one", path);
    quiz_key_done(k);
    return EXIT_USAGE;
}

void quiz_key_done(struct quiz_key *k)
{
    if (k->own)
        free(k->q);
    *k = (struct quiz_key){0};
}
