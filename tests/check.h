/* A unit test's harness: checks that count and go on, and random numbers that can be had again (BERTH_SEED).
 *
 *     int main(void)
 *     {
 *         CHECK(1 + 1 == 2);
 *         return check_done();
 *     }
 */
#ifndef CHECK_H
#define CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int check_passed, check_failed;
static uint64_t check_state, check_seed_used;

/* Counts one check; at the first twenty failures says where. */
static inline bool check_that(bool ok, const char *file, int line, const char *text)
{
    if (ok) check_passed++;
    else if (check_failed++ < 20) printf("%s:%d: failed: %s\n", file, line, text);
    return ok;
}

static inline bool check_same(long long a, long long b, const char *file, int line, const char *text)
{
    if (!check_that(a == b, file, line, text) && check_failed <= 20) printf("    %lld, not %lld\n", a, b);
    return a == b;
}

static inline bool check_text(const char *a, const char *b, const char *file, int line, const char *text)
{
    bool ok = a && b && strcmp(a, b) == 0;
    if (!check_that(ok, file, line, text) && check_failed <= 20)
        printf("    \"%s\", not \"%s\"\n", a ? a : "(null)", b ? b : "(null)");
    return ok;
}

/* |a - b| <= tolerance max(1, |b|); two NaN are the same, and so are two equal infinities. */
static inline bool check_close(double a, double b, double tolerance, const char *file, int line,
                               const char *text)
{
    bool ok = a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= tolerance * fmax(1, fabs(b));
    if (!check_that(ok, file, line, text) && check_failed <= 20) printf("    %.9g, not %.9g\n", a, b);
    return ok;
}

/* All give whether the check held: if (!CHECK(p)) return; */
#define CHECK(condition) check_that(!!(condition), __FILE__, __LINE__, #condition)
#define CHECK_EQ(a, b) check_same((long long)(a), (long long)(b), __FILE__, __LINE__, #a " == " #b)
#define CHECK_TEXT(a, b) check_text(a, b, __FILE__, __LINE__, #a " is " #b)
#define CHECK_CLOSE(a, b, tolerance) check_close(a, b, tolerance, __FILE__, __LINE__, #a " ~ " #b)

/* splitmix64, seeded at first use by BERTH_SEED or the clock. */
static inline uint64_t check_random(void)
{
    if (!check_seed_used) {
        const char *given = getenv("BERTH_SEED");
        check_seed_used = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u;
        check_seed_used += !check_seed_used;
        check_state = check_seed_used;
        printf("BERTH_SEED=%llu\n", (unsigned long long)check_seed_used);
    }
    uint64_t z = check_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* An integer in [from, to]. */
static inline int64_t check_int(int64_t from, int64_t to)
{
    return from + (int64_t)(check_random() % (uint64_t)(to - from + 1));
}

/* A float in [from, to). */
static inline float check_float(float from, float to)
{
    return from + (to - from) * (float)(check_random() >> 40) * 0x1p-24f;
}

/* The summary line; what main returns. */
static inline int check_done(void)
{
    printf("%d passed, %d failed\n", check_passed, check_failed);
    return check_failed || !check_passed;
}

#endif
