#include "sessions/sample_files.h"

#include <algorithm>
#include <set>
#include <utility>

#include "sessions/human_eval.h"
#include "sessions/plain_name.h"
#include "sessions/record_names.h"

namespace mixoscope {

namespace {

constexpr std::size_t kLongestName = 200;  // bytes; file systems take 255

std::string nameOf(const Experiment& experiment, const ExperimentCell& cell) {
    std::string name = "samples-" + experiment.tasks[cell.task].name + "-" + experiment.policies[cell.policy] + "-" +
                       modeName(static_cast<std::int64_t>(cell.mode)) + "-" + budgetText(cell.budget) + "-" +
                       samplingText(experiment.samplings[cell.sampling]) + "-" + std::to_string(cell.seed);
    if (experiment.lanes.size() > 1) name += "-" + std::to_string(cell.lanes);
    std::size_t size = std::min(name.size(), kLongestName);
    while (size < name.size() && (static_cast<unsigned char>(name[size]) & 0xC0U) == 0x80U) --size;
    name.resize(size);
    return plainName(name);
}

}  // namespace

std::vector<std::string> sampleFileNames(const ExperimentFrame& frame) {
    std::vector<std::string> names;
    std::set<std::string> taken;
    for (const ExperimentCell& cell : frame.cells) {
        names.emplace_back();
        if (cell.task >= frame.tasks.size() || frame.tasks[cell.task].problems.empty()) continue;
        const std::string name = nameOf(frame.experiment, cell);
        std::string unlike = name;
        for (int number = 2; !taken.insert(unlike).second; ++number) unlike = name + "-" + std::to_string(number);
        names.back() = unlike + ".jsonl";
    }
    return names;
}

SampleFiles::SampleFiles(const ExperimentFrame& frame, std::filesystem::path directory)
    : m_frame(frame), m_directory(std::move(directory)), m_names(sampleFileNames(frame)) {}

void SampleFiles::add(const RunResult& run) {
    if (m_names[run.key.cell].empty()) return;
    if (m_file == nullptr || m_cell != run.key.cell) {
        close();
        m_file = std::make_unique<OutputFile>(m_directory / m_names[run.key.cell], std::filesystem::path());
        m_cell = run.key.cell;
    }
    m_file->stream() << humanEvalSample(m_frame.tasks[m_frame.cells[run.key.cell].task].problems[run.key.item],
                                        run.answer);
}

void SampleFiles::close() {
    if (m_file != nullptr) m_file->commit();
    m_file.reset();
}

}  // namespace mixoscope
