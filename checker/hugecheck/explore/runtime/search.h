/*
 * search.h: breadth-first search over all reachable states. The C twin of explore/search.py: it finds the same states, numbers them in the same order
 * and makes the same findings, for any number of workers.
 *
 * The sources of a level are taken in blocks, a block in three phases:
 *   1. expand  each chunk of sources gives candidates (successor states) and events (what was noticed); chunks are independent
 *   2. insert  each shard of the table looks its candidates up, in order, and marks those that are fresh; shards are independent
 *   3. settle  in order: fresh candidates become states and are numbered, events are acted upon, limits are looked at
 * Nothing before phase 3 changes what the search has found, so what it answers does not depend on how the chunks were spread over workers.
 *
 * A path is rebuilt from the parents of its states: the parent is expanded again until the child comes out. Where states stand for others (symmetry.h), the
 * path is that of real states: each is expanded, and the successor that the next one stands for is the next.
 */
#ifndef HUGECHECK_SEARCH_H
#define HUGECHECK_SEARCH_H

#include "moves.h"
#include "states.h"
#include "symmetry.h"
#include "workers.h"

enum { CHUNK = 256, MAX_CHUNKS = 64, AHEAD = 16, NEAR = 8 };

/* why the search is over */
enum {
    RUNNING, COMPLETE, INTERRUPTED, NO_MEMORY, TOO_MANY_STATES, STATE_LIMIT, DEPTH_LIMIT, ALL_DECIDED,
    GIVEN_UP            /* a failure other than one of the model; `failure`, `failure_site` and `failure_number` say which */
};

/* what was noticed; the numbers are also in native/engine.py */
enum {
    AT_STATE,           /* the state itself decides the clause */
    AFTER_MOVE,         /* a check does not hold, or a result is not the expected one: `number` */
    INSIDE_MOVE,        /* a state within a merged operation, after `sections` sections, decides the clause */
    BROKEN_MOVE,        /* the model breaks its own contract at `site`, in the move or after `sections` sections of it */
    BROKEN_STATE,       /* a clause or condition has no value in the state, because of what is at `site` */
    STUCK,              /* the only thread waits for ever */
    HOPELESS            /* the search ends here */
};

struct event {
    int kind, clause, move, sections, site;
    uint32_t source;    /* number of a state */
    uint32_t candidate; /* the event comes before this candidate of its chunk */
    value number;
    uint32_t choices, choice_count;
};

struct candidate_origin {
    int move;
    uint32_t choices, choice_count;
};

struct chunk {
    uint64_t first;             /* number of the first source */
    int sources;
    uint32_t ends[CHUNK];       /* candidates up to the end of each source */
    uint32_t transitions[CHUNK];
    word *out;
    uint64_t *hashes, *places;
    unsigned char *fresh;       /* 0: known, 1: new, 2: new, and decides a clause */
    uint32_t *shard[SHARDS];    /* the candidates of each shard, in order */
    uint32_t shard_count[SHARDS];
    uint32_t count, capacity;
    struct event *events;
    uint32_t event_count, event_capacity;
    value *choices;             /* of events, and of origins */
    uint32_t choice_count, choice_capacity;
    struct candidate_origin *origins;   /* only when a path is rebuilt */
    int refused;                /* whether a step was refused: then by which call, and where it was last */
    int refused_call[CALL_SPANS];
    uint32_t refused_at[CALL_SPANS];
    int failed;                 /* no memory */
};

struct finding {
    int kind, move, sections, site;
    uint32_t source;
    value number;
    uint32_t choice_count;
    value *choices;
};

/* What Python sets before and reads during and after a run. Mirrored in native/engine.py. */
struct report {
    uint64_t states, transitions, depth, frontier;
    uint64_t max_states, max_depth;     /* limits; 0 / UINT64_MAX: none */
    uint64_t bytes;                     /* in use */
    int32_t status, stop, workers, cut_by_depth;
    int32_t failure, failure_site;
    int64_t failure_number;
};

