// An engine that does the arithmetic of a network as matrix products, as many runtimes do: for each
// convolution one product of its pixels' windows with its weights. The numbers are made up; it
// stands for the engine of your app.
#pragma once

#include <edgewise/edgewise.hpp>
#include <string>
#include <vector>

class MatrixEngine {
 public:
  // For architectures of `space`; each is run `runs` times, of which the median counts.
  MatrixEngine(edgewise::Space space, int runs) : space_(space), runs_(runs) {}

  // Median milliseconds of a run.
  double milliseconds(const std::string& arch);

 private:
  void run(const std::vector<edgewise::Kernel>& kernels);
  void multiply(std::size_t rows, std::size_t inner, std::size_t columns);

  edgewise::Space space_;
  int runs_;
  std::vector<float> in_, weights_, out_;
};
