// What the checks of the emulator share: the C functions they call, declared here as a program would find them, and small helpers.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

extern "C" {
int cuInit(unsigned);
int cuDeviceGetAttribute(int*, int, int);
int cuGetErrorName(int, const char**);
int cuMemAlloc_v2(uint64_t*, size_t);
int cuMemAllocAsync(uint64_t*, size_t, void*);
int cuMemFree_v2(uint64_t);
int cuMemFreeAsync(uint64_t, void*);
int cuMemGetInfo_v2(size_t*, size_t*);
int cuMemsetD8Async(uint64_t, unsigned char, size_t, void*);
int cuMemcpyHtoDAsync_v2(uint64_t, const void*, size_t, void*);
int cuMemcpyDtoHAsync_v2(void*, uint64_t, size_t, void*);
int cuMemcpyDtoDAsync_v2(uint64_t, uint64_t, size_t, void*);
int cuMemcpy2DAsync_v2(const void*, void*);
int cuStreamSynchronize(void*);
int cuModuleLoadData(void**, const void*);
int cuModuleUnload(void*);
int cuModuleGetFunction(void**, void*, const char*);
int cuFuncGetAttribute(int*, int, void*);
int cuLaunchKernel(void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**);
int nvrtcCreateProgram(void**, const char*, const char*, int, const char* const*, const char* const*);
int nvrtcCompileProgram(void*, int, const char* const*);
int nvrtcDestroyProgram(void**);
int nvrtcGetPTXSize(void*, size_t*);
int nvrtcGetPTX(void*, char*);
int nvrtcGetProgramLogSize(void*, size_t*);
int nvrtcGetProgramLog(void*, char*);
int curandCreateGenerator(void**, int);
int curandSetPseudoRandomGeneratorSeed(void*, unsigned long long);
int curandGenerateNormal(void*, float*, size_t, float, float);
int curandGenerateUniform(void*, float*, size_t);
int curandDestroyGenerator(void*);
}

extern int failures;

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            ++failures;                                                                                                \
            std::printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                        \
        }                                                                                                              \
    } while (0)

// Memory of the device that holds values.
template <class T> class Buffer {
    uint64_t pointer = 0;
    size_t count;

  public:
    explicit Buffer(size_t count) : count(count) { EXPECT(cuMemAllocAsync(&pointer, count * sizeof(T), nullptr) == 0); }
    explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
        EXPECT(cuMemcpyHtoDAsync_v2(pointer, values.data(), count * sizeof(T), nullptr) == 0);
    }
    Buffer(const Buffer&) = delete;
    ~Buffer() { cuMemFreeAsync(pointer, nullptr); }
    std::vector<T> read() const {
        std::vector<T> values(count);
        EXPECT(cuMemcpyDtoHAsync_v2(values.data(), pointer, count * sizeof(T), nullptr) == 0);
        return values;
    }
    uint64_t address() const { return pointer; }
    T* at() const { return reinterpret_cast<T*>(pointer); }
    uint64_t* argument() { return &pointer; } // as a kernel takes it
};

// Numbers without a pattern that a mistake could follow.
struct Noise {
    uint64_t state = 1;
    double operator()() { // [-1, 1)
        state = state * 6364136223846793005 + 1442695040888963407;
        return double(int64_t(state) >> 11) * 0x1p-52;
    }
    int integer(int limit) { return int(std::floor((*this)() * limit)); } // [-limit, limit)
};

inline uint16_t to_bf16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
inline float from_bf16(uint16_t half) {
    const uint32_t bits = uint32_t(half) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// A compiled source. `status` and `log` tell what NVRTC said.
struct Compiled {
    int status;
    std::string log;
    void* module = nullptr;
    explicit Compiled(const std::string& source, std::vector<const char*> options = {}) {
        void* program = nullptr;
        EXPECT(nvrtcCreateProgram(&program, source.c_str(), "check.cu", 0, nullptr, nullptr) == 0);
        status = nvrtcCompileProgram(program, int(options.size()), options.data());
        size_t bytes = 0;
        nvrtcGetProgramLogSize(program, &bytes);
        log.resize(bytes);
        nvrtcGetProgramLog(program, log.data());
        if (status == 0) {
            nvrtcGetPTXSize(program, &bytes);
            std::string ptx(bytes, '\0');
            nvrtcGetPTX(program, ptx.data());
            EXPECT(cuModuleLoadData(&module, ptx.c_str()) == 0);
        }
        nvrtcDestroyProgram(&program);
    }
    ~Compiled() {
        if (module) cuModuleUnload(module);
    }
    void* function(const char* name) const {
        void* found = nullptr;
        if (!module || cuModuleGetFunction(&found, module, name) != 0) return nullptr;
        return found;
    }
};

struct Shape {
    unsigned x = 1, y = 1, z = 1;
};
template <class... Arguments> int launch(void* function, Shape grid, Shape block, Arguments... arguments) {
    void* pointers[] = {static_cast<void*>(arguments)..., nullptr};
    return cuLaunchKernel(function, grid.x, grid.y, grid.z, block.x, block.y, block.z, 0, nullptr, pointers, nullptr);
}

// the parts
void check_memory();
void check_candle();
void check_random();
void check_plain_kernels();
void check_cooperating_kernels();
void check_products();
void check_convolutions();
void check_guards();  // under EMULATOR_CHECK
void check_skipping(); // under EMULATOR_SKIP
