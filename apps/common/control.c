/* common/control.c: what the daemon and its clients agree on.
 *
 * A daemon is known by a name; its control socket is NAME.sock in the first directory of a short
 * list that is fit for it. A client looks in the same list. The directory must belong to the user
 * and be closed to others: whoever can write to the socket commands the daemon.
 *
 * On the socket each side writes JSON objects, one a line:
 *     → {"id":1,"cmd":["ip","addr"],"json":false,"tty":true}
 *     ← {"id":1,"out":"1: lo: …"}          any number of these
 *     ← {"id":1,"status":0}                or {"id":1,"err":"a sentence","status":2}
 *     → {"id":1,"cancel":true}             ends a command that is still running
 *     ← {"id":1,"want":65536}              it reads: so many bytes of input may be sent
 *     → {"id":1,"in":"text"}  {"id":1,"in64":"…"}  {"id":1,"eof":true}
 *     → {"id":1,"hold":true}               keeps its output back, until "hold":false
 * Output that is not UTF-8 goes as "out64", in base64, to a client whose request says that it knows
 * ("streams":true); so does "note", text for standard error. For others notes are output and bytes that
 * are no text become U+FFFD.
 *
 * Several commands may run at once; the id tells whose output a line is. Writing is done here by
 * hand, so that output that is not UTF-8 still gives valid JSON; reading is jansson's.
 */
#include "common/control.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool daemon_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > DAEMON_NAME_MAX || *name == '.' || *name == '-')
        return false;
    for (const char *s = name; *s; s++)
        if (!isalnum((unsigned char)*s) && strchr("._-", *s) == NULL)
            return false;
    return true;
}

bool run_dir_candidate(unsigned n, char *dst, size_t size)
{
    const char *run = getenv("TAPDECK_RUN"), *xdg = getenv("XDG_RUNTIME_DIR");
    if (run != NULL && *run != '\0' && n-- == 0)
        return snprintf(dst, size, "%s", run) < (int)size;
    if (xdg != NULL && *xdg != '\0' && n-- == 0)
        return snprintf(dst, size, "%s/tapdeck", xdg) < (int)size;
    if (n == 0)
        return snprintf(dst, size, "/run/tapdeck") < (int)size;
    if (n == 1)
        return snprintf(dst, size, "/tmp/tapdeck-%u", (unsigned)getuid()) < (int)size;
    return false;
}

bool run_dir_make(char *dst, size_t size, char *msg, size_t msg_size)
{
    struct text tried = {0};
    for (unsigned n = 0; run_dir_candidate(n, dst, size); n++) {
        struct stat st;
        if (mkdir(dst, 0700) < 0 && errno != EEXIST) {
            text_printf(&tried, "%s%s: %s", n ? ", " : "", dst, strerror(errno));
            continue;
        }
        /* lstat: a symbolic link somebody left in /tmp is nobody's directory. */
        if (lstat(dst, &st) < 0 || !S_ISDIR(st.st_mode)) {
            text_printf(&tried, "%s%s: not a directory", n ? ", " : "", dst);
        } else if (st.st_uid != geteuid()) {
            text_printf(&tried, "%s%s: belongs to another user", n ? ", " : "", dst);
        } else if ((st.st_mode & 0022) != 0) {
            text_printf(&tried, "%s%s: others can write to it", n ? ", " : "", dst);
        } else if (access(dst, W_OK | X_OK) < 0) {
            text_printf(&tried, "%s%s: %s", n ? ", " : "", dst, strerror(errno));
        } else {
            text_free(&tried);
            return true;
        }
    }
    snprintf(msg, msg_size,
             "there is no directory for the control socket (%s): set TAPDECK_RUN to a directory of "
             "your own",
             tried.s ? tried.s : "no candidate");
    text_free(&tried);
    return false;
}

bool take_line(struct text *in, struct text *line)
{
    const char *nl = in->len > 0 ? memchr(in->s, '\n', in->len) : NULL;
    if (nl == NULL)
        return false;
    line->len = 0;
    text_add(line, in->s, (size_t)(nl - in->s));
    text_consume(in, (size_t)(nl - in->s) + 1);
    return true;
}

