/* topo/parse.c: the YAML of a topology file (its form: topo.h).
 *
 * libyaml makes a tree with the place of each thing in the file; this walks it once, from the top, to
 * a fixed depth, so neither aliases nor deep nesting can make it run on. A key that isn't known is
 * refused with the list of those that are: a misspelt `route:` that is silently ignored costs a student an
 * evening.
 */
#include "topo/topo.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/parse.h"

struct reader {
    yaml_document_t doc;
    struct topo *t;
    const char *file;
    char *msg;
    size_t msg_size;
    unsigned entries; /* of lists and mappings, read so far */
    bool failed;
};

/* A hand writes less; a file made to harm (aliases that repeat a long text, brackets a million deep) would
 * take the machine's memory or an hour. */
#define NESTING_MAX 32
#define LIST_MAX    4096   /* entries of one list or mapping */
#define ENTRIES_MAX 100000 /* of all */
#define COMMAND_MAX 2000   /* bytes of a command */
#define IFS_MAX     256    /* interfaces of a node */

typedef const yaml_node_t item; /* a thing in the tree */

static void *must(void *p)
{
    if (p == NULL) {
        fputs("tapdeck: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

/* ---- the tree ---- */

static bool fail(struct reader *r, item *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct reader *r, item *at, const char *fmt, ...)
{
    va_list ap;
    if (r->failed)
        return false; /* the first one is the cause of the others */
    int n = at == NULL ? snprintf(r->msg, r->msg_size, "%s: ", r->file)
                       : snprintf(r->msg, r->msg_size, "%s:%zu:%zu: ", r->file, at->start_mark.line + 1,
                                  at->start_mark.column + 1);
    va_start(ap, fmt);
    if (n >= 0 && (size_t)n < r->msg_size)
        vsnprintf(r->msg + n, r->msg_size - (size_t)n, fmt, ap);
    va_end(ap);
    for (char *c = r->msg; *c != '\0'; c++) /* the file's words are quoted: none of them speaks to the terminal */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    r->failed = true;
    return false;
}

static item *get(struct reader *r, int index)
{
    return yaml_document_get_node(&r->doc, index);
}

static unsigned line_of(item *n)
{
    return (unsigned)n->start_mark.line + 1;
}

/* A scalar's text; NULL: it is none, or it holds a NUL. */
static const char *scalar(item *n)
{
    if (n == NULL || n->type != YAML_SCALAR_NODE)
        return NULL;
    const char *s = (const char *)n->data.scalar.value;
    return strlen(s) == n->data.scalar.length ? s : NULL;
}

/* Text that becomes a command: a scalar of one line. */
static const char *phrase(struct reader *r, item *n, const char *what)
{
    const char *s = scalar(n);
    if (s == NULL || *s == '\0' || strchr(s, '\n') != NULL || strlen(s) > COMMAND_MAX) {
        fail(r, n, "%s is one line of text, at most %d bytes", what, COMMAND_MAX);
        return NULL;
    }
    return s;
}

static bool yes(struct reader *r, item *n, const char *key, bool *out)
{
    const char *s = scalar(n);
    static const char *const words[2][4] = {{"no", "false", "off", "0"}, {"yes", "true", "on", "1"}};
    for (int v = 0; s != NULL && v < 2; v++) {
        for (int i = 0; i < 4; i++) {
            if (strcmp(s, words[v][i]) == 0) {
                *out = v == 1;
                return true;
            }
        }
    }
    return fail(r, n, "'%s' is yes or no", key);
}

/* Whether a list or mapping of n entries may be read. */
static bool not_too_many(struct reader *r, item *at, const char *what, ptrdiff_t n)
{
    if (n > LIST_MAX)
        return fail(r, at, "%s: at most %d entries", what, LIST_MAX);
    r->entries += (unsigned)n;
    return r->entries <= ENTRIES_MAX || fail(r, at, "a topology has at most %d entries in all", ENTRIES_MAX);
}

/* Calls fn for each key of a mapping; keys come once each. */
static bool each_key(struct reader *r, item *map, const char *what,
                     bool (*fn)(struct reader *r, void *ctx, item *key, const char *name, item *value),
                     void *ctx)
{
    if (map == NULL || map->type != YAML_MAPPING_NODE)
        return fail(r, map, "%s is a mapping: `key: value`, a line each", what);
    if (!not_too_many(r, map, what, map->data.mapping.pairs.top - map->data.mapping.pairs.start))
        return false;
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        item *key = get(r, p->key), *value = get(r, p->value);
        const char *name = scalar(key);
        if (name == NULL || value == NULL || strlen(name) > COMMAND_MAX)
            return fail(r, key != NULL ? key : map, "a key of %s is a word", what);
        for (yaml_node_pair_t *q = map->data.mapping.pairs.start; q < p; q++) {
            const char *before = scalar(get(r, q->key));
            if (before != NULL && strcmp(before, name) == 0)
                return fail(r, key, "'%s' is there already, in line %u", name, line_of(get(r, q->key)));
        }
        if (!fn(r, ctx, key, name, value))
            return false;
    }
    return true;
}

/* Calls fn for each entry of a list; a single scalar is a list of one. An empty value is an empty list. */
static bool each_entry(struct reader *r, item *list, const char *what,
                       bool (*fn)(struct reader *r, void *ctx, item *entry), void *ctx)
{
    const char *s = scalar(list);
    if (s != NULL)
        return *s == '\0' || fn(r, ctx, list);
    if (list == NULL || list->type != YAML_SEQUENCE_NODE)
        return fail(r, list, "%s is a list: `- entry`, a line each, or [entry, entry]", what);
    if (!not_too_many(r, list, what, list->data.sequence.items.top - list->data.sequence.items.start))
        return false;
    for (yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++)
        if (!fn(r, ctx, get(r, *i)))
            return false;
    return true;
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

static bool add_address(struct reader *r, void *ctx, item *entry)
{
    struct topo_if *f = ctx;
    td_ip4 addr;
    uint8_t plen;
    const char *s = scalar(entry);
    if (s == NULL || strchr(s, '/') == NULL || !parse_prefix(s, &addr, &plen))
        return fail(r, entry, "'%s' is not an address with its prefix length, such as 10.0.0.1/24",
                    s != NULL ? s : "this");
    add_words(&f->addresses, line_of(entry), "%s", s);
    return true;
}

static bool interface_key(struct reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct topo_if *f = ctx;
    if (strcmp(name, "address") == 0 || strcmp(name, "addresses") == 0)
        return each_entry(r, value, "an interface's addresses", add_address, f);
    if (strcmp(name, "mtu") == 0) {
        const char *s = scalar(value);
        if (s != NULL && parse_u32(s, 65521, &f->mtu) && f->mtu >= 68)
            return true;
        return fail(r, value, "an MTU is a number of bytes from 68 to 65521");
    }
    return fail(r, key, "'%s' is no key of an interface: there are address and mtu", name);
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

static bool add_interfaces(struct reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct node_ctx *c = ctx;
    if (!name_ok(name, TOPO_IF_MAX) || strcmp(name, "lo") == 0)
        return fail(r, key,
                    "'%s' is not a name for an interface: letters, digits, '_' and '-', at most %d, and "
                    "not lo",
                    name, TOPO_IF_MAX);
    if (ninterfaces(c->node) == IFS_MAX)
        return fail(r, key, "a node has at most %d interfaces", IFS_MAX);
    struct topo_if *f = add_interface(c->node, name, line_of(key));
    if (value->type == YAML_MAPPING_NODE)
        return each_key(r, value, "an interface", interface_key, f);
    return each_entry(r, value, "an interface's addresses", add_address, f);
}

static bool add_route(struct reader *r, void *ctx, item *entry)
{
    struct node_ctx *c = ctx;
    const char *s = phrase(r, entry, "a route, in the words after `ip route add`,");
    if (s != NULL)
        add_words(&c->node->commands, line_of(entry), "ip route add %s", s);
    return s != NULL;
}

static bool add_knob(struct reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct node_ctx *c = ctx;
    const char *s = phrase(r, value, "a knob's value");
    if (s == NULL)
        return false;
    if (strpbrk(name, " \t='\"\\#") != NULL || strpbrk(s, "'\"\\#") != NULL)
        return fail(r, key, "a knob is written as `net.ipv4.ip_forward: 1`");
    add_words(&c->node->commands, line_of(key), "sysctl -q -w '%s=%s'", name, s);
    return true;
}

static bool add_command(struct reader *r, void *ctx, item *entry)
{
    struct node_ctx *c = ctx;
    const char *s = phrase(r, entry, "a command");
    if (s != NULL)
        add_words(&c->node->commands, line_of(entry), "%s", s);
    return s != NULL;
}

static bool add_app(struct reader *r, void *ctx, item *entry)
{
    struct node_ctx *c = ctx;
    const char *s = phrase(r, entry, "an application, in the words after `app start`,");
    if (s == NULL)
        return false;
    if (c->node->kind == TOPO_LINUX)
        return fail(r, entry, "a linux node runs its own programs: start them under `commands`");
    add_words(&c->node->commands, line_of(entry), "app start %s", s);
    return true;
}

static bool read_kind(struct reader *r, struct topo_node *n, item *value)
{
    static const char *const kinds[] = {"tapdeck", "switch", "linux"};
    const char *s = scalar(value);
    for (int i = 0; s != NULL && i < 3; i++) {
        if (strcmp(s, kinds[i]) == 0) {
            n->kind = (enum topo_kind)i;
            return true;
        }
    }
    return fail(r, value, "a node's kind is tapdeck, switch or linux");
}

static bool node_key(struct reader *r, void *ctx, item *key, const char *name, item *value)
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
        c->forward_line = line_of(key);
        return yes(r, value, name, &c->forward);
    }
    if (strcmp(name, "faults") == 0)
        return yes(r, value, name, &c->node->faults);
    if (strcmp(name, "profile") == 0) {
        const char *s = scalar(value);
        c->node->rfc = s != NULL && strcmp(s, "rfc") == 0;
        if (c->node->rfc || (s != NULL && strcmp(s, "linux") == 0))
            return true;
        return fail(r, value, "a profile is linux or rfc");
    }
    return fail(r, key,
                "'%s' is no key of a node: there are kind, interfaces, routes, forward, sysctl, commands, "
                "apps, profile and faults",
                name);
}

/* The commands in the order in which they are to be run. */
static bool node_commands(struct reader *r, struct node_ctx *c)
{
    struct topo_node *n = c->node;
    if (c->interfaces != NULL &&
        !each_key(r, c->interfaces, "a node's interfaces", add_interfaces, c))
        return false;
    for (const struct topo_if *f = n->interfaces; f != NULL; f = f->next)
        for (const struct topo_words *a = f->addresses; a != NULL; a = a->next)
            add_words(&n->commands, a->line, "ip addr add %s dev %s", a->text, f->name);
    if (c->forward)
        add_words(&n->commands, c->forward_line, "sysctl -q -w net.ipv4.ip_forward=1");
    if (c->sysctl != NULL && !each_key(r, c->sysctl, "sysctl", add_knob, c))
        return false;
    if (c->routes != NULL && !each_entry(r, c->routes, "routes", add_route, c))
        return false;
    if (c->commands != NULL && !each_entry(r, c->commands, "commands", add_command, c))
        return false;
    return c->apps == NULL || each_entry(r, c->apps, "apps", add_app, c);
}

static bool add_node(struct reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct topo *t = ctx;
    if (!name_ok(name, TOPO_NAME_MAX))
        return fail(r, key, "'%s' is not a name for a node: letters, digits, '_' and '-', at most %d", name,
                    TOPO_NAME_MAX);
    if (t->nnodes == TOPO_NODES_MAX)
        return fail(r, key, "a topology has at most %d nodes", TOPO_NODES_MAX);
    struct topo_node *n = must(calloc(1, sizeof(*n)));
    struct topo_node **at = &t->nodes;
    while (*at != NULL)
        at = &(*at)->next;
    *at = n;
    snprintf(n->name, sizeof(n->name), "%s", name);
    n->line = line_of(key);
    n->index = t->nnodes++;
    struct node_ctx c = {.node = n};
    const char *empty = scalar(value);
    if (empty != NULL && *empty == '\0')
        return true; /* `sw:` alone: nothing to say about it */
    return each_key(r, value, "a node", node_key, &c) && node_commands(r, &c);
}

/* ---- links ---- */

/* "client.eth0", or "client" if it has one interface that no link has taken; a switch makes its
 * ports as they are asked for. */
static bool read_end(struct reader *r, item *at, struct topo_end *e)
{
    const char *s = scalar(at);
    if (s == NULL)
        return fail(r, at, "the end of a link is NODE.INTERFACE");
    const char *dot = strchr(s, '.');
    char name[TOPO_NAME_MAX + 1];
    size_t n = dot != NULL ? (size_t)(dot - s) : strlen(s);
    if (n < sizeof(name)) {
        memcpy(name, s, n);
        name[n] = '\0';
        e->node = topo_node(r->t, name);
    }
    if (e->node == NULL)
        return fail(r, at, "'%s' names no node of this file (nodes come under `nodes:`)", s);
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
            return fail(r, at, "a node has at most %d interfaces", IFS_MAX);
        do /* the first number from there on that nobody has named */
            snprintf(port, sizeof(port), "p%u", ++ports);
        while (find_interface(e->node, port) != NULL);
        if (dot != NULL && !name_ok(dot + 1, TOPO_IF_MAX))
            return fail(r, at, "'%s' is not a name for an interface", dot + 1);
        e->interface = add_interface(e->node, dot != NULL ? dot + 1 : port, line_of(at));
    }
    if (e->interface == NULL && dot == NULL)
        return fail(r, at, "node %s has %s: write NODE.INTERFACE", e->node->name,
                    nfree == 0 ? "no interface left to join" : "more than one interface");
    if (e->interface == NULL)
        return fail(r, at, "node %s has no interface %s: name it under its `interfaces:`", e->node->name,
                    dot + 1);
    if (e->interface->used)
        return fail(r, at, "%s.%s is an end of another link already", e->node->name, e->interface->name);
    e->interface->used = true;
    return true;
}

struct link_ctx {
    struct topo_link *link;
    item *ends, *impair[3]; /* both ways, there, back */
};

static bool link_key(struct reader *r, void *ctx, item *key, const char *name, item *value)
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
    return fail(r, key, "'%s' is no key of a link: there are ends, impair, there and back", name);
}

