/*
 * model.h: what the generated code and the search share.
 *
 * A state is WORDS 64-bit words of packed fields. While a transition runs it is WORK_WORDS long: the words behind the first WORDS hold what is zero
 * in every state at rest (the frames of threads that run whole operations). Only fixed identifiers and numbers are generated; names of a
 * specification appear in comments, reduced to letters and digits.
 *
 * A generated function that can fail returns FAILED and leaves the reason in the context: a kind, a number and a site. A site is a position in a table that only
 * Python knows. Nothing is ever unwound: every caller looks at what it gets.
 */
#ifndef HUGECHECK_MODEL_H
#define HUGECHECK_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t word;  /* packed fields, sets */
typedef int64_t value;  /* every other value */
typedef __int128 wide;  /* what `u64` can give, within an expression */

/* what a block, a section or a subroutine ends with; FINISHED + r: the operation is over with result r */
enum { SUSPENDED, GO_ON, BLOCKED, FAILED, FINISHED = 16 };

/* why something failed */
enum {
    NO_FAILURE,
    AT_SITE,    /* a check of the model: what it was is in the table of sites */
    GROW,       /* an index type needs `number` + 1 elements; which one is in the table of sites */
    OVERFLOW,   /* site: number of the field that is too narrow for `number` */
    HALFWAY,    /* an operation that runs as a whole is blocked half-way: its frame must be kept in states at rest */
    TOO_LARGE   /* beyond 64 bits, 64 elements or MAX_CHOICES: only the reference engine can go on */
};

enum { MAX_CHOICES = 512 };

/* The state of one worker: the failure at hand and the choices of the transition that it executes. */
struct context {
    int failure, site;
    value number;
    int prescribed, asked;              /* choices given, and met so far */
    value chosen[MAX_CHOICES];          /* which alternative was taken */
    value offered[MAX_CHOICES];         /* out of how many */
    const volatile int *stop;           /* set from outside: leave endless loops */
};

/* A check that failed where nothing was being executed: in a clause or condition. */
struct fault {
    int any, site;
    value number;
};

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define NOINLINE __attribute__((noinline, unused))
#define UNUSED __attribute__((unused))

static NOINLINE int fail(struct context *x, int failure, int site, value number)
{
    x->failure = failure;
    x->site = site;
    x->number = number;
    return FAILED;
}

/* Whether what failed is a check of the model: it is noted, the first one only, and the search goes on. */
static NOINLINE int faulted(const struct context *x, struct fault *fault)
{
    if (x->failure != AT_SITE)
        return 0;
    if (!fault->any)
        *fault = (struct fault){1, x->site, x->number};
    return 1;
}

/* One of n alternatives: what is prescribed, else the first. Negative when there are too many choices. */
static inline value pick(struct context *x, value n)
{
    int position = x->asked;
    if (UNLIKELY(position >= MAX_CHOICES)) {
        fail(x, TOO_LARGE, 0, n);
        return -1;
    }
    x->asked = position + 1;
    x->offered[position] = n;
    if (position >= x->prescribed)
        x->chosen[position] = 0;
    return x->chosen[position];
}

/* ---------------------------------------------------------------- values */

static inline UNUSED value least(value a, value b) { return a < b ? a : b; }
static inline UNUSED value most(value a, value b) { return a > b ? a : b; }
static inline UNUSED wide least_wide(wide a, wide b) { return a < b ? a : b; }
static inline UNUSED wide most_wide(wide a, wide b) { return a > b ? a : b; }

/* b is not 0 */
static inline UNUSED value quotient(value a, value b)
{
    value q = a / b;
    return q - (a % b != 0 && (a % b < 0) != (b < 0));
}

static inline UNUSED value remainder_of(value a, value b)
{
    value r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/* ---------------------------------------------------------------- sets */

static inline UNUSED value size_of(word s) { return __builtin_popcountll(s); }
static inline UNUSED value lowest(word s) { return s ? __builtin_ctzll(s) : -1; }
static inline UNUSED value highest(word s) { return s ? 63 - __builtin_clzll(s) : -1; }
static inline UNUSED value contains(word s, value element) { return (word)element < 64 && (s >> element & 1); }
static inline UNUSED word below(value n) { return n >= 64 ? ~(word)0 : ((word)1 << n) - 1; }

/* element number k, from 0, of a set that has so many */
static inline UNUSED value element(word s, value k)
{
    while (k-- > 0)
        s &= s - 1;
    return lowest(s);
}

#endif
