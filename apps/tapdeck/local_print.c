/* tapdeck/local_print.c: what `help NAME` and `NAME --help` print. Apart from the table, so that a
 * command that prints its own help doesn't need all others. */
#include "common/text.h"
#include "tapdeck/local.h"

#include <stdlib.h>
#include <string.h>

/* Where a line of at most `columns` characters breaks: at a blank behind more than `least`; a word
 * that is longer sticks out. */
static size_t break_at(const char *line, size_t n, size_t columns, size_t least)
{
    size_t cells = 0, at = 0;
    for (size_t i = 0; i < n; i++) {
        if (line[i] == ' ' && cells > least) {
            if (cells > columns)
                return at > 0 ? at : i;
            at = i;
        }
        cells += ((unsigned char)line[i] & 0xc0) != 0x80;
    }
    return cells > columns && at > 0 ? at : n;
}

void help_fold(const char *text, unsigned columns, unsigned hang, FILE *out)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n"), indent = strspn(text, " ") + hang, width = 0;
        for (bool first = true; n > 0 || first; first = false) {
            size_t take = columns > 0 ? break_at(text, n, columns - width, first ? indent : 0) : n;
            fprintf(out, "%*s%.*s\n", (int)width, "", (int)take, text);
            text += take;
            n -= take;
            size_t blanks = n > 0 ? strspn(text, " ") : 0;
            text += blanks;
            n -= blanks;
            width = indent < columns / 2 ? indent : 0;
            if (n == 0)
                break;
        }
        text += *text == '\n';
    }
}

/* A paragraph whose lines are all too long for the screen is one line to be folded: what would be left
 * of each line doesn't stand alone. */
static char *join_paragraphs(const char *text, unsigned columns)
{
    char *joined = strdup(text);
    if (joined == NULL || columns == 0)
        return joined;
    for (char *line = joined, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        bool prose = line[0] != ' ' && line[0] != '\n' && (size_t)(end - line) > columns;
        if (prose && end[1] != ' ' && end[1] != '\n' && end[1] != '\0' &&
            strncmp(end + 1, "Example", 7) != 0)
            *end = ' ';
    }
    return joined;
}

void help_print(const char *usage, const char *doc, const char *more, unsigned columns, FILE *out)
{
    help_fold(usage, columns, 6, out);
    fputc('\n', out);
    help_fold(doc, columns, 0, out);
    if (more != NULL) {
        char *prose = join_paragraphs(more, columns);
        fputc('\n', out);
        help_fold(prose != NULL ? prose : more, columns, 0, out);
        free(prose);
    }
}

char *local_more(const struct local_command *c)
{
    struct text t = {0};
    if (c->more != NULL)
        text_puts(&t, c->more);
    for (const char *const *part = c->also; part != NULL && *part != NULL; part++)
        text_puts(&t, *part);
    return t.s;
}

void local_print_help(const struct local_command *c, FILE *out)
{
    char *more = local_more(c);
    help_print(c->usage, c->doc, more, 0, out);
    free(more);
}
