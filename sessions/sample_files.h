// The completions of an experiment's HumanEval cells, as the benchmark's own evaluator reads them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "sessions/experiment_frame.h"
#include "sessions/output_file.h"
#include "sessions/sweep.h"

namespace mixoscope {

/// (cells) "samples-TASK-POLICY-MODE-BUDGET-SAMPLING-SEED.jsonl", of several batch sizes "…-SEED-LANES.jsonl", as plain
/// names, no two alike; empty for a cell of another layout, or one whose file could not be read.
std::vector<std::string> sampleFileNames(const ExperimentFrame& frame);

/// Writes a file a cell. Throws Error when one cannot be written.
class SampleFiles {
public:
    /// `frame` outlives it.
    SampleFiles(const ExperimentFrame& frame, std::filesystem::path directory);

    /// Takes the runs cell by cell.
    void add(const RunResult& run);
    void close();

private:
    const ExperimentFrame& m_frame;
    std::filesystem::path m_directory;
    std::vector<std::string> m_names;
    std::unique_ptr<OutputFile> m_file;  // of m_cell
    std::size_t m_cell = 0;
};

}  // namespace mixoscope
