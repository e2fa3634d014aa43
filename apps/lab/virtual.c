/* lab/virtual.c: a lab's network in virtual time (lab/world.h). */
#include "lab/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/control.h"
#include "common/yaml.h"
#include "tapdeckd/net.h"

struct virtual_world {
    struct lab_world w; /* first */
    struct net net;
    bool open;
    char scratch[64];
};

static int run(struct lab_world *w, const char *node, const char *line, struct text *out, char *msg, size_t msg_size)
{
    struct virtual_world *v = (struct virtual_world *)w;
    struct net_node *n = net_node(&v->net, node);
    char *bytes = NULL;
    size_t len = 0;
    text_consume(out, out->len);
    if (n == NULL) {
        snprintf(msg, msg_size, "there is no node %s", node);
        return EXIT_USAGE;
    }
    FILE *f = open_memstream(&bytes, &len);
    if (f == NULL) {
        snprintf(msg, msg_size, "out of memory");
        return EXIT_FAILED;
    }
    int status = deck_run_line(&v->net.loop, &n->deck, line, f, msg, msg_size);
    fclose(f);
    text_add(out, bytes, len);
    free(bytes);
    return status;
}

static void close_virtual(struct lab_world *w)
{
    struct virtual_world *v = (struct virtual_world *)w;
    if (v->open)
        net_close(&v->net);
    if (v->scratch[0] != '\0')
        (void)rmdir(v->scratch);
    free(v);
}

static const char *node_name(struct lab_world *w, unsigned n)
{
    struct virtual_world *v = (struct virtual_world *)w;
    return n < v->net.topo->nnodes ? v->net.nodes[n].topo->name : NULL;
}

static const struct lab_world_ops ops = {run, node_name, close_virtual};

static bool start_node(struct virtual_world *v, const struct lab *l, const char *node, char *msg, size_t msg_size)
{
    struct text path = {0}, bytes = {0}, said = {0};
    text_printf(&path, "%s/start/%s.conf", l->dir, node);
    bool ok = lab_file(l, path.s, "configuration", true, &bytes, msg, msg_size);
    if (ok && bytes.s != NULL && lab_world_configure(&v->w, node, path.s, 1, bytes.s, bytes.len, &said) > 0) {
        snprintf(msg, msg_size, "%.*s", (int)strcspn(said.s, "\n"), said.s);
        ok = false;
    }
    text_free(&path);
    text_free(&bytes);
    text_free(&said);
    return ok;
}

/* The faults that nobody is to know: switched on as the console's `fault secret` does, but without a salt's file. */
static bool set_secrets(struct virtual_world *v, const struct lab *l, const struct lab_who *who, char *msg, size_t msg_size)
{
    for (const struct lab_param *p = l->params; p != NULL; p = p->next) {
        if (p->kind != LAB_SECRET)
            continue;
        struct net_node *n = net_node(&v->net, p->node);
        uint64_t faults;
        if (n == NULL) {
            snprintf(msg, msg_size, "%s/lab.yaml:%u: there is no node %s", l->dir, p->line, p->node);
            return false;
        }
        if (!mystery_set(p->set, &faults, msg, msg_size))
            return false;
        int err = td_fault_secret(n->deck.st, (int)mystery_choose(lab_salt(who), who->id, faults));
        if (err != 0) {
            snprintf(msg, msg_size, "%s/lab.yaml:%u: node %s takes no faults: it needs `faults: yes` in the topology", l->dir, p->line,
                     p->node);
            return false;
        }
    }
    return true;
}

struct lab_world *lab_world_virtual(const struct lab *l, const struct lab_who *who, char *msg, size_t msg_size)
{
    struct virtual_world *v = calloc(1, sizeof(*v));
    struct text path = {0}, bytes = {0};
    if (v == NULL) {
        snprintf(msg, msg_size, "out of memory");
        return NULL;
    }
    v->w.ops = &ops;
    const char *tmp = getenv("TMPDIR");
    snprintf(v->scratch, sizeof(v->scratch), "%s/tapdeck-lab-XXXXXX", tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
    bool ok = mkdtemp(v->scratch) != NULL;
    if (!ok) {
        snprintf(msg, msg_size, "no folder for captures can be made in %s", tmp != NULL ? tmp : "/tmp");
        v->scratch[0] = '\0';
    }
    v->w.scratch = v->scratch;
    text_printf(&path, "%s/%s", l->dir, l->topology != NULL ? l->topology : "net.yaml");
    struct net_options o = {.file = path.s, .virtual_time = true, .nruns = 1};
    ok = ok && lab_file(l, path.s, "topology", false, &bytes, msg, msg_size);
    o.bytes = bytes.s;
    o.len = bytes.len;
    if (ok) {
        v->open = true;
        ok = net_open(&v->net, &o, msg, msg_size) == EXIT_DONE && set_secrets(v, l, who, msg, msg_size);
    }
    for (unsigned i = 0; ok && i < v->net.topo->nnodes; i++)
        ok = start_node(v, l, v->net.nodes[i].topo->name, msg, msg_size);
    text_free(&path);
    text_free(&bytes);
    if (ok)
        return &v->w;
    close_virtual(&v->w);
    return NULL;
}

unsigned lab_world_configure(struct lab_world *w, const char *node, const char *file, unsigned number, const char *bytes, size_t len,
                             struct text *said)
{
    struct text line = {0}, out = {0};
    char msg[768];
    unsigned failed = 0;
    for (size_t i = 0; i < len; number++) {
        const char *end = memchr(bytes + i, '\n', len - i);
        size_t n = end != NULL ? (size_t)(end - bytes) - i : len - i;
        text_consume(&line, line.len);
        text_add(&line, bytes + i, n);
        i += n + 1;
        size_t blank = strspn(line.s != NULL ? line.s : "", " \t\r");
        if (n == 0 || line.s[blank] == '\0' || line.s[blank] == '#')
            continue;
        if (strlen(line.s) != n) {
            text_printf(said, "%s:%u: this line holds a NUL\n", file, number);
            failed++;
        } else if (w->ops->run(w, node, line.s, &out, msg, sizeof(msg)) != EXIT_DONE) {
            text_printf(said, "%s:%u: %s\n", file, number, msg[0] != '\0' ? msg : "the command failed");
            failed++;
        }
    }
    text_free(&line);
    text_free(&out);
    return failed;
}

void lab_world_close(struct lab_world *w)
{
    if (w != NULL)
        w->ops->close(w);
}
