// What the tests of the CUDA kernels share: devices to run on (the host's emulation, and a real one where there is
// one), and the pieces of a step on them.
#pragma once

#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/cuda/device.h"
#include "kernels/cuda/upload.h"
#include "kernels/host_cuda/host_device.h"
#include "kernels/kernel_cases_test.h"

namespace mixoscope::kernels::test {

struct CudaCase {
    std::string name;
    unsigned blocks = 0;  // 0: the CUDA device
    unsigned threads = 0;
    host_cuda::ThreadOrder order = host_cuda::ThreadOrder::kAscending;
};

inline void PrintTo(const CudaCase& which, std::ostream* out) {
    *out << which.name;
}

inline std::string cudaCaseName(const testing::TestParamInfo<CudaCase>& info) {
    return info.param.name;
}

/// Grids of several shapes in either order of threads, and the first CUDA device of this machine.
inline std::vector<CudaCase> cudaCases() {
    std::vector<CudaCase> cases = {{"HostOneBlock", 1, 64, host_cuda::ThreadOrder::kAscending},
                                   {"HostThreeBlocksDescending", 3, 96, host_cuda::ThreadOrder::kDescending}};
    std::string why_none;
    if (cuda::cudaDevices(why_none).empty()) {
        static const bool said [[maybe_unused]] = std::printf("NO CUDA DEVICE TESTED: %s\n", why_none.c_str()) > 0;
    } else {
        cases.push_back({"CudaDevice"});
    }
    return cases;
}

inline std::unique_ptr<cuda::Device> makeDevice(const CudaCase& which, std::int64_t shared_bytes = 227 * 1024) {
    if (which.blocks == 0) {
        std::string failure;
        auto device = cuda::openCudaDevice(0, failure);
        if (device == nullptr) throw std::runtime_error(failure);
        return device;
    }
    return host_cuda::makeHostDevice({.blocks = which.blocks,
                                      .threads = which.threads,
                                      .order = which.order,
                                      .memory_bytes = std::int64_t{1} << 30,
                                      .shared_bytes = shared_bytes});
}

inline void require(const cuda::DeviceStatus& status) {
    if (!status.ok()) throw std::runtime_error(status.failure);
}

/// Arrays on a device, released with it.
class DeviceArrays {
public:
    explicit DeviceArrays(cuda::Device& device) : m_device(device) {}
    ~DeviceArrays() {
        for (std::byte* memory : m_memory) m_device.release(memory);
    }
    DeviceArrays(const DeviceArrays&) = delete;
    DeviceArrays& operator=(const DeviceArrays&) = delete;

    template <typename T>
    T* make(std::int64_t count) {
        const std::int64_t bytes = std::max<std::int64_t>(count, 1) * static_cast<std::int64_t>(sizeof(T));
        std::byte* memory = m_device.allocate(bytes);
        if (memory == nullptr) throw std::bad_alloc();
        m_memory.push_back(memory);
        require(m_device.clear(memory, bytes));
        return reinterpret_cast<T*>(memory);
    }
    template <typename T>
    T* put(const std::vector<T>& values) {
        T* array = make<T>(static_cast<std::int64_t>(values.size()));
        require(m_device.copyToDevice(reinterpret_cast<std::byte*>(array), values.data(),
                                      static_cast<std::int64_t>(values.size() * sizeof(T))));
        return array;
    }
    cuda::DeviceMatrix put(const Matrix& w) {
        cuda::DeviceMatrix uploaded;
        require(cuda::uploadMatrix(m_device, w, make<std::byte>(cuda::deviceBytes(w)), uploaded));
        return uploaded;
    }
    template <typename T>
    std::vector<T> get(const T* array, std::int64_t count) {
        std::vector<T> values(static_cast<std::size_t>(count));
        require(m_device.copyToHost(values.data(), reinterpret_cast<const std::byte*>(array),
                                    count * static_cast<std::int64_t>(sizeof(T))));
        require(m_device.synchronise());
        return values;
    }

private:
    cuda::Device& m_device;
    std::vector<std::byte*> m_memory;
};

/// The rows of a step in the layout that the kernels read.
struct StepRows {
    std::vector<cuda::StepRow> rows;
    std::vector<std::int32_t> wanted;
    std::vector<cuda::RowSelection> selection;  // (rows, moe_layers)
    std::vector<float> rotary;                  // (rows, head_dim)
    std::vector<std::int32_t> pages;
    bool independent = false;

    std::vector<std::byte> packed() const {
        cuda::StepHeader header;
        header.rows = static_cast<std::int32_t>(rows.size());
        header.logit_rows = static_cast<std::int32_t>(wanted.size());
        header.independent_rows = independent ? 1 : 0;
        std::vector<std::byte> bytes(sizeof header);
        const auto add = [&](const auto& values) {
            const auto at = static_cast<std::int32_t>(bytes.size());
            const auto view = std::as_bytes(std::span(values));
            bytes.insert(bytes.end(), view.begin(), view.end());
            bytes.resize((bytes.size() + 15) / 16 * 16);
            return at;
        };
        header.rows_at = add(rows);
        header.logit_rows_at = add(wanted);
        header.selection_at = add(selection);
        header.rotary_at = add(rotary);
        header.pages_at = add(pages);
        std::memcpy(bytes.data(), &header, sizeof header);
        return bytes;
    }
};

inline StepRows plainRows(std::int64_t count) {
    StepRows rows;
    rows.rows.resize(static_cast<std::size_t>(count));
    return rows;
}

/// A step that runs one phase of one layer.
class PhaseRun {
public:
    explicit PhaseRun(cuda::Device& device) : arrays(device), m_device(device) {}

    void run(cuda::StepPhase phase, const StepRows& rows, cuda::StepLaunch launch = cuda::StepLaunch::kOneByOne) {
        run({{phase, 0}}, rows, launch);
    }
    void run(const std::vector<cuda::PhaseOfLayer>& program, const StepRows& rows, cuda::StepLaunch launch) {
        step.layers = arrays.put(std::vector<cuda::DeviceLayer>{layer});
        step.program = arrays.put(program);
        step.program_begin = 0;
        step.program_end = static_cast<std::int32_t>(program.size());
        step.input = arrays.put(rows.packed());
        step.grid_arrived = arrays.make<std::uint32_t>(1);
        if (!cuda::fitTiles(step, m_device)) throw std::runtime_error("does not fit into shared memory");
        if (row_tile > 0) step.row_tile = row_tile;
        if (entry_capacity > 0) step.entry_capacity = entry_capacity;
        require(m_device.runStep(step, launch));
        require(m_device.synchronise());
    }

    DeviceArrays arrays;
    cuda::StepArguments step;
    cuda::DeviceLayer layer;
    std::int32_t row_tile = 0;        // 0: what fits
    std::int32_t entry_capacity = 0;  // 0: what fits

private:
    cuda::Device& m_device;
};

class OnEveryCudaCase : public testing::TestWithParam<CudaCase> {
protected:
    std::unique_ptr<cuda::Device> m_device = makeDevice(GetParam());
    std::mt19937 m_random{20250607};
    const testing::ScopedTrace m_seed{__FILE__, __LINE__, "seed 20250607"};
};

#define MIXO_ON_EVERY_CUDA_CASE(Suite) \
    INSTANTIATE_TEST_SUITE_P(All, Suite, testing::ValuesIn(cudaCases()), cudaCaseName)

}  // namespace mixoscope::kernels::test