struct search {
    struct report *report;
    struct states states;
    uint64_t level, level_end, next;    /* first and last + 1 of the level at hand; the next source */
    unsigned char open[CLAUSES + 1];    /* clauses that are still to be decided */
    int undecided;
    unsigned char counts[CLAUSES + 1];  /* whether the clause takes part in `undecided` */
    struct finding found[CLAUSES + 1];  /* the last: `broken` */
    unsigned char has[CLAUSES + 1];
    unsigned char started[CALL_SPANS];
    uint32_t refused_at[CALL_SPANS];
    int refused_call[CALL_SPANS];
    struct chunk chunks[MAX_CHUNKS];
    int chunk_count;
    struct context contexts[MAX_WORKERS];
    struct pool pool;
    word initial[WORDS], real[WORDS];   /* the first state as it is; the state at the end of the last path that was asked for */
    value *path;                        /* the answer of `search_path` */
    uint64_t path_size;
};

/* ---------------------------------------------------------------- buffers of a chunk */

static int grow(void **memory, size_t size)
{
    void *bigger = realloc(*memory, size);
    if (bigger == NULL)
        return 0;
    *memory = bigger;
    return 1;
}

static NOINLINE int chunk_grow(struct chunk *c, int origins)
{
    uint32_t n = c->capacity ? c->capacity * 2 : 1024;
    int ok = grow((void **)&c->out, n * (size_t)WORDS * sizeof(word)) && grow((void **)&c->hashes, n * sizeof(uint64_t))
        && grow((void **)&c->places, n * sizeof(uint64_t)) && grow((void **)&c->fresh, n);
    for (int s = 0; s < SHARDS; s++)
        ok = ok && grow((void **)&c->shard[s], n * sizeof(uint32_t));
    if (origins)
        ok = ok && grow((void **)&c->origins, n * sizeof(struct candidate_origin));
    if (ok)
        c->capacity = n;
    else
        c->failed = 1;
    return ok;
}

/* Keep the choices of the transition at hand; their place. */
static NOINLINE uint32_t keep_choices(struct chunk *c, const struct context *x)
{
    if (x->asked == 0)
        return 0;
    if (c->choice_count + (uint32_t)x->asked > c->choice_capacity) {
        uint32_t n = c->choice_capacity * 2 + (uint32_t)x->asked + 64;
        if (!grow((void **)&c->choices, n * sizeof(value))) {
            c->failed = 1;
            return 0;
        }
        c->choice_capacity = n;
    }
    memcpy(c->choices + c->choice_count, x->chosen, (size_t)x->asked * sizeof(value));
    c->choice_count += (uint32_t)x->asked;
    return c->choice_count - (uint32_t)x->asked;
}

static NOINLINE struct event *note(struct chunk *c, int kind, int clause, uint64_t source, int move)
{
    static struct event nowhere;
    if (c->event_count == c->event_capacity) {
        uint32_t n = c->event_capacity ? c->event_capacity * 2 : 16;
        if (!grow((void **)&c->events, n * sizeof(struct event))) {
            c->failed = 1;
            return &nowhere;
        }
        c->event_capacity = n;
    }
    struct event *e = &c->events[c->event_count++];
    *e = (struct event){.kind = kind, .clause = clause, .move = move, .source = (uint32_t)source, .candidate = c->count};
    return e;
}

/* The search cannot go on: the failure at hand is why. */
static NOINLINE void give_up(struct chunk *c, uint64_t source, const struct context *x)
{
    struct event *e = note(c, HOPELESS, 0, source, 0);
    e->sections = x->failure;
    e->site = x->site;
    e->number = x->number;
}

static void chunk_free(struct chunk *c)
{
    free(c->out);
    free(c->hashes);
    free(c->places);
    free(c->fresh);
    for (int s = 0; s < SHARDS; s++)
        free(c->shard[s]);
    free(c->events);
    free(c->choices);
    free(c->origins);
}

/* ---------------------------------------------------------------- phase 1 */

/* What the watcher of a merged operation has to know. */
struct inside {
    const struct search *search;
    struct context *x;
    int sections[CLAUSES + 1];  /* after how many sections the clause was decided first; 0: it was not */
    int any;
    struct fault fault;
    int fault_sections;
};

static int look_inside(void *who, const word *w, int sections)
{
    struct inside *in = who;
    int decided[CLAUSES + 1];
    int n = judge(w, 0, in->search->open, decided, in->x, &in->fault);
    if (in->fault.any && in->fault_sections == 0)
        in->fault_sections = sections;
    for (int i = 0; i < n; i++)
        if (in->sections[decided[i]] == 0) {
            in->sections[decided[i]] = sections;
            in->any = 1;
        }
    return n < 0;
}

