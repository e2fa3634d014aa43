/* lab/live.c: see live.h. */
#include "lab/live.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/control.h"
#include "tapdeck/client.h"
#include "topo/topo.h"

/* ---- the folder ---- */

static char *copy(const char *s)
{
    char *c = strdup(s);
    if (c == NULL) {
        fputs("tapdeck: out of memory\n", stderr);
        exit(1);
    }
    return c;
}

static char *joined(const char *folder, const char *name)
{
    struct text t = {0};
    text_printf(&t, "%s/%s", folder, name);
    return t.s;
}

static bool write_text(const char *path, const char *bytes, size_t len, char *msg, size_t msg_size)
{
    FILE *f = fopen(path, "we");
    bool ok = f != NULL && (len == 0 || fwrite(bytes, len, 1, f) == 1);
    if (f != NULL && fclose(f) != 0)
        ok = false;
    if (!ok)
        snprintf(msg, msg_size, "%s can't be written: %s", path, strerror(errno));
    return ok;
}

/* The lab, the salt and the topology's name, for what the place says of itself. */
static bool fill(struct lab_place *p, char *msg, size_t msg_size)
{
    if (p->salt[0] != '\0' && !salt_read(&p->secret, p->salt, msg, msg_size))
        return false;
    p->who = (struct lab_who){.id = p->id, .salt = p->salt[0] != '\0' ? &p->secret : NULL};
    p->net = joined(p->folder, "net.yaml");
    p->l = lab_load(p->lab, &p->who, msg, msg_size);
    return p->l != NULL;
}

static bool name_net(struct lab_place *p, char *msg, size_t msg_size)
{
    struct topo *net = topo_load(p->net, msg, msg_size);
    if (net == NULL)
        return false;
    snprintf(p->name, sizeof(p->name), "%s", net->name);
    topo_free(net);
    return true;
}

/* Which lab it is, for `lab check` in this folder. */
static bool write_state(const struct lab_place *p, char *msg, size_t msg_size)
{
    char *path = joined(p->folder, ".lab");
    json_t *j = json_pack("{ss ss ss}", "lab", p->lab, "id", p->id, "salt", p->salt);
    char *text = json_dumps(j, JSON_INDENT(2));
    bool ok = text != NULL && write_text(path, text, strlen(text), msg, msg_size);
    free(text);
    json_decref(j);
    free(path);
    return ok;
}

/* README.md and net.yaml, made anew; answers.txt only where none is. */
static bool write_files(const struct lab_place *p, char *msg, size_t msg_size)
{
    static const char *const names[] = {"README.md", "net.yaml"};
    bool ok = true;
    for (int i = 0; i < 2 && ok; i++) {
        struct text made = {0};
        char *from = joined(p->lab, i == 1 && p->l->topology != NULL ? p->l->topology : names[i]), *to = joined(p->folder, names[i]);
        ok = lab_file(p->l, from, i == 0 ? "page" : "topology", false, &made, msg, msg_size) && write_text(to, made.s, made.len, msg, msg_size);
        free(from);
        free(to);
        text_free(&made);
    }
    char *answers = joined(p->folder, "answers.txt");
    if (ok && access(answers, F_OK) != 0) {
        struct text t = {0};
        for (const struct lab_task *k = p->l->tasks; k != NULL; k = k->next)
            if (k->answer != NULL)
                text_printf(&t, "# %s\n%s:\n\n", k->title, k->id);
        ok = write_text(answers, t.s, t.len, msg, msg_size);
        text_free(&t);
    }
    free(answers);
    return ok;
}

static bool read_state(struct lab_place *p, char *msg, size_t msg_size)
{
    char *path = joined(p->folder, ".lab");
    json_t *j = json_load_file(path, 0, NULL);
    const char *lab = json_string_value(json_object_get(j, "lab")), *id = json_string_value(json_object_get(j, "id")),
               *salt = json_string_value(json_object_get(j, "salt"));
    bool ok = lab != NULL && id != NULL && salt != NULL;
    if (ok) {
        p->lab = copy(lab);
        p->id = copy(id);
        p->salt = copy(salt);
    } else {
        snprintf(msg, msg_size, "no lab has been started in %s: `lab start LAB` makes its folder; go there", p->folder);
    }
    json_decref(j);
    free(path);
    return ok;
}

bool lab_place_open(struct lab_place *p, const char *folder, char *msg, size_t msg_size)
{
    *p = (struct lab_place){.folder = copy(folder)};
    return read_state(p, msg, msg_size) && fill(p, msg, msg_size) && name_net(p, msg, msg_size);
}

bool lab_place_make(struct lab_place *p, const char *lab, const char *id, const char *salt, const char *folder, char *msg, size_t msg_size)
{
    char full[PATH_MAX];
    *p = (struct lab_place){.folder = copy(folder)};
    char *state = joined(folder, ".lab");
    bool there = access(state, F_OK) == 0;
    free(state);
    if (realpath(lab, full) == NULL) {
        snprintf(msg, msg_size, "%s: %s", lab, strerror(errno));
        return false;
    }
    if (there) { /* nobody's work is mixed with another's */
        struct lab_place old = {.folder = p->folder};
        bool ok = read_state(&old, msg, msg_size), same = ok && strcmp(old.lab, full) == 0 && strcmp(old.id, id) == 0;
        if (ok && !same)
            snprintf(msg, msg_size, "%s holds %s for '%s': name another folder", folder, old.lab, old.id);
        free(old.lab);
        free(old.id);
        free(old.salt);
        if (!same)
            return false;
    } else if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        snprintf(msg, msg_size, "the folder %s can't be made: %s", folder, strerror(errno));
        return false;
    }
    p->lab = copy(full);
    p->id = copy(id);
    p->salt = copy(salt);
    return fill(p, msg, msg_size) && write_files(p, msg, msg_size) && write_state(p, msg, msg_size) && name_net(p, msg, msg_size);
}

