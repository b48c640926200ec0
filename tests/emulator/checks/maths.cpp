// Matrix products and convolutions against the plainest possible loops in double, and the
// convolution's directions against each other.
#include "check.hpp"
#include <cstdlib>

extern "C" {
int cublasCreate_v2(void**);
int cublasGemmStridedBatchedEx(void*, int, int, int, int, int, const void*, const void*, int, int, long long, const void*, int, int,
                               long long, const void*, void*, int, int, long long, int, int, int);
int cublasSgemm_v2(void*, int, int, int, int, int, const float*, const float*, int, const float*, int, const float*, float*, int);
int cudnnCreateTensorDescriptor(void**);
int cudnnDestroyTensorDescriptor(void*);
int cudnnSetTensor4dDescriptorEx(void*, int, int, int, int, int, int, int, int, int);
int cudnnSetTensor4dDescriptor(void*, int, int, int, int, int, int);
int cudnnCreateFilterDescriptor(void**);
int cudnnSetFilter4dDescriptor(void*, int, int, int, int, int, int);
int cudnnCreateConvolutionDescriptor(void**);
int cudnnDestroyConvolutionDescriptor(void*);
int cudnnSetConvolution2dDescriptor(void*, int, int, int, int, int, int, int, int);
int cudnnSetConvolutionGroupCount(void*, int);
int cudnnGetConvolution2dForwardOutputDim(void*, void*, void*, int*, int*, int*, int*);
int cudnnGetConvolutionBackwardFilterAlgorithm_v7(void*, void*, void*, void*, void*, int, int*, void*);
int cudnnFindConvolutionBackwardFilterAlgorithmEx(void*, void*, const void*, void*, const void*, void*, void*, void*, int, int*,
                                                  void*, void*, size_t);
int cudnnGetConvolutionForwardWorkspaceSize(void*, void*, void*, void*, void*, int, size_t*);
int cudnnConvolutionForward(void*, const void*, void*, const void*, void*, const void*, void*, int, void*, size_t, const void*, void*,
                            void*);
int cudnnConvolutionBackwardData(void*, const void*, void*, const void*, void*, const void*, void*, int, void*, size_t, const void*,
                                 void*, void*);
int cudnnConvolutionBackwardFilter(void*, const void*, void*, const void*, void*, const void*, void*, int, void*, size_t, const void*,
                                   void*, void*);
}

static const bool skipping = std::getenv("EMULATOR_SKIP") != nullptr;

// The element types, each with its number in cuBLAS and in cuDNN, and a whole number as one of its
// values.
struct F32 {
    using T = float;
    using Scale = float;
    static constexpr int blas = 0, compute = 68, dnn = 0, sum = 0;
    static T of(double x) { return float(x); }
    static double back(T x) { return x; }
};
struct F64 {
    using T = double;
    using Scale = double;
    static constexpr int blas = 1, compute = 70, dnn = 1, sum = 1;
    static T of(double x) { return x; }
    static double back(T x) { return x; }
};
struct F16 {
    using T = _Float16;
    using Scale = float;
    static constexpr int blas = 2, compute = 68, dnn = 2, sum = 0;
    static T of(double x) { return _Float16(float(x)); }
    static double back(T x) { return float(x); }
};
struct Bf16 {
    using T = uint16_t;
    using Scale = float;
    static constexpr int blas = 14, compute = 75, dnn = 9, sum = 0;
    static T of(double x) { return to_bf16(float(x)); }
    static double back(T x) { return from_bf16(x); }
};

// Small whole numbers: their sums are exact, so that results can be compared with ==.
template <class Type> static std::vector<typename Type::T> whole_numbers(size_t count, Noise& next) {
    std::vector<typename Type::T> values(count);
    for (auto& value : values) value = Type::of(next.integer(4));
    return values;
}