/* what an expansion is for */
enum { TO_SEARCH, TO_TRACE, TO_PROBE, TO_LOCATE };

static void note_broken(struct chunk *c, uint64_t source, int move, int sections, const struct fault *fault, const struct context *x)
{
    uint32_t at = move >= 0 ? keep_choices(c, x) : 0;
    struct event *e = note(c, move >= 0 ? BROKEN_MOVE : BROKEN_STATE, CLAUSES, source, move);
    e->sections = sections;
    e->site = fault->site;
    e->number = fault->number;
    e->choices = at;
    e->choice_count = move >= 0 ? (uint32_t)x->asked : 0;
}

static void note_clause(struct chunk *c, int kind, int clause, uint64_t source, int move, const struct context *x, int sections, value number)
{
    uint32_t at = keep_choices(c, x);
    struct event *e = note(c, kind, clause, source, move);
    e->sections = sections;
    e->number = number;
    e->choices = at;
    e->choice_count = (uint32_t)x->asked;
}

/* A stored state at its full length. */
static inline void at_work(word *w, const word *state)
{
    memcpy(w, state, WORDS * sizeof(word));
    memset(w + WORDS, 0, (WORK_WORDS - WORDS) * sizeof(word));
}

/* One way of making a move: with the choices that are prescribed. 1: it was enabled; 0: not; -1: the search cannot go on. */
static int try_move(
    struct search *g, struct chunk *c, uint64_t source, const word *state, int m, const struct move *move, struct context *x, int purpose)
{
    const unsigned char *expected = RESULT_CLAUSE >= 0 && move->check < 0 && move->skip < 0 ? expected_results(state, move) : NULL;
    int merged = MERGED || move->thread == SETUP;
    word w[WORK_WORDS];
    struct outcome outcome;
    struct inside inside;
    memcpy(w, state, sizeof w);
    if (merged) {
        memset(inside.sections, 0, sizeof inside.sections);
        inside.any = inside.fault.any = inside.fault_sections = 0;
        inside.search = g;
        inside.x = x;
    }
    x->asked = 0;
    int failed = take(w, move, x, merged ? look_inside : NULL, &inside, &outcome) == FAILED;
    if (UNLIKELY(merged && inside.fault_sections))
        note_broken(c, source, m, inside.fault_sections, &inside.fault, x);
    if (UNLIKELY(failed)) {
        struct fault fault = {0};
        if (!faulted(x, &fault))
            return -1;
        note_broken(c, source, m, 0, &fault, x);
        return 1;
    }
    if (outcome.disabled)
        return 0;
    if (UNLIKELY(merged && inside.any)) {
        int decided[CLAUSES + 1];
        struct fault fault = {0};
        int k = judge(w, 1, g->open, decided, x, &fault);
        if (k < 0)
            return -1;
        if (fault.any)
            note_broken(c, source, m, 0, &fault, x);
        for (int i = 0; i < k; i++)
            inside.sections[decided[i]] = 0;
        for (int i = 0; i < CLAUSES; i++)
            if (inside.sections[i])
                note_clause(c, INSIDE_MOVE, i, source, m, x, inside.sections[i], 0);
    }
    if (expected != NULL && outcome.result != NO_RESULT && (outcome.result == HANG || !expected[outcome.result]))
        note_clause(c, AFTER_MOVE, RESULT_CLAUSE, source, m, x, 0, outcome.result);
    if (c->count == c->capacity && !chunk_grow(c, purpose == TO_TRACE))
        return 1;
    if (SYMMETRY && purpose != TO_TRACE)
        canonical(w);
    uint64_t hash = hash_of(w);
    unsigned s = shard_of(hash);
    memcpy(c->out + (size_t)c->count * WORDS, w, WORDS * sizeof(word));
    c->hashes[c->count] = hash;
    c->shard[s][c->shard_count[s]++] = c->count;
    if (purpose == TO_TRACE) {
        uint32_t at = keep_choices(c, x);
        c->origins[c->count] = (struct candidate_origin){m, at, (uint32_t)x->asked};
    }
    c->count++;
    return 1;
}