static bool read_impair(struct reader *r, struct topo_link *l, int dir, item *at)
{
    static const char *const disciplines[] = {"netem ", "tbf ", "fq_codel", "red ", "pfifo"};
    const char *s = phrase(r, at, "an impairment, in the words after `tc qdisc add dev X root`,");
    if (s == NULL)
        return false;
    bool named = false;
    for (size_t i = 0; i < sizeof(disciplines) / sizeof(*disciplines); i++)
        named = named || strncmp(s, disciplines[i], strlen(disciplines[i])) == 0;
    add_words(&l->impair[dir], line_of(at), "%s%s", named ? "" : "netem ", s);
    return true;
}

static bool add_link(struct reader *r, void *ctx, item *entry)
{
    struct topo *t = ctx;
    struct topo_link *l = must(calloc(1, sizeof(*l)));
    struct topo_link **at = &t->links;
    while (*at != NULL)
        at = &(*at)->next;
    *at = l;
    l->line = line_of(entry);
    struct link_ctx c = {.link = l, .ends = entry};
    if (entry->type == YAML_MAPPING_NODE) {
        c.ends = NULL;
        if (!each_key(r, entry, "a link", link_key, &c))
            return false;
    }
    if (c.ends == NULL || c.ends->type != YAML_SEQUENCE_NODE ||
        c.ends->data.sequence.items.top - c.ends->data.sequence.items.start != 2)
        return fail(r, c.ends != NULL ? c.ends : entry,
                    "a link has two ends: [client.eth0, router.left] (a node of the kind switch joins more)");
    for (int i = 0; i < 2; i++)
        if (!read_end(r, get(r, c.ends->data.sequence.items.start[i]), &l->end[i]))
            return false;
    for (int dir = 0; dir < 2; dir++) {
        item *own = c.impair[1 + dir] != NULL ? c.impair[1 + dir] : c.impair[0];
        if (own != NULL && !read_impair(r, l, dir, own))
            return false;
    }
    return true;
}

