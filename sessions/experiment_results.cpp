#include "sessions/experiment_results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "engine/error.h"
#include "probes/load.h"
#include "sessions/csv_writer.h"
#include "sessions/record_names.h"

namespace mixoscope {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double ratio(double part, double whole) {
    return whole > 0.0 ? part / whole : kNone;
}

/// The smallest value that at least `share` of the sorted values do not exceed.
double quantile(const std::vector<double>& sorted, double share) {
    const auto rank = static_cast<std::ptrdiff_t>(std::ceil(share * static_cast<double>(sorted.size())));
    return sorted[static_cast<std::size_t>(std::max<std::ptrdiff_t>(rank, 1) - 1)];
}

Spread spreadOf(std::vector<double> values) {
    if (values.empty()) return {.mean = kNone, .median = kNone, .p90 = kNone};
    std::ranges::sort(values);
    return {.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size()),
            .median = quantile(values, 0.5),
            .p90 = quantile(values, 0.9)};
}

/// Sums over the runs of one cell.
struct Gathered {
    std::map<std::size_t, bool> correct;  // by item, judged runs only
    std::vector<double> thinking;
    std::vector<double> answer;
    double ttft_ms = 0.0;
    double tpot_ms = 0.0;
    std::int64_t tpot_runs = 0;  // of one token there is no time per token
    double latency_ms = 0.0;
    RunMeasures total;
    CellResult result;

    void add(const RunResult& run) {
        ++result.runs;
        if (run.judged) correct[run.key.item] = run.correct;
        thinking.push_back(run.thinking_tokens);
        answer.push_back(run.answer_tokens);
        ttft_ms += run.ttft_ms;
        if (run.tpot_ms > 0.0) {
            tpot_ms += run.tpot_ms;
            ++tpot_runs;
        }
        latency_ms += run.latency_ms;
        total.rows += run.measures.rows;
        total.ran += run.measures.ran;
        total.dropped += run.measures.dropped;
        total.virtual_selections += run.measures.virtual_selections;
        total.prompt_selections += run.measures.prompt_selections;
        total.prompt_dropped += run.measures.prompt_dropped;
        total.generated_ms += run.measures.generated_ms;
        total.load.resize(std::max(total.load.size(), run.measures.load.size()));
        for (std::size_t i = 0; i < run.measures.load.size(); ++i) total.load[i] += run.measures.load[i];
        result.forced_stops += run.measures.closed_by_budget ? 1 : 0;
        result.mode_errors += run.followed_mode ? 0 : 1;
        result.leaks += run.measures.stray_tags > 0 ? 1 : 0;
        result.unfinished += run.stop_reason == StopReason::kEndOfTurn ? 0 : 1;
    }
};

void measureLoad(const RunMeasures& total, std::int64_t layers, CellResult& result) {
    result.load_cv = result.load_cv_floor = kNone;
    if (total.rows == 0 || layers == 0) return;
    const std::size_t experts = total.load.size() / static_cast<std::size_t>(layers);
    double cv = 0.0;
    double floor = 0.0;
    for (std::size_t layer = 0; layer < static_cast<std::size_t>(layers); ++layer) {
        LayerLoad load;
        load.selections.assign(total.load.begin() + static_cast<std::ptrdiff_t>(layer * experts),
                               total.load.begin() + static_cast<std::ptrdiff_t>((layer + 1) * experts));
        load.rows = total.rows;
        const BalanceMeasures measures = measureBalance(load);
        cv += measures.cv;
        floor += measures.cv_floor;
    }
    result.load_cv = cv / static_cast<double>(layers);
    result.load_cv_floor = floor / static_cast<double>(layers);
}

CellResult finish(Gathered& gathered, std::int64_t layers) {
    CellResult& result = gathered.result;
    const RunMeasures& total = gathered.total;
    const auto runs = static_cast<double>(result.runs);
    const auto right = std::ranges::count_if(gathered.correct, [](const auto& entry) { return entry.second; });
    result.accuracy = wilsonInterval(right, std::ssize(gathered.correct));
    result.thinking_tokens = spreadOf(std::move(gathered.thinking));
    result.answer_tokens = spreadOf(std::move(gathered.answer));
    result.ttft_ms = ratio(gathered.ttft_ms, runs);
    result.tpot_ms = ratio(gathered.tpot_ms, static_cast<double>(gathered.tpot_runs));
    result.latency_ms = ratio(gathered.latency_ms, runs);
    result.tokens_per_s = ratio(1000.0 * static_cast<double>(total.rows), total.generated_ms);
    const auto selections = static_cast<double>(total.ran + total.dropped + total.virtual_selections);
    result.active_experts = ratio(static_cast<double>(total.ran), static_cast<double>(total.rows * layers));
    result.dropped_share = ratio(static_cast<double>(total.dropped), selections);
    result.prompt_dropped_share =
        ratio(static_cast<double>(total.prompt_dropped), static_cast<double>(total.prompt_selections));
    result.virtual_share = ratio(static_cast<double>(total.virtual_selections), selections);
    measureLoad(total, layers, result);
    return result;
}

/// A file that was damaged or changed by hand must not lead outside the cells and items that there are.
void requireKnown(const Sweep& sweep, const RunResult& run, std::size_t counts) {
    if (sweep.has(run.key) && run.measures.load.size() == counts) return;
    throw Error(
        {.what = "The experiment holds a run that is not part of it",
         .where = "table runs",
         .expected = std::to_string(sweep.cells().size()) + " cells, " + std::to_string(counts) + " counts a run",
         .found = "cell " + std::to_string(run.key.cell) + ", item " + std::to_string(run.key.item) + ", " +
                  std::to_string(run.measures.load.size()) + " counts"});
}