/* The choices still to be followed for a move: a stack of (values ..., their number), the next on top. */
struct pending {
    value *stack;
    size_t depth, capacity;
};

/* The choices that branch off after what was prescribed: the earliest position comes first, then ascending. */
static NOINLINE int push_others(struct pending *p, const struct context *x)
{
    for (int position = x->asked - 1; position >= x->prescribed; position--)
        for (value v = x->offered[position] - 1; v > 0; v--) {
            size_t need = p->depth + (size_t)position + 2;
            if (need > p->capacity) {
                if (!grow((void **)&p->stack, (need * 2 + 64) * sizeof(value)))
                    return 0;
                p->capacity = need * 2 + 64;
            }
            memcpy(p->stack + p->depth, x->chosen, (size_t)position * sizeof(value));
            p->stack[p->depth + (size_t)position] = v;
            p->stack[p->depth + (size_t)position + 1] = position + 1;
            p->depth = need;
        }
    return 1;
}

static void pop_choices(struct pending *p, struct context *x)
{
    x->prescribed = (int)p->stack[p->depth - 1];
    p->depth -= 1 + (size_t)x->prescribed;
    memcpy(x->chosen, p->stack + p->depth, (size_t)x->prescribed * sizeof(value));
}

/* Nobody can go on: have all threads ended as they should? */
static void look_at_end(struct search *g, struct chunk *c, uint64_t source, const word *state, struct context *x)
{
    int over = 1;
    for (int t = 0; t < THREADS; t++) {
        int status = status_of(state, t, x);
        if (status == STATUS_FAILED) {
            give_up(c, source, x);
            return;
        }
        over = over && (status == ENDED || status == NOT_READY);
    }
    if (!over) {
        note(c, DEADLOCK_CLAUSE >= 0 ? AT_STATE : STUCK, DEADLOCK_CLAUSE >= 0 ? DEADLOCK_CLAUSE : CLAUSES, source, 0);
        return;
    }
    for (int i = 0; i < FINAL_CLAUSES; i++) {
        value holds = 1;
        struct fault fault = {0};
        if (!g->open[finals[i]])
            continue;
        if (clause_value(finals[i], state, x, &holds) != FAILED) {
            if (!holds)
                note(c, AT_STATE, finals[i], source, 0);
        } else if (faulted(x, &fault)) {
            note_broken(c, source, -1, 0, &fault, x);
        } else {
            give_up(c, source, x);
        }
    }
}

static void evaluate_check(struct chunk *c, uint64_t source, const word *state, int m, const struct move *move, struct context *x)
{
    value holds = 1;
    struct fault fault = {0};
    if (clause_value(move->check, state, x, &holds) != FAILED) {
        if (!holds)
            note(c, AFTER_MOVE, move->check, source, m);
    } else if (faulted(x, &fault)) {
        note_broken(c, source, -1, 0, &fault, x);
    } else {
        give_up(c, source, x);
    }
}

/*
 * Everything that the threads can do in `from`, the state of the chunk's source in that slot.
 * TO_TRACE: note where each candidate comes from; TO_PROBE: only whether there is one; TO_LOCATE: for the events.
 */
static void expand(struct search *g, struct chunk *c, int slot, const word *from, struct context *x, int purpose)
{
    uint64_t source = c->first + (uint64_t)slot;
    word state[WORK_WORDS];
    struct move moves[MAX_MOVES];
    struct fault faults[THREADS];
    struct pending pending = {0};
    uint32_t transitions = 0;
    int fault_count;
    at_work(state, from);
    int n = list_moves(state, moves, x, faults, &fault_count);
    if (UNLIKELY(n < 0))
        give_up(c, source, x);
    for (int i = 0; i < fault_count; i++)
        note_broken(c, source, -1, 0, &faults[i], x);
    for (int m = 0; m < n && (purpose != TO_PROBE || transitions == 0); m++) {
        const struct move *move = &moves[m];
        if (move->check >= 0 && (purpose == TO_SEARCH || purpose == TO_LOCATE))
            evaluate_check(c, source, state, m, move, x);
        if (purpose == TO_SEARCH) {
            if (move->call >= 0) {
                g->started[calls[move->call].span] = 1;
            } else if (move->skip >= 0) {
                int span = calls[move->skip].span;
                if (!c->refused)
                    memset(c->refused_call, -1, sizeof c->refused_call);
                c->refused = 1;
                c->refused_at[span] = (uint32_t)source;
                c->refused_call[span] = move->skip;
            }
        }
        x->prescribed = 0;
        for (;;) {
            int enabled = try_move(g, c, source, state, m, move, x, purpose);
            if (UNLIKELY(enabled < 0)) {
                give_up(c, source, x);
                break;
            }
            transitions += (uint32_t)enabled;
            if (x->asked > x->prescribed && !push_others(&pending, x))
                c->failed = 1;
            if (pending.depth == 0 || c->failed)
                break;
            pop_choices(&pending, x);
        }
        pending.depth = 0;
    }
    free(pending.stack);
    if (transitions == 0 && n >= 0 && fault_count == 0 && purpose == TO_SEARCH)
        look_at_end(g, c, source, state, x);
    c->ends[slot] = c->count;
    c->transitions[slot] = transitions;
}

