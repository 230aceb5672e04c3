/*
 * symmetry.h: of all states that differ only in which thread and which element is which, one stands for all.
 *
 * Threads of a class are put in the order of what they are doing. If elements of index types can be renamed, that is done for every way to rename them, and the
 * smallest result is taken. Two threads that are doing the very same thing hold no lock that only one can hold, so their order does not matter.
 *
 * The generated code gives CLASSES, class_sizes, class_members, IMAGES, FRAME_WORDS, frame_word, set_frame_word, rename_owners, rename_elements.
 */
#ifndef HUGECHECK_SYMMETRY_H
#define HUGECHECK_SYMMETRY_H

#include "moves.h"

struct doing {
    word frame[FRAME_WORDS];
    value place;            /* position and taken */
    int thread;
};

static int does_before(const struct doing *a, const struct doing *b)
{
    for (int i = 0; i < FRAME_WORDS; i++)
        if (a->frame[i] != b->frame[i])
            return a->frame[i] < b->frame[i];
    return a->place < b->place;
}

static void sort_threads(word *w)
{
    const int *member = class_members;
    unsigned char to[THREADS];
    int moved = 0;
    for (int t = 0; t < THREADS; t++)
        to[t] = (unsigned char)t;
    for (int c = 0; c < CLASSES; c++, member += class_sizes[c - 1]) {
        struct doing doing[THREADS];
        int n = class_sizes[c], changed = 0;
        for (int i = 0; i < n; i++) {
            struct doing now;
            now.thread = member[i];
            now.place = position(w, now.thread) << 32 | taken(w, now.thread);
            for (int k = 0; k < FRAME_WORDS; k++)
                now.frame[k] = frame_word(w, now.thread, k);
            int at = i;
            for (; at > 0 && does_before(&now, &doing[at - 1]); at--, changed = 1)
                doing[at] = doing[at - 1];
            doing[at] = now;
        }
        if (!changed)
            continue;
        moved = 1;
        for (int i = 0; i < n; i++) {
            to[doing[i].thread] = (unsigned char)member[i];
            set_position(w, member[i], doing[i].place >> 32);
            set_taken(w, member[i], doing[i].place & 0xffffffff);
            for (int k = 0; k < FRAME_WORDS; k++)
                set_frame_word(w, member[i], k, doing[i].frame[k]);
        }
    }
    if (moved)
        rename_owners(w, to);
}

/* The state that stands for `w`, in its place. Only states at rest. */
static NOINLINE void canonical(word *w)
{
    word original[WORDS], other[WORDS];
    memcpy(original, w, sizeof original);
    if (CLASSES)
        sort_threads(w);
    for (int image = 0; image < IMAGES; image++) {
        rename_elements(image, original, other);
        if (CLASSES)
            sort_threads(other);
        int i = 0;
        while (i < WORDS - 1 && other[i] == w[i])
            i++;
        if (other[i] < w[i])
            memcpy(w, other, sizeof other);
    }
}

#endif