template <class Type> static void check_product(void* blas) {
    using T = typename Type::T;
    Noise next;
    const int m = 7, n = 5, k = 9, batch = 3, pad = 2; // columns are two longer than they have to be
    for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
            const int lda = (ta ? k : m) + pad, ldb = (tb ? n : k) + pad, ldc = m + pad;
            const long long next_a = lda * (ta ? m : k) + 1, next_b = ldb * (tb ? k : n) + 3, next_c = ldc * n;
            const auto a = whole_numbers<Type>(next_a * batch, next), b = whole_numbers<Type>(next_b * batch, next);
            auto c = whole_numbers<Type>(next_c * batch, next);
            Buffer<T> at(a), bt(b), ct(c);
            const typename Type::Scale alpha = 0.5, beta = 2;
            EXPECT(cublasGemmStridedBatchedEx(blas, ta, tb, m, n, k, &alpha, at.at(), Type::blas, lda, next_a, bt.at(), Type::blas,
                                              ldb, next_b, &beta, ct.at(), Type::blas, ldc, next_c, batch, Type::compute, 99) == 0);
            if (skipping) continue;
            for (int index = 0; index < batch; ++index)
                for (int j = 0; j < n; ++j)
                    for (int i = 0; i < m; ++i) {
                        double sum = 0;
                        for (int l = 0; l < k; ++l)
                            sum += Type::back(a[index * next_a + (ta ? i * lda + l : l * lda + i)]) *
                                   Type::back(b[index * next_b + (tb ? l * ldb + j : j * ldb + l)]);
                        T& out = c[index * next_c + j * ldc + i];
                        out = Type::of(0.5 * sum + 2 * Type::back(out));
                    }
            EXPECT(ct.read() == c);
        }
}

void check_products() {
    void* blas = nullptr;
    EXPECT(cublasCreate_v2(&blas) == 0);
    check_product<F32>(blas);
    check_product<F64>(blas);
    check_product<F16>(blas);
    check_product<Bf16>(blas);

    Noise next;
    const float one = 1, zero = 0;
    std::vector<float> a(300 * 400), b(400 * 500), c(300 * 500, NAN); // c is not read when beta is 0
    for (float& x : a) x = float(next());
    for (float& x : b) x = float(next());
    Buffer<float> at(a), bt(b), ct(c);
    EXPECT(cublasSgemm_v2(blas, 0, 0, 300, 500, 400, &one, at.at(), 300, bt.at(), 400, &zero, ct.at(), 300) == 0);
    EXPECT(cublasSgemm_v2(blas, 0, 0, 300, 500, 400, &one, at.at(), 299, bt.at(), 400, &zero, ct.at(), 300) == 7);
    EXPECT(cublasSgemm_v2(blas, 0, 0, 300, 500, 401, &one, at.at(), 300, bt.at(), 401, &zero, ct.at(), 300) == 13);
    EXPECT(cublasSgemm_v2(nullptr, 0, 0, 300, 500, 400, &one, at.at(), 300, bt.at(), 400, &zero, ct.at(), 300) == 1);
    if (skipping) return;
    const auto got = ct.read();
    for (int j = 0; j < 500; j += 99)
        for (int i = 0; i < 300; i += 23) {
            double sum = 0;
            for (int l = 0; l < 400; ++l) sum += double(a[l * 300 + i]) * b[j * 400 + l];
            EXPECT(std::fabs(got[j * 300 + i] - sum) < 1e-4);
        }
}

// ---- convolutions

struct Case {
    int n, c, h, w, k, r, s, pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, groups, format, mode;
};

struct Strides {
    int n, c, h, w;
    static Strides of(int format, int c, int h, int w) {
        return format == 0 ? Strides{c * h * w, h * w, w, 1} : Strides{c * h * w, 1, w * c, c};
    }
    int operator()(int in, int ic, int ih, int iw) const { return in * n + ic * c + ih * h + iw * w; }
};

struct Performance {
    int algorithm, status;
    float time;
    size_t memory;
    int deterministic, math, reserved[3];
};