static void chunk_begin(struct chunk *c, uint64_t first, int sources)
{
    c->first = first;
    c->sources = sources;
    c->count = c->event_count = c->choice_count = 0;
    c->refused = 0;
    for (int s = 0; s < SHARDS; s++)
        c->shard_count[s] = 0;
}

static void expand_chunk(void *who, int number, int worker)
{
    struct search *g = who;
    struct chunk *c = &g->chunks[number];
    for (int slot = 0; slot < c->sources && !g->report->stop && !c->failed; slot++)
        expand(g, c, slot, state_at(&g->states, c->first + (uint64_t)slot), &g->contexts[worker], TO_SEARCH);
}

/* ---------------------------------------------------------------- phase 2 */

/* Candidate k of a chunk, as one number. */
static inline uint64_t candidate_number(int chunk, uint32_t k) { return (uint64_t)chunk << 24 | k; }

static inline const word *entry_state(const struct search *g, uint64_t number)
{
    if (number & PROVISIONAL)
        return g->chunks[(number & ~PROVISIONAL) >> 24].out + (number & 0xffffff) * WORDS;
    return state_at(&g->states, number);
}

static void insert_shard(void *who, int shard, int worker)
{
    struct search *g = who;
    struct states *s = &g->states;
    uint64_t *table = (uint64_t *)s->table.memory;
    struct context *x = &g->contexts[worker];
    for (int n = 0; n < g->chunk_count; n++) {
        struct chunk *c = &g->chunks[n];
        const uint32_t *mine = c->shard[shard];
        uint32_t count = c->shard_count[shard];
        for (uint32_t i = 0; i < count && i < AHEAD; i++)
            __builtin_prefetch(&table[home_of(s, c->hashes[mine[i]])], 1);
        for (uint32_t i = 0; i < count; i++) {
            if (i + AHEAD < count)
                __builtin_prefetch(&table[home_of(s, c->hashes[mine[i + AHEAD]])], 1);
            if (i + NEAR < count) {
                /* the entry has arrived: fetch the state that it will be compared with */
                uint64_t near = c->hashes[mine[i + NEAR]], entry = table[home_of(s, near)];
                if (entry >> 32 == (uint32_t)near && entry)
                    __builtin_prefetch(entry_state(g, (uint32_t)entry - 1));
            }
            uint32_t k = mine[i];
            const word *w = c->out + (size_t)k * WORDS;
            uint64_t hash = c->hashes[k], place = home_of(s, hash), entry;
            c->fresh[k] = 0;
            while ((entry = table[place])) {
                if (entry >> 32 == (uint32_t)hash && same_state(entry_state(g, (uint32_t)entry - 1), w))
                    goto known;
                place = next_place(s, place);
            }
            table[place] = hash << 32 | ((candidate_number(n, k) | PROVISIONAL) + 1);
            c->places[k] = place;
            int decided[CLAUSES + 1];
            struct fault fault = {0};
            c->fresh[k] = judge(w, quiescent(w), g->open, decided, x, &fault) || fault.any ? 2 : 1;
        known:;
        }
    }
}

/* ---------------------------------------------------------------- phase 3 */

