// Memory, candle's kernels, random numbers, and what happens when memory is misused or nothing is
// executed.
#include "check.hpp"

void check_memory() {
    size_t before = 0, after = 0, total = 0;
    cuMemGetInfo_v2(&before, &total);
    {
        const std::vector<float> values = {1, 2, 3, 4, 5, 6};
        Buffer<float> a(values), b(6);
        cuMemGetInfo_v2(&after, &total);
        EXPECT(before - after == 48 && total >= before);
        EXPECT(a.address() % 256 == 0);
        EXPECT(cuMemcpyDtoDAsync_v2(b.address(), a.address(), 24, nullptr) == 0);
        EXPECT(b.read() == values);
        EXPECT(cuMemsetD8Async(b.address() + 4, 0, 8, nullptr) == 0);
        EXPECT((b.read() == std::vector<float>{1, 0, 0, 4, 5, 6}));

        // outside
        EXPECT(cuMemcpyHtoDAsync_v2(a.address(), values.data(), 25, nullptr) == 1);
        EXPECT(cuMemcpyHtoDAsync_v2(a.address() + 24, values.data(), 1, nullptr) == 1);
        EXPECT(cuMemsetD8Async(a.address() - 1, 0, 4, nullptr) == 1);
        EXPECT(cuMemcpyHtoDAsync_v2(16, values.data(), 4, nullptr) == 1);
        EXPECT(cuMemFreeAsync(a.address() + 4, nullptr) == 1);

        // columns 1 and 2 of two rows of three, to the host
        struct {
            size_t from_x, from_y;
            unsigned from_kind;
            const void* from_host;
            uint64_t from_device;
            void* from_array;
            size_t from_pitch, to_x, to_y;
            unsigned to_kind;
            void* to_host;
            uint64_t to_device;
            void* to_array;
            size_t to_pitch, width, height;
        } plan = {4, 0, 2, nullptr, a.address(), nullptr, 12, 0, 0, 1, nullptr, 0, nullptr, 8, 8, 2};
        float columns[4] = {};
        plan.to_host = columns;
        EXPECT(cuMemcpy2DAsync_v2(&plan, nullptr) == 0);
        EXPECT(columns[0] == 2 && columns[1] == 3 && columns[2] == 5 && columns[3] == 6);
    }
    cuMemGetInfo_v2(&after, &total);
    EXPECT(before == after);

    uint64_t pointer = 1;
    EXPECT(cuMemAlloc_v2(&pointer, 0) == 1);
    EXPECT(cuMemAllocAsync(&pointer, 0, nullptr) == 0 && pointer == 0 && cuMemFreeAsync(0, nullptr) == 0);
    EXPECT(cuMemAlloc_v2(&pointer, size_t(1) << 50) == 2);
    EXPECT(cuMemAlloc_v2(&pointer, size_t(100) << 30) == 0); // more than this machine has, as long as it is not touched
    EXPECT(cuMemFree_v2(pointer) == 0 && cuMemFree_v2(pointer) == 1);

    int value = 0;
    cuDeviceGetAttribute(&value, 75, 0);
    EXPECT(value == 9);
    const char* name = nullptr;
    EXPECT(cuGetErrorName(700, &name) == 0 && std::string(name) == "CUDA_ERROR_ILLEGAL_ADDRESS");
}

// A kernel of candle's: from an image that is not ours.
static void* candle(const char* name) {
    static void* module = nullptr;
    if (!module) cuModuleLoadData(&module, ".version 8.0\n.target sm_80\n");
    void* function = nullptr;
    EXPECT(cuModuleGetFunction(&function, module, name) == 0);
    return function;
}

