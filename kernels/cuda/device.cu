// The step kernel on a CUDA device, and the device's memory.
#include <algorithm>
#include <utility>

#include "kernels/cuda/device.h"
#include "kernels/cuda/step_kernel.cuh"

namespace mixoscope::kernels::cuda {
namespace {

constexpr int kBlockThreads = 512;

// One block on a multiprocessor: it holds the rows' activations once, and 128 registers a thread are enough.
__global__ void __launch_bounds__(kBlockThreads, 1) stepKernel(const __grid_constant__ StepArguments step) {
    runStep(step);
}

DeviceStatus statusOf(cudaError_t error, const char* what) {
    if (error == cudaSuccess) return {};
    return {std::string(what) + ": " + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")"};
}

DeviceStatus describe(int index, DeviceInfo& info) {
    cudaDeviceProp properties{};
    DeviceStatus status = statusOf(cudaGetDeviceProperties(&properties, index), "reading the device's properties");
    if (!status.ok()) return status;
    info.name = properties.name;
    info.multiprocessors = properties.multiProcessorCount;
    info.block_threads = kBlockThreads;
    info.shared_bytes = static_cast<std::int64_t>(properties.sharedMemPerBlockOptin);
    info.total_bytes = static_cast<std::int64_t>(properties.totalGlobalMem);
    info.compute_capability = properties.major * 10 + properties.minor;
    return {};
}

/// A step recorded launch by launch.
struct RecordedStep {
    StepArguments arguments;
    cudaGraphExec_t graph = nullptr;
};

bool sameLaunch(const StepArguments& a, const StepArguments& b) {
    return std::memcmp(&a, &b, sizeof(StepArguments)) == 0;
}

class CudaDevice final : public Device {
public:
    CudaDevice(int index, DeviceInfo info) : m_index(index), m_info(std::move(info)) {}
    ~CudaDevice() override {
        for (const RecordedStep& recorded : m_recorded) cudaGraphExecDestroy(recorded.graph);
        if (m_stream != nullptr) cudaStreamDestroy(m_stream);
    }

    DeviceStatus open() {
        DeviceStatus status = choose();
        if (!status.ok()) return status;
        return statusOf(cudaStreamCreateWithFlags(&m_stream, cudaStreamNonBlocking), "making a stream");
    }

    const DeviceInfo& info() const override { return m_info; }
    std::int64_t freeBytes() const override {
        std::size_t free = 0;
        std::size_t total = 0;
        if (cudaSetDevice(m_index) != cudaSuccess || cudaMemGetInfo(&free, &total) != cudaSuccess) return 0;
        return static_cast<std::int64_t>(free);
    }

    std::byte* allocate(std::int64_t bytes) override {
        void* memory = nullptr;
        if (cudaSetDevice(m_index) != cudaSuccess ||
            cudaMalloc(&memory, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1))) != cudaSuccess) {
            cudaGetLastError();  // too little memory is no failure of the device
            return nullptr;
        }
        return static_cast<std::byte*>(memory);
    }
    void release(std::byte* memory) override { cudaFree(memory); }
    std::byte* allocatePinned(std::int64_t bytes) override {
        void* memory = nullptr;
        const auto size = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1));
        if (cudaSetDevice(m_index) != cudaSuccess ||
            cudaHostAlloc(&memory, size, cudaHostAllocMapped | cudaHostAllocPortable) != cudaSuccess) {
            cudaGetLastError();
            return nullptr;
        }
        std::memset(memory, 0, size);
        return static_cast<std::byte*>(memory);
    }
    void releasePinned(std::byte* memory) override { cudaFreeHost(memory); }

    DeviceStatus copyToDevice(std::byte* to, const void* from, std::int64_t bytes) override {
        return statusOf(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyHostToDevice, m_stream),
                        "copying to the device");
    }
    DeviceStatus copyRowsToDevice(std::byte* to, std::int64_t to_stride, const void* from, std::int64_t row_bytes,
                                  std::int64_t rows) override {
        return statusOf(cudaMemcpy2DAsync(to, static_cast<std::size_t>(to_stride), from,
                                          static_cast<std::size_t>(row_bytes), static_cast<std::size_t>(row_bytes),
                                          static_cast<std::size_t>(rows), cudaMemcpyHostToDevice, m_stream),
                        "copying to the device");
    }
    DeviceStatus copyToHost(void* to, const std::byte* from, std::int64_t bytes) override {
        return statusOf(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToHost, m_stream),
                        "copying from the device");
    }
    DeviceStatus copyWithin(std::byte* to, const std::byte* from, std::int64_t bytes) override {
        return statusOf(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice, m_stream),
                        "copying on the device");
    }
    DeviceStatus clear(std::byte* memory, std::int64_t bytes) override {
        DeviceStatus status = choose();
        if (!status.ok()) return status;
        return statusOf(cudaMemsetAsync(memory, 0, static_cast<std::size_t>(bytes), m_stream), "clearing memory");
    }

    std::int64_t stepSharedBytes(const StepArguments& step) const override {
        return sharedBytesOf(step, kBlockThreads / kWarpLanes);
    }
    DeviceStatus runStep(const StepArguments& step, StepLaunch launch) override {
        DeviceStatus status = choose();
        if (status.ok()) status = allowShared(step);
        if (!status.ok()) return status;
        if (launch == StepLaunch::kTogether) {
            status = clear(reinterpret_cast<std::byte*>(step.grid_arrived), sizeof(std::uint32_t));
            if (!status.ok()) return status;
            return launchPhases(step, true);
        }
        const auto found = std::find_if(m_recorded.begin(), m_recorded.end(), [&](const RecordedStep& recorded) {
            return sameLaunch(recorded.arguments, step);
        });
        if (found != m_recorded.end()) return statusOf(cudaGraphLaunch(found->graph, m_stream), "playing a step");
        return record(step);
    }
    DeviceStatus synchronise() override { return statusOf(cudaStreamSynchronize(m_stream), "computing on the device"); }

