// candle's own kernels, written by hand. Where nvcc is a stand-in their PTX is empty, and a launch
// is known by the kernel's name alone.
//
// The names and the arguments are those of candle-kernels 0.11.1 (affine.cu, binary.cu, cast.cu,
// fill.cu, indexing.cu, reduce.cu, ternary.cu, unary.cu). A kernel of another name is refused when
// it is launched; it is added here when something needs it.
#include "emulator.hpp"
#include "numbers.hpp"
#include <cmath>
#include <limits>
#include <unordered_map>
#include <vector>

namespace emulator {
namespace {

using Table = std::unordered_map<std::string, Native>;

template <class T> T argument(const Launch& launch, int index) { return *static_cast<const T*>(launch.arguments[index]); }

// Dimensions and strides as a kernel is given them: one array for all operands; null if all of them
// are contiguous.
struct Layout {
    size_t rank;
    const size_t *dims, *strides;
    Layout(size_t rank, const size_t* info, size_t operand = 0)
        : rank(rank), dims(info), strides(info ? info + (1 + operand) * rank : nullptr) {}
    size_t operator()(size_t index) const {
        if (!dims) return index;
        size_t place = 0;
        for (size_t d = rank; d-- > 0;) {
            place += index % dims[d] * strides[d];
            index /= dims[d];
        }
        return place;
    }
};
Layout layout(const Launch& launch, size_t operand = 0) { // all kernels with a layout have it as their second and third argument
    return Layout(argument<size_t>(launch, 1), argument<const size_t*>(launch, 2), operand);
}

template <class T> T larger(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return std::fmax(a, b);
    else return a > b ? a : b;
}
template <class T> T smaller(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return std::fmin(a, b);
    else return a < b ? a : b;
}

// The operations are types, so that each kernel is a function of its own and the table holds
// nothing but pointers.
struct Copy { template <class W> static W of(W x) { return x; } };
struct Neg { template <class W> static W of(W x) { return -x; } };
struct Recip { template <class W> static W of(W x) { return W(1) / x; } };
struct Exp { template <class W> static W of(W x) { return std::exp(x); } };
struct Log { template <class W> static W of(W x) { return std::log(x); } };
struct Sin { template <class W> static W of(W x) { return std::sin(x); } };
struct Cos { template <class W> static W of(W x) { return std::cos(x); } };
struct Tanh { template <class W> static W of(W x) { return std::tanh(x); } };
struct Abs { template <class W> static W of(W x) { return std::fabs(x); } };
struct Sqr { template <class W> static W of(W x) { return x * x; } };
struct Sqrt { template <class W> static W of(W x) { return std::sqrt(x); } };
struct Floor { template <class W> static W of(W x) { return std::floor(x); } };
struct Ceil { template <class W> static W of(W x) { return std::ceil(x); } };
struct Round { template <class W> static W of(W x) { return std::round(x); } };
struct Sign { template <class W> static W of(W x) { return W(x > 0) - W(x < 0); } };
struct Relu { template <class W> static W of(W x) { return larger(x, W(0)); } };
struct Sigmoid { template <class W> static W of(W x) { return W(1) / (W(1) + std::exp(-x)); } };
struct Powf { template <class W> static W of(W x, W y) { return std::pow(x, y); } };
struct Add { template <class W> static W of(W x, W y) { return x + y; } };
struct Sub { template <class W> static W of(W x, W y) { return x - y; } };
struct Mul { template <class W> static W of(W x, W y) { return x * y; } };
struct Div { template <class W> static W of(W x, W y) { return x / y; } };
struct Maximum { template <class W> static W of(W x, W y) { return larger(x, y); } };
struct Minimum { template <class W> static W of(W x, W y) { return smaller(x, y); } };
struct Eq { template <class W> static uint8_t of(W x, W y) { return x == y; } };
struct Ne { template <class W> static uint8_t of(W x, W y) { return x != y; } };
struct Lt { template <class W> static uint8_t of(W x, W y) { return x < y; } };
struct Le { template <class W> static uint8_t of(W x, W y) { return x <= y; } };
struct Gt { template <class W> static uint8_t of(W x, W y) { return x > y; } };
struct Ge { template <class W> static uint8_t of(W x, W y) { return x >= y; } };

// (count, rank, info, in, out); without an input the output is changed in place
template <class T, class Operation> void unary(const Launch& launch) {
    const Layout at = layout(launch);
    const T* in = argument<const T*>(launch, 3);
    T* out = argument<T*>(launch, 4);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i)
        out[i] = T(Operation::of(Wide<T>(in ? in[at(i)] : out[i])));
}

// (count, rank, info, parameter, in, out)
template <class T> void power(const Launch& launch) {
    const Layout at = layout(launch);
    const Wide<T> exponent = argument<T>(launch, 3);
    const T* in = argument<const T*>(launch, 4);
    T* out = argument<T*>(launch, 5);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i)
        out[i] = T(Powf::of(Wide<T>(in ? in[at(i)] : out[i]), exponent));
}

