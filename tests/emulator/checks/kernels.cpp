// Kernels compiled by NVRTC: what compiles, what does not, and what they calculate.
#include "check.hpp"
#include <thread>

static std::vector<float> noise(size_t count) {
    Noise next;
    std::vector<float> values(count);
    for (float& value : values) value = float(next());
    return values;
}

static void check_compiling() {
    // NVRTC's messages name the line of the source
    const Compiled broken("\nextern \"C\" __global__ void f(float* x) { x = y; }\n");
    EXPECT(broken.status == 6);
    EXPECT(broken.log.find("check.cu:2") != std::string::npos);
    EXPECT(Compiled("#error no\n").status == 6);
    // known to NVRTC only with headers, so unknown here as well
    for (const char* word : {"uint32_t x = 1", "float x = INFINITY", "float x = FLT_MAX", "auto x = std::min(1, 2)", "uint x = 1"})
        EXPECT(Compiled(std::string("extern \"C\" __global__ void f() { ") + word + "; }").status == 6);
    // ambiguous for NVRTC
    EXPECT(Compiled("extern \"C\" __global__ void f(float* x) { *x = max(1.0f, 2); }").status == 6);

    const Compiled compiled(R"(
        // extern "C" __global__ void commented(float* x) {}
        #if 0
        extern "C" __global__ void excluded(float* x) {}
        #endif
        #define MAKE(NAME) extern "C" __global__ void NAME(float* x) { *x = VALUE; }
        MAKE(made)
        __global__ void without_c(float* x) {}
        extern "C"
        __global__ void __launch_bounds__((128 + 128), 2)
        bounded(
            float* __restrict__ x) { *x = 0; }
        extern "C" __global__ __launch_bounds__(64) void bounded_before(float* x) { *x = 0; }
    )",
                            {"--gpu-architecture=compute_90", "-DVALUE=7.0f", "--fmad=false"});
    EXPECT(compiled.status == 0);
    for (const char* name : {"commented", "excluded", "without_c", "missing"}) EXPECT(!compiled.function(name));
    Buffer<float> x(1);
    EXPECT(launch(compiled.function("made"), {}, {}, x.argument()) == 0 && x.read()[0] == 7);
    EXPECT(launch(compiled.function("bounded"), {}, {256}, x.argument()) == 0);
    EXPECT(launch(compiled.function("bounded"), {}, {257}, x.argument()) == 701);
    EXPECT(launch(compiled.function("bounded_before"), {}, {65}, x.argument()) == 701);
    int most = 0;
    EXPECT(cuFuncGetAttribute(&most, 0, compiled.function("bounded")) == 0 && most == 256);
    EXPECT(launch(compiled.function("made"), {0}, {1}, x.argument()) == 1);
    EXPECT(launch(compiled.function("made"), {1}, {1025}, x.argument()) == 1);
    EXPECT(launch(compiled.function("made"), {1, 65536}, {1}, x.argument()) == 1);
}

