/* tapdeck/alias.c: words that stand for the beginning of a line, and `alias`, `unalias`.
 *
 * As in a shell the first word of a line is looked up, its text split into words and put in its
 * place; the result's first word is looked up again unless it was replaced already, so no alias can
 * go round in circles. They are kept by the session; the console reads a file of `alias` lines at
 * its start (tapdeck/console.c).
 */
#include "tapdeck/alias.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonw.h"

#define NESTED_MAX 16

static bool name_ok(const char *name, size_t n)
{
    bool ok = n > 0 && n <= 64 && name[0] != '-';
    for (size_t i = 0; i < n; i++)
        ok = ok && (isalnum((unsigned char)name[i]) || strchr("_-.", name[i]) != NULL);
    return ok;
}

static const struct alias *find(const struct session *s, const char *name)
{
    for (const struct alias *a = s->aliases; a != NULL; a = a->next)
        if (strcmp(a->name, name) == 0)
            return a;
    return NULL;
}

bool alias_remove(struct session *s, const char *name)
{
    for (struct alias **at = &s->aliases; *at != NULL; at = &(*at)->next) {
        struct alias *a = *at;
        if (strcmp(a->name, name) != 0)
            continue;
        *at = a->next;
        free(a->name);
        free(a->text);
        free(a);
        return true;
    }
    return false;
}

void alias_set(struct session *s, const char *name, const char *text)
{
    alias_remove(s, name);
    struct alias *a = calloc(1, sizeof(*a)), **at = &s->aliases;
    if (a == NULL || (a->name = strdup(name)) == NULL || (a->text = strdup(text)) == NULL)
        abort();
    while (*at != NULL && strcmp((*at)->name, name) < 0)
        at = &(*at)->next;
    a->next = *at;
    *at = a;
}

void aliases_free(struct session *s)
{
    while (s->aliases != NULL)
        alias_remove(s, s->aliases->name);
}

/* One replacement. -1: words[0] is no alias. */
static int replace(const struct alias *a, int argc, char *const *words, char ***longer)
{
    char msg[256], **own, *all[WORDS_MAX];
    int n = words_split(a->text, &own, msg, sizeof(msg)), total = 0;
    if (n < 0)
        return -1;
    for (int i = 0; i < n && total < WORDS_MAX; i++)
        all[total++] = own[i];
    for (int i = 1; i < argc && total < WORDS_MAX; i++)
        all[total++] = words[i];
    *longer = words_copy(total, all);
    words_free(own);
    return total;
}

int alias_words(const struct session *s, int argc, char *const *words, char ***longer)
{
    const struct alias *done[NESTED_MAX];
    char **now = NULL;
    int n = argc;
    for (unsigned depth = 0; depth < NESTED_MAX && n > 0; depth++) {
        char *const *from = now != NULL ? now : words;
        const struct alias *a = find(s, from[0]);
        char **next;
        for (unsigned i = 0; a != NULL && i < depth; i++)
            if (done[i] == a)
                a = NULL;
        int m = a != NULL ? replace(a, n, from, &next) : -1;
        if (m < 0)
            break;
        done[depth] = a;
        if (now != NULL)
            words_free(now);
        now = next;
        n = m;
    }
    *longer = now;
    return now != NULL ? n : -1;
}

/* ---- the commands ---- */

/* As `source` reads it again. */
static void print_one(struct session *s, const struct alias *a)
{
    fprintf(s->out, "alias %s='", a->name);
    for (const char *c = a->text; *c != '\0'; c++) {
        if (*c == '\'')
            fputs("'\"'\"'", s->out);
        else
            fputc(*c, s->out);
    }
    fputs("'\n", s->out);
}

static int print_all(struct session *s, bool json)
{
    struct text t = {0};
    struct jsonw w = {.t = &t};
    jw_open(&w, NULL, '{');
    for (const struct alias *a = s->aliases; a != NULL; a = a->next) {
        jw_str(&w, a->name, a->text);
        if (!json)
            print_one(s, a);
    }
    jw_close(&w, '}');
    if (json)
        fprintf(s->out, "%s\n", t.s);
    text_free(&t);
    return EXIT_DONE;
}

static int define(struct session *s, const char *word, const char *eq)
{
    char name[80], msg[256], **words;
    size_t n = (size_t)(eq - word);
    if (!name_ok(word, n))
        return session_fail(s, EXIT_USAGE,
                            "'%.*s' is not a name for an alias: letters, digits, '_', '-' and '.'",
                            (int)(n > 80 ? 80 : n), word);
    int words_n = words_split(eq + 1, &words, msg, sizeof(msg));
    if (words_n >= 0)
        words_free(words);
    if (words_n <= 0)
        return session_fail(s, EXIT_USAGE, "the alias '%.*s' would stand for %s", (int)n, word,
                            words_n < 0 ? msg : "nothing: `unalias` removes one");
    snprintf(name, sizeof(name), "%.*s", (int)n, word);
    alias_set(s, name, eq + 1);
    return EXIT_DONE;
}

static int alias_main(struct session *s, int argc, char **argv)
{
    bool json = s->json;
    if (argc > 1 && strcmp(argv[1], "-j") == 0) {
        json = true;
        argv++;
        argc--;
    }
    if (argc < 2)
        return print_all(s, json);
    for (int i = 1; i < argc; i++) {
        const char *eq = strchr(argv[i], '=');
        const struct alias *a = eq == NULL ? find(s, argv[i]) : NULL;
        int status = EXIT_DONE;
        if (eq != NULL)
            status = define(s, argv[i], eq);
        else if (a != NULL)
            print_one(s, a);
        else
            status = session_fail(s, EXIT_USAGE,
                                  "there is no alias '%s': write `alias %s='COMMAND'` to make one",
                                  argv[i], argv[i]);
        if (status != EXIT_DONE)
            return status;
    }
    return EXIT_DONE;
}

const struct local_command local_alias = {
    .name = "alias",
    .usage = "alias [-j] [ALIAS[=TEXT]]...",
    .doc = "words that stand for the beginning of a line: lists them, makes one",
    .more = "An alias lasts as long as the console. Those that shall always be there stand, as "
            "such lines, in\n"
            "$TAPDECK_RC, else ~/.tapdeckrc, which the console reads when it starts.\n"
            "Examples:\n  alias ll='ss -tan'\n  ll state established\n  alias",
    .fn = alias_main,
};

static int unalias_main(struct session *s, int argc, char **argv)
{
    if (argc < 2)
        return session_fail(s, EXIT_USAGE, "which one? write `unalias NAME`; `alias` lists them");
    for (int i = 1; i < argc; i++)
        if (!alias_remove(s, argv[i]))
            return session_fail(s, EXIT_USAGE, "there is no alias '%s': `alias` lists them",
                                argv[i]);
    return EXIT_DONE;
}

const struct local_command local_unalias = {
    .name = "unalias",
    .usage = "unalias ALIAS...",
    .doc = "forgets an alias",
    .more = "Example:\n  unalias ll",
    .fn = unalias_main,
};
