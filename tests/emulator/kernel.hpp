// What the source of a CUDA kernel needs in order to compile under g++ and to run in the emulator.
//
// The names that NVRTC knows without a header are here, and no others: `uint32_t`, `INFINITY` or `FLT_MAX` stay undefined on purpose,
// because NVRTC would refuse them as well. A missing CUDA function is added here when a kernel needs it.
#pragma once
#include "machine.hpp"

#define EMULATED_VISIBLE __attribute__((visibility("default")))

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static // one block runs at a time, so its shared memory can be a static variable
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...) // the bound itself reaches the emulator through EMULATED_ENTRY
#define __align__(n) __attribute__((aligned(n)))
#define NULL __null

typedef decltype(sizeof 0) size_t;

extern "C" {
int printf(const char*, ...);
int snprintf(char*, size_t, const char*, ...);
void* memcpy(void*, const void*, size_t);
void* memset(void*, int, size_t);
}

namespace emulated {

static Machine machine;

// Calls a kernel with the arguments of a launch: an array of pointers to their values, whose types only the kernel knows.
template <size_t... Index> struct Indices {};
template <class... A, size_t... Index>
inline void call_at(void (*kernel)(A...), void** arguments, Indices<Index...>) {
    kernel(*static_cast<A*>(arguments[Index])...);
}
template <class... A> inline void call(void (*kernel)(A...), void** arguments) {
    call_at(kernel, arguments, Indices<__integer_pack(sizeof...(A))...>()); // what std::index_sequence is made of
}

// the first argument of __launch_bounds__, or CUDA's own limit
constexpr unsigned bound(unsigned threads = 1024, unsigned = 0, unsigned = 0) { return threads; }

template <class To, class From> inline To bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the sizes differ");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

// A value of up to eight bytes on its way to another lane. The rules for lanes outside the segment of `width` are those of PTX's shfl:
// such a lane is given its own value back.
template <class T> inline T shuffle(unsigned mask, T value, unsigned source, bool inside, unsigned lane) {
    static_assert(sizeof(T) <= 8, "shuffles carry at most eight bytes");
    unsigned long long carried = 0;
    memcpy(&carried, &value, sizeof value);
    carried = machine.exchange(mask, carried, inside ? source : lane);
    memcpy(&value, &carried, sizeof value);
    return value;
}
inline unsigned linear_thread() {
    return machine.thread.x + machine.block_size.x * (machine.thread.y + machine.block_size.y * machine.thread.z);
}

} // namespace emulated

extern "C" EMULATED_VISIBLE emulated::Machine* emulated_machine() { return &emulated::machine; }

// One for every kernel, written after its source: what the emulator looks up by name.
#define EMULATED_ENTRY(NAME, ...)                                                                                      \
    extern "C" EMULATED_VISIBLE void emulated_##NAME(void** arguments) { emulated::call(NAME, arguments); }            \
    extern "C" EMULATED_VISIBLE unsigned emulated_bound_##NAME() { return emulated::bound(__VA_ARGS__); }

static const uint3& threadIdx = emulated::machine.thread;
static const uint3& blockIdx = emulated::machine.block;
static const dim3& blockDim = emulated::machine.block_size;
static const dim3& gridDim = emulated::machine.grid;
static constexpr int warpSize = 32;

#define EMULATED_TEXT_(x) #x
#define EMULATED_TEXT(x) EMULATED_TEXT_(x)
#define assert(condition) \
    ((condition) ? (void)0 : emulated::machine.fail("assertion failed, line " EMULATED_TEXT(__LINE__) ": " #condition))

// ---- vector types, aligned as in CUDA: a load that is not aligned fails on a device

#define EMULATED_VECTORS(NAME, T)                                                                                      \
    struct alignas(2 * sizeof(T)) NAME##2 { T x, y; };                                                                 \
    struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) NAME##4 { T x, y, z, w; };                                 \
    inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }                                                         \
    inline NAME##3 make_##NAME##3(T x, T y, T z) { return {x, y, z}; }                                                 \
    inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }
struct char3 { signed char x, y, z; };
struct uchar3 { unsigned char x, y, z; };
struct short3 { short x, y, z; };
struct ushort3 { unsigned short x, y, z; };
struct int3 { int x, y, z; }; // uint3 is in machine.hpp
struct longlong3 { long long x, y, z; };
struct ulonglong3 { unsigned long long x, y, z; };
struct float3 { float x, y, z; };
struct double3 { double x, y, z; };
EMULATED_VECTORS(char, signed char)
EMULATED_VECTORS(uchar, unsigned char)
EMULATED_VECTORS(short, short)
EMULATED_VECTORS(ushort, unsigned short)
EMULATED_VECTORS(int, int)
EMULATED_VECTORS(uint, unsigned)
EMULATED_VECTORS(longlong, long long)
EMULATED_VECTORS(ulonglong, unsigned long long)
EMULATED_VECTORS(float, float)
EMULATED_VECTORS(double, double)

// ---- arithmetic

