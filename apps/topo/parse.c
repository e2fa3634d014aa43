/* topo/parse.c: the YAML of a topology file (its form: topo.h).
 *
 * common/yaml.h walks the tree and says what is wrong where; this knows the keys.
 */
#include "topo/topo.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/parse.h"
#include "common/yaml.h"

#define IFS_MAX 256 /* interfaces of a node */

typedef yaml_item item;

static void *must(void *p)
{
    if (p == NULL) {
        fputs("tapdeck: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* ---- words ---- */

static void add_words(struct topo_words **list, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void add_words(struct topo_words **list, unsigned line, const char *fmt, ...)
{
    struct topo_words *w = must(calloc(1, sizeof(*w)));
    struct text t = {0};
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&t, fmt, ap);
    va_end(ap);
    w->line = line;
    w->text = t.s;
    while (*list != NULL)
        list = &(*list)->next;
    *list = w;
}

static void free_words(struct topo_words *w)
{
    while (w != NULL) {
        struct topo_words *next = w->next;
        free(w->text);
        free(w);
        w = next;
    }
}

static bool name_ok(const char *s, size_t max)
{
    size_t n = strlen(s);
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    return n > 0 && n <= max && s[0] != '-' && strspn(s, letters) == n;
}

/* ---- nodes ---- */

struct node_ctx {
    struct topo_node *node;
    item *interfaces, *routes, *sysctl, *commands, *apps; /* read in this order, whatever the file's */
    bool forward;
    unsigned forward_line;
};

static bool add_address(struct yaml_reader *r, void *ctx, item *entry)
{
    struct topo_if *f = ctx;
    td_ip4 addr;
    uint8_t plen;
    const char *s = yaml_scalar(entry);
    if (s == NULL || strchr(s, '/') == NULL || !parse_prefix(s, &addr, &plen))
        return yaml_fail(r, entry, "'%s' is not an address with its prefix length, such as 10.0.0.1/24",
                    s != NULL ? s : "this");
    add_words(&f->addresses, yaml_line(entry), "%s", s);
    return true;
}

static bool interface_key(struct yaml_reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct topo_if *f = ctx;
    if (strcmp(name, "address") == 0 || strcmp(name, "addresses") == 0)
        return yaml_each_entry(r, value, "an interface's addresses", add_address, f);
    if (strcmp(name, "mtu") == 0) {
        const char *s = yaml_scalar(value);
        if (s != NULL && parse_u32(s, 65521, &f->mtu) && f->mtu >= 68)
            return true;
        return yaml_fail(r, value, "an MTU is a number of bytes from 68 to 65521");
    }
    return yaml_fail(r, key, "'%s' is no key of an interface: there are address and mtu", name);
}

static unsigned ninterfaces(const struct topo_node *n)
{
    unsigned count = 0;
    for (const struct topo_if *f = n->interfaces; f != NULL; f = f->next)
        count++;
    return count;
}

static struct topo_if *find_interface(const struct topo_node *n, const char *name)
{
    struct topo_if *f = n->interfaces;
    while (f != NULL && strcmp(f->name, name) != 0)
        f = f->next;
    return f;
}

static struct topo_if *add_interface(struct topo_node *n, const char *name, unsigned line)
{
    struct topo_if *f = must(calloc(1, sizeof(*f)));
    struct topo_if **at = &n->interfaces;
    snprintf(f->name, sizeof(f->name), "%s", name);
    f->line = line;
    while (*at != NULL)
        at = &(*at)->next;
    *at = f;
    return f;
}

static bool add_interfaces(struct yaml_reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct node_ctx *c = ctx;
    if (!name_ok(name, TOPO_IF_MAX) || strcmp(name, "lo") == 0)
        return yaml_fail(r, key,
                    "'%s' is not a name for an interface: letters, digits, '_' and '-', at most %d, and "
                    "not lo",
                    name, TOPO_IF_MAX);
    if (ninterfaces(c->node) == IFS_MAX)
        return yaml_fail(r, key, "a node has at most %d interfaces", IFS_MAX);
    struct topo_if *f = add_interface(c->node, name, yaml_line(key));
    if (value->type == YAML_MAPPING_NODE)
        return yaml_each_key(r, value, "an interface", interface_key, f);
    return yaml_each_entry(r, value, "an interface's addresses", add_address, f);
}

static bool add_route(struct yaml_reader *r, void *ctx, item *entry)
{
    struct node_ctx *c = ctx;
    const char *s = yaml_phrase(r, entry, "a route, in the words after `ip route add`,");
    if (s != NULL)
        add_words(&c->node->commands, yaml_line(entry), "ip route add %s", s);
    return s != NULL;
}

static bool add_knob(struct yaml_reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct node_ctx *c = ctx;
    const char *s = yaml_phrase(r, value, "a knob's value");
    if (s == NULL)
        return false;
    if (strpbrk(name, " \t='\"\\#") != NULL || strpbrk(s, "'\"\\#") != NULL)
        return yaml_fail(r, key, "a knob is written as `net.ipv4.ip_forward: 1`");
    add_words(&c->node->commands, yaml_line(key), "sysctl -q -w '%s=%s'", name, s);
    return true;
}

static bool add_command(struct yaml_reader *r, void *ctx, item *entry)
{
    struct node_ctx *c = ctx;
    const char *s = yaml_phrase(r, entry, "a command");
    if (s != NULL)
        add_words(&c->node->commands, yaml_line(entry), "%s", s);
    return s != NULL;
}

static bool add_app(struct yaml_reader *r, void *ctx, item *entry)
{
    struct node_ctx *c = ctx;
    const char *s = yaml_phrase(r, entry, "an application, in the words after `app start`,");
    if (s == NULL)
        return false;
    if (c->node->kind == TOPO_LINUX)
        return yaml_fail(r, entry, "a linux node runs its own programs: start them under `commands`");
    add_words(&c->node->commands, yaml_line(entry), "app start %s", s);
    return true;
}

static bool read_kind(struct yaml_reader *r, struct topo_node *n, item *value)
{
    static const char *const kinds[] = {"tapdeck", "switch", "linux"};
    const char *s = yaml_scalar(value);
    for (int i = 0; s != NULL && i < 3; i++) {
        if (strcmp(s, kinds[i]) == 0) {
            n->kind = (enum topo_kind)i;
            return true;
        }
    }
    return yaml_fail(r, value, "a node's kind is tapdeck, switch or linux");
}

static bool node_key(struct yaml_reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct node_ctx *c = ctx;
    const struct {
        const char *name;
        item **to;
    } later[] = {{"interfaces", &c->interfaces}, {"routes", &c->routes}, {"sysctl", &c->sysctl},
                 {"commands", &c->commands},     {"apps", &c->apps}};
    for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++) {
        if (strcmp(name, later[i].name) == 0) {
            *later[i].to = value;
            return true;
        }
    }
    if (strcmp(name, "kind") == 0)
        return read_kind(r, c->node, value);
    if (strcmp(name, "forward") == 0) {
        c->forward_line = yaml_line(key);
        return yaml_yes(r, value, name, &c->forward);
    }
    if (strcmp(name, "faults") == 0)
        return yaml_yes(r, value, name, &c->node->faults);
    if (strcmp(name, "profile") == 0) {
        const char *s = yaml_scalar(value);
        c->node->rfc = s != NULL && strcmp(s, "rfc") == 0;
        if (c->node->rfc || (s != NULL && strcmp(s, "linux") == 0))
            return true;
        return yaml_fail(r, value, "a profile is linux or rfc");
    }
    return yaml_fail(r, key,
                "'%s' is no key of a node: there are kind, interfaces, routes, forward, sysctl, commands, "
                "apps, profile and faults",
                name);
}

/* The commands in the order in which they are to be run. */
static bool node_commands(struct yaml_reader *r, struct node_ctx *c)
{
    struct topo_node *n = c->node;
    if (c->interfaces != NULL &&
        !yaml_each_key(r, c->interfaces, "a node's interfaces", add_interfaces, c))
        return false;
    for (const struct topo_if *f = n->interfaces; f != NULL; f = f->next)
        for (const struct topo_words *a = f->addresses; a != NULL; a = a->next)
            add_words(&n->commands, a->line, "ip addr add %s dev %s", a->text, f->name);
    if (c->forward)
        add_words(&n->commands, c->forward_line, "sysctl -q -w net.ipv4.ip_forward=1");
    if (c->sysctl != NULL && !yaml_each_key(r, c->sysctl, "sysctl", add_knob, c))
        return false;
    if (c->routes != NULL && !yaml_each_entry(r, c->routes, "routes", add_route, c))
        return false;
    if (c->commands != NULL && !yaml_each_entry(r, c->commands, "commands", add_command, c))
        return false;
    return c->apps == NULL || yaml_each_entry(r, c->apps, "apps", add_app, c);
}

static bool add_node(struct yaml_reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct topo *t = ctx;
    if (!name_ok(name, TOPO_NAME_MAX))
        return yaml_fail(r, key, "'%s' is not a name for a node: letters, digits, '_' and '-', at most %d", name,
                    TOPO_NAME_MAX);
    if (t->nnodes == TOPO_NODES_MAX)
        return yaml_fail(r, key, "a topology has at most %d nodes", TOPO_NODES_MAX);
    struct topo_node *n = must(calloc(1, sizeof(*n)));
    struct topo_node **at = &t->nodes;
    while (*at != NULL)
        at = &(*at)->next;
    *at = n;
    snprintf(n->name, sizeof(n->name), "%s", name);
    n->line = yaml_line(key);
    n->index = t->nnodes++;
    struct node_ctx c = {.node = n};
    const char *empty = yaml_scalar(value);
    if (empty != NULL && *empty == '\0')
        return true; /* `sw:` alone: nothing to say about it */
    return yaml_each_key(r, value, "a node", node_key, &c) && node_commands(r, &c);
}

/* ---- links ---- */

/* "client.eth0", or "client" if it has one interface that no link has taken; a switch makes its
 * ports as they are asked for. */
static bool read_end(struct yaml_reader *r, item *at, struct topo_end *e)
{
    const char *s = yaml_scalar(at);
    if (s == NULL)
        return yaml_fail(r, at, "the end of a link is NODE.INTERFACE");
    const char *dot = strchr(s, '.');
    char name[TOPO_NAME_MAX + 1];
    size_t n = dot != NULL ? (size_t)(dot - s) : strlen(s);
    if (n < sizeof(name)) {
        memcpy(name, s, n);
        name[n] = '\0';
        e->node = topo_node(((struct topo *)r->user), name);
    }
    if (e->node == NULL)
        return yaml_fail(r, at, "'%s' names no node of this file (nodes come under `nodes:`)", s);
    struct topo_if *free_one = NULL;
    unsigned nfree = 0;
    if (dot != NULL)
        e->interface = find_interface(e->node, dot + 1);
    for (struct topo_if *f = e->node->interfaces; f != NULL; f = f->next) {
        if (!f->used) {
            free_one = f;
            nfree++;
        }
    }
    if (dot == NULL && nfree == 1)
        e->interface = free_one;
    if (e->interface == NULL && e->node->kind == TOPO_SWITCH) {
        char port[TOPO_IF_MAX + 1];
        unsigned ports = ninterfaces(e->node);
        if (ports == IFS_MAX)
            return yaml_fail(r, at, "a node has at most %d interfaces", IFS_MAX);
        do /* the first number from there on that nobody has named */
            snprintf(port, sizeof(port), "p%u", ++ports);
        while (find_interface(e->node, port) != NULL);
        if (dot != NULL && !name_ok(dot + 1, TOPO_IF_MAX))
            return yaml_fail(r, at, "'%s' is not a name for an interface", dot + 1);
        e->interface = add_interface(e->node, dot != NULL ? dot + 1 : port, yaml_line(at));
    }
    if (e->interface == NULL && dot == NULL)
        return yaml_fail(r, at, "node %s has %s: write NODE.INTERFACE", e->node->name,
                    nfree == 0 ? "no interface left to join" : "more than one interface");
    if (e->interface == NULL)
        return yaml_fail(r, at, "node %s has no interface %s: name it under its `interfaces:`", e->node->name,
                    dot + 1);
    if (e->interface->used)
        return yaml_fail(r, at, "%s.%s is an end of another link already", e->node->name, e->interface->name);
    e->interface->used = true;
    return true;
}

struct link_ctx {
    struct topo_link *link;
    item *ends, *impair[3]; /* both ways, there, back */
};

static bool link_key(struct yaml_reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct link_ctx *c = ctx;
    static const char *const impair[] = {"impair", "there", "back"};
    if (strcmp(name, "ends") == 0) {
        c->ends = value;
        return true;
    }
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, impair[i]) == 0) {
            c->impair[i] = value;
            return true;
        }
    }
    return yaml_fail(r, key, "'%s' is no key of a link: there are ends, impair, there and back", name);
}

