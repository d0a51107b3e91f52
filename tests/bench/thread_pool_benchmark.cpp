// Does decoding keep its fair share of a machine whose cores are busy with something else?
//
// A decode step (matrix-vector products in a row, each needing the one before) runs in three ways, with and without
// competing processes that do nothing but compute, in short interleaved windows so that all see the same machine:
//   pool         this project's thread pool, as the engine uses it
//   barrier      as many threads, each with a fixed part of every product, meeting at a barrier that spins
//   independent  as many threads, each with its part of the weights, that never wait for one another
// Fair share is the throughput alone × cores the threads get: with as many competitors as threads and cores, half. On a
// machine that is not idle anyway `independent` under the same load is the better measure: by construction it gets
// exactly what the scheduler grants to so many threads. Prints one JSON object.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "kernels/backend.h"

namespace {

using namespace mixoscope::kernels;
using Clock = std::chrono::steady_clock;

struct Settings {
    int threads = 2;
    int competitors = 2;
    int rounds = 7;
    int window_ms = 400;
    std::int64_t outputs = 1024;
    std::int64_t columns = 2048;
    std::int64_t products = 48;
};

/// The weights of one step, more than a cache holds.
struct Step {
    explicit Step(const Settings& settings) {
        for (std::int64_t i = 0; i < settings.products; ++i) {
            storage.emplace_back(static_cast<std::size_t>(settings.outputs * settings.columns), std::uint16_t{0x3C01});
            matrices.push_back({storage.back().data(), DataType::kBF16, settings.outputs, settings.columns});
        }
        in.assign(static_cast<std::size_t>(settings.columns), 0.5F);
        out.assign(static_cast<std::size_t>(settings.outputs), 0.0F);
    }
    double gigabytes() const {
        double sum = 0.0;
        for (const Matrix& matrix : matrices) sum += static_cast<double>(matrix.bytes()) / 1e9;
        return sum;
    }
    /// Rows [part, part + 1) / parts of one product.
    void multiplyPart(Backend& backend, std::size_t product, int part, int parts) {
        const Matrix& whole = matrices[product];
        const std::int64_t begin = whole.rows * part / parts;
        const std::int64_t end = whole.rows * (part + 1) / parts;
        backend.matmul({in.data(), 1, whole.columns}, {whole.row(begin), whole.type, end - begin, whole.columns}, {},
                       Accumulate::kOverwrite, {out.data() + begin, 1, end - begin});
    }

    std::vector<std::vector<std::uint16_t>> storage;
    std::vector<Matrix> matrices;
    std::vector<float> in;
    std::vector<float> out;
};

class Competitors {
public:
    explicit Competitors(int count) {
        for (int i = 0; i < count; ++i) {
            const pid_t child = fork();
            if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (volatile std::uint64_t x = 1;;) x = x * 6364136223846793005U + 1U;
            }
            if (child > 0) m_children.push_back(child);
        }
        signalAll(SIGSTOP);
    }
    ~Competitors() {
        signalAll(SIGKILL);
        for (const pid_t child : m_children) waitpid(child, nullptr, 0);
    }
    void run(bool running) { signalAll(running ? SIGCONT : SIGSTOP); }

private:
    void signalAll(int signal) {
        for (const pid_t child : m_children) kill(child, signal);
    }
    std::vector<pid_t> m_children;
};

/// Steps a second while `step()` is repeated for a window.
template <typename RunStep>
double stepsPerSecond(std::chrono::milliseconds window, const RunStep& step) {
    const Clock::time_point begin = Clock::now();
    int steps = 0;
    do {
        step();
        ++steps;
    } while (Clock::now() - begin < window);
    return steps / std::chrono::duration<double>(Clock::now() - begin).count();
}

double runPool(const Settings& settings, Step& step, Backend& backend) {
    return stepsPerSecond(std::chrono::milliseconds(settings.window_ms), [&] {
        for (std::size_t product = 0; product < step.matrices.size(); ++product) {
            step.multiplyPart(backend, product, 0, 1);
        }
    });
}