// name(double), namef(float) and the overload name(float)
#define EMULATED_FUNCTION(NAME)                                                                                        \
    extern "C" double NAME(double) noexcept;                                                                           \
    extern "C" float NAME##f(float) noexcept;                                                                          \
    inline float NAME(float x) { return NAME##f(x); }
#define EMULATED_FUNCTION2(NAME)                                                                                       \
    extern "C" double NAME(double, double) noexcept;                                                                   \
    extern "C" float NAME##f(float, float) noexcept;                                                                   \
    inline float NAME(float x, float y) { return NAME##f(x, y); }
EMULATED_FUNCTION(exp) EMULATED_FUNCTION(exp2) EMULATED_FUNCTION(expm1) EMULATED_FUNCTION(log) EMULATED_FUNCTION(log2)
EMULATED_FUNCTION(log10) EMULATED_FUNCTION(log1p) EMULATED_FUNCTION(sqrt) EMULATED_FUNCTION(cbrt) EMULATED_FUNCTION(fabs)
EMULATED_FUNCTION(sin) EMULATED_FUNCTION(cos) EMULATED_FUNCTION(tan) EMULATED_FUNCTION(asin) EMULATED_FUNCTION(acos)
EMULATED_FUNCTION(atan) EMULATED_FUNCTION(sinh) EMULATED_FUNCTION(cosh) EMULATED_FUNCTION(tanh) EMULATED_FUNCTION(erf)
EMULATED_FUNCTION(floor) EMULATED_FUNCTION(ceil) EMULATED_FUNCTION(trunc) EMULATED_FUNCTION(round) EMULATED_FUNCTION(rint)
EMULATED_FUNCTION2(pow) EMULATED_FUNCTION2(fmod) EMULATED_FUNCTION2(atan2) EMULATED_FUNCTION2(hypot)
EMULATED_FUNCTION2(copysign) EMULATED_FUNCTION2(fmax) EMULATED_FUNCTION2(fmin) EMULATED_FUNCTION2(fdim)
extern "C" double fma(double, double, double) noexcept;
extern "C" float fmaf(float, float, float) noexcept;
inline float fma(float x, float y, float z) { return fmaf(x, y, z); }
extern "C" int abs(int) noexcept;
inline long abs(long x) { return x < 0 ? -x : x; }
inline long long abs(long long x) { return x < 0 ? -x : x; }
inline float abs(float x) { return fabsf(x); }
inline double abs(double x) { return fabs(x); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float rsqrt(float x) { return rsqrtf(x); }
inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isnan(double x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isinf(double x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline bool isfinite(double x) { return __builtin_isfinite(x); }
inline bool signbit(float x) { return __builtin_signbit(x); }
inline bool signbit(double x) { return __builtin_signbit(x); }

// The overloads of CUDA one by one, not a template: a call that is ambiguous there has to be ambiguous here.
#define EMULATED_MINMAX(A, B, R)                                                                                       \
    inline R min(A a, B b) { return (R)a < (R)b ? (R)a : (R)b; }                                                       \
    inline R max(A a, B b) { return (R)a > (R)b ? (R)a : (R)b; }
EMULATED_MINMAX(int, int, int) EMULATED_MINMAX(unsigned, unsigned, unsigned)
EMULATED_MINMAX(int, unsigned, unsigned) EMULATED_MINMAX(unsigned, int, unsigned)
EMULATED_MINMAX(long, long, long) EMULATED_MINMAX(unsigned long, unsigned long, unsigned long)
EMULATED_MINMAX(long, unsigned long, unsigned long) EMULATED_MINMAX(unsigned long, long, unsigned long)
EMULATED_MINMAX(long long, long long, long long)
EMULATED_MINMAX(unsigned long long, unsigned long long, unsigned long long)
EMULATED_MINMAX(long long, unsigned long long, unsigned long long)
EMULATED_MINMAX(unsigned long long, long long, unsigned long long)
// of a number and a NaN, CUDA takes the number
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
inline double min(float a, double b) { return fmin((double)a, b); }
inline double max(float a, double b) { return fmax((double)a, b); }
inline double min(double a, float b) { return fmin(a, (double)b); }
inline double max(double a, float b) { return fmax(a, (double)b); }

// With a rounding in the name: what a kernel uses that wants no fused multiply-add. Nothing is fused here (-ffp-contract=off).
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __frsqrt_rn(float a) { return rsqrtf(a); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
// The fast ones are exact here, which no test may rely on.
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float a) { return expf(a); }
inline float __exp10f(float a) { return powf(10.0f, a); }
inline float __logf(float a) { return logf(a); }
inline float __log2f(float a) { return log2f(a); }
inline float __powf(float a, float b) { return powf(a, b); }
inline float __sinf(float a) { return sinf(a); }
inline float __cosf(float a) { return cosf(a); }
inline float __saturatef(float a) { return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f; }

inline unsigned __float_as_uint(float x) { return emulated::bits<unsigned>(x); }
inline int __float_as_int(float x) { return emulated::bits<int>(x); }
inline float __uint_as_float(unsigned x) { return emulated::bits<float>(x); }
inline float __int_as_float(int x) { return emulated::bits<float>(x); }
inline long long __double_as_longlong(double x) { return emulated::bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emulated::bits<double>(x); }
inline int __float2int_rn(float x) { return (int)rintf(x); }
inline int __float2int_rz(float x) { return (int)x; }
inline unsigned __float2uint_rn(float x) { return (unsigned)rintf(x); }
inline unsigned __float2uint_rz(float x) { return (unsigned)x; }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
inline float __ull2float_rn(unsigned long long x) { return (float)x; }
inline float __double2float_rn(double x) { return (float)x; }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

// ---- memory: loads and stores with a hint about the cache, and atomics, which need nothing while one thread runs at a time

#define EMULATED_LOAD(NAME) template <class T> inline T NAME(const T* p) { return *p; }
EMULATED_LOAD(__ldg) EMULATED_LOAD(__ldca) EMULATED_LOAD(__ldcg) EMULATED_LOAD(__ldcs) EMULATED_LOAD(__ldlu) EMULATED_LOAD(__ldcv)
#define EMULATED_STORE(NAME) template <class T> inline void NAME(T* p, T value) { *p = value; }
EMULATED_STORE(__stwb) EMULATED_STORE(__stcg) EMULATED_STORE(__stcs) EMULATED_STORE(__stwt)

#define EMULATED_ATOMIC(NAME, T, AFTER)                                                                                \
    inline T NAME(T* p, T value) {                                                                                     \
        const T old = *p;                                                                                              \
        *p = AFTER;                                                                                                    \
        return old;                                                                                                    \
    }
#define EMULATED_ATOMIC_INTEGERS(NAME, AFTER)                                                                          \
    EMULATED_ATOMIC(NAME, int, AFTER) EMULATED_ATOMIC(NAME, unsigned, AFTER) EMULATED_ATOMIC(NAME, unsigned long long, AFTER)
EMULATED_ATOMIC_INTEGERS(atomicAdd, old + value)
EMULATED_ATOMIC(atomicAdd, float, old + value)
EMULATED_ATOMIC(atomicAdd, double, old + value)
EMULATED_ATOMIC(atomicSub, int, old - value)
EMULATED_ATOMIC(atomicSub, unsigned, old - value)
EMULATED_ATOMIC_INTEGERS(atomicOr, old | value)
EMULATED_ATOMIC_INTEGERS(atomicAnd, old& value)
EMULATED_ATOMIC_INTEGERS(atomicXor, old ^ value)
EMULATED_ATOMIC_INTEGERS(atomicMax, old > value ? old : value)
EMULATED_ATOMIC_INTEGERS(atomicMin, old < value ? old : value)
EMULATED_ATOMIC_INTEGERS(atomicExch, value)
EMULATED_ATOMIC(atomicExch, float, value)
#define EMULATED_CAS(T)                                                                                                \
    inline T atomicCAS(T* p, T expected, T value) {                                                                    \
        const T old = *p;                                                                                              \
        if (old == expected) *p = value;                                                                               \
        return old;                                                                                                    \
    }
EMULATED_CAS(int) EMULATED_CAS(unsigned) EMULATED_CAS(unsigned long long)
inline void __threadfence() {}
inline void __threadfence_block() {}

// ---- the other threads

inline void __syncthreads() { emulated::machine.barrier(); }
inline void __syncwarp(unsigned mask = ~0u) { emulated::machine.meet(mask); }
inline unsigned __ballot_sync(unsigned mask, int vote) { return emulated::machine.ballot(mask, vote != 0); }
inline int __any_sync(unsigned mask, int vote) { return __ballot_sync(mask, vote) != 0; }
inline int __all_sync(unsigned mask, int vote) { return __ballot_sync(mask, !vote) == 0; }
template <class T> inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    const unsigned lane = emulated::linear_thread() % 32, first = lane & (32 - width);
    return emulated::shuffle(mask, value, first | ((unsigned)source & (width - 1)), true, lane);
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
    const unsigned lane = emulated::linear_thread() % 32, last = lane | (width - 1), source = lane ^ bits;
    return emulated::shuffle(mask, value, source, source <= last, lane);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
    const unsigned lane = emulated::linear_thread() % 32, last = lane | (width - 1);
    return emulated::shuffle(mask, value, lane + by, lane + by <= last, lane);
}
template <class T> inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32) {
    const unsigned lane = emulated::linear_thread() % 32, first = lane & (32 - width);
    return emulated::shuffle(mask, value, lane - by, lane >= first + by, lane);
}

// ---- EMULATOR_CHECK compiles kernels with -fsanitize=alignment; this is the function that g++ then calls, with its own records

extern "C" inline __attribute__((used)) void __ubsan_handle_type_mismatch_v1(void* where, unsigned long) {
    struct Record {
        const char* file;
        unsigned line, column;
    };
    const Record* record = static_cast<Record*>(where);
    char text[300];
    snprintf(text, sizeof text, "an address that is not aligned for its type, %s:%u", record->file, record->line);
    emulated::machine.fail(text);
}
