/* topo/print.c: a topology as a picture in text, as Mermaid, as Graphviz's dot, and as JSON. */
#include "topo/topo.h"

#include <string.h>

#include "common/jsonw.h"

static const char *kind_name(enum topo_kind k)
{
    static const char *const names[] = {"tapdeck", "switch", "linux"};
    return names[k];
}

static void addresses(struct text *out, const struct topo_if *f, const char *between)
{
    for (const struct topo_words *a = f->addresses; a != NULL; a = a->next)
        text_printf(out, "%s%s", between, a->text);
}

static void end_text(struct text *out, const struct topo_end *e)
{
    text_printf(out, "%s.%s", e->node->name, e->interface->name);
    addresses(out, e->interface, " ");
}

static bool same_impairment(const struct topo_link *l)
{
    return l->impair[0] != NULL && l->impair[1] != NULL &&
           strcmp(l->impair[0]->text, l->impair[1]->text) == 0;
}

/* "netem delay 20ms" both ways; "there: …; back: …" else; "" without any. */
static void impairment(struct text *out, const struct topo_link *l, const char *before)
{
    if (same_impairment(l)) {
        text_printf(out, "%s%s", before, l->impair[0]->text);
        return;
    }
    if (l->impair[0] != NULL)
        text_printf(out, "%sthere: %s", before, l->impair[0]->text);
    if (l->impair[1] != NULL)
        text_printf(out, "%sback: %s", l->impair[0] != NULL ? "; " : before, l->impair[1]->text);
}

void topo_text(struct text *out, const struct topo *t)
{
    for (const struct topo_node *n = t->nodes; n != NULL; n = n->next) {
        text_printf(out, "%s (%s)\n", n->name, kind_name(n->kind));
        for (const struct topo_if *f = n->interfaces; f != NULL; f = f->next) {
            text_printf(out, "  %s", f->name);
            addresses(out, f, " ");
            if (f->mtu != 0)
                text_printf(out, " mtu %u", f->mtu);
            text_puts(out, f->used ? "\n" : " (no cable)\n");
        }
    }
    for (const struct topo_link *l = t->links; l != NULL; l = l->next) {
        end_text(out, &l->end[0]);
        text_puts(out, " --");
        impairment(out, l, " [");
        text_puts(out, l->impair[0] != NULL || l->impair[1] != NULL ? "] -- " : "-- ");
        end_text(out, &l->end[1]);
        text_puts(out, "\n");
    }
    for (const struct topo_tap *tap = t->taps; tap != NULL; tap = tap->next) {
        text_printf(out, "this machine's %s ---- ", tap->device);
        end_text(out, &tap->end);
        text_puts(out, "\n");
    }
}

static void node_label(struct text *out, const struct topo_node *n, const char *newline)
{
    text_puts(out, n->name);
    if (n->kind != TOPO_TAPDECK)
        text_printf(out, "%s(%s)", newline, kind_name(n->kind));
    for (const struct topo_if *f = n->interfaces; f != NULL; f = f->next) {
        if (f->addresses == NULL)
            continue;
        text_printf(out, "%s%s", newline, f->name);
        addresses(out, f, " ");
    }
}

void topo_mermaid(struct text *out, const struct topo *t)
{
    /* n0, t0: names such as `end` are words of Mermaid's own */
    text_puts(out, "graph LR\n");
    for (const struct topo_node *n = t->nodes; n != NULL; n = n->next) {
        text_printf(out, "  n%u[\"", n->index);
        node_label(out, n, "<br/>");
        text_puts(out, "\"]\n");
    }
    for (const struct topo_link *l = t->links; l != NULL; l = l->next) {
        text_printf(out, "  n%u ---", l->end[0].node->index);
        if (l->impair[0] != NULL || l->impair[1] != NULL) {
            text_puts(out, "|\"");
            impairment(out, l, "");
            text_puts(out, "\"|");
        }
        text_printf(out, " n%u\n", l->end[1].node->index);
    }
    unsigned i = 0;
    for (const struct topo_tap *tap = t->taps; tap != NULL; tap = tap->next, i++)
        text_printf(out, "  t%u([\"%s of this machine\"]) --- n%u\n", i, tap->device, tap->end.node->index);
}

