/* tapdeck/frame.h: text as a screenful of cells, and what changed since the one before. */
#ifndef TAPDECK_FRAME_H
#define TAPDECK_FRAME_H

#include "common/text.h"

struct frame {
    unsigned rows, columns;
    char (*cell)[5]; /* rows × columns: a character in UTF-8, "" where there is nothing */
};
/* Lays the text out: lines are cut at the right, rows at the bottom; tabs go to every eighth
 * column; colours and other control characters are left out. */
void frame_lay(struct frame *f, unsigned rows, unsigned columns, const char *text, size_t n);
void frame_free(struct frame *f);
/* Adds what a terminal needs to show f from `top` (1 = the first row) on, cells that differ from
 * `before` in reverse video; before NULL, or of another size: nothing is marked. */
void frame_draw(const struct frame *f, const struct frame *before, unsigned top, struct text *out);

#endif
