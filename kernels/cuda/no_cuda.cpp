// In place of device.cu where there is no nvcc.
#include "kernels/cuda/device.h"

namespace mixoscope::kernels::cuda {

namespace {
constexpr const char* kReason = "this program was built without CUDA (nvcc was not found)";
}

std::vector<DeviceInfo> cudaDevices(std::string& why_none) {
    why_none = kReason;
    return {};
}

std::unique_ptr<Device> openCudaDevice(int /*index*/, std::string& failure) {
    failure = kReason;
    return nullptr;
}

}  // namespace mixoscope::kernels::cuda