static bool words_from_json(const json_t *cmd, struct request *r, char *msg, size_t msg_size)
{
    size_t n = json_array_size(cmd);
    if (!json_is_array(cmd) || n == 0 || n > WORDS_MAX) {
        snprintf(msg, msg_size,
                 "\"cmd\" must be an array of 1 to %d strings, for example [\"ip\",\"addr\"]",
                 WORDS_MAX);
        return false;
    }
    char *words[WORDS_MAX];
    for (size_t i = 0; i < n; i++) {
        const json_t *w = json_array_get(cmd, i);
        const char *s = json_string_value(w);
        if (s == NULL || strlen(s) != json_string_length(w)) {
            snprintf(msg, msg_size, "word %zu of \"cmd\" is not a string", i + 1);
            return false;
        }
        words[i] = (char *)(uintptr_t)s;
    }
    r->argc = (int)n;
    r->argv = words_copy((int)n, words);
    return true;
}

/* "in", "in64" and "eof" of a request that has one of them. */
static bool input_from_json(const json_t *o, struct request *r, char *msg, size_t msg_size)
{
    const json_t *in = json_object_get(o, "in"), *in64 = json_object_get(o, "in64");
    r->input = true;
    r->eof = json_is_true(json_object_get(o, "eof"));
    if ((in != NULL && !json_is_string(in)) || (in64 != NULL && !json_is_string(in64)) || (in != NULL && in64 != NULL)) {
        snprintf(msg, msg_size, "input is a string, \"in\" as text or \"in64\" as base64");
        return false;
    }
    if (in != NULL)
        text_add(&r->in, json_string_value(in), json_string_length(in));
    if (in64 != NULL && !text_from_base64(&r->in, json_string_value(in64), json_string_length(in64))) {
        snprintf(msg, msg_size, "\"in64\" is not base64 (RFC 4648 section 4)");
        return false;
    }
    return true;
}

static bool has_input(const json_t *o)
{
    return json_object_get(o, "in") != NULL || json_object_get(o, "in64") != NULL ||
           json_object_get(o, "eof") != NULL;
}

bool control_parse_request(const char *line, size_t len, struct request *r, char *msg,
                           size_t msg_size)
{
    memset(r, 0, sizeof(*r));
    r->id = -1;
    json_error_t e;
    json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &e);
    if (!json_is_object(o)) {
        snprintf(msg, msg_size,
                 "a request is one JSON object a line, for example "
                 "{\"id\":1,\"cmd\":[\"ip\",\"addr\"]}%s%s",
                 o == NULL ? "; this is not JSON: " : "", o == NULL ? e.text : "");
        json_decref(o);
        return false;
    }
    bool ok = false;
    const json_t *id = json_object_get(o, "id");
    if (!json_is_integer(id) || json_integer_value(id) < 0) {
        snprintf(msg, msg_size, "\"id\" must be a whole number from 0");
    } else {
        r->id = json_integer_value(id);
        r->json = json_is_true(json_object_get(o, "json"));
        r->tty = json_is_true(json_object_get(o, "tty"));
        r->streams = json_is_true(json_object_get(o, "streams"));
        r->cancel = json_is_true(json_object_get(o, "cancel"));
        r->has_hold = json_is_boolean(json_object_get(o, "hold"));
        r->hold = json_is_true(json_object_get(o, "hold"));
        if (r->cancel || r->has_hold)
            ok = true;
        else if (json_object_get(o, "cmd") == NULL && has_input(o))
            ok = input_from_json(o, r, msg, msg_size);
        else
            ok = words_from_json(json_object_get(o, "cmd"), r, msg, msg_size);
    }
    json_decref(o);
    if (!ok)
        text_free(&r->in);
    return ok;
}

void control_free_request(struct request *r)
{
    words_free(r->argv);
    text_free(&r->in);
    r->argv = NULL;
}

void control_write_request(struct text *out, long long id, int argc, char *const *argv, bool json,
                           bool tty)
{
    text_printf(out, "{\"id\":%lld,\"cmd\":[", id);
    for (int i = 0; i < argc; i++) {
        text_puts(out, i ? ",\"" : "\"");
        text_json(out, argv[i], strlen(argv[i]));
        text_puts(out, "\"");
    }
    text_printf(out, "],\"json\":%s,\"tty\":%s,\"streams\":true}\n", json ? "true" : "false",
                tty ? "true" : "false");
}

void control_write_cancel(struct text *out, long long id)
{
    text_printf(out, "{\"id\":%lld,\"cancel\":true}\n", id);
}

/* Text that JSON's escapes make no longer than base64 would (and that has no NUL: jansson takes none). */
static bool fits_as_text(const char *s, size_t n)
{
    size_t escapes = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '\0')
            return false;
        if (c == '"' || c == '\\' || c == '\n' || c == '\t')
            escapes++;
        else if (c < 0x20 || c == 0x7f)
            escapes += 5;
    }
    return escapes <= n / 3 + 64 && text_is_utf8(s, n);
}

