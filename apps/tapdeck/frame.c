/* tapdeck/frame.c: text as a screenful of cells, and what changed since the one before.
 *
 * A cell is a character; all are taken to be one column wide, as everything that tapdeck prints is.
 * Bytes that are not UTF-8 become a question mark: a terminal is never sent what a peer made up.
 */
#include "tapdeck/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The length of the character at s, 0: it is none. */
static size_t character(const unsigned char *s, size_t n)
{
    size_t len = s[0] < 0x80                   ? 1
                 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                               : 0;
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* C1 controls are control characters too. */
    return len == 2 && s[0] == 0xc2 && s[1] < 0xa0 ? 0 : len;
}

static size_t skip_escape(const char *s, size_t n)
{
    size_t i = 1;
    if (n < 2 || s[1] != '[')
        return n < 2 ? 1 : 2;
    for (i = 2; i < n && (s[i] < '@' || s[i] > '~'); i++)
        ;
    return i < n ? i + 1 : n;
}

void frame_lay(struct frame *f, unsigned rows, unsigned columns, const char *text, size_t n)
{
    unsigned row = 0, column = 0;
    *f = (struct frame){.rows = rows, .columns = columns};
    f->cell = calloc((size_t)rows * columns + 1, sizeof(*f->cell));
    if (f->cell == NULL)
        abort();
    for (size_t i = 0; i < n && row < rows;) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\n') {
            row++;
            column = 0;
            i++;
        } else if (c == '\t') {
            column = (column | 7) + 1;
            i++;
        } else if (c == '\033') {
            i += skip_escape(text + i, n - i);
        } else if (c < ' ' || c == 0x7f) {
            i++;
        } else {
            size_t len = character((const unsigned char *)text + i, n - i);
            if (column < columns)
                memcpy(f->cell[(size_t)row * columns + column], len > 0 ? text + i : "?",
                       len > 0 ? len : 1);
            column++;
            i += len > 0 ? len : 1;
        }
    }
}

void frame_free(struct frame *f)
{
    free(f->cell);
    *f = (struct frame){0};
}

void frame_draw(const struct frame *f, const struct frame *before, unsigned top, struct text *out)
{
    if (before != NULL &&
        (before->cell == NULL || before->rows != f->rows || before->columns != f->columns))
        before = NULL;
    for (unsigned row = 0; row < f->rows; row++) {
        unsigned last = 0;
        bool marked = false;
        for (unsigned c = 0; c < f->columns; c++) {
            size_t at = (size_t)row * f->columns + c;
            bool gone = before != NULL && f->cell[at][0] == '\0' && before->cell[at][0] != '\0' &&
                        strcmp(before->cell[at], " ") != 0;
            if (f->cell[at][0] != '\0' || gone)
                last = c + 1;
        }
        text_printf(out, "\033[%u;1H", top + row);
        for (unsigned c = 0; c < last; c++) {
            size_t at = (size_t)row * f->columns + c;
            const char *now = f->cell[at][0] != '\0' ? f->cell[at] : " ";
            const char *was = before == NULL                ? now
                              : before->cell[at][0] != '\0' ? before->cell[at]
                                                            : " ";
            bool differs = strcmp(now, was) != 0;
            if (differs != marked)
                text_puts(out, differs ? "\033[7m" : "\033[0m");
            marked = differs;
            text_puts(out, now);
        }
        text_puts(out, marked ? "\033[0m\033[K" : "\033[K");
    }
}
