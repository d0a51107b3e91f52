// `mixoscope sweep`: runs an experiment file, headless. Interrupted in any way, it goes on with --resume.
#include "sessions/sweep.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/arguments.h"
#include "app/commands/command.h"
#include "app/commands/model_options.h"
#include "engine/error.h"
#include "sessions/experiment.h"
#include "sessions/experiment_results.h"
#include "sessions/experiment_store.h"
#include "sessions/record_names.h"

namespace mixoscope {

namespace {

struct SweepOptions {
    ModelOptions model;
    std::string experiment;
    std::string out;
    bool resume = false;
    bool json = false;
};

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler writes it

/// While it lives, Ctrl+C and a polite kill end the sweep after its step instead of the program.
class InterruptGuard {
public:
    InterruptGuard() : m_interrupt(std::signal(SIGINT, note)), m_terminate(std::signal(SIGTERM, note)) {
        interrupted = false;
    }
    ~InterruptGuard() {
        std::signal(SIGINT, m_interrupt);
        std::signal(SIGTERM, m_terminate);
    }
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

private:
    static void note(int /*signal*/) { interrupted = true; }
    void (*m_interrupt)(int);
    void (*m_terminate)(int);
};

std::string timeText(double seconds) {
    const auto whole = static_cast<std::int64_t>(seconds + 0.5);
    if (whole < 60) return std::to_string(whole) + " s";
    return std::to_string(whole / 60) + " min" + (whole < 600 ? " " + std::to_string(whole % 60) + " s" : "");
}

class ProgressLine {
public:
    ProgressLine(std::ostream& err, std::size_t done, std::size_t total)
        : m_err(err), m_shown(isatty(STDERR_FILENO) == 1), m_first(done), m_done(done), m_total(total) {}

