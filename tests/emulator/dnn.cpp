// cuDNN's older interface, as far as convolutions in two dimensions: descriptors, the choice of an
// algorithm, the three directions.
//
// An algorithm is a number: all of them compute the same here, but they ask for different
// workspace, and some say that they are not deterministic, as the real ones do.
#include "convolution.hpp"
#include "emulator.hpp"
#include <algorithm>
#include <optional>
#include <vector>

namespace emulator {
namespace {

enum Status : int { dnn_success = 0, bad_param = 2000, dnn_not_supported = 3000, workspace_too_small = 2006, dnn_failed = 5000 };

std::optional<Element> element_of(int type) {
    switch (type) {
    case 0: return Element::f32;
    case 1: return Element::f64;
    case 2: return Element::f16;
    case 9: return Element::bf16;
    default: return std::nullopt;
    }
}

// A tensor of four dimensions, or a filter as one: its output channels count as images.
struct Tensor {
    Element element;
    int n, c, h, w;
    long stride_n, stride_c, stride_h, stride_w;

    size_t count() const { return size_t(n) * c * h * w; }
    size_t bytes() const { // from the first element to behind the last
        return size_of(element) * (1 + (n - 1) * stride_n + (c - 1) * stride_c + (h - 1) * stride_h + (w - 1) * stride_w);
    }
    bool dense() const { return bytes() == count() * size_of(element); }