static void decide(struct search *g, int clause, const struct event *e, const value *choices)
{
    if (g->has[clause])
        return;
    struct finding *f = &g->found[clause];
    *f = (struct finding){e->kind, e->move, e->sections, e->site, e->source, e->number, e->choice_count, NULL};
    if (e->choice_count) {
        f->choices = malloc(e->choice_count * sizeof(value));
        if (f->choices != NULL)
            memcpy(f->choices, choices + e->choices, e->choice_count * sizeof(value));
    }
    g->has[clause] = 1;
    if (g->open[clause]) {
        g->open[clause] = 0;
        g->undecided -= g->counts[clause];
    }
}

/* The search ends: why is in the report. */
static int hopeless(struct report *r, int failure, int site, value number)
{
    r->failure = failure;
    r->failure_site = site;
    r->failure_number = number;
    return GIVEN_UP;
}

/* The clauses that a new state decides. */
static int visit(struct search *g, uint64_t number)
{
    int decided[CLAUSES + 1];
    struct context *x = &g->contexts[0];
    struct fault fault = {0};
    const word *w = state_at(&g->states, number);
    int n = judge(w, quiescent(w), g->open, decided, x, &fault);
    struct event e = {.kind = AT_STATE, .source = (uint32_t)number};
    for (int i = 0; i < n; i++)
        decide(g, decided[i], &e, NULL);
    if (fault.any) {
        e = (struct event){.kind = BROKEN_STATE, .source = (uint32_t)number, .site = fault.site, .number = fault.number};
        decide(g, CLAUSES, &e, NULL);
    }
    return n < 0 ? hopeless(g->report, x->failure, x->site, x->number) : RUNNING;
}

static int act(struct search *g, const struct chunk *c, const struct event *e)
{
    if (e->kind == HOPELESS)
        return hopeless(g->report, e->sections, e->site, e->number);
    if (e->kind != INSIDE_MOVE || g->open[e->clause])
        decide(g, e->clause, e, c->choices);
    return RUNNING;
}

/* Which steps were refused last in a chunk whose sources are all done. */
static void settle_refusals(struct search *g, const struct chunk *c)
{
    for (int span = 0; c->refused && span < CALL_SPANS; span++)
        if (c->refused_call[span] >= 0) {
            g->refused_call[span] = c->refused_call[span];
            g->refused_at[span] = c->refused_at[span];
        }
}

static int settle_chunk(struct search *g, int number)
{
    struct report *r = g->report;
    struct states *s = &g->states;
    struct chunk *c = &g->chunks[number];
    uint64_t *table = (uint64_t *)s->table.memory;
    uint32_t *parents = (uint32_t *)s->parents.memory;
    const struct event *e = c->events, *last = e + c->event_count;
    uint32_t k = 0;
    for (int slot = 0; slot < c->sources; slot++) {
        uint64_t source = c->first + (uint64_t)slot;
        if (r->max_states && s->count >= r->max_states)
            return STATE_LIMIT;
        for (; k < c->ends[slot]; k++) {
            for (; e < last && e->candidate <= k; e++) {
                int status = act(g, c, e);
                if (status != RUNNING)
                    return status;
            }
            if (!c->fresh[k])
                continue;
            uint64_t new = s->count++;
            memcpy(state_at(s, new), c->out + (size_t)k * WORDS, WORDS * sizeof(word));
            parents[new] = (uint32_t)source;
            table[c->places[k]] = c->hashes[k] << 32 | (new + 1);
            if (c->fresh[k] == 2) {
                int status = visit(g, new);
                if (status != RUNNING)
                    return status;
            }
        }
        for (; e < last && e->source == source; e++) {
            int status = act(g, c, e);
            if (status != RUNNING)
                return status;
        }
        r->transitions += c->transitions[slot];
        g->next = source + 1;
        if (g->undecided == 0) {
            r->depth++;
            return ALL_DECIDED;
        }
    }
    settle_refusals(g, c);
    return RUNNING;
}

/* ---------------------------------------------------------------- the search */

/* Whether some move can be made. Errors that this shows are found. */
static int has_successor(struct search *g, struct chunk *c, uint64_t number, int *status)
{
    chunk_begin(c, number, 1);
    expand(g, c, 0, state_at(&g->states, number), &g->contexts[0], TO_PROBE);
    for (uint32_t i = 0; i < c->event_count && *status == RUNNING; i++)
        if (c->events[i].kind == BROKEN_STATE || c->events[i].kind == HOPELESS)
            *status = act(g, c, &c->events[i]);
    return c->transitions[0] > 0;
}

