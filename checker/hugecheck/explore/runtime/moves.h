/*
 * moves.h: what threads do. The C twin of explore/system.py and of the mechanics of explore/machine.py; names are the same.
 *
 * The generated code gives
 *   THREADS, SETUP (its number or -1), MERGED, STORED_FRAMES, MAX_MOVES, MAX_ARGUMENTS, CLAUSES, HAS_ACTOR
 *   programs[], lengths[], actors[], calls[], results[]          what the threads are to do
 *   control(w, t), clear_control(w, t), section(w, t, x)         the operation that a thread is in
 *   position(w, t), set_position(w, t, p), taken(w, t), set_taken(w, t, n)
 *   operation_arguments, operation_applies, operation_start      by number of the operation
 *   actor_ready, clause_value, judge, quiescent                  properties
 */
#ifndef HUGECHECK_MOVES_H
#define HUGECHECK_MOVES_H

#include "model.h"

enum { CALL_STEP, ANY_OF, CHECK };

/* `next`: where the thread goes when this is done, jumps already followed. */
struct instruction {
    int kind, first_call, calls, count, clause, next;
};

/* `absent`: bit k is set when argument k is to be computed. `results`: first of the flags in `results`, or -1 if any result will do. */
struct call {
    int operation, span, results;
    word absent;
    const value *arguments;
};

/* What a thread does next; -1 where it does not apply. All three -1: go on with the operation. */
struct move {
    int thread, call, check, skip;
};

struct outcome {
    int result;         /* of the operation that ended, HANG, or NO_RESULT */
    int disabled;
    int halfway;        /* a later section of an operation that runs as a whole is blocked: the thread stands before it */
};

enum { NO_RESULT = -1, HANG = -2 };
enum { NOT_READY, ENDED, READY, STATUS_FAILED };
enum { SECTIONS_BEFORE_CYCLE_CHECK = 256 };

/* generated */
static const struct instruction *const programs[];
static const int lengths[];
static const value actors[];
static const struct call calls[];
static const unsigned char results[];
static value control(const word *w, int t);
static void clear_control(word *w, int t);
static int section(word *w, int t, struct context *x);
static value position(const word *w, int t);
static void set_position(word *w, int t, value p);
static value taken(const word *w, int t);
static void set_taken(word *w, int t, value n);
static int operation_arguments(int operation, const word *w, struct context *x, value *a, word absent);
static int operation_applies(int operation, const word *w, struct context *x, value *a, word absent, value *out);
static int operation_start(int operation, word *w, int t, const value *a, struct context *x);
static int actor_ready(const word *w, struct context *x, value actor, value *out);
static int clause_value(int clause, const word *w, struct context *x, value *out);
static int judge(const word *w, int all, const unsigned char *open, int *decided, struct context *x, struct fault *fault);
static int quiescent(const word *w);

/* Called in each state within a merged operation, with the number of sections so far. Nonzero: failed. */
typedef int (*watcher)(void *who, const word *w, int sections);

static int status_of(const word *w, int t, struct context *x)
{
    if (control(w, t))
        return READY;
    if (position(w, t) >= lengths[t])
        return ENDED;
    if (HAS_ACTOR && actors[t] >= 0) {
        value ready = 0;
        if (actor_ready(w, x, actors[t], &ready) == FAILED)
            return STATUS_FAILED;
        return ready ? READY : NOT_READY;
    }
    return READY;
}

/* Whether the call's operation applies now; FAILED if that cannot be told. */
static int applies(const word *w, int call, struct context *x, value *out)
{
    value a[MAX_ARGUMENTS];
    memcpy(a, calls[call].arguments, sizeof a);
    return operation_applies(calls[call].operation, w, x, a, calls[call].absent, out);
}

static int moves_of(const word *w, int t, struct move *moves, int n, struct context *x)
{
    if (control(w, t)) {
        moves[n++] = (struct move){t, -1, -1, -1};
        return n;
    }
    const struct instruction *at = &programs[t][position(w, t)];
    if (at->kind == CHECK) {
        moves[n++] = (struct move){t, -1, at->clause, -1};
        return n;
    }
    int before = n;
    for (int call = at->first_call; call < at->first_call + at->calls; call++) {
        value yes = 0;
        if (applies(w, call, x, &yes) == FAILED)
            return -1;
        if (yes)
            moves[n++] = (struct move){t, call, -1, -1};
    }
    if (n == before)
        moves[n++] = (struct move){t, -1, -1, at->first_call};
    return n;
}

/*
 * All moves in this state, in the order of the threads. A thread whose condition or default is an error of the model does nothing and is a fault.
 * -1: the search cannot go on.
 */