    // Visits the elements in the order [N,H,W,C], each with its place in memory.
    template <class Use> void for_each(Use use) const {
        size_t index = 0;
        for (int in = 0; in < n; ++in)
            for (int ih = 0; ih < h; ++ih)
                for (int iw = 0; iw < w; ++iw) {
                    const long place = in * stride_n + ih * stride_h + iw * stride_w;
                    for (int ic = 0; ic < c; ++ic) use(index++, place + ic * stride_c);
                }
    }
};

struct Plan { // a convolution descriptor
    int pad_height, pad_width, stride_height, stride_width, dilation_height, dilation_width;
    bool flipped; // CUDNN_CONVOLUTION, not CUDNN_CROSS_CORRELATION
    int compute_type, math_type = 0, groups = 1;
};

Status set(Tensor* tensor, int format, int type, int n, int c, int h, int w) {
    const auto element = element_of(type);
    if (!element || format < 0 || format > 1) return dnn_not_supported;
    if (n < 1 || c < 1 || h < 1 || w < 1) return bad_param;
    const long area = long(h) * w;
    if (format == 0) *tensor = {*element, n, c, h, w, c * area, area, w, 1}; // NCHW
    else *tensor = {*element, n, c, h, w, c * area, 1, long(w) * c, c};      // NHWC
    return dnn_success;
}

int out_size(int size, int pad, int kernel, int stride, int dilation) {
    return 1 + (size + 2 * pad - ((kernel - 1) * dilation + 1)) / stride;
}

// What cuDNN checks before it does anything: sizes and types that belong together.
Status match(const Tensor& x, const Tensor& w, const Plan& plan, const Tensor& y, Convolution* convolution) {
    if (x.element != w.element || x.element != y.element) return dnn_not_supported;
    // bf16 and f16 are summed in f32; cuDNN has no convolution that sums in bf16
    if (plan.compute_type != (x.element == Element::f64 ? 1 : 0)) return dnn_not_supported;
    *convolution = {x.n, x.h, x.w, x.c, y.h, y.w, y.c, w.h, w.w, plan.pad_height, plan.pad_width, plan.stride_height,
                    plan.stride_width, plan.dilation_height, plan.dilation_width, plan.groups};
    const bool good = x.n == y.n && w.n == y.c && w.c * plan.groups == x.c && w.n % plan.groups == 0 &&
                      y.h == out_size(x.h, plan.pad_height, w.h, plan.stride_height, plan.dilation_height) &&
                      y.w == out_size(x.w, plan.pad_width, w.w, plan.stride_width, plan.dilation_width);
    if (!good) complain("convolution: %d,%d,%d,%d with a filter of %d,%d,%d,%d does not give %d,%d,%d,%d", x.n, x.c, x.h, x.w, w.n,
                        w.c, w.h, w.w, y.n, y.c, y.h, y.w);
    return good ? dnn_success : bad_param;
}

// ---- algorithms

enum Direction { forwards, data, filter };

// cudnnConvolution…AlgoPerf_t: the same for all directions
struct Performance {
    int algorithm, status;
    float milliseconds;
    size_t memory;
    int deterministic, math_type, reserved[3];
};
static_assert(sizeof(Performance) == 48);

constexpr int algorithms[] = {8, 6, 7}; // how many there are, by direction

size_t workspace_of(int algorithm) { return algorithm == 0 ? 0 : size_t(1) << 20; }

// The two algorithms there are, the faster one first. Backwards, number 0 adds in any order, so a
// program that wants the same numbers twice has to skip it. One that needs more than the workspace
// has failed, and stands last.
Status choose(Direction direction, const Plan& plan, size_t workspace, int wanted, int* returned, Performance* results) {
    if (wanted < 1) return bad_param;
    const int order[] = {direction == forwards ? 1 : 0, direction == forwards ? 0 : 1};
    std::vector<Performance> found;
    for (const int algorithm : order) {
        const bool fits = workspace_of(algorithm) <= workspace;
        const bool deterministic = direction == forwards || algorithm != 0;
        found.push_back({algorithm, fits ? dnn_success : workspace_too_small, fits ? 1.0f + found.size() : -1.0f,
                         workspace_of(algorithm), deterministic, plan.math_type, {}});
    }
    std::stable_partition(found.begin(), found.end(), [](const Performance& p) { return p.status == dnn_success; });
    *returned = std::min(wanted, int(found.size()));
    std::copy_n(found.begin(), *returned, results);
    return dnn_success;
}

// cudnnFind… runs the algorithms, so what was in the output is lost.
Status find(Direction direction, const Tensor& x, const Tensor& w, const Plan& plan, const Tensor& y, const Tensor& written,
            void* output, size_t workspace, int wanted, int* returned, Performance* results) {
    const Hold hold(device());
    Convolution ignored;
    if (const Status status = match(x, w, plan, y, &ignored)) return status;
    if (!within("convolution, search", output, written.bytes())) return dnn_failed;
    if (settings().check && !settings().skip && written.dense()) std::memset(output, 0xFF, written.bytes());
    return choose(direction, plan, workspace, wanted, returned, results);
}

// ---- convolutions

struct Place {
    const Tensor& tensor;
    const void* start;
};

// How to go through a tensor: a flipped filter from its last tap to its first.
struct Walk {
    Tensor order;
    long first = 0;
    Walk(const Tensor& tensor, bool flipped) : order(tensor) {
        if (!flipped) return;
        first = (tensor.h - 1) * tensor.stride_h + (tensor.w - 1) * tensor.stride_w;
        order.stride_h = -tensor.stride_h;
        order.stride_w = -tensor.stride_w;
    }
};

template <class Sum> std::vector<Sum> gather(const Place& place, bool flipped = false) {
    const Walk walk(place.tensor, flipped);
    std::vector<Sum> values(place.tensor.count());
    with_elements(place.tensor.element, place.start, [&](auto* from) {
        walk.order.for_each([&](size_t index, long at) { values[index] = Sum(from[walk.first + at]); });
    });
    return values;
}

template <class Sum>
void scatter(const Place& place, const std::vector<Sum>& values, Sum alpha, Sum beta, bool flipped = false) {
    const Walk walk(place.tensor, flipped);
    with_elements(place.tensor.element, place.start, [&](auto* to) {
        using T = std::remove_reference_t<decltype(*to)>;
        walk.order.for_each([&](size_t index, long at) {
            T& out = to[walk.first + at];
            Sum value = alpha * values[index];
            if (beta != Sum(0)) value += beta * Sum(out); // else what is there is not even read: it may be NaN
            out = T(value);
        });
    });
}

template <class Sum>
void convolve(Direction direction, const Convolution& c, const Plan& plan, const Place& x, const Place& w, const Place& y,
              const void* alpha_at, const void* beta_at) {
    const Sum alpha = *static_cast<const Sum*>(alpha_at), beta = *static_cast<const Sum*>(beta_at);
    if (direction == forwards) {
        std::vector<Sum> output(y.tensor.count());
        forward(c, gather<Sum>(x), gather<Sum>(w, plan.flipped), output);
        scatter(y, output, alpha, beta);
    } else if (direction == data) {
        std::vector<Sum> input(x.tensor.count());
        backward_data(c, gather<Sum>(w, plan.flipped), gather<Sum>(y), input);
        scatter(x, input, alpha, beta);
    } else {
        std::vector<Sum> taps(w.tensor.count());
        backward_filter(c, gather<Sum>(x), gather<Sum>(y), taps);
        scatter(w, taps, alpha, beta, plan.flipped);
    }
}

Status execute(Direction direction, const Place& x, const Place& w, const Plan& plan, const Place& y, int algorithm,
               const void* workspace, size_t workspace_bytes, const void* alpha, const void* beta) {
    static const char* const names[] = {"forward", "data", "filter"};
    const Hold hold(device());
    Convolution c;
    if (const Status status = match(x.tensor, w.tensor, plan, y.tensor, &c)) return status;
    if (algorithm < 0 || algorithm >= algorithms[direction]) return bad_param;
    if (workspace_bytes < workspace_of(algorithm)) {
        complain("convolution %s: algorithm %d needs %zu bytes of workspace, not %zu", names[direction], algorithm,
                 workspace_of(algorithm), workspace_bytes);
        return workspace_too_small;
    }
    const bool held = within("convolution, input", x.start, x.tensor.bytes()) &&
                      within("convolution, filter", w.start, w.tensor.bytes()) &&
                      within("convolution, output", y.start, y.tensor.bytes()) &&
                      within("convolution, workspace", workspace, workspace_of(algorithm));
    if (!held) return dnn_failed;
    const std::string kernel = c.kernel_height == c.kernel_width
                                   ? std::to_string(c.kernel_height)
                                   : std::to_string(c.kernel_height) + "x" + std::to_string(c.kernel_width);
    event("conv %s %d %d %d %d %d %d %d %s%s\n", names[direction], c.images, c.height, c.width, c.channels, c.out_height,
          c.out_width, c.out_channels, kernel.c_str(), c.groups == 1 ? "" : (" groups " + std::to_string(c.groups)).c_str());
    if (settings().skip) return dnn_success;
    if (x.tensor.element == Element::f64) convolve<double>(direction, c, plan, x, w, y, alpha, beta);
    else convolve<float>(direction, c, plan, x, w, y, alpha, beta);
    return intact("convolution") ? dnn_success : dnn_failed;
}

template <class Descriptor> Status create(Descriptor** descriptor) {
    *descriptor = new Descriptor{};
    return dnn_success;
}
template <class Descriptor> Status destroy(Descriptor* descriptor) {
    delete descriptor;
    return dnn_success;
}

} // namespace

API size_t cudnnGetVersion() { return 92100; }
API const char* cudnnGetErrorString(int status) {
    switch (status) {
    case dnn_success: return "CUDNN_STATUS_SUCCESS";
    case bad_param: return "CUDNN_STATUS_BAD_PARAM";
    case workspace_too_small: return "CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT";
    case dnn_not_supported: return "CUDNN_STATUS_NOT_SUPPORTED";
    case dnn_failed: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "CUDNN_STATUS unknown";
    }
}
API Status cudnnCreate(void** handle) {
    *handle = reinterpret_cast<void*>(0x80);
    return dnn_success;
}
API Status cudnnDestroy(void*) { return dnn_success; }
API Status cudnnSetStream(void*, void*) { return dnn_success; }

API Status cudnnCreateTensorDescriptor(Tensor** tensor) { return create(tensor); }
API Status cudnnDestroyTensorDescriptor(Tensor* tensor) { return destroy(tensor); }
API Status cudnnSetTensor4dDescriptor(Tensor* tensor, int format, int type, int n, int c, int h, int w) {
    return set(tensor, format, type, n, c, h, w);
}
API Status cudnnSetTensor4dDescriptorEx(Tensor* tensor, int type, int n, int c, int h, int w, int stride_n, int stride_c,
                                        int stride_h, int stride_w) {
    const Status status = set(tensor, 0, type, n, c, h, w);
    if (status == dnn_success) *tensor = {tensor->element, n, c, h, w, stride_n, stride_c, stride_h, stride_w};
    return status;
}

API Status cudnnCreateFilterDescriptor(Tensor** filter) { return create(filter); }
API Status cudnnDestroyFilterDescriptor(Tensor* filter) { return destroy(filter); }
API Status cudnnSetFilter4dDescriptor(Tensor* filter, int type, int format, int k, int c, int h, int w) {
    return set(filter, format, type, k, c, h, w); // NHWC: [K,R,S,C] in memory
}

API Status cudnnCreateConvolutionDescriptor(Plan** plan) { return create(plan); }
API Status cudnnDestroyConvolutionDescriptor(Plan* plan) { return destroy(plan); }
API Status cudnnSetConvolution2dDescriptor(Plan* plan, int pad_height, int pad_width, int stride_height, int stride_width,
                                           int dilation_height, int dilation_width, int mode, int compute_type) {
    if (pad_height < 0 || pad_width < 0 || stride_height < 1 || stride_width < 1 || dilation_height < 1 || dilation_width < 1)
        return bad_param;
    *plan = {pad_height, pad_width, stride_height, stride_width, dilation_height, dilation_width, mode == 0, compute_type};
    return dnn_success;
}
API Status cudnnSetConvolutionMathType(Plan* plan, int type) {
    plan->math_type = type;
    return dnn_success;
}
API Status cudnnSetConvolutionGroupCount(Plan* plan, int groups) {
    if (groups < 1) return bad_param;
    plan->groups = groups;
    return dnn_success;
}
API Status cudnnGetConvolution2dForwardOutputDim(const Plan* plan, const Tensor* x, const Tensor* filter, int* n, int* c, int* h,
                                                 int* w) {
    *n = x->n;
    *c = filter->n;
    *h = out_size(x->h, plan->pad_height, filter->h, plan->stride_height, plan->dilation_height);
    *w = out_size(x->w, plan->pad_width, filter->w, plan->stride_width, plan->dilation_width);
    return dnn_success;
}

constexpr size_t any_workspace = ~size_t(0);
API Status cudnnGetConvolutionForwardAlgorithm_v7(void*, const Tensor*, const Tensor*, const Plan* plan, const Tensor*, int wanted,
                                                  int* returned, Performance* results) {
    return choose(forwards, *plan, any_workspace, wanted, returned, results);
}
API Status cudnnGetConvolutionBackwardDataAlgorithm_v7(void*, const Tensor*, const Tensor*, const Plan* plan, const Tensor*,
                                                       int wanted, int* returned, Performance* results) {
    return choose(data, *plan, any_workspace, wanted, returned, results);
}
API Status cudnnGetConvolutionBackwardFilterAlgorithm_v7(void*, const Tensor*, const Tensor*, const Plan* plan, const Tensor*,
                                                         int wanted, int* returned, Performance* results) {
    return choose(filter, *plan, any_workspace, wanted, returned, results);
}

API Status cudnnFindConvolutionForwardAlgorithmEx(void*, const Tensor* x, const void*, const Tensor* w, const void*,
                                                  const Plan* plan, const Tensor* y, void* output, int wanted, int* returned,
                                                  Performance* results, void*, size_t workspace) {
    return find(forwards, *x, *w, *plan, *y, *y, output, workspace, wanted, returned, results);
}
API Status cudnnFindConvolutionBackwardDataAlgorithmEx(void*, const Tensor* w, const void*, const Tensor* dy, const void*,
                                                       const Plan* plan, const Tensor* dx, void* output, int wanted,
                                                       int* returned, Performance* results, void*, size_t workspace) {
    return find(data, *dx, *w, *plan, *dy, *dx, output, workspace, wanted, returned, results);
}
API Status cudnnFindConvolutionBackwardFilterAlgorithmEx(void*, const Tensor* x, const void*, const Tensor* dy, const void*,
                                                         const Plan* plan, const Tensor* dw, void* output, int wanted,
                                                         int* returned, Performance* results, void*, size_t workspace) {
    return find(filter, *x, *dw, *plan, *dy, *dw, output, workspace, wanted, returned, results);
}

API Status cudnnGetConvolutionForwardWorkspaceSize(void*, const Tensor*, const Tensor*, const Plan*, const Tensor*, int algorithm,
                                                   size_t* bytes) {
    *bytes = workspace_of(algorithm);
    return dnn_success;
}
API Status cudnnGetConvolutionBackwardDataWorkspaceSize(void*, const Tensor*, const Tensor*, const Plan*, const Tensor*,
                                                        int algorithm, size_t* bytes) {
    *bytes = workspace_of(algorithm);
    return dnn_success;
}
API Status cudnnGetConvolutionBackwardFilterWorkspaceSize(void*, const Tensor*, const Tensor*, const Plan*, const Tensor*,
                                                          int algorithm, size_t* bytes) {
    *bytes = workspace_of(algorithm);
    return dnn_success;
}

API Status cudnnConvolutionForward(void*, const void* alpha, const Tensor* x, const void* x_at, const Tensor* w, const void* w_at,
                                   const Plan* plan, int algorithm, void* workspace, size_t workspace_bytes, const void* beta,
                                   const Tensor* y, void* y_at) {
    return execute(forwards, {*x, x_at}, {*w, w_at}, *plan, {*y, y_at}, algorithm, workspace, workspace_bytes, alpha, beta);
}
API Status cudnnConvolutionBackwardData(void*, const void* alpha, const Tensor* w, const void* w_at, const Tensor* dy,
                                        const void* dy_at, const Plan* plan, int algorithm, void* workspace,
                                        size_t workspace_bytes, const void* beta, const Tensor* dx, void* dx_at) {
    return execute(data, {*dx, dx_at}, {*w, w_at}, *plan, {*dy, dy_at}, algorithm, workspace, workspace_bytes, alpha, beta);
}
API Status cudnnConvolutionBackwardFilter(void*, const void* alpha, const Tensor* x, const void* x_at, const Tensor* dy,
                                          const void* dy_at, const Plan* plan, int algorithm, void* workspace,
                                          size_t workspace_bytes, const void* beta, const Tensor* dw, void* dw_at) {
    return execute(filter, {*x, x_at}, {*dw, dw_at}, *plan, {*dy, dy_at}, algorithm, workspace, workspace_bytes, alpha, beta);
}

} // namespace emulator
