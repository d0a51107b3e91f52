#include "support/processors.h"

#include <cstdio>

#include "engine/device_processor.h"
#include "engine/host_processor.h"
#include "kernels/host_cuda/host_device.h"

namespace mixoscope::test {

std::unique_ptr<Processor> makeProcessor(std::string_view name, const Model& model) {
    if (name == "cpu") return std::make_unique<HostProcessor>(kernels::makeCpuBackend(2));
    if (name == "reference") return std::make_unique<HostProcessor>(kernels::makeReferenceBackend());
    if (name == "cuda") return makeCudaProcessor(model, 0, nullptr);
    namespace host_cuda = kernels::host_cuda;
    if (name == "host_cuda") {
        return std::make_unique<DeviceProcessor>(host_cuda::makeHostDevice({.blocks = 3, .threads = 64}), model,
                                                 nullptr);
    }
    if (name == "host_cuda_phases") {
        return std::make_unique<DeviceProcessor>(
            host_cuda::makeHostDevice({.blocks = 3, .threads = 32, .order = host_cuda::ThreadOrder::kDescending}),
            model, nullptr, DeviceStepOptions{.launch = kernels::cuda::StepLaunch::kOneByOne, .prefetch = false});
    }
    throw Error({.what = "There is no such processor", .found = std::string(name)});
}

bool hasCudaDevice() {
    std::string why_none;
    const bool has = !kernels::cuda::cudaDevices(why_none).empty();
    static const bool said [[maybe_unused]] = has || std::printf("NO CUDA DEVICE TESTED: %s\n", why_none.c_str()) > 0;
    return has;
}

}  // namespace mixoscope::test