static int run_block(struct search *g)
{
    struct report *r = g->report;
    uint64_t left = g->level_end - g->next;
    int chunks = 0;
    for (; chunks < MAX_CHUNKS / 4 * (r->workers > 1 ? 4 : 1) && left > 0; chunks++) {
        int sources = left < CHUNK ? (int)left : CHUNK;
        chunk_begin(&g->chunks[chunks], g->next + (uint64_t)chunks * CHUNK, sources);
        left -= (uint64_t)sources;
    }
    g->chunk_count = chunks;
    parallel(&g->pool, expand_chunk, g, chunks);
    if (r->stop)
        return INTERRUPTED;
    uint64_t candidates = 0;
    for (int n = 0; n < chunks; n++) {
        if (g->chunks[n].failed)
            return NO_MEMORY;
        if (g->chunks[n].count > 0xffffff)
            return TOO_MANY_STATES;
        candidates += g->chunks[n].count;
    }
    if (g->states.count + candidates > MAX_STATES)
        return TOO_MANY_STATES;
    if (!states_reserve(&g->states, candidates))
        return NO_MEMORY;
    parallel(&g->pool, insert_shard, g, SHARDS);
    for (int n = 0; n < chunks; n++) {
        int status = settle_chunk(g, n);
        if (status != RUNNING)
            return status;
    }
    return RUNNING;
}

static void publish(struct search *g)
{
    struct report *r = g->report;
    r->states = g->states.count;
    r->frontier = g->level_end - g->level;
    r->bytes = g->states.count * (WORDS * sizeof(word) + sizeof(uint32_t)) + (sizeof(uint64_t) << g->states.log2);
}

static int run(struct search *g)
{
    struct report *r = g->report;
    for (;;) {
        if (r->depth >= r->max_depth) {
            int status = RUNNING;
            for (uint64_t n = g->level; n < g->level_end && status == RUNNING; n++)
                if (has_successor(g, &g->chunks[0], n, &status) && status == RUNNING) {
                    r->cut_by_depth = 1;
                    return DEPTH_LIMIT;
                }
            return status == RUNNING ? COMPLETE : status;
        }
        while (g->next < g->level_end) {
            int status = run_block(g);
            publish(g);
            if (status != RUNNING)
                return status;
        }
        g->level = g->level_end;
        g->level_end = g->states.count;
        if (g->level == g->level_end)
            return COMPLETE;
        r->depth++;
    }
}

/* ---------------------------------------------------------------- what Python calls */

/* A search that stands before the initial state. `open`: the clauses that are to be decided; NULL when there is no memory. */
struct search *search_new(const word *initial, const unsigned char *open, struct report *report)
{
    struct search *g = calloc(1, sizeof *g);
    if (g == NULL || !states_reserve(&g->states, 1)) {
        free(g);
        return NULL;
    }
    g->report = report;
    for (int i = 0; i < CLAUSES; i++) {
        g->open[i] = g->counts[i] = open[i];
        g->undecided += open[i];
    }
    g->undecided += open[CLAUSES];      /* examples alone do not end the search for deadlocks */
    for (int i = 0; i < CALL_SPANS; i++)
        g->refused_call[i] = -1;
    for (int i = 0; i < MAX_WORKERS; i++)
        g->contexts[i].stop = &report->stop;
    memcpy(g->initial, initial, sizeof g->initial);
    word *first = state_at(&g->states, 0);
    memcpy(first, initial, sizeof g->initial);
    if (SYMMETRY)
        canonical(first);
    ((uint32_t *)g->states.parents.memory)[0] = NO_PARENT;
    uint64_t hash = hash_of(first);
    ((uint64_t *)g->states.table.memory)[home_of(&g->states, hash)] = hash << 32 | 1;
    g->states.count = 1;
    g->level_end = 1;
    return g;
}

/* Search until it is over; `report` says how it went. */
void search_run(struct search *g)
{
    struct report *r = g->report;
    r->status = g->next == 0 ? visit(g, 0) : RUNNING;
    if (r->status == RUNNING) {
        pool_start(&g->pool, r->workers);
        r->status = run(g);
        pool_stop(&g->pool);
    }
    publish(g);
}