void lab_place_done(struct lab_place *p)
{
    lab_free(p->l);
    salt_forget(&p->secret);
    free(p->folder);
    free(p->lab);
    free(p->id);
    free(p->salt);
    free(p->net);
}

/* ---- the network ---- */

struct live_world {
    struct lab_world w; /* first */
    struct topo *net;
    char name[40], scratch[64];
};

static int run_live(struct lab_world *w, const char *node, const char *line, struct text *out, char *msg, size_t msg_size)
{
    struct live_world *v = (struct live_world *)w;
    struct client c;
    char name[96], **argv, *bytes = NULL;
    size_t len = 0;
    text_consume(out, out->len);
    msg[0] = '\0';
    if (topo_node(v->net, node) == NULL) {
        snprintf(msg, msg_size, "there is no node %s", node);
        return EXIT_USAGE;
    }
    int argc = words_split(line, &argv, msg, msg_size);
    if (argc <= 0) {
        words_free(argv);
        return argc == 0 ? EXIT_DONE : EXIT_USAGE;
    }
    snprintf(name, sizeof(name), "%s.%s", v->name, node);
    int status = client_connect(&c, name, msg, msg_size);
    FILE *f = status == EXIT_DONE ? open_memstream(&bytes, &len) : NULL;
    if (f != NULL) {
        c.quiet = true; /* a check says itself what it saw */
        status = client_run(&c, argc, argv, false, false, f, msg, msg_size);
        fclose(f);
        text_add(out, bytes, len);
        free(bytes);
        client_end(&c);
    }
    words_free(argv);
    return status;
}

static const char *live_node(struct lab_world *w, unsigned n)
{
    const struct topo_node *t = ((struct live_world *)w)->net->nodes;
    while (t != NULL && n-- > 0)
        t = t->next;
    return t != NULL ? t->name : NULL;
}

static void close_live(struct lab_world *w)
{
    struct live_world *v = (struct live_world *)w;
    topo_free(v->net);
    if (v->scratch[0] != '\0')
        (void)rmdir(v->scratch);
    free(v);
}

static const struct lab_world_ops ops = {run_live, live_node, close_live};

struct lab_world *lab_world_live(const struct lab_place *p, char *msg, size_t msg_size)
{
    struct live_world *v = calloc(1, sizeof(*v));
    if (v == NULL) {
        snprintf(msg, msg_size, "out of memory");
        return NULL;
    }
    v->w = (struct lab_world){.ops = &ops, .scratch = v->scratch};
    snprintf(v->name, sizeof(v->name), "%s", p->name);
    snprintf(v->scratch, sizeof(v->scratch), "/tmp/tapdeck-lab-XXXXXX");
    v->net = topo_load(p->net, msg, msg_size);
    struct text out = {0};
    bool ok = v->net != NULL;
    if (ok && mkdtemp(v->scratch) == NULL) {
        snprintf(msg, msg_size, "no folder for captures can be made in /tmp");
        v->scratch[0] = '\0';
        ok = false;
    }
    if (ok && run_live(&v->w, live_node(&v->w, 0), "version", &out, msg, msg_size) != EXIT_DONE) {
        snprintf(msg, msg_size, "the network of %s isn't running: `lab reset` starts it anew", p->l->name);
        ok = false;
    }
    text_free(&out);
    if (ok)
        return &v->w;
    close_live(&v->w);
    return NULL;
}

static bool set_secret(struct lab_world *w, const struct lab_place *p, const struct lab_param *s, char *msg, size_t msg_size)
{
    struct text out = {0}, line = {0};
    char *salt = joined(w->scratch, "salt"); /* the command reads it from a file, so that it stands in no list of processes */
    const struct salt *secret = lab_salt(&p->who);
    bool ok = write_text(salt, (const char *)secret->bytes, secret->len, msg, msg_size);
    text_printf(&line, "fault secret %s '%s' from %s", salt, p->id[0] != '\0' ? p->id : "nobody", s->set);
    ok = ok && w->ops->run(w, s->node, line.s, &out, msg, msg_size) == EXIT_DONE;
    (void)unlink(salt);
    free(salt);
    text_free(&out);
    text_free(&line);
    return ok;
}

bool lab_prepare(struct lab_world *w, const struct lab_place *p, char *msg, size_t msg_size)
{
    bool ok = true;
    for (unsigned i = 0; ok && w->ops->node(w, i) != NULL; i++) {
        struct text path = {0}, bytes = {0}, said = {0};
        text_printf(&path, "%s/start/%s.conf", p->lab, w->ops->node(w, i));
        ok = lab_file(p->l, path.s, "configuration", true, &bytes, msg, msg_size);
        if (ok && bytes.s != NULL && lab_world_configure(w, w->ops->node(w, i), path.s, 1, bytes.s, bytes.len, &said) > 0) {
            snprintf(msg, msg_size, "%.*s", (int)strcspn(said.s, "\n"), said.s);
            ok = false;
        }
        text_free(&path);
        text_free(&bytes);
        text_free(&said);
    }
    for (const struct lab_param *s = p->l->params; s != NULL && ok; s = s->next)
        if (s->kind == LAB_SECRET)
            ok = set_secret(w, p, s, msg, msg_size);
    return ok;
}