// (count, rank, info, in, out, factor, term)
template <class T> void affine(const Launch& launch) {
    const Layout at = layout(launch);
    const T* in = argument<const T*>(launch, 3);
    T* out = argument<T*>(launch, 4);
    const Wide<T> factor = argument<T>(launch, 5), term = argument<T>(launch, 6);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i)
        out[i] = T(Wide<T>(in ? in[at(i)] : out[i]) * factor + term);
}

// (count, rank, info, left, right, out)
template <class T, class Operation, class Out> void binary(const Launch& launch) {
    const Layout left_at = layout(launch, 0), right_at = layout(launch, 1);
    const T *left = argument<const T*>(launch, 3), *right = argument<const T*>(launch, 4);
    Out* out = argument<Out*>(launch, 5);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i)
        out[i] = Out(Operation::of(Wide<T>(left[left_at(i)]), Wide<T>(right[right_at(i)])));
}

// (count, rank, info, in, out)
template <class From, class To> void cast(const Launch& launch) {
    const Layout at = layout(launch);
    const From* in = argument<const From*>(launch, 3);
    To* out = argument<To*>(launch, 4);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i) out[i] = To(Wide<To>(Wide<From>(in[at(i)])));
}

// (count, rank, info, value, out): the layout is that of the output
template <class T> void const_set(const Launch& launch) {
    const Layout at = layout(launch);
    const T value = argument<T>(launch, 3);
    T* out = argument<T*>(launch, 4);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i) out[at(i)] = value;
}

// (out, value, count)
template <class T> void fill(const Launch& launch) {
    T* out = argument<T*>(launch, 0);
    const T value = argument<T>(launch, 1);
    for (size_t i = 0, count = argument<size_t>(launch, 2); i < count; ++i) out[i] = value;
}

// (in, out, rows, columns, from row to row in the input, in the output)
template <class T> void copy2d(const Launch& launch) {
    const T* in = argument<const T*>(launch, 0);
    T* out = argument<T*>(launch, 1);
    const size_t rows = argument<uint32_t>(launch, 2), columns = argument<uint32_t>(launch, 3);
    const size_t in_stride = argument<uint32_t>(launch, 4), out_stride = argument<uint32_t>(launch, 5);
    for (size_t row = 0; row < rows; ++row)
        for (size_t column = 0; column < columns; ++column) out[row * out_stride + column] = in[row * in_stride + column];
}

// (count, rank, info, condition, then, else, out)
template <class T, class Condition> void where(const Launch& launch) {
    const Layout condition_at = layout(launch, 0), then_at = layout(launch, 1), else_at = layout(launch, 2);
    const Condition* condition = argument<const Condition*>(launch, 3);
    const T *then = argument<const T*>(launch, 4), *otherwise = argument<const T*>(launch, 5);
    T* out = argument<T*>(launch, 6);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i)
        out[i] = condition[condition_at(i)] ? then[then_at(i)] : otherwise[else_at(i)];
}

// (count of the input, length of one reduction, rank, info, in, out): one block for one result,
// whose threads each take every n-th element and then fold in halves. The order is kept, as a long
// sum in float depends on it.
template <class T, class Operation> void reduce(const Launch& launch) {
    const size_t length = argument<size_t>(launch, 1), threads = launch.block.x;
    const Layout at(argument<size_t>(launch, 2), argument<const size_t*>(launch, 3));
    const T* in = argument<const T*>(launch, 4);
    T* out = argument<T*>(launch, 5);
    using W = Wide<T>;
    std::vector<W> partial(threads);
    for (size_t result = 0; result < launch.grid.x; ++result) {
        for (size_t thread = 0; thread < threads && thread < length; ++thread) {
            partial[thread] = W(in[at(result * length + thread)]);
            for (size_t i = thread + threads; i < length; i += threads)
                partial[thread] = Operation::of(partial[thread], W(in[at(result * length + i)]));
        }
        size_t filled = std::min(threads, length);
        for (size_t half = threads / 2; half > 0; half /= 2) {
            for (size_t thread = 0; thread + half < filled && thread < half; ++thread)
                partial[thread] = Operation::of(partial[thread], partial[thread + half]);
            filled = std::min(filled, half);
        }
        out[result] = T(length ? partial[0] : W(0));
    }
}

