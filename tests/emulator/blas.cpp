// cuBLAS: matrix products. Matrices are stored by columns, as there.
#include "emulator.hpp"
#include "numbers.hpp"
#include <algorithm>
#include <optional>
#include <vector>

namespace emulator {

#if defined(__x86_64__)
#define FOR_TWO_PROCESSORS __attribute__((target_clones("avx2", "default")))
#else
#define FOR_TWO_PROCESSORS
#endif
FOR_TWO_PROCESSORS void add_scaled(size_t count, float a, const float* __restrict x, float* __restrict y) {
    for (size_t i = 0; i < count; ++i) y[i] += a * x[i];
}
FOR_TWO_PROCESSORS void add_scaled(size_t count, double a, const double* __restrict x, double* __restrict y) {
    for (size_t i = 0; i < count; ++i) y[i] += a * x[i];
}

namespace {

enum Status : int { blas_success = 0, not_initialised = 1, blas_invalid_value = 7, blas_failed = 13, blas_not_supported = 15 };

std::optional<Element> element_of(int cuda_type) {
    switch (cuda_type) {
    case 0: return Element::f32;
    case 1: return Element::f64;
    case 2: return Element::f16;
    case 14: return Element::bf16;
    default: return std::nullopt;
    }
}

// what a cublasComputeType_t scales with and sums in; f16 sums in f32 all the same
std::optional<Element> scale_of(int compute_type) {
    switch (compute_type) {
    case 64: case 65: return Element::f16;
    case 68: case 69: case 74: case 75: case 77: return Element::f32; // 77: TF32 is not rounded to
    case 70: case 71: return Element::f64;
    default: return std::nullopt;
    }
}

// an operand: a matrix for each member of the batch
struct Operand {
    Element element;
    const void* start;
    int stride; // from column to column
    long long next; // from matrix to matrix