void check_candle() {
    const Shape grid = {1}, block = {1024};
    size_t six = 6, two = 2, three = 3, none = 0;
    Buffer<float> a(std::vector<float>{1, 2, 3, 4, 5, 6}), b(std::vector<float>{-1, 0.5f, 2, 8, -3, 1}), c(6);
    EXPECT(launch(candle("badd_f32"), grid, block, &six, &two, &none, a.argument(), b.argument(), c.argument()) == 0);
    EXPECT((c.read() == std::vector<float>{0, 2.5f, 5, 12, 2, 7}));
    EXPECT(launch(candle("bmaximum_f32"), grid, block, &six, &two, &none, a.argument(), b.argument(), c.argument()) == 0);
    EXPECT((c.read() == std::vector<float>{1, 2, 3, 8, 5, 6}));
    EXPECT(launch(candle("urelu_f32"), grid, block, &six, &two, &none, b.argument(), c.argument()) == 0);
    EXPECT((c.read() == std::vector<float>{0, 0.5f, 2, 8, 0, 1}));

    // the transpose of a [2,3], copied; and the first operand transposed, the second a row repeated
    Buffer<size_t> turned(std::vector<size_t>{3, 2, 1, 3});
    EXPECT(launch(candle("ucopy_f32"), grid, block, &six, &two, turned.argument(), a.argument(), c.argument()) == 0);
    EXPECT((c.read() == std::vector<float>{1, 4, 2, 5, 3, 6}));
    Buffer<size_t> both(std::vector<size_t>{3, 2, 1, 3, 0, 1});
    EXPECT(launch(candle("bmul_f32"), grid, block, &six, &two, both.argument(), a.argument(), b.argument(), c.argument()) == 0);
    EXPECT((c.read() == std::vector<float>{-1, 2, -2, 2.5f, -3, 3}));

    float factor = 2, term = 1;
    EXPECT(launch(candle("affine_f32"), grid, block, &six, &two, &none, a.argument(), c.argument(), &factor, &term) == 0);
    EXPECT((c.read() == std::vector<float>{3, 5, 7, 9, 11, 13}));
    EXPECT(launch(candle("const_set_f32"), grid, block, &six, &two, &none, &factor, c.argument()) == 0);
    EXPECT(c.read() == std::vector<float>(6, 2));

    // sums: over the second dimension, over the first, of all
    Buffer<size_t> rows(std::vector<size_t>{2, 3, 3, 1}), columns(std::vector<size_t>{3, 2, 1, 3}), flat(std::vector<size_t>{6, 1});
    Buffer<float> sums(3);
    EXPECT(launch(candle("fast_sum_small_f32"), grid, {256}, &two, &three, &two, rows.argument(), a.argument(), sums.argument()) == 0);
    EXPECT(sums.read()[0] == 6 && sums.read()[1] == 15);
    EXPECT(launch(candle("fast_sum_f32"), {3}, {2}, &six, &two, &two, columns.argument(), a.argument(), sums.argument()) == 0);
    EXPECT((sums.read() == std::vector<float>{5, 7, 9}));
    size_t one = 1;
    EXPECT(launch(candle("fast_max_f32"), {1}, {8}, &six, &six, &one, flat.argument(), b.argument(), sums.argument()) == 0);
    EXPECT(sums.read()[0] == 8);
    Buffer<uint32_t> where(2);
    EXPECT(launch(candle("fast_argmax_f32"), {2}, {4}, &six, &three, &two, rows.argument(), b.argument(), where.argument()) == 0);
    EXPECT((where.read() == std::vector<uint32_t>{2, 0}));

    Buffer<uint16_t> halves(6);
    EXPECT(launch(candle("cast_f32_bf16"), grid, block, &six, &two, &none, b.argument(), halves.argument()) == 0);
    EXPECT(halves.read()[3] == to_bf16(8));
    EXPECT(launch(candle("cast_bf16_f32"), grid, block, &six, &two, turned.argument(), halves.argument(), c.argument()) == 0);
    EXPECT((c.read() == std::vector<float>{-1, 8, 0.5f, -3, 2, 1}));

    uint32_t two_rows = 2, two_columns = 2, from_row = 3, to_row = 2;
    Buffer<float> corner(4);
    EXPECT(launch(candle("copy2d_f32"), grid, block, a.argument(), corner.argument(), &two_rows, &two_columns, &from_row, &to_row) == 0);
    EXPECT((corner.read() == std::vector<float>{1, 2, 4, 5}));

    Buffer<uint32_t> ids(std::vector<uint32_t>{2, 0});
    size_t four = 4;
    Buffer<size_t> of_ids(std::vector<size_t>{2, 1});
    EXPECT(launch(candle("is_u32_f32"), grid, block, &four, &one, of_ids.argument(), ids.argument(), a.argument(), corner.argument(),
                  &two, &three, &two, &one) == 0); // columns 2 and 0
    EXPECT((corner.read() == std::vector<float>{3, 1, 6, 4}));
    Buffer<float> picked(2);
    EXPECT(launch(candle("gather_u32_f32"), grid, block, &two, ids.argument(), a.argument(), picked.argument(), &two, &three, &one,
                  &one) == 0); // one of each row
    EXPECT((picked.read() == std::vector<float>{3, 4}));
    cuMemsetD8Async(c.address(), 0, 24, nullptr);
    EXPECT(launch(candle("sa_u32_f32"), grid, block, ids.argument(), picked.argument(), c.argument(), &two, &one, &three, &one) == 0);
    EXPECT((c.read() == std::vector<float>{0, 0, 3, 4, 0, 0}));

    Buffer<uint8_t> truth(std::vector<uint8_t>{1, 0, 0, 1, 1, 0});
    Buffer<size_t> three_layouts(std::vector<size_t>{6, 1, 1, 0});
    EXPECT(launch(candle("where_u8_f32"), grid, block, &six, &one, three_layouts.argument(), truth.argument(), a.argument(),
                  b.argument(), c.argument()) == 0);
    EXPECT((c.read() == std::vector<float>{1, -1, -1, 4, 5, -1}));

    EXPECT(launch(candle("rope_f32"), grid, block, a.argument()) == 801); // nobody wrote it
}

