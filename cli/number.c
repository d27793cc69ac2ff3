/* Elements of every dtype as numbers and as text. Strings are not numbers; see json.c and npy.c. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool cli_is_complex(berth_dtype dtype) { return dtype == BERTH_COMPLEX64 || dtype == BERTH_COMPLEX128; }

bool cli_is_real(berth_dtype dtype)
{
    return dtype == BERTH_FLOAT || dtype == BERTH_DOUBLE || dtype == BERTH_HALF || dtype == BERTH_BFLOAT16;
}

/* ---- The two 16-bit floating types ---- */

static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double value = exponent == 31 ? (mantissa ? NAN : INFINITY)
                   : exponent     ? ldexp(mantissa + 1024, exponent - 25)
                                  : ldexp(mantissa, -24);
    return bits & 0x8000 ? -value : value;
}

/* Round to nearest even by rint in units of the last place, which for subnormals is 2^-24. */
static uint16_t half_bits(double value)
{
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) return sign | 0x7e00;
    value = fabs(value);
    int exponent;
    if (value == 0) return sign;
    if (isinf(value) || value >= 65520) return sign | 0x7c00;
    frexp(value, &exponent);
    exponent = exponent < -13 ? -13 : exponent;
    int steps = (int)rint(ldexp(value, 11 - exponent)); /* 1024 .. 2048 when normal */
    return (uint16_t)(sign | ((exponent + 13) * 1024 + steps));
}

static double bfloat_value(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static uint16_t bfloat_bits(double value)
{
    float narrow = (float)value;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    if (isnan(value)) return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* ---- Any element; X(dtype, C type) ---- */

#define INTEGERS(X)            \
    X(BERTH_INT8, int8_t)      \
    X(BERTH_QINT8, int8_t)     \
    X(BERTH_INT16, int16_t)    \
    X(BERTH_QINT16, int16_t)   \
    X(BERTH_INT32, int32_t)    \
    X(BERTH_QINT32, int32_t)   \
    X(BERTH_INT64, int64_t)    \
    X(BERTH_UINT8, uint8_t)    \
    X(BERTH_QUINT8, uint8_t)   \
    X(BERTH_UINT16, uint16_t)  \
    X(BERTH_QUINT16, uint16_t) \
    X(BERTH_UINT32, uint32_t)

static cli_number real(double value) { return (cli_number){.kind = CLI_REAL, .real = value}; }

cli_number cli_get(const void *data, berth_dtype dtype, int64_t index)
{
    switch (dtype) {
#define X(name, type) \
    case name: return (cli_number){.kind = CLI_INT, .i = (int64_t)((const type *)data)[index]};
        INTEGERS(X)
#undef X
    case BERTH_BOOL: return (cli_number){.kind = CLI_BOOL, .i = ((const uint8_t *)data)[index] != 0};
    case BERTH_UINT64: {
        uint64_t u = ((const uint64_t *)data)[index];
        return (cli_number){.kind = u > INT64_MAX ? CLI_UINT : CLI_INT, .u = u};
    }
    case BERTH_FLOAT:
    case BERTH_COMPLEX64: return real(((const float *)data)[index]);
    case BERTH_DOUBLE:
    case BERTH_COMPLEX128: return real(((const double *)data)[index]);
    case BERTH_HALF: return real(half_value(((const uint16_t *)data)[index]));
    case BERTH_BFLOAT16: return real(bfloat_value(((const uint16_t *)data)[index]));
    default: return real(0);
    }
}

double cli_real(cli_number number)
{
    return number.kind == CLI_REAL   ? number.real
           : number.kind == CLI_UINT ? (double)number.u
                                     : (double)number.i;
}

/* A whole real number is taken for an integer: 3.0 can be an int32. */
static cli_number whole(cli_number number)
{
    if (number.kind == CLI_REAL && number.real == rint(number.real) && fabs(number.real) < 9e18)
        return (cli_number){.kind = CLI_INT, .i = (int64_t)number.real};
    return number;
}

bool cli_set(void *data, berth_dtype dtype, int64_t index, cli_number number)
{
    double value = cli_real(number);
    bool integer;
    switch (dtype) {
    case BERTH_FLOAT:
    case BERTH_COMPLEX64: return ((float *)data)[index] = (float)value, number.kind != CLI_BOOL;
    case BERTH_DOUBLE:
    case BERTH_COMPLEX128: return ((double *)data)[index] = value, number.kind != CLI_BOOL;
    case BERTH_HALF: return ((uint16_t *)data)[index] = half_bits(value), number.kind != CLI_BOOL;
    case BERTH_BFLOAT16: return ((uint16_t *)data)[index] = bfloat_bits(value), number.kind != CLI_BOOL;
    case BERTH_BOOL: return ((uint8_t *)data)[index] = value != 0, number.kind == CLI_BOOL;
    default: break;
    }
    number = whole(number);
    integer = number.kind == CLI_INT;
    switch (dtype) {
#define X(name, type) \
    case name: return ((type *)data)[index] = (type)number.i, integer && (int64_t)(type)number.i == number.i;
        INTEGERS(X)
#undef X
    case BERTH_UINT64:
        ((uint64_t *)data)[index] = number.u;
        return number.kind == CLI_UINT || (integer && number.i >= 0);
    default: return false;
    }
}

/* Digits that always suffice to read a value back. */
static int digits_of(berth_dtype dtype)
{
    switch (dtype) {
    case BERTH_DOUBLE:
    case BERTH_COMPLEX128: return 17;
    case BERTH_HALF: return 5;
    case BERTH_BFLOAT16: return 4;
    default: return 9;
    }
}

static bool reads_back(const char *text, double value, berth_dtype dtype)
{
    union {
        double real;
        float narrow;
        uint16_t bits;
    } store = {0};
    double read = strtod(text, NULL);
    if (dtype == BERTH_COMPLEX64) dtype = BERTH_FLOAT;
    if (dtype == BERTH_COMPLEX128) dtype = BERTH_DOUBLE;
    cli_set(&store, dtype, 0, real(read));
    return cli_real(cli_get(&store, dtype, 0)) == value;
}

void cli_number_text(char text[CLI_NUMBER], cli_number number, berth_dtype dtype)
{
    if (number.kind == CLI_BOOL) {
        strcpy(text, number.i ? "true" : "false");
    } else if (number.kind == CLI_INT) {
        snprintf(text, CLI_NUMBER, "%lld", (long long)number.i);
    } else if (number.kind == CLI_UINT) {
        snprintf(text, CLI_NUMBER, "%llu", (unsigned long long)number.u);
    } else if (!isfinite(number.real)) {
        strcpy(text, isnan(number.real) ? "NaN" : number.real < 0 ? "-Infinity" : "Infinity");
    } else {
        int most = digits_of(dtype);
        for (int digits = most > 9 ? 15 : most - 3; digits <= most; digits++) {
            snprintf(text, CLI_NUMBER, "%.*g", digits, number.real);
            if (digits == most || reads_back(text, number.real, dtype)) break;
        }
        if (!strpbrk(text, ".e")) strcat(text, ".0");
    }
}