/// The cell of the first policy with everything else equal.
std::size_t baselineOf(const std::vector<ExperimentCell>& cells, std::size_t index) {
    ExperimentCell wanted = cells[index];
    wanted.policy = 0;
    return static_cast<std::size_t>(std::ranges::find(cells, wanted) - cells.begin());
}

void compare(const Gathered& baseline, const Gathered& other, CellResult& result) {
    std::int64_t only_baseline = 0;
    std::int64_t only_this = 0;
    for (const auto& [item, right] : other.correct) {
        const auto same = baseline.correct.find(item);
        if (same == baseline.correct.end() || same->second == right) continue;
        ++(right ? only_this : only_baseline);
    }
    result.only_baseline = only_baseline;
    result.only_this = only_this;
    result.p_value = mcNemarTest(only_baseline, only_this);
}

void writeChoices(CsvWriter& csv, const Experiment& experiment, const ExperimentCell& cell) {
    csv.field(experiment.tasks[cell.task].name)
        .field(experiment.policies[cell.policy])
        .field(samplingText(experiment.samplings[cell.sampling]))
        .field(modeName(static_cast<std::int64_t>(cell.mode)))
        .field(budgetText(cell.budget))
        .field(std::to_string(cell.seed));
}

}  // namespace

std::vector<CellResult> experimentResults(const Sweep& sweep, const ExperimentStore& store) {
    const std::vector<ExperimentCell>& cells = sweep.cells();
    std::vector<Gathered> gathered(cells.size());
    store.forRuns([&](const RunResult& run) {
        requireKnown(sweep, run, sweep.loadCounts());
        gathered[run.key.cell].add(run);
    });
    std::vector<CellResult> results;
    for (std::size_t index = 0; index < cells.size(); ++index) {
        CellResult result = finish(gathered[index], sweep.moeLayers());
        result.cell = cells[index];
        result.items = static_cast<std::int64_t>(sweep.items(cells[index]));
        if (cells[index].policy != 0) compare(gathered[baselineOf(cells, index)], gathered[index], result);
        results.push_back(result);
    }
    return results;
}

void exportResults(const Sweep& sweep, const ExperimentStore& store, const std::filesystem::path& directory) {
    const Experiment& experiment = sweep.experiment();
    CsvWriter results(directory / "results.csv",
                      "task,policy,sampling,mode,budget,seed,items,runs,correct,judged,accuracy,accuracy_low,"
                      "accuracy_high,only_baseline,only_this,p_value,thinking_tokens,thinking_median,thinking_p90,"
                      "answer_tokens,ttft_ms,tpot_ms,latency_ms,tokens_per_s,active_experts,"
                      "prompt_dropped_share,dropped_share,"
                      "virtual_share,load_cv,load_cv_floor,forced_stops,mode_errors,leaks,unfinished");
    for (const CellResult& result : experimentResults(sweep, store)) {
        writeChoices(results, experiment, result.cell);
        const auto optional = [&](const auto& value) { value ? results.field(*value) : results.field(kNone); };
        results.field(result.items).field(result.runs).field(result.accuracy.successes).field(result.accuracy.trials);
        results.field(result.accuracy.share).field(result.accuracy.low).field(result.accuracy.high);
        optional(result.only_baseline);
        optional(result.only_this);
        optional(result.p_value);
        results.field(result.thinking_tokens.mean)
            .field(result.thinking_tokens.median)
            .field(result.thinking_tokens.p90);
        results.field(result.answer_tokens.mean).field(result.ttft_ms).field(result.tpot_ms).field(result.latency_ms);
        results.field(result.tokens_per_s)
            .field(result.active_experts)
            .field(result.prompt_dropped_share)
            .field(result.dropped_share)
            .field(result.virtual_share);
        results.field(result.load_cv).field(result.load_cv_floor);
        results.field(result.forced_stops).field(result.mode_errors).field(result.leaks).field(result.unfinished);
        results.endRow();
    }
    results.close();

    CsvWriter runs(directory / "runs.csv",
                   "task,policy,sampling,mode,budget,seed,item,kind,judged,correct,answer,reference,prompt_tokens,"
                   "thinking_tokens,answer_tokens,injected_tokens,stop_reason,ttft_ms,tpot_ms,latency_ms,followed_mode,"
                   "stray_tags");
    store.forRuns([&](const RunResult& run) {
        const ExperimentCell& cell = sweep.cells()[run.key.cell];
        const TaskItem& item = sweep.task(cell).items[run.key.item];
        writeChoices(runs, experiment, cell);
        runs.field(static_cast<std::int64_t>(run.key.item))
            .field(item.kind)
            .field(static_cast<std::int64_t>(run.judged));
        runs.field(static_cast<std::int64_t>(run.correct)).field(run.answer).field(item.reference);
        runs.field(run.prompt_tokens).field(run.thinking_tokens).field(run.answer_tokens).field(run.injected_tokens);
        runs.field(stopReasonName(run.stop_reason)).field(run.ttft_ms).field(run.tpot_ms).field(run.latency_ms);
        runs.field(static_cast<std::int64_t>(run.followed_mode)).field(run.measures.stray_tags);
        runs.endRow();
    });
    runs.close();
}

}  // namespace mixoscope