static bool read_impair(struct yaml_reader *r, struct topo_link *l, int dir, item *at)
{
    static const char *const disciplines[] = {"netem ", "tbf ", "fq_codel", "red ", "pfifo"};
    const char *s = yaml_phrase(r, at, "an impairment, in the words after `tc qdisc add dev X root`,");
    if (s == NULL)
        return false;
    bool named = false;
    for (size_t i = 0; i < sizeof(disciplines) / sizeof(*disciplines); i++)
        named = named || strncmp(s, disciplines[i], strlen(disciplines[i])) == 0;
    add_words(&l->impair[dir], yaml_line(at), "%s%s", named ? "" : "netem ", s);
    return true;
}

static bool add_link(struct yaml_reader *r, void *ctx, item *entry)
{
    struct topo *t = ctx;
    struct topo_link *l = must(calloc(1, sizeof(*l)));
    struct topo_link **at = &t->links;
    while (*at != NULL)
        at = &(*at)->next;
    *at = l;
    l->line = yaml_line(entry);
    struct link_ctx c = {.link = l, .ends = entry};
    if (entry->type == YAML_MAPPING_NODE) {
        c.ends = NULL;
        if (!yaml_each_key(r, entry, "a link", link_key, &c))
            return false;
    }
    if (yaml_length(c.ends) != 2)
        return yaml_fail(r, c.ends != NULL ? c.ends : entry,
                    "a link has two ends: [client.eth0, router.left] (a node of the kind switch joins more)");
    for (int i = 0; i < 2; i++)
        if (!read_end(r, yaml_nth(r, c.ends, (size_t)i), &l->end[i]))
            return false;
    for (int dir = 0; dir < 2; dir++) {
        item *own = c.impair[1 + dir] != NULL ? c.impair[1 + dir] : c.impair[0];
        if (own != NULL && !read_impair(r, l, dir, own))
            return false;
    }
    return true;
}