void control_write_hold(struct text *out, long long id, bool hold)
{
    text_printf(out, "{\"id\":%lld,\"hold\":%s}\n", id, hold ? "true" : "false");
}

void control_write_input(struct text *out, long long id, const void *bytes, size_t n, bool eof)
{
    text_printf(out, "{\"id\":%lld", id);
    if (n > 0 && fits_as_text(bytes, n)) {
        text_puts(out, ",\"in\":\"");
        text_json(out, bytes, n);
        text_puts(out, "\"");
    } else if (n > 0) {
        text_puts(out, ",\"in64\":\"");
        text_base64(out, bytes, n);
        text_puts(out, "\"");
    }
    text_printf(out, "%s}\n", eof ? ",\"eof\":true" : "");
}

void control_write_out(struct text *out, long long id, const char *bytes, size_t n)
{
    text_printf(out, "{\"id\":%lld,\"out\":\"", id);
    text_json(out, bytes, n);
    text_puts(out, "\"}\n");
}

void control_write_bytes(struct text *out, long long id, const char *bytes, size_t n)
{
    if (text_is_utf8(bytes, n)) {
        control_write_out(out, id, bytes, n);
        return;
    }
    text_printf(out, "{\"id\":%lld,\"out64\":\"", id);
    text_base64(out, bytes, n);
    text_puts(out, "\"}\n");
}

void control_write_note(struct text *out, long long id, const char *text, size_t n)
{
    text_printf(out, "{\"id\":%lld,\"note\":\"", id);
    text_json(out, text, n);
    text_puts(out, "\"}\n");
}

void control_write_want(struct text *out, long long id, size_t n)
{
    text_printf(out, "{\"id\":%lld,\"want\":%zu}\n", id, n);
}

static void write_end(struct text *out, long long id, int status, const char *err, bool paused)
{
    text_printf(out, "{\"id\":%lld,", id);
    if (err != NULL && *err != '\0') {
        text_puts(out, "\"err\":\"");
        text_json(out, err, strlen(err));
        text_puts(out, "\",");
    }
    text_printf(out, "%s\"status\":%d}\n", paused ? "\"paused\":true," : "", status);
}

void control_write_news(struct text *out, bool paused, const char *note)
{
    text_printf(out, "{\"id\":%d,", CONTROL_NEWS);
    if (note != NULL) {
        text_puts(out, "\"note\":\"");
        text_json(out, note, strlen(note));
        text_puts(out, "\",");
    }
    text_printf(out, "\"paused\":%s}\n", paused ? "true" : "false");
}

void control_write_end(struct text *out, long long id, int status, const char *err)
{
    write_end(out, id, status, err, false);
}

void control_write_end_paused(struct text *out, long long id, int status, const char *err)
{
    write_end(out, id, status, err, true);
}

bool control_parse_reply(const char *line, size_t len, struct reply *r)
{
    memset(r, 0, sizeof(*r));
    json_error_t e;
    json_t *o = json_loadb(line, len, JSON_ALLOW_NUL, &e);
    if (!json_is_object(o)) {
        json_decref(o);
        return false;
    }
    r->id = json_integer_value(json_object_get(o, "id"));
    const json_t *out = json_object_get(o, "out"), *out64 = json_object_get(o, "out64");
    const json_t *note = json_object_get(o, "note"), *want = json_object_get(o, "want");
    const json_t *err = json_object_get(o, "err");
    const json_t *status = json_object_get(o, "status");
    if (json_is_string(out)) {
        r->out_len = json_string_length(out);
        r->out = malloc(r->out_len + 1);
        if (r->out != NULL)
            memcpy(r->out, json_string_value(out), r->out_len + 1);
    }
    if (json_is_string(out64)) {
        struct text t = {0};
        if (!text_from_base64(&t, json_string_value(out64), json_string_length(out64))) {
            text_free(&t);
            control_free_reply(r);
            json_decref(o);
            return false;
        }
        free(r->out);
        r->out = t.s;
        r->out_len = t.len;
    }
    if (json_is_string(note))
        r->note = strdup(json_string_value(note));
    if (json_is_integer(want) && json_integer_value(want) > 0)
        r->want = (size_t)json_integer_value(want);
    if (json_is_string(err))
        r->err = strdup(json_string_value(err));
    if (json_is_integer(status)) {
        r->end = true;
        r->status = (int)json_integer_value(status);
    }
    r->paused = json_is_true(json_object_get(o, "paused"));
    json_decref(o);
    return true;
}

void control_free_reply(struct reply *r)
{
    free(r->out);
    free(r->note);
    free(r->err);
    memset(r, 0, sizeof(*r));
}
