/* The table of fast loops: plain C first, then overwritten level by level by what this CPU has. The loops
 * themselves are in gemm_*.c and vec_*.c, compiled with their own flags (meson.build); this file is compiled with none. */
#include "simd/simd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void bt_gemm_fill_c(bt_gemm_kernels *gemm);
void bt_vec_fill_c(bt_vec_kernels *vec);
#if defined(__x86_64__)
void bt_gemm_fill_avx2(bt_gemm_kernels *gemm);
void bt_vec_fill_avx2(bt_vec_kernels *vec);
void bt_gemm_fill_avx512(bt_gemm_kernels *gemm);
void bt_vec_fill_avx512(bt_vec_kernels *vec);
#endif

static const char *const level_names[] = {"c", "avx2", "avx512"};

/* __builtin_cpu_supports also asks whether the system saves the wide registers. */
static bool cpu_has(bt_simd_level level)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd");
    return level == BT_SIMD_C || (level == BT_SIMD_AVX2 && avx2) || (level == BT_SIMD_AVX512 && avx512);
#else
    return level == BT_SIMD_C;
#endif
}

bool bt_simd_fill(bt_simd *simd, bt_simd_level level)
{
    if (!cpu_has(level)) return false;
    memset(simd, 0, sizeof *simd);
    simd->level = level;
    simd->name = level_names[level];
    bt_gemm_fill_c(&simd->gemm);
    bt_vec_fill_c(&simd->vec);
#if defined(__x86_64__)
    if (level >= BT_SIMD_AVX2) bt_gemm_fill_avx2(&simd->gemm), bt_vec_fill_avx2(&simd->vec);
    if (level >= BT_SIMD_AVX512) bt_gemm_fill_avx512(&simd->gemm), bt_vec_fill_avx512(&simd->vec);
#endif
    return true;
}

static bt_simd table;

static void fill_table(void)
{
    bt_simd_level level = BT_SIMD_AVX512;
    const char *asked = getenv("BERTH_SIMD");
    for (int i = BT_SIMD_C; asked && i <= BT_SIMD_AVX512; i++)
        if (strcmp(asked, level_names[i]) == 0) level = (bt_simd_level)i;
    while (!bt_simd_fill(&table, level)) level--;
}

const bt_simd *bt_simd_get(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
    return &table;
}