static void check_arguments() {
    const Compiled compiled(R"(
        struct Pair { int a; double b; };
        extern "C" __global__ void mixed(const float* __restrict__ x, unsigned char* y, unsigned long long n, int k, const float s,
                                         bool flag, Pair pair, double* out) {
            const unsigned long long step = (unsigned long long)gridDim.x * blockDim.x;
            for (unsigned long long i = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step)
                y[i] = (unsigned char)(x[i] * s) + k + (flag ? 1 : 0);
            out[0] = pair.a + pair.b;
        }
        extern "C" __global__ void places(unsigned* out) {
            const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
            const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
            atomicAdd(&out[block * blockDim.x * blockDim.y * blockDim.z + thread], 1u);
        }
        extern "C" __global__ void vectors(const float4* x, uint2* y, ushort4* z) {
            const float4 v = x[threadIdx.x];
            y[threadIdx.x] = make_uint2(__float_as_uint(v.x + v.y), __float_as_uint(v.z * v.w));
            z[threadIdx.x] = make_ushort4(1, 2, 3, threadIdx.x);
            static_assert(sizeof(float4) == 16 && alignof(float4) == 16 && alignof(ushort4) == 8 && alignof(double2) == 16, "");
        }
        extern "C" __global__ void functions(float* out) {
            out[0] = rsqrtf(4.0f) + __fdividef(1.0f, 4.0f) + (float)__popcll(~0ull) + (float)__popc(7u) + max(1, 2) + min(2.0f, 1.0f);
            out[1] = exp(1.0f) == expf(1.0f) && isnan(__uint_as_float(0x7fc00000u)) && abs(-2.5f) == 2.5f ? 1.0f : 0.0f;
        }
    )");
    EXPECT(compiled.status == 0);
    const size_t count = 10000;
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) values[i] = float(i % 50);
    Buffer<float> x(values);
    Buffer<uint8_t> y(count);
    Buffer<double> out(1);
    unsigned long long n = count;
    int k = 3;
    float s = 2;
    bool flag = true;
    struct {
        int a;
        double b;
    } pair = {4, 0.5};
    EXPECT(launch(compiled.function("mixed"), {3}, {256}, x.argument(), y.argument(), &n, &k, &s, &flag, &pair, out.argument()) == 0);
    const auto bytes = y.read();
    for (size_t i = 0; i < count; ++i) EXPECT(bytes[i] == i % 50 * 2 + 4);
    EXPECT(out.read()[0] == 4.5);

    Buffer<unsigned> seen(2 * 3 * 4 * 5 * 6 * 7);
    cuMemsetD8Async(seen.address(), 0, 2 * 3 * 4 * 5 * 6 * 7 * 4, nullptr);
    EXPECT(launch(compiled.function("places"), {2, 3, 4}, {5, 6, 7}, seen.argument()) == 0);
    for (const unsigned times : seen.read()) EXPECT(times == 1);

    Buffer<float> quads(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8});
    Buffer<float> pairs(4);
    Buffer<uint16_t> shorts(8);
    EXPECT(launch(compiled.function("vectors"), {}, {2}, quads.argument(), pairs.argument(), shorts.argument()) == 0);
    EXPECT((pairs.read() == std::vector<float>{3, 12, 11, 56}) && shorts.read()[7] == 1);

    Buffer<float> results(2);
    EXPECT(launch(compiled.function("functions"), {}, {}, results.argument()) == 0);
    EXPECT((results.read() == std::vector<float>{0.5f + 0.25f + 64 + 3 + 2 + 1, 1}));

    // several threads of the host at once
    std::vector<std::thread> threads;
    std::vector<Buffer<unsigned>*> own;
    for (int t = 0; t < 4; ++t) {
        own.push_back(new Buffer<unsigned>(24 * 210));
        cuMemsetD8Async(own[t]->address(), 0, 24 * 210 * 4, nullptr);
        threads.emplace_back([&, t] {
            for (int i = 0; i < 20; ++i) EXPECT(launch(compiled.function("places"), {2, 3, 4}, {5, 6, 7}, own[t]->argument()) == 0);
        });
    }
    for (auto& thread : threads) thread.join();
    for (auto* buffer : own) {
        for (const unsigned times : buffer->read()) EXPECT(times == 20);
        delete buffer;
    }
}

static void check_bits() { // bf16 by its bits, f16 by the type of g++
    const Compiled compiled(R"(
        __device__ __forceinline__ float wide(unsigned short h) { return __uint_as_float((unsigned)h << 16); }
        __device__ __forceinline__ unsigned short narrow(float x) {
            const unsigned u = __float_as_uint(x);
            return (unsigned short)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
        }
        extern "C" __global__ void twice(const unsigned short* x, unsigned short* y, int n) {
            const int i = blockIdx.x * blockDim.x + threadIdx.x;
            if (i < n) y[i] = narrow(2.5f * wide(x[i]));
        }
        #ifdef EMULATED
        extern "C" __global__ void half(const float* x, float* y) { y[0] = (float)(_Float16)x[0]; }
        #endif
    )");
    EXPECT(compiled.status == 0);
    const std::vector<float> values = noise(1000);
    std::vector<uint16_t> narrow;
    for (const float value : values) narrow.push_back(to_bf16(value));
    Buffer<uint16_t> x(narrow), y(1000);
    int n = 1000;
    EXPECT(launch(compiled.function("twice"), {4}, {256}, x.argument(), y.argument(), &n) == 0);
    const auto got = y.read();
    for (size_t i = 0; i < got.size(); ++i) EXPECT(got[i] == to_bf16(2.5f * from_bf16(narrow[i])));
    Buffer<float> in(std::vector<float>{1.0f + 0x1p-11f}), out(1);
    EXPECT(launch(compiled.function("half"), {}, {}, in.argument(), out.argument()) == 0 && out.read()[0] == 1);
}

void check_plain_kernels() {
    check_compiling();
    check_arguments();
    check_bits();
}

