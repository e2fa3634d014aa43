/* replay/knob_words.c: knobs of a played host, as NAME=VALUE (knob_words.h). */
#include "replay/knob_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/control.h"

int knob_word(struct td_stack *st, const char *word)
{
    char name[128];
    const char *equals = strchr(word, '=');
    if (equals == NULL || (size_t)(equals - word) >= sizeof(name))
        return -ENOENT;
    memcpy(name, word, (size_t)(equals - word));
    name[equals - word] = '\0';
    return td_knob_set(st, name, equals + 1);
}

int knob_words(struct td_stack *st, const char *const *word, size_t n, char *msg, size_t msg_size)
{
    for (size_t i = 0; i < n; i++) {
        int err = knob_word(st, word[i]);
        if (err == 0)
            continue;
        (void)snprintf(msg, msg_size, "--knob %s: %s", word[i],
                       strchr(word[i], '=') == NULL
                           ? "write NAME=VALUE, for example net.ipv4.tcp_congestion_control=reno"
                       : err == -ENOENT ? "there is no such knob: `sysctl -a` lists them"
                                        : "it can't have this value");
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}