static int list_moves(const word *w, struct move *moves, struct context *x, struct fault *faults, int *fault_count)
{
    int n = 0, first = 0, last = SETUP >= 0 ? SETUP : THREADS;
    *fault_count = 0;
    if (SETUP >= 0 && status_of(w, SETUP, x) != ENDED) {
        first = SETUP;
        last = SETUP + 1;
    }
    for (int t = first; t < last; t++) {
        int status = status_of(w, t, x);
        int more = status == STATUS_FAILED ? -1 : status == READY ? moves_of(w, t, moves, n, x) : n;
        if (more >= 0) {
            n = more;
            continue;
        }
        faults[*fault_count].any = 0;
        if (!faulted(x, &faults[*fault_count]))
            return -1;
        ++*fault_count;
    }
    return n;
}

/* Go to the next instruction; within `any` only after `count` steps, or when it is `over`. */
static void advance(word *w, int t, int over)
{
    const struct instruction *at = &programs[t][position(w, t)];
    if (at->kind == ANY_OF && !over) {
        value n = taken(w, t) + 1;
        if (n < at->count) {
            set_taken(w, t, n);
            return;
        }
    }
    set_taken(w, t, 0);
    set_position(w, t, at->next);
}

/* Run the thread to the end of its operation, undisturbed. */
static int finish(word *w, int t, struct context *x, watcher watch, void *who, struct outcome *out)
{
    word snapshot[WORK_WORDS], before[WORK_WORDS];
    int have = 0;
    long sections = 0, power = 1;
    for (;;) {
        int r = section(w, t, x);
        if (r >= FINISHED) {
            out->result = r - FINISHED;
            return 0;
        }
        if (r == FAILED)
            return FAILED;
        if (r == BLOCKED && sections == 0) {
            out->disabled = 1;
            return 0;
        }
        if (r == BLOCKED) {
            if (t >= STORED_FRAMES && !*x->stop)
                return fail(x, HALFWAY, 0, 0);
            memcpy(w, before, sizeof before);
            out->halfway = 1;
            return 0;
        }
        sections++;
        if (UNLIKELY(*x->stop)) {
            out->disabled = 1;
            return 0;
        }
        if (watch != NULL && watch(who, w, (int)sections))
            return FAILED;
        memcpy(before, w, sizeof before);
        if (sections >= SECTIONS_BEFORE_CYCLE_CHECK) {
            if (have && memcmp(w, snapshot, sizeof snapshot) == 0) {
                out->result = HANG;
                return 0;
            }
            if (sections - SECTIONS_BEFORE_CYCLE_CHECK >= power) {
                memcpy(snapshot, w, sizeof snapshot);
                have = 1;
                power *= 2;
            }
        }
    }
}

/* Make the move on `w`, in place. FAILED: the model is wrong there; else `out` says what came of it (when disabled, `w` is garbage). */
static int take(word *w, const struct move *m, struct context *x, watcher watch, void *who, struct outcome *out)
{
    int t = m->thread;
    *out = (struct outcome){NO_RESULT, 0, 0};
    if (m->check >= 0 || m->skip >= 0) {
        advance(w, t, programs[t][position(w, t)].kind == ANY_OF);
        return 0;
    }
    if (m->call >= 0) {
        const struct call *c = &calls[m->call];
        if (c->absent) {
            value a[MAX_ARGUMENTS];
            memcpy(a, c->arguments, sizeof a);
            if (operation_arguments(c->operation, w, x, a, c->absent) == FAILED)
                return FAILED;
            if (operation_start(c->operation, w, t, a, x) == FAILED)
                return FAILED;
        } else if (operation_start(c->operation, w, t, c->arguments, x) == FAILED) {
            return FAILED;
        }
    }
    if (MERGED || t == SETUP) {
        if (finish(w, t, x, watch, who, out) == FAILED)
            return FAILED;
        if (out->disabled || out->halfway)
            return 0;
        if (out->result == HANG) {
            clear_control(w, t);
            set_position(w, t, lengths[t]);
            return 0;
        }
    } else {
        int r = section(w, t, x);
        if (r == FAILED)
            return FAILED;
        if (r == BLOCKED) {
            out->disabled = 1;
            return 0;
        }
        if (r < FINISHED)
            return 0;
        out->result = r - FINISHED;
    }
    advance(w, t, 0);
    return 0;
}

/* The flags of the results that the scenario allows, or NULL if any. Asked before the move is made. */
static const unsigned char *expected_results(const word *w, const struct move *m)
{
    int call = m->call;
    if (call < 0) {
        const struct instruction *at = &programs[m->thread][position(w, m->thread)];
        if (at->kind != CALL_STEP)
            return NULL;
        call = at->first_call;
    }
    return calls[call].results >= 0 ? results + calls[call].results : NULL;
}

#endif
