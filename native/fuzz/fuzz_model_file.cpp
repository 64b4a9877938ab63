// Model files, .tflite and .onnx: any bytes are a network whose kernels can be priced, or one error.
#include <cmath>
#include <vector>

#include "edgewise/memory.hpp"
#include "edgewise/model_file.hpp"
#include "edgewise/network_latency.hpp"
#include "expect.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<char> exact(data, data + size);  // so that a read past the end is seen
  edgewise::fuzz::allowed({edgewise::ErrorKind::kModelFile}, [&] {
    const edgewise::ModelFile model = edgewise::read_model(exact.data(), exact.size(), "file");
    for (std::size_t i = 0; i < model.graph.size(); ++i) {
      for (const int input : model.graph[i].inputs) EXPECT(input < static_cast<int>(i));
    }
    EXPECT(std::isfinite(model.macs()) && model.macs() >= 0.0);
    EXPECT(std::isfinite(model.weight_bytes()) && model.weight_bytes() >= 0.0);
    edgewise::memory(model.graph);
    edgewise::FeatureRow row;
    edgewise::network_features(model.graph, row);
    for (int i = 0; i < row.size; ++i) EXPECT(std::isfinite(row.value[i]) && row.value[i] >= 0.0);
  });
  return 0;
}