void check_cooperating_kernels() {
    const Compiled compiled(R"(
        // a sum by a tree in shared memory; the threads beyond n take part with 0
        extern "C" __global__ void __launch_bounds__(256) tree(const float* x, float* sums, int n) {
            __shared__ float part[256];
            const int i = blockIdx.x * blockDim.x + threadIdx.x;
            part[threadIdx.x] = i < n ? x[i] : 0.0f;
            __syncthreads();
            for (int half = blockDim.x / 2; half > 0; half /= 2) {
                if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
                __syncthreads();
            }
            if (threadIdx.x == 0) sums[blockIdx.x] = part[0];
        }
        // the same by warps: shuffles, one value of each warp in shared memory, the first warp
        // alone at the end
        extern "C" __global__ void warps(const float* x, float* sums, int n) {
            __shared__ float part[32];
            const int i = blockIdx.x * blockDim.x + threadIdx.x;
            float value = i < n ? x[i] : 0.0f;
            for (int by = 16; by > 0; by /= 2) value += __shfl_down_sync(0xffffffffu, value, by);
            if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = value;
            __syncthreads();
            if (threadIdx.x < 32) {
                value = threadIdx.x < (blockDim.x + 31) / 32 ? part[threadIdx.x] : 0.0f;
                for (int by = 16; by > 0; by /= 2) value += __shfl_xor_sync(0xffffffffu, value, by);
                if (threadIdx.x == 0) sums[blockIdx.x] = value;
            }
        }
        extern "C" __global__ void votes(unsigned* ballots, double* shown) {
            const unsigned vote = __ballot_sync(0xffffffffu, threadIdx.x % 3 == 0);
            __syncwarp();
            if (threadIdx.x % 32 == 0) ballots[threadIdx.x / 32] = vote;
            shown[threadIdx.x] = __shfl_sync(0xffffffffu, (double)threadIdx.x, 5, 8); // lane 5 of each eight
            if (threadIdx.x == 0) ballots[2] = __any_sync(1u, 1) + 2 * __all_sync(1u, 0);
        }
        // threads return one after another while the others go on meeting
        extern "C" __global__ void leaving(int* order) {
            __shared__ int count;
            if (threadIdx.x == 0) count = 0;
            __syncthreads();
            for (int round = 0; round < 40; ++round) {
                if (threadIdx.x == round) { order[round] = count++; return; }
                __syncthreads();
            }
        }
        // on a device: for ever
        extern "C" __global__ void stuck(int* x) {
            if (threadIdx.x == 0) __syncthreads();
            else __syncwarp(0xffffffffu);
            x[0] = 1;
        }
        extern "C" __global__ void absent(float* x) { x[0] = __shfl_xor_sync(0xffffffffu, x[0], 16); }
        extern "C" __global__ void asserting(int n) { assert(threadIdx.x < n); }
    )");
    EXPECT(compiled.status == 0);
    const int n = 10000;
    std::vector<float> values = noise(n);
    Buffer<float> x(values);
    for (const char* name : {"tree", "warps"}) {
        Buffer<float> sums(40);
        int count = n;
        EXPECT(launch(compiled.function(name), {40}, {256}, x.argument(), sums.argument(), &count) == 0);
        const auto got = sums.read();
        for (int block = 0; block < 40; ++block) {
            double expected = 0;
            for (int i = block * 256; i < std::min(n, block * 256 + 256); ++i) expected += values[i];
            EXPECT(std::fabs(got[block] - expected) < 1e-4);
        }
    }

    Buffer<unsigned> ballots(3);
    Buffer<double> shown(64);
    EXPECT(launch(compiled.function("votes"), {}, {64}, ballots.argument(), shown.argument()) == 0);
    unsigned expected[2] = {};
    for (int thread = 0; thread < 64; ++thread) expected[thread / 32] |= unsigned(thread % 3 == 0) << thread % 32;
    EXPECT(ballots.read()[0] == expected[0] && ballots.read()[1] == expected[1] && ballots.read()[2] == 1);
    const auto lanes = shown.read();
    for (int thread = 0; thread < 64; ++thread) EXPECT(lanes[thread] == thread / 8 * 8 + 5);

    Buffer<int> order(40);
    EXPECT(launch(compiled.function("leaving"), {}, {40}, order.argument()) == 0);
    const auto rounds = order.read();
    for (int round = 0; round < 40; ++round) EXPECT(rounds[round] == round);

    Buffer<int> flag(1);
    EXPECT(launch(compiled.function("stuck"), {}, {64}, flag.argument()) == 719);
    EXPECT(launch(compiled.function("absent"), {}, {16}, x.argument()) == 719);
    EXPECT(launch(compiled.function("absent"), {}, {32}, x.argument()) == 0);
    int limit = 33;
    EXPECT(launch(compiled.function("asserting"), {}, {33}, &limit) == 0);
    EXPECT(launch(compiled.function("asserting"), {}, {34}, &limit) == 719);
    EXPECT(launch(compiled.function("leaving"), {}, {40}, order.argument()) == 0); // after a failure all goes on
}
