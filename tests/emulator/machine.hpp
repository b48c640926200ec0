// What a compiled kernel and the emulator that runs it share.
//
// No header is included, here or in kernel.hpp: NVRTC has none either, so a kernel that leans on one has to fail in the emulator too.
#pragma once

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace emulated {

// Where the running thread is, and how it reaches the others. The emulator fills this in; there is one in every compiled module.
struct Machine {
    uint3 thread = {0, 0, 0}, block = {0, 0, 0}; // threadIdx, blockIdx
    dim3 block_size, grid;                       // blockDim, gridDim

    void (*barrier)();           // waits for every thread of the block
    void (*meet)(unsigned mask); // waits for the lanes of this warp that are named in mask
    // gives `bits` to the lanes named in mask and takes those of `lane`
    unsigned long long (*exchange)(unsigned mask, unsigned long long bits, unsigned lane);
    unsigned (*ballot)(unsigned mask, bool vote);
    void (*fail)(const char* what); // the launch will report an error; the thread goes on
};

} // namespace emulated
