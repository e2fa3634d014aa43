/* tapdeck/replay_play.c: what `replay --play` does about the flaws of a capture: its words, and its
 * question. */
#include "tapdeck/replay_play.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/parse.h"

bool replay_sums(const char *word, enum observe_sums *sums)
{
    static const char *const names[] = {"honour", "repair", "drop"};
    for (unsigned i = 0; word != NULL && i < 3; i++)
        if (strcmp(word, names[i]) == 0) {
            *sums = (enum observe_sums)i;
            return true;
        }
    return false;
}

int mend_option(struct session *s, const char *option, const char *value, struct mend_words *w)
{
    if (strcmp(option, "--checksums") == 0)
        return replay_sums(value, &w->mend.sums)
                   ? EXIT_DONE
                   : session_fail(s, EXIT_USAGE, "--checksums needs honour, repair or drop");
    if (strcmp(option, "--mtu") == 0) {
        w->option = option;
        return value != NULL && parse_u32(value, 65535, &w->mend.mtu) && w->mend.mtu >= 68
                   ? EXIT_DONE
                   : session_fail(s, EXIT_USAGE, "--mtu needs a number from 68 to 65535");
    }
    if (strcmp(option, "--midstream") != 0)
        return -1;
    w->option = option;
    w->mend.assume = value != NULL && strcmp(value, "assume") == 0;
    w->refuse = !w->mend.assume;
    return w->mend.assume || (value != NULL && strcmp(value, "refuse") == 0)
               ? EXIT_DONE
               : session_fail(s, EXIT_USAGE, "--midstream needs assume or refuse");
}

/* 'p', 'o' or 'q'. */
static char ask(const char *file, int64_t flow)
{
    char line[64];
    fprintf(stderr,
            "%s: the handshake of flow %lld wasn't captured. Play it from one that is assumed (p), "
            "only observe it (o), "
            "or leave it (q)? ",
            file, (long long)flow);
    if (fgets(line, sizeof(line), stdin) == NULL)
        return 'q';
    return line[0] == 'p' || line[0] == 'o' ? line[0] : 'q';
}

static int load(struct play *p, const char *file, int64_t flow, const char *side,
                const struct play_mend *mend, char *msg, size_t msg_size)
{
    struct capture_reader *r = capture_open(file, msg, msg_size);
    memset(p, 0, sizeof(*p));
    if (r == NULL)
        return EXIT_USAGE;
    int status = play_load_mended(p, r, file, flow, side, mend, msg, msg_size);
    capture_close(r);
    return status;
}

int replay_play_load(struct play *p, const char *file, int64_t flow, const char *side,
                     const struct mend_words *w, bool *observe, char *msg, size_t msg_size)
{
    struct play_mend mend = w->mend;
    int status = load(p, file, flow, side, &mend, msg, msg_size);
    bool asks = !w->refuse && !mend.assume && strcmp(file, "-") != 0 && isatty(STDIN_FILENO) &&
                isatty(STDERR_FILENO);
    *observe = false;
    if (status == EXIT_DONE || !p->midstream || !asks)
        return status;
    char answer = ask(file, flow);
    if (answer == 'q')
        return status;
    play_done(p);
    *observe = answer == 'o';
    mend.assume = true;
    return *observe ? EXIT_DONE : load(p, file, flow, side, &mend, msg, msg_size);
}