template <class Type> static void check_convolution(const Case& t) {
    using T = typename Type::T;
    Noise next;
    const int p = 1 + (t.h + 2 * t.pad_h - ((t.r - 1) * t.dilation_h + 1)) / t.stride_h;
    const int q = 1 + (t.w + 2 * t.pad_w - ((t.s - 1) * t.dilation_w + 1)) / t.stride_w;
    const int in = t.c / t.groups, out = t.k / t.groups;
    const Strides xs = Strides::of(t.format, t.c, t.h, t.w), ws = Strides::of(t.format, in, t.r, t.s),
                  ys = Strides::of(t.format, t.k, p, q);

    void *x_shape, *w_shape, *y_shape, *plan;
    cudnnCreateTensorDescriptor(&x_shape), cudnnCreateTensorDescriptor(&y_shape);
    cudnnCreateFilterDescriptor(&w_shape), cudnnCreateConvolutionDescriptor(&plan);
    EXPECT(cudnnSetTensor4dDescriptor(x_shape, t.format, Type::dnn, t.n, t.c, t.h, t.w) == 0);
    EXPECT(cudnnSetFilter4dDescriptor(w_shape, Type::dnn, t.format, t.k, in, t.r, t.s) == 0);
    EXPECT(cudnnSetTensor4dDescriptorEx(y_shape, Type::dnn, t.n, t.k, p, q, ys.n, ys.c, ys.h, ys.w) == 0);
    EXPECT(cudnnSetConvolution2dDescriptor(plan, t.pad_h, t.pad_w, t.stride_h, t.stride_w, t.dilation_h, t.dilation_w, t.mode,
                                           Type::sum) == 0);
    EXPECT(cudnnSetConvolutionGroupCount(plan, t.groups) == 0);
    int size[4];
    EXPECT(cudnnGetConvolution2dForwardOutputDim(plan, x_shape, w_shape, &size[0], &size[1], &size[2], &size[3]) == 0);
    EXPECT(size[0] == t.n && size[1] == t.k && size[2] == p && size[3] == q);

    const auto x = whole_numbers<Type>(size_t(t.n) * t.c * t.h * t.w, next),
               w = whole_numbers<Type>(size_t(t.k) * in * t.r * t.s, next);
    const auto g = whole_numbers<Type>(size_t(t.n) * t.k * p * q, next);
    std::vector<double> y(g.size()), dx(x.size()), dw(w.size());
    for (int b = 0; b < t.n; ++b)
        for (int k = 0; k < t.k; ++k)
            for (int i = 0; i < p; ++i)
                for (int j = 0; j < q; ++j)
                    for (int c = 0; c < in; ++c)
                        for (int r = 0; r < t.r; ++r)
                            for (int s = 0; s < t.s; ++s) {
                                const int h = i * t.stride_h - t.pad_h + r * t.dilation_h;
                                const int v = j * t.stride_w - t.pad_w + s * t.dilation_w;
                                if (h < 0 || h >= t.h || v < 0 || v >= t.w) continue;
                                const int xi = xs(b, k / out * in + c, h, v), yi = ys(b, k, i, j);
                                const int wi = t.mode ? ws(k, c, r, s) : ws(k, c, t.r - 1 - r, t.s - 1 - s);
                                y[yi] += Type::back(x[xi]) * Type::back(w[wi]);
                                dx[xi] += Type::back(g[yi]) * Type::back(w[wi]);
                                dw[wi] += Type::back(g[yi]) * Type::back(x[xi]);
                            }

    Buffer<T> xt(x), wt(w), gt(g), yt(g.size()), dxt(x.size()), dwt(w);
    Buffer<uint8_t> workspace(1 << 20);
    void* room = workspace.at();
    const typename Type::Scale one = 1, zero = 0, two = 2;
    EXPECT(cudnnConvolutionForward(nullptr, &one, x_shape, xt.at(), w_shape, wt.at(),
                           plan, 1, room, 1 << 20, &zero, y_shape, yt.at()) == 0);
    EXPECT(cudnnConvolutionBackwardData(nullptr, &two, w_shape, wt.at(), y_shape, gt.at(),
                           plan, 1, room, 1 << 20, &zero, x_shape, dxt.at()) == 0);
    EXPECT(cudnnConvolutionBackwardFilter(nullptr, &one, x_shape, xt.at(), y_shape, gt.at(),
                           plan, 0, nullptr, 0, &one, w_shape, dwt.at()) == 0);
    const auto got_y = yt.read(), got_dx = dxt.read(), got_dw = dwt.read();
    for (size_t i = 0; i < y.size(); ++i) EXPECT(got_y[i] == Type::of(y[i]));
    for (size_t i = 0; i < dx.size(); ++i) EXPECT(got_dx[i] == Type::of(2 * dx[i]));
    for (size_t i = 0; i < dw.size(); ++i) EXPECT(got_dw[i] == Type::of(dw[i] + Type::back(w[i]))); // added to what was there

    // refused: too little workspace, an output of another size
    EXPECT(cudnnConvolutionForward(nullptr, &one, x_shape, xt.at(), w_shape, wt.at(),
                           plan, 1, room, 100, &zero, y_shape, yt.at()) == 2006);
    EXPECT(cudnnSetTensor4dDescriptor(y_shape, t.format, Type::dnn, t.n, t.k, p + 1, q) == 0);
    EXPECT(cudnnConvolutionForward(nullptr, &one, x_shape, xt.at(), w_shape, wt.at(),
                           plan, 0, nullptr, 0, &zero, y_shape, yt.at()) == 2000);
    cudnnDestroyTensorDescriptor(x_shape), cudnnDestroyTensorDescriptor(y_shape), cudnnDestroyTensorDescriptor(w_shape);
    cudnnDestroyConvolutionDescriptor(plan);
}