private:
    /// A thread's current device is the first one until it says otherwise, and kernels run on the current one.
    DeviceStatus choose() { return statusOf(cudaSetDevice(m_index), "choosing the device"); }
    DeviceStatus allowShared(const StepArguments& step) {
        const std::int64_t bytes = stepSharedBytes(step);
        if (bytes <= m_allowed_shared) return {};
        DeviceStatus status = statusOf(
            cudaFuncSetAttribute(stepKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)),
            "reserving shared memory");
        if (status.ok()) m_allowed_shared = bytes;
        return status;
    }
    DeviceStatus launchPhases(StepArguments step, bool cooperative) {
        cudaLaunchAttribute attribute{};
        attribute.id = cudaLaunchAttributeCooperative;
        attribute.val.cooperative = 1;
        cudaLaunchConfig_t config{};
        config.gridDim = dim3(static_cast<unsigned>(m_info.multiprocessors));
        config.blockDim = dim3(kBlockThreads);
        config.dynamicSmemBytes = static_cast<std::size_t>(stepSharedBytes(step));
        config.stream = m_stream;
        config.attrs = &attribute;
        config.numAttrs = cooperative ? 1 : 0;
        return statusOf(cudaLaunchKernelEx(&config, stepKernel, step), "starting a step");
    }
    DeviceStatus record(const StepArguments& step) {
        DeviceStatus status =
            statusOf(cudaStreamBeginCapture(m_stream, cudaStreamCaptureModeThreadLocal), "recording a step");
        StepArguments part = step;
        for (int index = step.program_begin; status.ok() && index < step.program_end; ++index) {
            part.program_begin = index;
            part.program_end = index + 1;
            status = launchPhases(part, false);
        }
        cudaGraph_t graph = nullptr;
        const cudaError_t ended = cudaStreamEndCapture(m_stream, &graph);
        if (!status.ok()) return status;
        status = statusOf(ended, "recording a step");
        if (!status.ok()) return status;
        RecordedStep recorded{step};
        status = statusOf(cudaGraphInstantiate(&recorded.graph, graph, 0), "preparing a recorded step");
        cudaGraphDestroy(graph);
        if (!status.ok()) return status;
        m_recorded.push_back(recorded);
        return statusOf(cudaGraphLaunch(recorded.graph, m_stream), "playing a step");
    }

    int m_index;
    DeviceInfo m_info;
    cudaStream_t m_stream = nullptr;
    std::int64_t m_allowed_shared = 0;
    std::vector<RecordedStep> m_recorded;
};

}  // namespace

std::vector<DeviceInfo> cudaDevices(std::string& why_none) {
    int count = 0;
    DeviceStatus status = statusOf(cudaGetDeviceCount(&count), "looking for CUDA devices");
    std::vector<DeviceInfo> devices;
    for (int index = 0; status.ok() && index < count; ++index) {
        DeviceInfo info;
        status = describe(index, info);
        if (status.ok()) devices.push_back(info);
    }
    why_none = status.ok() && devices.empty() ? "this machine has no CUDA device" : status.failure;
    return devices;
}

std::unique_ptr<Device> openCudaDevice(int index, std::string& failure) {
    const std::vector<DeviceInfo> devices = cudaDevices(failure);
    if (devices.empty()) return nullptr;
    if (index < 0 || index >= static_cast<int>(devices.size())) {
        failure = "there is no device " + std::to_string(index) + ", only 0 to " + std::to_string(devices.size() - 1);
        return nullptr;
    }
    const DeviceInfo& info = devices[static_cast<std::size_t>(index)];
    if (info.compute_capability < 80) {
        failure = info.name + " has compute capability " + std::to_string(info.compute_capability / 10) + "." +
                  std::to_string(info.compute_capability % 10) + ", at least 8.0 is needed";
        return nullptr;
    }
    auto device = std::make_unique<CudaDevice>(index, info);
    const DeviceStatus status = device->open();
    failure = status.failure;
    if (!status.ok()) return nullptr;
    return device;
}

}  // namespace mixoscope::kernels::cuda
