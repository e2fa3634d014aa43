/* common/nearest.c: what a mistyped word was meant to be.
 *
 * The distance is that of optimal string alignment: three rows of the usual table, since an
 * exchange of neighbours looks two rows back. Words longer than the table are not near anything.
 */
#include "common/nearest.h"

#include <stdio.h>
#include <string.h>

#define LETTERS_MAX 64

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

unsigned word_distance(const char *a, const char *b, unsigned max)
{
    size_t m = strlen(a), n = strlen(b);
    unsigned row[3][LETTERS_MAX + 1];
    if (m > LETTERS_MAX || n > LETTERS_MAX || (m > n ? m - n : n - m) > max)
        return max + 1;
    for (size_t j = 0; j <= n; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= m; i++) {
        unsigned *now = row[i % 3], *before = row[(i + 2) % 3];
        const unsigned *two = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= n; j++) {
            now[j] =
                least(before[j - 1] + (a[i - 1] != b[j - 1]), least(before[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], two[j - 2] + 1);
        }
    }
    return least(row[m % 3][n], max + 1);
}

void nearest_offer(struct nearest *n, const char *candidate)
{
    size_t len = strlen(n->word);
    unsigned max = len < 4 ? 1 : 2;
    if (len < 2 || (len == 2 && n->word[0] == '-') || strlen(candidate) < 2 || strlen(candidate) >= sizeof(n->best))
        return;
    unsigned d = word_distance(n->word, candidate, max);
    if (d == 0 || d > max || (n->best[0] != '\0' && d >= n->distance))
        return;
    n->distance = d;
    snprintf(n->best, sizeof(n->best), "%s", candidate);
}
