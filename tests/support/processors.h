// Processors by name, for tests that run on all of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"
#include "engine/processor.h"

namespace mixoscope::test {

/// "reference", "cpu", "host_cuda" (the CUDA kernels on the host, a step in one launch), "host_cuda_phases" (a launch
/// for each phase, other blocks, threads in the other order) or "cuda" (the first device of this machine).
std::unique_ptr<Processor> makeProcessor(std::string_view name, const Model& model);

/// Whether this machine has a CUDA device that can be used; says it once on standard output where it has none.
bool hasCudaDevice();

}  // namespace mixoscope::test