    bool holds(const char* name, int rows, int columns, int batch) const {
        const size_t last = size_t(columns - 1) * stride + rows + size_t(batch - 1) * next;
        return within(name, start, last * size_of(element));
    }
};

struct Product {
    bool transpose_a, transpose_b;
    int m, n, k, batch;
    Operand a, b, c;
};

template <class Sum, class T>
void pack(const T* from, int stride, bool transposed, int rows, int columns, std::vector<Sum>& packed) {
    for (int column = 0; column < columns; ++column)
        for (int row = 0; row < rows; ++row)
            packed[size_t(column) * rows + row] =
                Sum(from[transposed ? size_t(row) * stride + column : size_t(column) * stride + row]);
}

template <class Sum> void multiply(const Product& product, Sum alpha, Sum beta) {
    const int m = product.m, n = product.n, k = product.k;
    const Operand &a = product.a, &b = product.b, &c = product.c;
    std::vector<Sum> left(size_t(m) * k), right(size_t(k) * n), sums(size_t(m) * n);
    for (long long index = 0; index < product.batch; ++index) {
        with_elements(a.element, a.start, [&](auto* from) {
            pack(from + index * a.next, a.stride, product.transpose_a, m, k, left);
        });
        with_elements(b.element, b.start, [&](auto* from) {
            pack(from + index * b.next, b.stride, product.transpose_b, k, n, right);
        });
        std::fill(sums.begin(), sums.end(), Sum(0));
        // as many columns of the left matrix as stay in the cache while all columns of the right
        // one pass by
        const int slab = std::max(1, int((size_t(128) << 10) / sizeof(Sum) / m));
        for (int first = 0; first < k; first += slab)
            for (int column = 0; column < n; ++column)
                for (int l = first; l < std::min(k, first + slab); ++l)
                    add_scaled(m, right[size_t(column) * k + l], &left[size_t(l) * m], &sums[size_t(column) * m]);
        with_elements(c.element, c.start, [&](auto* to) {
            using T = std::remove_reference_t<decltype(*to)>;
            to += index * c.next;
            for (int column = 0; column < n; ++column)
                for (int row = 0; row < m; ++row) {
                    T& out = to[size_t(column) * c.stride + row];
                    Sum value = alpha * sums[size_t(column) * m + row];
                    if (beta != Sum(0)) value += beta * Sum(out); // else what is there is not even read: it may be NaN
                    out = T(value);
                }
        });
    }
}

Status gemm(void* handle, const Product& product, std::optional<Element> scale, const void* alpha, const void* beta) {
    if (!handle) return not_initialised;
    if (!scale) return blas_not_supported;
    const Hold hold(device());
    const int m = product.m, n = product.n, k = product.k, batch = product.batch;
    const Operand &a = product.a, &b = product.b, &c = product.c;
    if (m < 0 || n < 0 || k < 0 || batch < 0) return blas_invalid_value;
    if (m == 0 || n == 0 || batch == 0) return blas_success;
    const int rows_a = product.transpose_a ? k : m, rows_b = product.transpose_b ? n : k;
    if (a.stride < std::max(1, rows_a) || b.stride < std::max(1, rows_b) || c.stride < m) {
        complain("gemm %d %d %d: leading dimensions %d, %d, %d", m, n, k, a.stride, b.stride, c.stride);
        return blas_invalid_value;
    }
    const bool held = k == 0 || (a.holds("gemm, first operand", rows_a, product.transpose_a ? m : k, batch) &&
                                 b.holds("gemm, second operand", rows_b, product.transpose_b ? k : n, batch));
    if (!held || !c.holds("gemm, result", m, n, batch)) return blas_failed;
    event("gemm %d %d %d %d\n", m, n, k, batch);
    if (settings().skip) return blas_success;
    with_elements(*scale, alpha, [&](auto* alpha) {
        const auto* same_beta = static_cast<const std::remove_reference_t<decltype(*alpha)>*>(beta);
        using Sum = Wide<std::remove_reference_t<decltype(*alpha)>>;
        multiply<Sum>(product, Sum(*alpha), Sum(*same_beta));
    });
    return intact("gemm") ? blas_success : blas_failed;
}

// the variants whose operands all have one type
Status gemm_of(Element element, void* handle, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int lda,
               long long stride_a, const void* b, int ldb, long long stride_b, const void* beta, void* c, int ldc,
               long long stride_c, int batch) {
    const Operand of_a = {element, a, lda, stride_a}, of_b = {element, b, ldb, stride_b}, of_c = {element, c, ldc, stride_c};
    return gemm(handle, {ta != 0, tb != 0, m, n, k, batch, of_a, of_b, of_c}, element, alpha, beta);
}

} // namespace

API Status cublasCreate_v2(void** handle) {
    *handle = reinterpret_cast<void*>(0x60);
    return blas_success;
}
API Status cublasDestroy_v2(void*) { return blas_success; }
API Status cublasSetStream_v2(void*, void*) { return blas_success; }
API Status cublasSetWorkspace_v2(void*, void*, size_t) { return blas_success; }
API Status cublasSetMathMode(void*, int) { return blas_success; }
API Status cublasSetPointerMode_v2(void*, int mode) { return mode == 0 ? blas_success : blas_not_supported; } // 0: on the host

API Status cublasGemmStridedBatchedEx(void* handle, int ta, int tb, int m, int n, int k, const void* alpha, const void* a,
                                      int type_a, int lda, long long stride_a, const void* b, int type_b, int ldb,
                                      long long stride_b, const void* beta, void* c, int type_c, int ldc, long long stride_c,
                                      int batch, int compute_type, int) {
    const auto of_a = element_of(type_a), of_b = element_of(type_b), of_c = element_of(type_c);
    if (!of_a || !of_b || !of_c) return blas_not_supported;
    const Operand left = {*of_a, a, lda, stride_a}, right = {*of_b, b, ldb, stride_b}, result = {*of_c, c, ldc, stride_c};
    return gemm(handle, {ta != 0, tb != 0, m, n, k, batch, left, right, result}, scale_of(compute_type), alpha, beta);
}
API Status cublasGemmEx(void* handle, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int type_a, int lda,
                        const void* b, int type_b, int ldb, const void* beta, void* c, int type_c, int ldc, int compute_type,
                        int algorithm) {
    return cublasGemmStridedBatchedEx(handle, ta, tb, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0, beta, c, type_c, ldc,
                                      0, 1, compute_type, algorithm);
}
API Status cublasSgemm_v2(void* handle, int ta, int tb, int m, int n, int k, const float* alpha, const float* a, int lda,
                          const float* b, int ldb, const float* beta, float* c, int ldc) {
    return gemm_of(Element::f32, handle, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}
API Status cublasDgemm_v2(void* handle, int ta, int tb, int m, int n, int k, const double* alpha, const double* a, int lda,
                          const double* b, int ldb, const double* beta, double* c, int ldc) {
    return gemm_of(Element::f64, handle, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}
API Status cublasSgemmStridedBatched(void* handle, int ta, int tb, int m, int n, int k, const float* alpha, const float* a,
                                     int lda, long long stride_a, const float* b, int ldb, long long stride_b, const float* beta,
                                     float* c, int ldc, long long stride_c, int batch) {
    return gemm_of(Element::f32, handle, ta, tb, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch);
}
API Status cublasDgemmStridedBatched(void* handle, int ta, int tb, int m, int n, int k, const double* alpha, const double* a,
                                     int lda, long long stride_a, const double* b, int ldb, long long stride_b,
                                     const double* beta, double* c, int ldc, long long stride_c, int batch) {
    return gemm_of(Element::f64, handle, ta, tb, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b, beta, c, ldc, stride_c, batch);
}

} // namespace emulator