// (count of results, length of one reduction, rank, info, in, out)
template <class T> void sum_small(const Launch& launch) {
    const size_t length = argument<size_t>(launch, 1);
    const Layout at(argument<size_t>(launch, 2), argument<const size_t*>(launch, 3));
    const T* in = argument<const T*>(launch, 4);
    T* out = argument<T*>(launch, 5);
    for (size_t result = 0, count = argument<size_t>(launch, 0); result < count; ++result) {
        Wide<T> sum = 0;
        for (size_t i = 0; i < length; ++i) sum += Wide<T>(in[at(result * length + i)]);
        out[result] = T(sum);
    }
}

// as reduce, the index of the first element that is best; the reduced dimension is the last
template <class T, class Better> void arg_reduce(const Launch& launch) {
    const size_t length = argument<size_t>(launch, 1), rank = argument<size_t>(launch, 2);
    const size_t* info = argument<const size_t*>(launch, 3);
    const Layout at(rank, info);
    const T* in = argument<const T*>(launch, 4);
    uint32_t* out = argument<uint32_t*>(launch, 5);
    for (size_t result = 0; result < launch.grid.x; ++result) {
        size_t best = 0;
        for (size_t i = 1; i < length; ++i)
            if (Better::of(Wide<T>(in[at(result * length + i)]), Wide<T>(in[at(result * length + best)]))) best = i;
        out[result] = uint32_t((result * length + best) % info[rank - 1]);
    }
}

// An index that is the largest of its type stands for no element.
template <class Index> bool none(Index index) { return index == std::numeric_limits<Index>::max(); }

// (count, rank, info, ids, in, out, left, size of the input's dimension, number of ids, right);
// everything is contiguous, and info, the layout of the ids, tells nothing
template <class T, class Index> void index_select(const Launch& launch) {
    const Index* ids = argument<const Index*>(launch, 3);
    const T* in = argument<const T*>(launch, 4);
    T* out = argument<T*>(launch, 5);
    const size_t size = argument<size_t>(launch, 7), chosen = argument<size_t>(launch, 8), right = argument<size_t>(launch, 9);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i) {
        const Index id = ids[i / right % chosen];
        out[i] = none(id) ? T(0) : in[(i / (chosen * right) * size + id) * right + i % right];
    }
}

// (count, ids, in, out, left, size of the input's dimension, that of the ids', right)
template <class T, class Index> void gather(const Launch& launch) {
    const Index* ids = argument<const Index*>(launch, 1);
    const T* in = argument<const T*>(launch, 2);
    T* out = argument<T*>(launch, 3);
    const size_t size = argument<size_t>(launch, 5), chosen = argument<size_t>(launch, 6), right = argument<size_t>(launch, 7);
    for (size_t i = 0, count = argument<size_t>(launch, 0); i < count; ++i)
        out[i] = none(ids[i]) ? T(0) : in[(i / (right * chosen) * size + ids[i]) * right + i % right];
}

// (ids, in, out, left, size of the input's dimension, of the output's, right); the output is added
// to, or written over
template <class T, class Index, bool adds> void scatter(const Launch& launch) {
    const Index* ids = argument<const Index*>(launch, 0);
    const T* in = argument<const T*>(launch, 1);
    T* out = argument<T*>(launch, 2);
    const size_t left = argument<size_t>(launch, 3), size = argument<size_t>(launch, 4);
    const size_t out_size = argument<size_t>(launch, 5), right = argument<size_t>(launch, 6);
    for (size_t i = 0; i < left * size * right; ++i) {
        if (none(ids[i])) continue;
        T& to = out[(i / (size * right) * out_size + ids[i]) * right + i % right];
        to = adds ? T(Wide<T>(to) + Wide<T>(in[i])) : in[i];
    }
}

// (ids, number of ids, in, out, left, size of the input's dimension, of the output's, right)
template <class T, class Index> void index_add(const Launch& launch) {
    const Index* ids = argument<const Index*>(launch, 0);
    const T* in = argument<const T*>(launch, 2);
    T* out = argument<T*>(launch, 3);
    const size_t chosen = argument<size_t>(launch, 1), left = argument<size_t>(launch, 4);
    const size_t out_size = argument<size_t>(launch, 6), right = argument<size_t>(launch, 7);
    for (size_t i = 0; i < left * chosen * right; ++i) {
        const Index id = ids[i / right % chosen];
        if (none(id)) continue;
        T& to = out[(i / (chosen * right) * out_size + id) * right + i % right];
        to = T(Wide<T>(to) + Wide<T>(in[i]));
    }
}

// ---- names

template <class T> struct Name;
template <> struct Name<float> { static constexpr const char* text = "f32"; };
template <> struct Name<double> { static constexpr const char* text = "f64"; };
template <> struct Name<F16> { static constexpr const char* text = "f16"; };
template <> struct Name<Bf16> { static constexpr const char* text = "bf16"; };
template <> struct Name<uint8_t> { static constexpr const char* text = "u8"; };
template <> struct Name<uint32_t> { static constexpr const char* text = "u32"; };
template <> struct Name<int64_t> { static constexpr const char* text = "i64"; };

