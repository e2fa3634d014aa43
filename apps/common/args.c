/* apps/common/args.c: an application's command line, without getopt's global state. See args.h. */
#include "common/args.h"
#include "common/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void args_init(struct args *a, int argc, char **argv, const char *letters)
{
    *a = (struct args){.letters = letters, .argc = argc, .argv = argv, .index = 1};
}

int args_next(struct args *a, char *msg, size_t msg_size)
{
    a->value = NULL;
    if (a->rest == NULL || *a->rest == '\0') {
        if (a->index >= a->argc)
            return -1;
        const char *word = a->argv[a->index];
        if (word[0] != '-' || word[1] == '\0')
            return -1;
        a->index++;
        if (strcmp(word, "--") == 0)
            return -1;
        a->rest = word + 1;
    }
    char letter = *a->rest++;
    const char *known = letter == ':' ? NULL : strchr(a->letters, letter);
    if (known == NULL) {
        snprintf(msg, msg_size, "%s: there is no option -%c", a->argv[0], letter);
        return '?';
    }
    if (known[1] != ':')
        return letter;
    if (*a->rest != '\0') {
        a->value = a->rest;
    } else if (a->index < a->argc) {
        a->value = a->argv[a->index++];
    } else {
        snprintf(msg, msg_size, "%s: option -%c needs a value after it", a->argv[0], letter);
        return '?';
    }
    a->rest = NULL;
    return letter;
}

int args_addr(const char *app, const char *text, td_ip4 *out, char *msg, size_t msg_size)
{
    if (strcmp(text, "any") == 0) {
        *out = TD_IP4_ANY;
        return 0;
    }
    if (!parse_ip4(text, out)) {
        snprintf(msg, msg_size, "%s: \"%s\" is not an IPv4 address like 10.0.0.2", app, text);
        return -EINVAL;
    }
    return 0;
}

int args_number(const char *app, const char *what, const char *text, uint64_t min, uint64_t max,
                uint64_t *out, char *msg, size_t msg_size)
{
    char digits[24] = "";
    size_t n = strlen(text);
    unsigned shift = 0;
    if (n > 0 && n < sizeof digits) {
        memcpy(digits, text, n);
        char unit = digits[n - 1];
        shift = unit == 'K' || unit == 'k' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
        if (shift != 0)
            digits[n - 1] = '\0';
    }
    uint64_t value;
    if (!parse_u64(digits, UINT64_MAX >> shift, &value) || value << shift < min ||
        value << shift > max) {
        snprintf(msg, msg_size,
                 "%s: \"%s\" is not a %s: a whole number from %" PRIu64 " to %" PRIu64, app, text,
                 what, min, max);
        return -EINVAL;
    }
    *out = value << shift;
    return 0;
}
