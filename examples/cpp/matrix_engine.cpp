#include "matrix_engine.hpp"

#include <algorithm>
#include <ctime>
#include <stdexcept>

namespace {

// Small numbers that are no denormals.
void grow(std::vector<float>& values, std::size_t size) {
  for (std::size_t i = values.size(); i < size; ++i) {
    values.push_back(0.01f * static_cast<float>(i % 61) - 0.3f);
  }
}

std::size_t product(int a, int b, int c = 1) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
}

// CPU time, which other programs do not lengthen; this engine has one thread.
double now_ms() { return 1000.0 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

}  // namespace

double MatrixEngine::milliseconds(const std::string& arch) {
  if (runs_ < 1) throw std::invalid_argument("an architecture must be run at least once");
  const std::vector<edgewise::Kernel> kernels = space_.kernels(arch);
  run(kernels);  // makes room and warms the caches
  std::vector<double> times;
  for (int i = 0; i < runs_; ++i) {
    const double begun = now_ms();
    run(kernels);
    times.push_back(now_ms() - begun);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

void MatrixEngine::run(const std::vector<edgewise::Kernel>& kernels) {
  for (const edgewise::Kernel& k : kernels) {
    const std::string op = k.op;
    const std::size_t pixels = product(k.out_height, k.out_width);
    const std::size_t window = product(k.kernel_height, k.kernel_width);
    const auto channels = static_cast<std::size_t>(k.out_channels);
    if (op == "conv") {
      multiply(pixels, window * static_cast<std::size_t>(k.in_channels / k.groups), channels);
    } else if (op == "linear") {
      multiply(pixels, static_cast<std::size_t>(k.in_channels), channels);
    } else {
      grow(in_, pixels * channels);
      grow(out_, pixels * channels);
      for (std::size_t i = 0; i < pixels * channels; ++i) out_[i] = 0.5f * out_[i] + in_[i];
    }
  }
}

// out (rows, columns) = in (rows, inner) times weights (inner, columns).
void MatrixEngine::multiply(std::size_t rows, std::size_t inner, std::size_t columns) {
  grow(in_, rows * inner);
  grow(weights_, inner * columns);
  grow(out_, rows * columns);
  for (std::size_t r = 0; r < rows; ++r) {
    float* const out = &out_[r * columns];
    std::fill_n(out, columns, 0.0f);
    for (std::size_t i = 0; i < inner; ++i) {
      const float value = in_[r * inner + i];
      const float* const weights = &weights_[i * columns];
      for (std::size_t c = 0; c < columns; ++c) out[c] += value * weights[c];
    }
  }
}