void topo_dot(struct text *out, const struct topo *t)
{
    text_printf(out, "graph \"%s\" {\n  node [shape=box];\n", t->name);
    for (const struct topo_node *n = t->nodes; n != NULL; n = n->next) {
        text_printf(out, "  n%u [label=\"", n->index);
        node_label(out, n, "\\n");
        text_puts(out, "\"];\n");
    }
    for (const struct topo_link *l = t->links; l != NULL; l = l->next) {
        struct text label = {0};
        impairment(&label, l, "");
        text_printf(out, "  n%u -- n%u [taillabel=\"%s\", headlabel=\"%s\", label=\"", l->end[0].node->index,
                    l->end[1].node->index, l->end[0].interface->name, l->end[1].interface->name);
        text_json(out, label.s != NULL ? label.s : "", label.len);
        text_puts(out, "\"];\n");
        text_free(&label);
    }
    unsigned i = 0;
    for (const struct topo_tap *tap = t->taps; tap != NULL; tap = tap->next, i++)
        text_printf(out, "  t%u [label=\"%s of this machine\", shape=oval];\n  t%u -- n%u [headlabel=\"%s\"];\n", i,
                    tap->device, i, tap->end.node->index, tap->end.interface->name);
    text_puts(out, "}\n");
}

static void json_end(struct jsonw *w, const struct topo_end *e)
{
    jw_open(w, NULL, '{');
    jw_str(w, "node", e->node->name);
    jw_str(w, "interface", e->interface->name);
    jw_close(w, '}');
}

void topo_json(struct text *out, const struct topo *t)
{
    struct jsonw w = {.t = out};
    jw_open(&w, NULL, '{');
    jw_str(&w, "name", t->name);
    jw_str(&w, "time", t->virtual_time ? "virtual" : "real");
    jw_open(&w, "nodes", '[');
    for (const struct topo_node *n = t->nodes; n != NULL; n = n->next) {
        jw_open(&w, NULL, '{');
        jw_str(&w, "name", n->name);
        jw_str(&w, "kind", kind_name(n->kind));
        jw_open(&w, "interfaces", '[');
        for (const struct topo_if *f = n->interfaces; f != NULL; f = f->next) {
            jw_open(&w, NULL, '{');
            jw_str(&w, "name", f->name);
            if (f->mtu != 0)
                jw_u64(&w, "mtu", f->mtu);
            jw_open(&w, "addresses", '[');
            for (const struct topo_words *a = f->addresses; a != NULL; a = a->next)
                jw_str(&w, NULL, a->text);
            jw_close(&w, ']');
            jw_close(&w, '}');
        }
        jw_close(&w, ']');
        jw_open(&w, "commands", '[');
        for (const struct topo_words *c = n->commands; c != NULL; c = c->next)
            jw_str(&w, NULL, c->text);
        jw_close(&w, ']');
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_open(&w, "links", '[');
    for (const struct topo_link *l = t->links; l != NULL; l = l->next) {
        jw_open(&w, NULL, '{');
        jw_open(&w, "ends", '[');
        json_end(&w, &l->end[0]);
        json_end(&w, &l->end[1]);
        jw_close(&w, ']');
        if (l->impair[0] != NULL)
            jw_str(&w, "there", l->impair[0]->text);
        if (l->impair[1] != NULL)
            jw_str(&w, "back", l->impair[1]->text);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_open(&w, "taps", '[');
    for (const struct topo_tap *tap = t->taps; tap != NULL; tap = tap->next) {
        jw_open(&w, NULL, '{');
        jw_str(&w, "tap", tap->device);
        jw_str(&w, "node", tap->end.node->name);
        jw_str(&w, "interface", tap->end.interface->name);
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    jw_close(&w, '}');
    text_puts(out, "\n");
}