/* The finding on a clause (CLAUSES: on the model itself), or NULL. */
const struct finding *search_finding(const struct search *g, int clause)
{
    return g->has[clause] ? &g->found[clause] : NULL;
}

static int stands_for(const word *known, const word *real)
{
    word w[WORDS];
    memcpy(w, real, sizeof w);
    if (SYMMETRY)
        canonical(w);
    return same_state(known, w);
}

/*
 * The finding on a clause is about a move from a state that stands for others. After `search_path` to that state: make it the finding about the same in the
 * real state at the end of the path. 0: no memory.
 */
int search_locate(struct search *g, int clause)
{
    struct finding *f = &g->found[clause];
    struct chunk c = {0};
    unsigned char open = g->open[clause];
    int ok = 0;
    if (!SYMMETRY || (f->kind != AFTER_MOVE && f->kind != INSIDE_MOVE && f->kind != BROKEN_MOVE))
        return 1;
    g->open[clause] = 1;
    chunk_begin(&c, f->source, 1);
    expand(g, &c, 0, g->real, &g->contexts[0], TO_LOCATE);
    g->open[clause] = open;
    for (uint32_t i = 0; i < c.event_count && !ok; i++)
        if (c.events[i].kind == f->kind && c.events[i].clause == clause && c.events[i].site == f->site) {
            g->has[clause] = 0;
            free(f->choices);
            decide(g, clause, &c.events[i], c.choices);
            ok = 1;
        }
    chunk_free(&c);
    return ok;
}

/*
 * How to get from the initial state to state `number`: for each step the number of the move, how many choices it has, and those.
 * The size of the answer in *size, or NULL without memory.
 */
const value *search_path(struct search *g, uint32_t number, uint64_t *size)
{
    const uint32_t *parents = (const uint32_t *)g->states.parents.memory;
    uint64_t length = 0;
    for (uint32_t n = number; parents[n] != NO_PARENT; n = parents[n])
        length++;
    uint32_t *chain = malloc((length + 1) * sizeof(uint32_t));
    struct chunk c = {0};
    uint64_t capacity = 0, used = 0;
    int ok = chain != NULL;
    memcpy(g->real, g->initial, sizeof g->real);
    for (uint64_t i = length + 1; ok && i-- > 0; number = parents[number])
        chain[i] = number;
    for (uint64_t i = 0; ok && i < length; i++) {
        chunk_begin(&c, chain[i], 1);
        expand(g, &c, 0, g->real, &g->contexts[0], TO_TRACE);
        uint32_t k = 0;
        while (k < c.count && !stands_for(state_at(&g->states, chain[i + 1]), c.out + (size_t)k * WORDS))
            k++;
        ok = !c.failed && k < c.count;
        if (!ok)
            break;
        memcpy(g->real, c.out + (size_t)k * WORDS, sizeof g->real);
        const struct candidate_origin *o = &c.origins[k];
        if (used + 2 + o->choice_count > capacity) {
            capacity = capacity * 2 + 2 + o->choice_count + 64;
            ok = grow((void **)&g->path, capacity * sizeof(value));
            if (!ok)
                break;
        }
        g->path[used++] = o->move;
        g->path[used++] = o->choice_count;
        for (uint32_t i = 0; i < o->choice_count; i++)
            g->path[used++] = c.choices[o->choices + i];
    }
    chunk_free(&c);
    free(chain);
    *size = used;
    if (ok && g->path == NULL)
        ok = grow((void **)&g->path, sizeof(value));
    return ok ? g->path : NULL;
}

int search_started(const struct search *g, int span) { return g->started[span]; }

/* The call by which a step was refused last, and where; -1 if it never was. */
int search_refused(const struct search *g, int span, uint32_t *state)
{
    *state = g->refused_at[span];
    return g->refused_call[span];
}

void search_free(struct search *g)
{
    for (int i = 0; i < MAX_CHUNKS; i++)
        chunk_free(&g->chunks[i]);
    for (int i = 0; i <= CLAUSES; i++)
        free(g->found[i].choices);
    free(g->path);
    states_free(&g->states);
    free(g);
}

#endif