// moved about, cast and compared: every type
template <class T, class... Others> void add(Table& table) {
    const std::string suffix = std::string("_") + Name<T>::text;
    table["ucopy" + suffix] = unary<T, Copy>;
    table["fill" + suffix] = fill<T>;
    table["const_set" + suffix] = const_set<T>;
    table["copy2d" + suffix] = copy2d<T>;
    ((table["cast" + suffix + "_" + Name<Others>::text] = cast<T, Others>), ...);
    table["eq" + suffix] = binary<T, Eq, uint8_t>;
    table["ne" + suffix] = binary<T, Ne, uint8_t>;
    table["lt" + suffix] = binary<T, Lt, uint8_t>;
    table["le" + suffix] = binary<T, Le, uint8_t>;
    table["gt" + suffix] = binary<T, Gt, uint8_t>;
    table["ge" + suffix] = binary<T, Ge, uint8_t>;
    table[std::string("where_u8") + suffix] = where<T, uint8_t>;
}

// calculated with
template <class T> void add_number(Table& table) {
    const std::string suffix = std::string("_") + Name<T>::text;
    table["affine" + suffix] = affine<T>;
    table["badd" + suffix] = binary<T, Add, T>;
    table["bsub" + suffix] = binary<T, Sub, T>;
    table["bmul" + suffix] = binary<T, Mul, T>;
    table["bmaximum" + suffix] = binary<T, Maximum, T>;
    table["bminimum" + suffix] = binary<T, Minimum, T>;
    table["fast_sum" + suffix] = reduce<T, Add>;
    table["fast_sum_small" + suffix] = sum_small<T>;
    table["fast_max" + suffix] = reduce<T, Maximum>;
    table["fast_min" + suffix] = reduce<T, Minimum>;
    table["fast_argmax" + suffix] = arg_reduce<T, Gt>;
    table["fast_argmin" + suffix] = arg_reduce<T, Lt>;
}

// with a point
template <class T> void add_real(Table& table) {
    const std::string suffix = std::string("_") + Name<T>::text;
    table["bdiv" + suffix] = binary<T, Div, T>;
    table["upowf" + suffix] = power<T>;
    table["uneg" + suffix] = unary<T, Neg>;
    table["urecip" + suffix] = unary<T, Recip>;
    table["uexp" + suffix] = unary<T, Exp>;
    table["ulog" + suffix] = unary<T, Log>;
    table["usin" + suffix] = unary<T, Sin>;
    table["ucos" + suffix] = unary<T, Cos>;
    table["utanh" + suffix] = unary<T, Tanh>;
    table["uabs" + suffix] = unary<T, Abs>;
    table["usqr" + suffix] = unary<T, Sqr>;
    table["usqrt" + suffix] = unary<T, Sqrt>;
    table["ufloor" + suffix] = unary<T, Floor>;
    table["uceil" + suffix] = unary<T, Ceil>;
    table["uround" + suffix] = unary<T, Round>;
    table["usign" + suffix] = unary<T, Sign>;
    table["urelu" + suffix] = unary<T, Relu>;
    table["usigmoid" + suffix] = unary<T, Sigmoid>;
}

// found by an index
template <class T, class Index> void add_indexed(Table& table) {
    const std::string suffix = std::string("_") + Name<Index>::text + "_" + Name<T>::text;
    table["where" + suffix] = where<T, Index>;
    table["is" + suffix] = index_select<T, Index>;
    table["gather" + suffix] = gather<T, Index>;
    table["s" + suffix] = scatter<T, Index, false>;
    table["sa" + suffix] = scatter<T, Index, true>;
    table["ia" + suffix] = index_add<T, Index>;
}

template <class... All> void add_all(Table& table) { (add<All, All...>(table), ...); }

} // namespace

Native native(const std::string& kernel) {
    static const Table table = [] {
        Table table;
        add_all<float, double, F16, Bf16, uint8_t, uint32_t, int64_t>(table);
    // what the sum of two gradients takes
    table["badd_f16"] = binary<F16, Add, F16>;
        add_number<float>(table), add_number<double>(table), add_number<Bf16>(table);
        add_number<uint32_t>(table), add_number<int64_t>(table);
        add_real<float>(table), add_real<double>(table), add_real<Bf16>(table);
        add_indexed<float, uint32_t>(table), add_indexed<float, int64_t>(table);
        add_indexed<double, uint32_t>(table), add_indexed<double, int64_t>(table);
        return table;
    }();
    const auto found = table.find(kernel);
    return found == table.end() ? nullptr : found->second;
}

} // namespace emulator
