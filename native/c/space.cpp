// Spaces of architectures.
#include <vector>

#include "edgewise/kernel.hpp"
#include "handles.hpp"

using namespace edgewise::c;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Kernel;
using edgewise::kernel_op_name;
using edgewise::KernelGraph;
using edgewise::Space;

namespace {

std::vector<std::uint8_t> codes_of(const Space& space, const char* arch) {
  expect(arch, "arch");
  std::vector<std::uint8_t> codes(space.code_length());
  space.encode(arch, codes.data());
  return codes;
}

edgewise_kernel described(const Kernel& kernel) {
  return {kernel_op_name(kernel.op),
          kernel_op_name(kernel.activation),
          kernel.batch,
          kernel.height,
          kernel.width,
          kernel.in_channels,
          kernel.out_height,
          kernel.out_width,
          kernel.out_channels,
          kernel.kernel_height,
          kernel.kernel_width,
          kernel.stride,
          kernel.groups};
}

}  // namespace

extern "C" {

edgewise_status edgewise_space_get(const char* name, const edgewise_space** space) {
  return guarded([&] {
    expect(name, "name");
    expect(space, "space");
    *space = handle_of(edgewise::get_space(name));
  });
}

edgewise_status edgewise_bundle_space(const edgewise_bundle* bundle,
                                      const edgewise_space** space) {
  return guarded([&] {
    expect(bundle, "bundle");
    expect(space, "space");
    *space = handle_of(edgewise::bundle_space(*bundle->bundle));
  });
}

const char* edgewise_space_name(const edgewise_space* space) {
  return space == nullptr ? nullptr : space_of(space).name();
}

size_t edgewise_space_size(const edgewise_space* space) {
  return space == nullptr ? 0 : space_of(space).size();
}

edgewise_status edgewise_space_architecture(const edgewise_space* space, size_t index, char* buffer,
                                            size_t capacity, size_t* length) {
  return guarded([&] {
    const Space& found = space_of(space);
    if (index >= found.size()) {
      throw Error(ErrorKind::kArgument, "index is " + std::to_string(index) + ", and " +
                                            found.name() + " lists " +
                                            std::to_string(found.size()) + " architectures");
    }
    std::vector<std::uint8_t> codes(found.code_length());
    found.codes_of(index, codes.data());
    give(found.decode(codes.data()), buffer, capacity, length);
  });
}

edgewise_status edgewise_space_parse(const edgewise_space* space, const char* arch, char* buffer,
                                     size_t capacity, size_t* length) {
  return guarded([&] {
    const Space& found = space_of(space);
    give(found.decode(codes_of(found, arch).data()), buffer, capacity, length);
  });
}

edgewise_status edgewise_space_flops(const edgewise_space* space, const char* arch,
                                     double* flops) {
  return guarded([&] {
    const Space& found = space_of(space);
    expect(flops, "flops");
    *flops = found.flops(codes_of(found, arch).data(), found.semantics().back());
  });
}

edgewise_status edgewise_space_kernels(const edgewise_space* space, const char* arch,
                                       edgewise_kernel* kernels, size_t capacity, size_t* count) {
  return guarded([&] {
    const Space& found = space_of(space);
    expect(count, "count");
    expect_array(kernels, capacity, "kernels");
    const KernelGraph graph = found.lower(codes_of(found, arch).data(), found.semantics().back());
    *count = graph.size();
    if (graph.size() > capacity) {
      throw StatusError(EDGEWISE_ERROR_TOO_SMALL,
                        "there are " + std::to_string(graph.size()) + " kernels, and room for " +
                            std::to_string(capacity));
    }
    for (std::size_t i = 0; i < graph.size(); ++i) kernels[i] = described(graph[i]);
  });
}

}  // extern "C"