    void oneMore() {
        ++m_done;
        const auto now = Clock::now();
        if (!m_shown || (now - m_at < std::chrono::milliseconds(200) && m_done != m_total)) return;
        m_at = now;
        const double seconds = std::chrono::duration<double>(now - m_begin).count();
        const double left = seconds / static_cast<double>(m_done - m_first) * static_cast<double>(m_total - m_done);
        m_err << "\r\x1B[K" << m_done << " of " << m_total << " runs, about " << timeText(left) << " left"
              << std::flush;
    }
    void end() {
        if (m_shown && m_done != m_first) m_err << '\n';
    }

private:
    using Clock = std::chrono::steady_clock;
    std::ostream& m_err;
    bool m_shown;
    std::size_t m_first;
    std::size_t m_done;
    std::size_t m_total;
    Clock::time_point m_begin = Clock::now();
    Clock::time_point m_at;
};

/// A bound that is not known, NaN, becomes null.
nlohmann::ordered_json textResultJson(const Experiment& experiment, const CellResult& result) {
    nlohmann::ordered_json json = {{"task", experiment.tasks[result.cell.task].name},
                                   {"policy", experiment.policies[result.cell.policy]},
                                   {"lanes", result.cell.lanes},
                                   {"runs", result.runs},
                                   {"scored_tokens", result.scored_tokens},
                                   {"perplexity", result.perplexity.mean},
                                   {"perplexity_low", result.perplexity.low},
                                   {"perplexity_high", result.perplexity.high},
                                   {"active_experts", result.active_experts},
                                   {"load_cv", result.load_cv},
                                   {"tokens_per_s", result.tokens_per_s}};
    if (result.cell.policy == 0) return json;
    json["nll_change"] = result.nll_change.mean;
    json["nll_change_low"] = result.nll_change.low;
    json["nll_change_high"] = result.nll_change.high;
    return json;
}

nlohmann::ordered_json resultJson(const Experiment& experiment, const CellResult& result) {
    if (scoresText(experiment, result.cell)) return textResultJson(experiment, result);
    nlohmann::ordered_json json = {{"task", taskName(experiment, result.cell)},
                                   {"policy", experiment.policies[result.cell.policy]},
                                   {"sampling", samplingText(experiment.samplings[result.cell.sampling])},
                                   {"mode", modeName(static_cast<std::int64_t>(result.cell.mode))},
                                   {"budget", budgetText(result.cell.budget)},
                                   {"seed", result.cell.seed},
                                   {"lanes", result.cell.lanes},
                                   {"runs", result.runs},
                                   {"correct", result.accuracy.successes},
                                   {"judged", result.accuracy.trials},
                                   {"accuracy", result.accuracy.share},  // NaN becomes null
                                   {"accuracy_low", result.accuracy.low},
                                   {"accuracy_high", result.accuracy.high},
                                   {"thinking_tokens", result.thinking_tokens.mean},
                                   {"active_experts", result.active_experts},
                                   {"load_cv", result.load_cv},
                                   {"prompt_dropped_share", result.prompt_dropped_share},
                                   {"dropped_share", result.dropped_share},
                                   {"tpot_ms", result.tpot_ms.mean},
                                   {"tokens_per_s", result.tokens_per_s}};
    if (result.p_value) json["p_value"] = *result.p_value;
    return json;
}

/// "-" for what is not known.
std::string fixedText(double value, int digits) {
    if (std::isnan(value)) return "-";
    std::ostringstream text;
    text << std::fixed << std::setprecision(digits) << value;
    return text.str();
}

/// "50.0 (38.1-61.9)", or "ppl 12.30 (11.90-12.80)" of a text.
std::string qualityText(const Experiment& experiment, const CellResult& result) {
    if (!scoresText(experiment, result.cell)) {
        const Proportion& accuracy = result.accuracy;
        if (accuracy.trials == 0) return "-";
        return fixedText(100.0 * accuracy.share, 1) + " (" + fixedText(100.0 * accuracy.low, 1) + "-" +
               fixedText(100.0 * accuracy.high, 1) + ")";
    }
    const MeanWithInterval& perplexity = result.perplexity;
    if (std::isnan(perplexity.mean)) return "-";
    const std::string text = "ppl " + fixedText(perplexity.mean, 2);
    if (std::isnan(perplexity.low)) return text;
    return text + " (" + fixedText(perplexity.low, 2) + "-" + fixedText(perplexity.high, 2) + ")";
}

void writeTable(const Experiment& experiment, const std::vector<CellResult>& results, std::ostream& out) {
    std::size_t longest = 6;
    for (const std::string& policy : experiment.policies) longest = std::max(longest, policy.size());
    const int policy_width = static_cast<int>(longest) + 2;
    out << std::left << std::setw(14) << "task" << std::setw(policy_width) << "policy" << std::setw(10) << "mode"
        << std::setw(11) << "budget" << std::setw(7) << "lanes" << std::right << std::setw(27) << "accuracy, 95 %"
        << std::setw(8) << "N" << std::setw(9) << "experts" << std::setw(7) << "CV" << std::setw(18)
        << "dropped of prompt" << std::setw(10) << "tokens/s" << '\n';
    for (const CellResult& result : results) {
        const bool text = scoresText(experiment, result.cell);
        out << std::left << std::setw(14) << taskName(experiment, result.cell) << std::setw(policy_width)
            << experiment.policies[result.cell.policy] << std::setw(10)
            << (text ? "-" : modeName(static_cast<std::int64_t>(result.cell.mode))) << std::setw(11)
            << (text ? "-" : budgetText(result.cell.budget)) << std::setw(7) << result.cell.lanes << std::right
            << std::setw(27) << qualityText(experiment, result) << std::setw(8)
            << fixedText(result.thinking_tokens.mean, 1) << std::setw(9) << fixedText(result.active_experts, 2)
            << std::setw(7) << fixedText(result.load_cv, 2) << std::setw(16)
            << fixedText(100.0 * result.prompt_dropped_share, 1) << " %" << std::setw(10)
            << fixedText(result.tokens_per_s, 0) << '\n';
    }
}

int runSweep(const SweepOptions& options, CommandStreams& streams) {
    const Experiment experiment = readExperiment(options.experiment);
    ModelOptions model = options.model;
    model.model = experiment.model;
    Sweep sweep(model.load(), experiment);

    std::error_code error;
    std::filesystem::create_directories(options.out, error);
    const std::filesystem::path file = std::filesystem::path(options.out) / "experiment.mixo";
    const ExperimentIdentity identity = identityOf(sweep);
    ExperimentStore store = options.resume && std::filesystem::exists(file, error)
                                ? ExperimentStore::resume(file, identity)
                                : ExperimentStore::create(file, identity, factsOf(sweep));
    const std::set<RunKey> done = store.done();
    if (done.size() < sweep.runCount()) store.begin(stretchOf(sweep));

    bool complete = false;
    {
        const InterruptGuard guard;
        std::stop_source stop;
        ProgressLine progress(streams.err, done.size(), sweep.runCount());
        complete = sweep.run(
            done,
            [&](const RunResult& run) {
                store.add(run);
                progress.oneMore();
                if (interrupted) stop.request_stop();
            },
            stop.get_token());
        store.commit();
        progress.end();
    }
    exportResults(sweep, store, options.out);
    const std::vector<CellResult> results = experimentResults(sweep, store);
    if (options.json) {
        for (const CellResult& result : results) streams.out << resultJson(experiment, result).dump() << '\n';
    } else {
        writeTable(experiment, results, streams.out);
    }
    if (complete) return kDone;
    streams.err << "mixoscope: stopped after " << store.done().size() << " of " << sweep.runCount()
                << " runs; go on with --resume\n";
    return kWorkFailed;
}

}  // namespace

void addSweepCommand(CLI::App& program, CommandAction& action) {
    auto options = std::make_shared<SweepOptions>();
    CLI::App* command =
        program.add_subcommand("sweep", "Run an experiment: tasks x policies x modes x budgets x seeds");
    command->add_option("experiment", options->experiment, "Experiment file (JSON)")->required();
    command
        ->add_option("--out", options->out,
                     "Directory for experiment.mixo, results.csv, runs.csv, task_load.csv and samples")
        ->required();
    command->add_flag("--resume", options->resume, "Go on with the experiment in the directory");
    command->add_flag("--json", options->json, "One JSON line a cell");
    options->model.addBackend(*command);
    command->callback(
        [options, &action] { action = [options](CommandStreams& streams) { return runSweep(*options, streams); }; });
}

}  // namespace mixoscope