static bool add_tap(struct reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct topo *t = ctx;
    if (!name_ok(name, TOPO_IF_MAX))
        return fail(r, key, "'%s' is not a name for a TAP device", name);
    struct topo_tap *tap = must(calloc(1, sizeof(*tap)));
    struct topo_tap **at = &t->taps;
    while (*at != NULL)
        at = &(*at)->next;
    *at = tap;
    tap->line = line_of(key);
    snprintf(tap->device, sizeof(tap->device), "%s", name);
    if (!read_end(r, value, &tap->end))
        return false;
    if (tap->end.node->kind == TOPO_LINUX)
        return fail(r, value, "a TAP device leads to a tapdeck or a switch");
    return true;
}

/* ---- the document ---- */

struct top_ctx {
    item *nodes, *links, *taps;
};

static bool top_key(struct reader *r, void *ctx, item *key, const char *name, item *value)
{
    struct top_ctx *c = ctx;
    const char *s = scalar(value);
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
            return fail(r, value, "a topology's name has letters, digits, '_' and '-', at most %d",
                        TOPO_NAME_MAX);
        snprintf(r->t->name, sizeof(r->t->name), "%s", s);
        return true;
    }
    if (strcmp(name, "time") == 0) {
        r->t->virtual_time = s != NULL && strcmp(s, "virtual") == 0;
        if (r->t->virtual_time || (s != NULL && strcmp(s, "real") == 0))
            return true;
        return fail(r, value, "time is real or virtual");
    }
    if (strcmp(name, "seed") == 0) {
        r->t->has_seed = s != NULL && parse_u64(s, UINT64_MAX, &r->t->seed);
        return r->t->has_seed || fail(r, value, "a seed is a number");
    }
    return fail(r, key, "'%s' is no key of a topology: there are name, time, seed, nodes, links and taps",
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

static bool read_document(struct reader *r)
{
    item *root = yaml_document_get_root_node(&r->doc);
    struct top_ctx c = {0};
    if (root == NULL)
        return fail(r, NULL, "the file is empty: a topology has `nodes:` and `links:`");
    if (!each_key(r, root, "a topology", top_key, &c))
        return false;
    if (c.nodes == NULL)
        return fail(r, root, "there are no nodes: a topology has `nodes:` and `links:`");
    if (!each_key(r, c.nodes, "nodes", add_node, r->t))
        return false;
    if (c.links != NULL && !each_entry(r, c.links, "links", add_link, r->t))
        return false;
    if (c.taps != NULL && !each_key(r, c.taps, "taps", add_tap, r->t))
        return false;
    if (r->t->virtual_time && r->t->taps != NULL)
        return fail(r, c.taps, "TAP devices live in real time: a topology with taps can't have `time: virtual`");
    finish_switches(r->t);
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

/* Reads the events once, for what the tree's maker would choke on: deep nesting costs libyaml a time that grows with
 * its square. False: a sentence, unless the trouble is one of YAML, which yaml_parser_load will say. */
static bool shape_ok(const char *file, const char *bytes, size_t len, char *msg, size_t msg_size)
{
    yaml_parser_t parser;
    yaml_event_t e;
    unsigned depth = 0, documents = 0;
    bool ok = true, over = false;
    if (!yaml_parser_initialize(&parser))
        return true;
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
    while (ok && !over && yaml_parser_parse(&parser, &e)) {
        unsigned long line = e.start_mark.line + 1, column = e.start_mark.column + 1;
        over = e.type == YAML_STREAM_END_EVENT;
        if (e.type == YAML_DOCUMENT_START_EVENT && ++documents > 1) {
            snprintf(msg, msg_size, "%s:%lu:%lu: a second YAML document begins here: a topology is one", file, line, column);
            ok = false;
        }
        if (e.type == YAML_SEQUENCE_END_EVENT || e.type == YAML_MAPPING_END_EVENT)
            depth--;
        if ((e.type == YAML_SEQUENCE_START_EVENT || e.type == YAML_MAPPING_START_EVENT) && ++depth > NESTING_MAX) {
            snprintf(msg, msg_size, "%s:%lu:%lu: this is nested too deep for a topology", file, line, column);
            ok = false;
        }
        yaml_event_delete(&e);
    }
    yaml_parser_delete(&parser);
    return ok;
}

struct topo *topo_parse(const char *file, const char *bytes, size_t len, char *msg, size_t msg_size)
{
    struct reader r = {.file = file, .msg = msg, .msg_size = msg_size};
    yaml_parser_t parser;
    if (len > TOPO_FILE_MAX) {
        snprintf(msg, msg_size, "%s: a topology file has at most %d bytes", file, TOPO_FILE_MAX);
        return NULL;
    }
    if (!shape_ok(file, bytes, len, msg, msg_size))
        return NULL;
    if (!yaml_parser_initialize(&parser)) {
        snprintf(msg, msg_size, "%s: out of memory", file);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
    if (!yaml_parser_load(&parser, &r.doc)) {
        snprintf(msg, msg_size, "%s:%zu:%zu: this is not YAML: %s", file, parser.problem_mark.line + 1,
                 parser.problem_mark.column + 1, parser.problem != NULL ? parser.problem : "unreadable");
        yaml_parser_delete(&parser);
        return NULL;
    }
    r.t = must(calloc(1, sizeof(*r.t)));
    r.t->file = must(strdup(file));
    default_name(r.t);
    bool ok = read_document(&r);
    yaml_document_delete(&r.doc);
    yaml_parser_delete(&parser);
    if (ok)
        return r.t;
    topo_free(r.t);
    return NULL;
}

struct topo *topo_load(const char *file, char *msg, size_t msg_size)
{
    FILE *f = fopen(file, "re");
    struct text t = {0};
    char buf[4096];
    size_t n;
    if (f == NULL) {
        snprintf(msg, msg_size, "the topology %s can't be read: %s", file, strerror(errno));
        return NULL;
    }
    while (t.len <= TOPO_FILE_MAX && (n = fread(buf, 1, sizeof(buf), f)) > 0)
        text_add(&t, buf, n);
    int err = ferror(f) ? errno : 0;
    fclose(f);
    struct topo *topo = NULL;
    if (err != 0)
        snprintf(msg, msg_size, "the topology %s can't be read: %s", file, strerror(err));
    else
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