static bool add_tap(struct yaml_reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct topo *t = ctx;
    if (!name_ok(name, TOPO_IF_MAX))
        return yaml_fail(r, key, "'%s' is not a name for a TAP device", name);
    struct topo_tap *tap = must(calloc(1, sizeof(*tap)));
    struct topo_tap **at = &t->taps;
    while (*at != NULL)
        at = &(*at)->next;
    *at = tap;
    tap->line = yaml_line(key);
    snprintf(tap->device, sizeof(tap->device), "%s", name);
    if (!read_end(r, value, &tap->end))
        return false;
    if (tap->end.node->kind == TOPO_LINUX)
        return yaml_fail(r, value, "a TAP device leads to a tapdeck or a switch");
    return true;
}

/* ---- the document ---- */

struct top_ctx {
    item *nodes, *links, *taps;
};

static bool top_key(struct yaml_reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct top_ctx *c = ctx;
    const char *s = yaml_scalar(value);
    if (strcmp(name, "nodes") == 0) {
        c->nodes = value;
        return true;
    }
    if (strcmp(name, "links") == 0) {
        c->links = value;
        return true;
    }
    if (strcmp(name, "taps") == 0) {
        c->taps = value;
        return true;
    }
    if (strcmp(name, "name") == 0) {
        if (s == NULL || !name_ok(s, TOPO_NAME_MAX))
            return yaml_fail(r, value, "a topology's name has letters, digits, '_' and '-', at most %d",
                        TOPO_NAME_MAX);
        snprintf(((struct topo *)r->user)->name, sizeof(((struct topo *)r->user)->name), "%s", s);
        return true;
    }
    if (strcmp(name, "time") == 0) {
        ((struct topo *)r->user)->virtual_time = s != NULL && strcmp(s, "virtual") == 0;
        if (((struct topo *)r->user)->virtual_time || (s != NULL && strcmp(s, "real") == 0))
            return true;
        return yaml_fail(r, value, "time is real or virtual");
    }
    if (strcmp(name, "seed") == 0) {
        ((struct topo *)r->user)->has_seed = s != NULL && parse_u64(s, UINT64_MAX, &((struct topo *)r->user)->seed);
        return ((struct topo *)r->user)->has_seed || yaml_fail(r, value, "a seed is a number");
    }
    return yaml_fail(r, key, "'%s' is no key of a topology: there are name, time, seed, nodes, links and taps",
                name);
}

