/* lab/marks.c: marks as people, spreadsheets, CI systems and Gradescope read them.
 *
 * CSV as RFC 4180 has it, a line a student. A cell that a spreadsheet would take for a formula (it begins with = + - @, a tab or
 * a carriage return) gets an apostrophe before it: the names of folders are the students' to choose. JUnit's XML has a test suite a
 * student and a test case a task. Gradescope's results.json: score, and a test for each task.
 */
#include "lab/grade.h"

#include <string.h>

static const char *text_of(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s != NULL ? s : "";
}

static long long number_of(const json_t *j, const char *key)
{
    return (long long)json_integer_value(json_object_get(j, key));
}

/* ---- text ---- */

void marks_text(const json_t *results, bool hints, FILE *out)
{
    size_t i, k;
    const json_t *r, *t, *s;
    json_array_foreach(results, i, r) {
        if (i > 0)
            fputc('\n', out);
        fprintf(out, "%s  %lld of %lld\n", text_of(r, "id"), number_of(r, "points"), number_of(r, "of"));
        if (json_object_get(r, "failed") != NULL)
            fprintf(out, "  %s\n", text_of(r, "failed"));
        json_array_foreach(json_object_get(r, "said"), k, s)
            fprintf(out, "  %s\n", json_string_value(s));
        json_array_foreach(json_object_get(r, "tasks"), k, t) {
            bool holds = json_is_true(json_object_get(t, "holds"));
            fprintf(out, "  %-4s %s  (%lld of %lld)  %s\n", holds ? "ok" : "no", text_of(t, "id"), number_of(t, "points"), number_of(t, "of"),
                    text_of(t, "title"));
            if (holds)
                continue;
            fprintf(out, "         %s\n", text_of(t, "why"));
            if (text_of(t, "came")[0] != '\0' && strcmp(text_of(t, "came"), text_of(t, "why")) != 0) {
                fputs("         saw: ", out);
                for (const char *c = text_of(t, "came"); *c != '\0'; c++) {
                    fputc(*c, out);
                    if (*c == '\n')
                        fputs("              ", out);
                }
                fputc('\n', out);
            }
            if (hints && text_of(t, "hint")[0] != '\0')
                fprintf(out, "         hint: %s\n", text_of(t, "hint"));
        }
    }
}

/* ---- CSV ---- */

static void cell(const char *s, FILE *out)
{
    bool formula = s[0] != '\0' && strchr("=+-@\t\r", s[0]) != NULL;
    bool quote = formula || strpbrk(s, ",\"\r\n") != NULL;
    if (quote)
        fputc('"', out);
    if (formula)
        fputc('\'', out);
    for (; *s != '\0'; s++) {
        if (*s == '"')
            fputc('"', out);
        fputc(*s, out);
    }
    if (quote)
        fputc('"', out);
}

/* The first result that has tasks: which columns there are. */
static const json_t *tasks_of(const json_t *results)
{
    size_t i;
    const json_t *r;
    json_array_foreach(results, i, r)
        if (json_array_size(json_object_get(r, "tasks")) > 0)
            return json_object_get(r, "tasks");
    return NULL;
}

void marks_csv(const json_t *results, FILE *out)
{
    const json_t *columns = tasks_of(results), *r, *t;
    size_t i, k;
    fputs("id,points,of", out);
    json_array_foreach(columns, k, t) {
        fputc(',', out);
        cell(text_of(t, "id"), out);
    }
    fputs(",note\r\n", out);
    long long of = 0;
    json_array_foreach(columns, k, t)
        of += number_of(t, "of");
    json_array_foreach(results, i, r) {
        cell(text_of(r, "id"), out);
        fprintf(out, ",%lld,%lld", number_of(r, "points"), of);
        for (k = 0; k < json_array_size(columns); k++)
            fprintf(out, ",%lld", number_of(json_array_get(json_object_get(r, "tasks"), k), "points"));
        fputc(',', out);
        const char *first = json_string_value(json_array_get(json_object_get(r, "said"), 0));
        cell(text_of(r, "failed")[0] != '\0' ? text_of(r, "failed") : first != NULL ? first : "", out);
        fputs("\r\n", out);
    }
}

/* ---- JUnit ---- */

static void xml(const char *s, FILE *out)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        switch (c) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\n':
            fputs("&#10;", out);
            break;
        default: /* XML has no other control characters, not even escaped */
            fputc(c < ' ' && c != '\t' ? '?' : c, out);
        }
    }
}

static void junit_case(const json_t *r, const char *name, const char *kind, const char *message, FILE *out)
{
    fputs("    <testcase classname=\"", out);
    xml(text_of(r, "id"), out);
    fputs("\" name=\"", out);
    xml(name, out);
    if (message == NULL) {
        fputs("\"/>\n", out);
        return;
    }
    fprintf(out, "\"><%s message=\"", kind);
    xml(message, out);
    fputs("\"/></testcase>\n", out);
}

void marks_junit(const json_t *results, FILE *out)
{
    size_t i, k;
    const json_t *r, *t;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", out);
    json_array_foreach(results, i, r) {
        const json_t *tasks = json_object_get(r, "tasks");
        bool failed = json_object_get(r, "failed") != NULL;
        size_t failures = 0;
        json_array_foreach(tasks, k, t)
            failures += !json_is_true(json_object_get(t, "holds"));
        fputs("  <testsuite name=\"", out);
        xml(text_of(r, "id"), out);
        fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\">\n", json_array_size(tasks) + failed, failures, failed);
        if (failed)
            junit_case(r, "submission", "error", text_of(r, "failed"), out);
        json_array_foreach(tasks, k, t)
            junit_case(r, text_of(t, "id"), "failure", json_is_true(json_object_get(t, "holds")) ? NULL : text_of(t, "why"), out);
        fputs("  </testsuite>\n", out);
    }
    fputs("</testsuites>\n", out);
}

/* ---- Gradescope ---- */

json_t *marks_gradescope(const json_t *result)
{
    json_t *tests = json_array();
    size_t k;
    const json_t *t;
    json_array_foreach(json_object_get(result, "tasks"), k, t) {
        bool holds = json_is_true(json_object_get(t, "holds"));
        json_array_append_new(tests, json_pack("{ss ss sI sI ss ss}", "number", text_of(t, "id"), "name", text_of(t, "title"), "score",
                                               (json_int_t)number_of(t, "points"), "max_score", (json_int_t)number_of(t, "of"), "status",
                                               holds ? "passed" : "failed", "output", holds ? "" : text_of(t, "why")));
    }
    struct text said = {0};
    const json_t *s;
    text_puts(&said, text_of(result, "failed"));
    json_array_foreach(json_object_get(result, "said"), k, s)
        text_printf(&said, "%s%s", said.len > 0 ? "\n" : "", json_string_value(s));
    json_t *j = json_pack("{sI ss so}", "score", (json_int_t)number_of(result, "points"), "output", said.s != NULL ? said.s : "", "tests", tests);
    text_free(&said);
    return j;
}