double runIndependent(const Settings& settings, Step& step, std::vector<std::unique_ptr<Backend>>& backends) {
    const int parts = settings.threads;
    std::vector<double> rates(static_cast<std::size_t>(parts));
    {
        std::vector<std::jthread> threads;
        for (int part = 0; part < parts; ++part) {
            threads.emplace_back([&, part] {
                const auto at = static_cast<std::size_t>(part);
                rates[at] = stepsPerSecond(std::chrono::milliseconds(settings.window_ms), [&] {
                    for (std::size_t product = 0; product < step.matrices.size(); ++product) {
                        step.multiplyPart(*backends[at], product, part, parts);
                    }
                });
            });
        }
    }
    double sum = 0.0;
    for (const double rate : rates) sum += rate / parts;  // each does one part of a step's bytes
    return sum;
}

/// Fixed parts and a spinning barrier after every product.
double runBarrier(const Settings& settings, Step& step, std::vector<std::unique_ptr<Backend>>& backends) {
    const int parts = settings.threads;
    std::atomic<int> arrived{0};
    std::atomic<int> phase{0};
    std::atomic<bool> stopping{false};
    const auto meet = [&] {
        const int now = phase.load();
        if (arrived.fetch_add(1) == parts - 1) {
            arrived.store(0);
            phase.fetch_add(1);
        } else {
            while (phase.load(std::memory_order_acquire) == now) {
            }
        }
    };
    const auto runStep = [&](int part) {
        for (std::size_t product = 0; product < step.matrices.size(); ++product) {
            step.multiplyPart(*backends[static_cast<std::size_t>(part)], product, part, parts);
            meet();
        }
    };
    std::vector<std::jthread> others;
    for (int part = 1; part < parts; ++part) {
        others.emplace_back([&, part] {
            for (;;) {
                meet();  // a step begins, or the end
                if (stopping.load()) return;
                runStep(part);
            }
        });
    }
    const double rate = stepsPerSecond(std::chrono::milliseconds(settings.window_ms), [&] {
        meet();
        runStep(0);
    });
    stopping.store(true);
    meet();
    return rate;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Settings settingsFrom(int count, char** arguments) {
    Settings settings;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string name = arguments[i];
        const long value = std::max(1L, std::strtol(arguments[i + 1], nullptr, 10));
        if (name == "--threads") settings.threads = static_cast<int>(value);
        if (name == "--competitors") settings.competitors = static_cast<int>(value);
        if (name == "--rounds") settings.rounds = static_cast<int>(value);
        if (name == "--window-ms") settings.window_ms = static_cast<int>(value);
        if (name == "--outputs") settings.outputs = value;
        if (name == "--columns") settings.columns = value;
        if (name == "--products") settings.products = value;
    }
    return settings;
}

}  // namespace

int main(int count, char** arguments) {
    const Settings settings = settingsFrom(count, arguments);
    Competitors competitors(settings.competitors);
    Step step(settings);
    const auto pool = makeCpuBackend(settings.threads);
    std::vector<std::unique_ptr<Backend>> singles;
    for (int i = 0; i < settings.threads; ++i) singles.push_back(makeCpuBackend(1));

    std::vector<double> rates[2][3];  // [competing][way]
    for (int round = 0; round < settings.rounds; ++round) {
        for (const int competing : {0, 1}) {
            competitors.run(competing == 1);
            rates[competing][0].push_back(runPool(settings, step, *pool));
            rates[competing][1].push_back(runBarrier(settings, step, singles));
            rates[competing][2].push_back(runIndependent(settings, step, singles));
        }
    }
    competitors.run(false);

    const char* names[3] = {"pool", "barrier", "independent"};
    nlohmann::ordered_json result{{"backend", pool->name()},
                                  {"threads", settings.threads},
                                  {"competitors", settings.competitors},
                                  {"rounds", settings.rounds},
                                  {"bytes_per_product", step.matrices.front().bytes()},
                                  {"gigabytes_per_step", step.gigabytes()}};
    const double cores = std::max(1U, std::thread::hardware_concurrency());
    const double granted = std::min(1.0, cores / (settings.threads + settings.competitors));
    const double independent_competing = median(rates[1][2]);
    for (int way = 0; way < 3; ++way) {
        const double alone = median(rates[0][way]);
        const double competing = median(rates[1][way]);
        result[names[way]] = {{"steps_per_s_alone", alone},
                              {"steps_per_s_competing", competing},
                              {"of_fair_share_of_alone", competing / (alone * granted)},
                              {"of_independent_competing", competing / independent_competing}};
    }
    std::cout << result.dump(2) << "\n";
    return 0;
}
