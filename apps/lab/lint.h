/* lab/lint.h: what is wrong with a lab, for whoever writes it.
 *
 * Theory of operation. A lab is right when it can be read, when nobody who does nothing gets all its points, when its own solution gets
 * them all, and when each of its wrong solutions is told what is wrong with it. So lint reads the files, and then grades: an
 * empty submission, LAB/solution, and each LAB/wrong/NAME, whose expect.txt has a line `TASK: words` for each task
 * that must fail, and words that must be said. All of it for a few students, since parameters differ.
 */
#ifndef LAB_LINT_H
#define LAB_LINT_H

#include "lab/grade.h"

#define LINT_WRONG_LEAST 3 /* wrong solutions that a lab needs */

/* Adds a line for each mistake: `FILE:LINE: what, and what would be right`. How many there were. */
unsigned lab_lint(const char *dir, bool open, struct text *said);

#endif