/* What the switches need once all their ports are known. */
static void finish_switches(struct topo *t)
{
    for (struct topo_node *n = t->nodes; n != NULL; n = n->next) {
        struct topo_words *own = n->commands;
        if (n->kind != TOPO_SWITCH)
            continue;
        n->commands = NULL;
        add_words(&n->commands, n->line, "ip link add name br0 type bridge");
        for (const struct topo_if *f = n->interfaces; f != NULL; f = f->next)
            add_words(&n->commands, f->line, "ip link set %s master br0", f->name);
        add_words(&n->commands, n->line, "ip link set br0 up");
        struct topo_words **at = &n->commands;
        while (*at != NULL)
            at = &(*at)->next;
        *at = own;
    }
}

static bool read_document(struct yaml_reader *r)
{
    struct topo *t = r->user;
    item *root = yaml_root(r);
    struct top_ctx c = {0};
    if (root == NULL)
        return yaml_fail(r, NULL, "the file is empty: a topology has `nodes:` and `links:`");
    if (!yaml_each_key(r, root, "a topology", top_key, &c))
        return false;
    if (c.nodes == NULL)
        return yaml_fail(r, root, "there are no nodes: a topology has `nodes:` and `links:`");
    if (!yaml_each_key(r, c.nodes, "nodes", add_node, t))
        return false;
    if (c.links != NULL && !yaml_each_entry(r, c.links, "links", add_link, t))
        return false;
    if (c.taps != NULL && !yaml_each_key(r, c.taps, "taps", add_tap, t))
        return false;
    if (t->virtual_time && t->taps != NULL)
        return yaml_fail(r, c.taps, "TAP devices live in real time: a topology with taps can't have `time: virtual`");
    finish_switches(t);
    return true;
}

