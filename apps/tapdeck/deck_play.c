/* tapdeck/deck_play.c: `play`, `speed`, `pause`.
 *
 * `play` alone takes time: it goes frame by frame and sleeps between two as long as there was
 * between them when they were captured, divided by the speed; a gap of more than two seconds on the
 * clock is said rather than slept. It is stopped by Ctrl-C, or by Enter.
 */
#include "tapdeck/deck_words.h"

#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/parse.h"

#define SLEEP_MOST    (2 * TD_SEC) /* between two frames */
#define SPEED_ONE     1000u
#define SPEED_LARGEST 1000000u

bool deck_speed(const char *word, uint32_t *speed)
{
    char number[32];
    td_time t;
    size_t n = strlen(word);
    if (strcmp(word, "max") == 0) {
        *speed = SPEED_MAX;
        return true;
    }
    if (n > 0 && word[n - 1] == 'x')
        n--;
    if (n == 0 || n >= sizeof(number))
        return false;
    memcpy(number, word, n);
    number[n] = '\0';
    if (!parse_seconds(number, &t) || t < TD_MS || t / TD_MS > SPEED_LARGEST)
        return false;
    *speed = (uint32_t)(t / TD_MS);
    return true;
}

static void speed_text(uint32_t speed, char dst[32])
{
    if (speed == SPEED_MAX)
        (void)snprintf(dst, 32, "max");
    else if (speed % 1000 == 0)
        (void)snprintf(dst, 32, "%ux", speed / 1000);
    else
        (void)snprintf(dst, 32, "%.3gx", (double)speed / 1000);
}

static int speed_word(struct session *s, const char *word)
{
    if (deck_speed(word, &deck_of(s)->speed))
        return EXIT_DONE;
    return session_fail(s, EXIT_USAGE,
                        "'%s' is no speed: write for example 4x, 0.5x, or max (0.001x to 1000x)",
                        word);
}

static int speed_main(struct session *s, int argc, char **argv)
{
    char text[32];
    int status = argc > 2    ? session_fail(s, EXIT_USAGE, "speed takes one word: 4x, 0.5x, max")
                 : argc == 2 ? speed_word(s, argv[1])
                             : EXIT_DONE;
    if (status != EXIT_DONE || argc == 2)
        return status;
    speed_text(deck_of(s)->speed, text);
    fprintf(s->out, "speed %s\n", text);
    return EXIT_DONE;
}

const struct local_command deck_speed_command = {
    .name = "speed",
    .usage = "speed [SPEED | max]",
    .doc =
        "how fast `play` goes: 4x is four times the pace of the capture; max doesn't wait at all",
    .more = "Examples:\n  speed 4x\n  speed max",
    .fn = speed_main,
};

/* False: somebody wants it to stop. */
static bool sleep_for(struct deck_session *d, td_time t)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    td_time begun = (td_time)now.tv_sec * TD_SEC + (td_time)now.tv_nsec, over = begun + t;
    for (td_time at = begun; at < over;) {
        struct pollfd p = {.fd = d->s->interactive ? STDIN_FILENO : -1, .events = POLLIN};
        td_time left = over - at;
        const struct timespec nap = {.tv_sec = (time_t)(left / TD_SEC),
                                     .tv_nsec = (long)(left % TD_SEC)};
        (void)ppoll(&p, 1, &nap, NULL);
        if (deck_interrupted(d))
            return false;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        at = (td_time)now.tv_sec * TD_SEC + (td_time)now.tv_nsec;
    }
    return true;
}

/* What lies between two frames, on the clock. */
static bool pace(struct deck_session *d, td_time gap)
{
    char t[32];
    td_time scaled = gap / d->speed * SPEED_ONE + gap % d->speed * SPEED_ONE / d->speed;
    if (scaled <= SLEEP_MOST)
        return sleep_for(d, scaled);
    deck_seconds(gap, t);
    if (!d->s->json)
        fprintf(d->s->out, "  ... %s s later\n", t);
    return !deck_interrupted(d);
}

static enum reel_result play_paced(struct deck_session *d, char *msg, size_t msg_size)
{
    const struct reel_goal one = {.steps = 1, .heed = true};
    enum reel_result result;
    bool on = true;
    do {
        struct reel_place before = reel_place(d->reel);
        result = reel_go(d->reel, &one, NULL, msg, msg_size);
        struct reel_place at = reel_place(d->reel);
        if (result != REEL_STOPPED && result != REEL_DIFFERS)
            return result;
        if (before.step > 0 && at.at > before.at)
            on = pace(d, at.at - before.at);
        deck_print_here(d);
        fflush(d->s->out);
    } while (on && result == REEL_STOPPED);
    return on ? result : REEL_INTERRUPTED;
}

static int play_main(struct session *s, int argc, char **argv)
{
    struct deck_session *d = deck_of(s);
    const struct reel_goal all = {.steps = UINT64_MAX, .lines = true, .heed = true};
    char msg[1024] = "", place[48];
    enum reel_result result;
    if (argc > 2)
        return session_fail(s, EXIT_USAGE, "play takes a speed at most: `play 4x`, `play max`");
    int status = argc == 2 ? speed_word(s, argv[1]) : EXIT_DONE;
    if (status != EXIT_DONE)
        return status;
    deck_begin(d);
    d->playing = true;
    if (d->speed == SPEED_MAX)
        result = reel_go(d->reel, &all, NULL, msg, sizeof(msg));
    else
        result = play_paced(d, msg, sizeof(msg));
    d->playing = false;
    fflush(s->out);
    deck_place_name(reel_place(d->reel), place);
    if (result == REEL_ENDED || (result == REEL_INTERRUPTED && s->interactive)) {
        deck_end(d);
        deck_say_differences(d);
        if (!s->json)
            fprintf(s->out, "%s %s\n", result == REEL_ENDED ? "the tape ends at" : "stands at",
                    place);
        return EXIT_DONE;
    }
    return deck_outcome(d, result, msg);
}

const struct local_command deck_play = {
    .name = "play",
    .usage = "play [SPEED | max]",
    .doc = "plays on, at the pace of the capture (or `speed`), until its end, Enter or Ctrl-C",
    .more = "Each packet is printed when it is due. Gaps of more than two seconds are said, not "
            "slept. Without a terminal the speed is\n"
            "max, unless something else was said.\n"
            "Examples:\n  play\n  play 10x",
    .screen = true,
    .fn = play_main,
};

static int pause_main(struct session *s, int argc, char **argv)
{
    char place[48];
    if (argc > 1)
        return session_fail(s, EXIT_USAGE, "`%s` takes no words", argv[0]);
    deck_place_name(reel_place(deck_of(s)->reel), place);
    fprintf(s->out, "stands at %s\n", place);
    return EXIT_DONE;
}

const struct local_command deck_pause = {
    .name = "pause",
    .usage = "pause",
    .doc = "says where the tape stands; while it plays, Enter or Ctrl-C stops it",
    .fn = pause_main,
};
