// The driver's functions about the device, contexts, streams and events. Everything has happened
// when a call returns, so there is nothing to wait for, and a stream or an event is no more than a
// handle.
#include "emulator.hpp"
#include <cstdio>
#include <cstring>

namespace emulator {
namespace {

// A handle is never read, but never null either.
template <class Handle> Result give(Handle* handle, uintptr_t value) {
    *handle = reinterpret_cast<Handle>(value);
    return success;
}

thread_local void* current_context = nullptr; // as in CUDA: each thread of the host has its own

struct Described {
    int code;
    const char *name, *text;
};
constexpr Described descriptions[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {too_many_threads, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {not_supported, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

Result describe(int code, const char* Described::*what, const char** text) {
    for (const Described& described : descriptions)
        if (described.code == code) {
            *text = described.*what;
            return success;
        }
    *text = nullptr;
    return invalid_value;
}

Result synchronize() {
    event("sync\n");
    return success;
}

} // namespace

API Result cuInit(unsigned) { return success; }
API Result cuDriverGetVersion(int* version) {
    *version = 13000;
    return success;
}
API Result cuGetErrorName(int code, const char** name) { return describe(code, &Described::name, name); }
API Result cuGetErrorString(int code, const char** text) { return describe(code, &Described::text, text); }
API Result cuGetProcAddress_v2(const char*, void** address, int, uint64_t, int*) {
    *address = nullptr;
    return not_found;
}
// A table of functions that NVIDIA's runtime asks for when it starts. This one has no entry: it
// begins with its own size.
API Result cuGetExportTable(const void** table, const void*) {
    static const uint64_t empty[] = {sizeof(uint64_t)};
    *table = empty;
    return success;
}

// ---- the device: an H200, as far as a program asks

API Result cuDeviceGetCount(int* count) {
    *count = 1;
    return success;
}
API Result cuDeviceGet(int* device, int ordinal) {
    *device = 0;
    return ordinal == 0 ? success : invalid_value;
}
API Result cuDeviceGetName(char* name, int length, int) {
    std::snprintf(name, length, "emulated device");
    return success;
}
API Result cuDeviceTotalMem_v2(size_t* bytes, int) {
    *bytes = capacity;
    return success;
}
API Result cuDeviceGetUuid_v2(char* uuid, int) {
    std::memset(uuid, 0, 16);
    return success;
}
API Result cuDeviceGetUuid(char* uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }
API Result cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
    case 1: *value = 1024; break;       // threads in a block
    case 2: case 3: *value = 1024; break; // … along x, along y
    case 4: *value = 64; break;         // … along z
    case 5: *value = 2147483647; break; // blocks along x
    case 6: case 7: *value = 65535; break; // … along y, along z
    case 8: *value = 49152; break;      // bytes of shared memory in a block
    case 10: *value = 32; break;        // threads in a warp
    case 12: *value = 65536; break;     // registers in a block
    case 16: *value = 132; break;       // multiprocessors
    case 38: *value = 50 << 20; break;  // bytes of L2 cache
    case 39: *value = 2048; break;      // threads on a multiprocessor
    case 75: *value = 9; break;         // compute capability 9.0
    case 76: *value = 0; break;
    case 81: *value = 233472; break;    // bytes of shared memory on a multiprocessor
    case 97: *value = 232448; break;    // … that a block may ask for
    case 115: *value = 1; break;        // memory pools: cuMemAllocAsync
    default: *value = 0;                // a feature it does not have
    }
    return success;
}

API Result cuDevicePrimaryCtxRetain(void** context, int) { return give(context, 0x10); }
API Result cuDevicePrimaryCtxRelease_v2(int) { return success; }
API Result cuDevicePrimaryCtxRelease(int) { return success; }
API Result cuCtxDestroy_v2(void*) { return success; }
API Result cuCtxSetCurrent(void* context) {
    current_context = context;
    return success;
}
API Result cuCtxGetCurrent(void** context) {
    *context = current_context;
    return success;
}
API Result cuCtxGetDevice(int* device) {
    *device = 0;
    return success;
}
API Result cuCtxSynchronize() { return synchronize(); }

// ---- memory pools: what a freed allocation does next is not emulated

API Result cuDeviceGetDefaultMemPool(void** pool, int) { return give(pool, 0x20); }
API Result cuDeviceGetMemPool(void** pool, int) { return give(pool, 0x20); }
API Result cuMemPoolSetAttribute(void*, int, void*) { return success; }
API Result cuMemPoolGetAttribute(void*, int, void* value) {
    std::memset(value, 0, sizeof(uint64_t));
    return success;
}
API Result cuMemPoolTrimTo(void*, size_t) { return success; }

// ---- streams and events

API Result cuStreamCreate(void** stream, unsigned) { return give(stream, 0x30); }
API Result cuStreamCreateWithPriority(void** stream, unsigned, int) { return give(stream, 0x30); }
API Result cuStreamDestroy_v2(void*) { return success; }
API Result cuStreamSynchronize(void*) { return synchronize(); }
API Result cuStreamWaitEvent(void*, void*, unsigned) { return success; }
API Result cuStreamQuery(void*) { return success; }
API Result cuStreamIsCapturing(void*, int* status) {
    *status = 0;
    return success;
}
API Result cuThreadExchangeStreamCaptureMode(int*) { return success; }
API Result cuStreamBeginCapture_v2(void*, int) { return not_supported; }
API Result cuStreamEndCapture(void*, void** graph) {
    *graph = nullptr;
    return not_supported;
}

API Result cuEventCreate(void** event, unsigned) { return give(event, 0x40); }
API Result cuEventRecord(void*, void*) { return success; }
API Result cuEventDestroy_v2(void*) { return success; }
API Result cuEventSynchronize(void*) { return success; }
API Result cuEventQuery(void*) { return success; }
// Time is not emulated; one millisecond keeps a division by it from failing.
API Result cuEventElapsedTime_v2(float* milliseconds, void*, void*) {
    *milliseconds = 1;
    return success;
}
API Result cuEventElapsedTime(float* milliseconds, void* start, void* end) {
    return cuEventElapsedTime_v2(milliseconds, start, end);
}

} // namespace emulator
