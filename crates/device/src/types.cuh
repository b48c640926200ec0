// Storage types. Kernels compute in float (in double if they store double) and convert when they
// load and store. CUDA's own headers for half precision are avoided: NVRTC would need their folder
// on the user's machine.
typedef unsigned long long size;

struct bf16 { unsigned short bits; };
struct f16 { unsigned short bits; };

__device__ __forceinline__ float load(const float* p) { return *p; }
__device__ __forceinline__ double load(const double* p) { return *p; }
__device__ __forceinline__ float load(const unsigned char* p) { return *p; }
__device__ __forceinline__ float load(const bf16* p) { return __uint_as_float((unsigned)p->bits << 16); }
__device__ __forceinline__ void store(float* p, float v) { *p = v; }
__device__ __forceinline__ void store(double* p, double v) { *p = v; }
__device__ __forceinline__ void store(unsigned char* p, float v) { *p = (unsigned char)v; }
__device__ __forceinline__ void store(bf16* p, float v) {
  const unsigned u = __float_as_uint(v);
  // to the nearest, ties to even; a NaN keeps its upper half, quiet
  p->bits = (v != v) ? (unsigned short)((u >> 16) | 0x40) : (unsigned short)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
#ifdef EMULATED
__device__ __forceinline__ float load(const f16* p) { _Float16 h; __builtin_memcpy(&h, p, 2); return (float)h; }
__device__ __forceinline__ void store(f16* p, float v) { const _Float16 h = (_Float16)v; __builtin_memcpy(p, &h, 2); }
#else
__device__ __forceinline__ float load(const f16* p) {
  float v;
  asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(p->bits));
  return v;
}
__device__ __forceinline__ void store(f16* p, float v) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(p->bits) : "f"(v)); }
#endif

// The same pointer, but the compiler is not to know.
#ifdef EMULATED
template <class T> __device__ __forceinline__ void opaque(const T*&) {}
#else
template <class T> __device__ __forceinline__ void opaque(const T*& p) { asm volatile("" : "+l"(p)); }
#endif

// What is computed in for what is stored.
template <class T> struct computed { typedef float type; };
template <> struct computed<double> { typedef double type; };

// N neighbouring values in one access where their alignment allows it: N is 1, or 16 bytes' worth.
template <class T, int N> struct alignas(sizeof(T) * N) pack { T at[N]; };