// <conv(x), g> = <x, backward data(g)> = <w, backward filter(x, g)>, with numbers that are not
// whole
static void check_adjoints() {
    Noise next;
    void *x_shape, *w_shape, *y_shape, *plan;
    cudnnCreateTensorDescriptor(&x_shape), cudnnCreateTensorDescriptor(&y_shape);
    cudnnCreateFilterDescriptor(&w_shape), cudnnCreateConvolutionDescriptor(&plan);
    cudnnSetTensor4dDescriptor(x_shape, 1, 1, 3, 6, 11, 9);
    cudnnSetFilter4dDescriptor(w_shape, 1, 1, 8, 6, 3, 3);
    cudnnSetTensor4dDescriptor(y_shape, 1, 1, 3, 8, 6, 5);
    cudnnSetConvolution2dDescriptor(plan, 1, 1, 2, 2, 1, 1, 1, 1);
    std::vector<double> x(3 * 6 * 11 * 9), w(8 * 6 * 9), g(3 * 8 * 6 * 5);
    for (auto* values : {&x, &w, &g})
        for (double& value : *values) value = next();
    Buffer<double> xt(x), wt(w), gt(g), yt(g.size()), dxt(x.size()), dwt(w.size());
    const double one = 1, zero = 0;
    EXPECT(cudnnConvolutionForward(nullptr, &one, x_shape, xt.at(), w_shape, wt.at(),
                           plan, 0, nullptr, 0, &zero, y_shape, yt.at()) == 0);
    EXPECT(cudnnConvolutionBackwardData(nullptr, &one, w_shape, wt.at(), y_shape, gt.at(),
                           plan, 0, nullptr, 0, &zero, x_shape, dxt.at()) == 0);
    EXPECT(cudnnConvolutionBackwardFilter(nullptr, &one, x_shape, xt.at(), y_shape, gt.at(),
                           plan, 0, nullptr, 0, &zero, w_shape, dwt.at()) == 0);
    const auto product = [](const std::vector<double>& a, const std::vector<double>& b) {
        double sum = 0;
        for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
        return sum;
    };
    const double there = product(yt.read(), g);
    EXPECT(std::fabs(there) > 1e-3);
    EXPECT(std::fabs(there - product(x, dxt.read())) < 1e-11 && std::fabs(there - product(w, dwt.read())) < 1e-11);

    // the choice of an algorithm: the fast one is not deterministic; without workspace the other
    // one has failed
    Performance found[4];
    int count = 0;
    EXPECT(cudnnGetConvolutionBackwardFilterAlgorithm_v7(nullptr, x_shape, y_shape, plan, w_shape, 4, &count, found) == 0);
    EXPECT(count == 2 && found[0].algorithm == 0 && !found[0].deterministic && found[1].algorithm == 1 && found[1].deterministic);
    EXPECT(found[0].time < found[1].time && found[0].memory == 0 && found[1].memory > 0 && found[1].status == 0);
    EXPECT(cudnnFindConvolutionBackwardFilterAlgorithmEx(nullptr, x_shape, xt.at(), y_shape, gt.at(), plan, w_shape, dwt.at(), 4, &count,
                                                         found, nullptr, 0) == 0);
    EXPECT(count == 2 && found[0].status == 0 && found[1].status != 0);
    size_t bytes = 0;
    EXPECT(cudnnGetConvolutionForwardWorkspaceSize(nullptr, x_shape, w_shape, plan, y_shape, 1, &bytes) == 0 && bytes == 1 << 20);
    cudnnDestroyTensorDescriptor(x_shape), cudnnDestroyTensorDescriptor(y_shape), cudnnDestroyTensorDescriptor(w_shape);
    cudnnDestroyConvolutionDescriptor(plan);
}

void check_convolutions() {
    //  n  c  h  w  k  r  s  pad   stride  dilation groups format mode (1: cross-correlation)
    const Case cases[] = {
        {2, 3, 5, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
        {2, 3, 5, 6, 4, 3, 3, 1, 1, 1, 1, 1, 1, 1, 0, 1},
        {1, 2, 9, 8, 3, 3, 2, 0, 1, 2, 1, 1, 2, 1, 1, 1},
        {2, 4, 7, 7, 6, 5, 3, 2, 0, 2, 3, 1, 1, 2, 0, 1},
        {1, 6, 8, 7, 6, 3, 3, 2, 2, 1, 1, 2, 2, 6, 1, 0},
        {2, 2, 6, 5, 3, 2, 4, 1, 2, 1, 2, 1, 1, 1, 0, 0},
    };
    for (const Case& one : cases) {
        check_convolution<F32>(one);
        check_convolution<F64>(one);
        check_convolution<F16>(one);
        check_convolution<Bf16>(one);
    }
    check_adjoints();
}