void check_random() {
    void* generator = nullptr;
    const size_t count = 20000;
    Buffer<float> values(count), again(count);
    curandCreateGenerator(&generator, 100);
    curandSetPseudoRandomGeneratorSeed(generator, 7);
    EXPECT(curandGenerateNormal(generator, values.at(), count, 3, 2) == 0);
    double sum = 0, squares = 0;
    for (const float v : values.read()) sum += v, squares += (v - 3.0) * (v - 3.0);
    EXPECT(std::fabs(sum / count - 3) < 0.05 && std::fabs(squares / count - 4) < 0.15);
    curandSetPseudoRandomGeneratorSeed(generator, 7);
    EXPECT(curandGenerateNormal(generator, again.at(), count, 3, 2) == 0 && again.read() == values.read());
    EXPECT(curandGenerateUniform(generator, values.at(), count) == 0);
    for (const float v : values.read()) EXPECT(v > 0 && v <= 1);
    curandDestroyGenerator(generator);
}

void check_guards() {
    const Compiled compiled(R"(
        extern "C" __global__ void fill(float* x, int from, int to) {
            for (int i = from; i < to; ++i) x[i] = 1.0f;
        }
        extern "C" __global__ void pairs(const float2* x, float* y) { y[0] = x[0].x + x[0].y; }
        extern "C" __global__ void sum(const float* x, float* y, int n) {
            float s = 0.0f;
            for (int i = 0; i < n; ++i) s += x[i];
            y[0] = s;
        }
    )");
    EXPECT(compiled.status == 0);
    Buffer<float> x(100), y(1);
    int from = 0, to = 100, behind = 101, before = -1, nothing = 0;
    EXPECT(launch(compiled.function("fill"), {}, {}, x.argument(), &from, &to) == 0);
    EXPECT(launch(compiled.function("fill"), {}, {}, x.argument(), &from, &behind) == 700);
    EXPECT(launch(compiled.function("fill"), {}, {}, x.argument(), &from, &to) == 0); // told once
    EXPECT(launch(compiled.function("fill"), {}, {}, x.argument(), &before, &nothing) == 700);

    uint64_t odd = x.address() + 4;
    EXPECT(launch(compiled.function("pairs"), {}, {}, x.argument(), y.argument()) == 0);
    EXPECT(launch(compiled.function("pairs"), {}, {}, &odd, y.argument()) == 719);

    Buffer<float> fresh(10);
    int ten = 10;
    EXPECT(launch(compiled.function("sum"), {}, {}, fresh.argument(), y.argument(), &ten) == 0);
    EXPECT(std::isnan(y.read()[0]));
}

// The script compares the log of this with what it has to be.
void check_skipping() {
    uint64_t large = 0;
    EXPECT(cuMemAllocAsync(&large, size_t(60) << 30, nullptr) == 0);
    EXPECT(cuMemsetD8Async(large, 0, size_t(60) << 30, nullptr) == 0);
    const std::vector<float> values = {1, 2};
    EXPECT(cuMemcpyHtoDAsync_v2(large, values.data(), 8, nullptr) == 0);
    EXPECT(cuMemcpyDtoDAsync_v2(large + 8, large, 8, nullptr) == 0);
    const Compiled compiled("extern \"C\" __global__ void set(float* x) { *x = 3.0f; }");
    EXPECT(launch(compiled.function("set"), {5, 4, 3}, {8, 4, 2}, &large) == 0);
    EXPECT(launch(candle("rope_f32"), {2}, {1024}, &large) == 0);
    std::vector<float> read = {9, 9};
    EXPECT(cuMemcpyDtoHAsync_v2(read.data(), large, 8, nullptr) == 0);
    EXPECT((read == std::vector<float>{0, 0}));
    check_products();
    EXPECT(cuStreamSynchronize(nullptr) == 0);
    EXPECT(cuMemFreeAsync(large, nullptr) == 0);
}