static void default_name(struct topo *t)
{
    const char *base = strrchr(t->file, '/');
    base = base != NULL ? base + 1 : t->file;
    size_t n = strcspn(base, ".");
    snprintf(t->name, sizeof(t->name), "%.*s", (int)(n < TOPO_NAME_MAX ? n : TOPO_NAME_MAX), base);
    if (!name_ok(t->name, TOPO_NAME_MAX))
        snprintf(t->name, sizeof(t->name), "topo");
}

struct topo *topo_parse(const char *file, const char *bytes, size_t len, char *msg, size_t msg_size)
{
    struct yaml_reader r;
    if (!yaml_reader_open(&r, file, "topology", bytes, len, msg, msg_size))
        return NULL;
    struct topo *t = must(calloc(1, sizeof(*t)));
    r.user = t;
    t->file = must(strdup(file));
    default_name(t);
    bool ok = read_document(&r);
    yaml_reader_close(&r);
    if (ok)
        return t;
    topo_free(t);
    return NULL;
}

struct topo *topo_load(const char *file, char *msg, size_t msg_size)
{
    struct text t = {0};
    struct topo *topo = NULL;
    if (yaml_file_read(file, "topology", &t, msg, msg_size))
        topo = topo_parse(file, t.s != NULL ? t.s : "", t.len, msg, msg_size);
    text_free(&t);
    return topo;
}

void topo_free(struct topo *t)
{
    if (t == NULL)
        return;
    while (t->nodes != NULL) {
        struct topo_node *n = t->nodes;
        t->nodes = n->next;
        while (n->interfaces != NULL) {
            struct topo_if *f = n->interfaces;
            n->interfaces = f->next;
            free_words(f->addresses);
            free(f);
        }
        free_words(n->commands);
        free(n);
    }
    while (t->links != NULL) {
        struct topo_link *l = t->links;
        t->links = l->next;
        free_words(l->impair[0]);
        free_words(l->impair[1]);
        free(l);
    }
    while (t->taps != NULL) {
        struct topo_tap *tap = t->taps;
        t->taps = tap->next;
        free(tap);
    }
    free(t->file);
    free(t);
}

struct topo_node *topo_node(const struct topo *t, const char *name)
{
    struct topo_node *n = t->nodes;
    while (n != NULL && strcmp(n->name, name) != 0)
        n = n->next;
    return n;
}

const struct topo_node *topo_has(const struct topo *t, enum topo_kind kind)
{
    const struct topo_node *n = t->nodes;
    while (n != NULL && n->kind != kind)
        n = n->next;
    return n;
}
