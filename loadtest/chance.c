#include "loadtest/chance.h"

#include "base/check.h"

#include <math.h>

struct chance chance_from(uint64_t seed)
{
    struct chance chance = {.state = seed};
    return chance;
}

/* SplitMix64: Steele, Lea & Flood (2014). */
uint64_t chance_draw(struct chance *chance)
{
    chance->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = chance->state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* The bias of the remainder is below bound / 2^64. */
uint64_t chance_below(struct chance *chance, uint64_t bound)
{
    CHECK(bound > 0);
    return chance_draw(chance) % bound;
}

double chance_fraction(struct chance *chance)
{
    return ((double)(chance_draw(chance) >> 11) + 0.5) / 9007199254740992.0; // 2^53
}

/* The integral of x^-exponent, zero at 1; and its inverse. */
static double integral(const struct zipf *zipf, double x)
{
    double power = 1 - zipf->exponent;
    return fabs(power) < 1e-9 ? log(x) : expm1(power * log(x)) / power;
}

static double inverse(const struct zipf *zipf, double area)
{
    double power = 1 - zipf->exponent;
    return fabs(power) < 1e-9 ? exp(area) : exp(log1p(fmax(area * power, -1)) / power);
}

static double density(const struct zipf *zipf, double x)
{
    return exp(-zipf->exponent * log(x));
}

struct zipf zipf_over(uint64_t count, double exponent)
{
    CHECK(count >= 1);
    CHECK(exponent > 0);
    struct zipf zipf = {.count = count, .exponent = exponent};
    zipf.first = integral(&zipf, 1.5) - 1;
    zipf.last = integral(&zipf, (double)count + 0.5);
    zipf.shortcut = 2 - inverse(&zipf, integral(&zipf, 2.5) - density(&zipf, 2));
    return zipf;
}

uint64_t zipf_draw(const struct zipf *zipf, struct chance *chance)
{
    for (;;) {
        double area = zipf->last + chance_fraction(chance) * (zipf->first - zipf->last);
        double x = inverse(zipf, area);
        double rank = fmin(fmax(floor(x + 0.5), 1), (double)zipf->count);
        if (rank - x <= zipf->shortcut ||
            area >= integral(zipf, rank + 0.5) - density(zipf, rank)) {
            return (uint64_t)rank - 1;
        }
    }
}
