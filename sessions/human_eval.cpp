#include "sessions/human_eval.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace mixoscope {

namespace {

constexpr std::string_view kFence = "```";
constexpr std::string_view kIndent = "    ";  // of the bodies of all problems
constexpr std::string_view kBlank = " \t\r";

bool isBlank(std::string_view line) {
    return line.find_first_not_of(kBlank) == std::string_view::npos;
}

bool isIndented(std::string_view line) {
    return line.starts_with(' ') || line.starts_with('\t');
}

std::vector<std::string_view> linesOf(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        lines.push_back(line);
    }
    return lines;
}

using Lines = std::vector<std::string_view>;

/// The lines between each pair of fences; the last block of an answer that was cut off may be open.
std::vector<Lines> fencedBlocks(const Lines& lines) {
    std::vector<Lines> blocks;
    bool open = false;
    for (const std::string_view line : lines) {
        const std::size_t begin = line.find_first_not_of(kBlank);
        if (begin != std::string_view::npos && line.substr(begin).starts_with(kFence)) {
            open = !open;
            if (open) blocks.emplace_back();
        } else if (open) {
            blocks.back().push_back(line);
        }
    }
    return blocks;
}

bool defines(const Lines& code, const std::string& function) {
    for (const std::string_view line : code) {
        std::string_view rest = line;
        if (rest.starts_with("async ")) rest.remove_prefix(6);
        if (!rest.starts_with("def ")) continue;
        rest.remove_prefix(4);
        if (!rest.starts_with(function)) continue;
        rest.remove_prefix(function.size());
        if (rest.starts_with('(') || rest.starts_with(' ')) return true;
    }
    return false;
}

void dropBlankEnds(Lines& lines) {
    while (!lines.empty() && isBlank(lines.front())) lines.erase(lines.begin());
    while (!lines.empty() && isBlank(lines.back())) lines.pop_back();
}

/// What follows the prompt's lines; nothing when the code does not begin with them.
std::optional<Lines> behindPrompt(const Lines& code, const std::string& prompt) {
    Lines head = linesOf(prompt);
    dropBlankEnds(head);
    if (code.size() < head.size() || !std::equal(head.begin(), head.end(), code.begin())) return std::nullopt;
    Lines rest(code.begin() + static_cast<std::ptrdiff_t>(head.size()), code.end());
    dropBlankEnds(rest);
    return rest;
}

/// Whether a line of Python can be followed by one that is indented deeper.
bool leadsDeeper(std::string_view line) {
    const std::size_t last = line.find_last_not_of(kBlank);
    return last != std::string_view::npos && std::string_view(":([{,\\").find(line[last]) != std::string_view::npos;
}

/// Deeper than a line of a body is that stands in none of its statements.
bool isDeep(std::string_view line) {
    return line.find_first_not_of(' ') >= 2 * kIndent.size();
}

std::string joined(const Lines& lines) {
    std::string text;
    for (const std::string_view line : lines) text.append(line).append("\n");
    return text;
}

/// The lines as the body of a function.
std::string bodyOf(const Lines& lines) {
    if (lines.empty()) return {};
    if (isIndented(lines.front())) return joined(lines);
    const auto second = std::find_if_not(lines.begin() + 1, lines.end(), isBlank);
    // Answers often lose the indentation of their first line only.
    const bool first_only =
        second != lines.end() && isIndented(*second) && (!leadsDeeper(lines.front()) || isDeep(*second));
    std::string body;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        if ((i == 0 || !first_only) && !isBlank(lines[i])) body += kIndent;
        body.append(lines[i]).append("\n");
    }
    return body;
}

/// Without what is written behind an indented body.
void cutBehindBody(Lines& lines) {
    if (lines.empty() || !isIndented(lines.front())) return;
    const auto end = std::find_if(lines.begin(), lines.end(),
                                  [](std::string_view line) { return !isBlank(line) && !isIndented(line); });
    lines.erase(end, lines.end());
    dropBlankEnds(lines);
}

}  // namespace

std::string humanEvalQuestion(const HumanEvalProblem& problem) {
    return "Complete this Python function. Answer with the whole function in one code block.\n\n```python\n" +
           problem.prompt + (problem.prompt.ends_with('\n') ? "```" : "\n```");
}

std::string humanEvalCompletion(const HumanEvalProblem& problem, std::string_view answer) {
    Lines code = linesOf(answer);
    const std::vector<Lines> blocks = fencedBlocks(code);
    if (!blocks.empty()) {
        const auto whole = std::find_if(blocks.begin(), blocks.end(),
                                        [&](const Lines& block) { return defines(block, problem.entry_point); });
        code = whole == blocks.end() ? blocks.front() : *whole;
    }
    dropBlankEnds(code);
    if (auto rest = behindPrompt(code, problem.prompt)) {
        code = std::move(*rest);
    } else if (defines(code, problem.entry_point)) {
        return std::string(kIndent) + "pass\n\n\n" + joined(code);  // the prompt's own may lack a body
    }
    if (blocks.empty()) cutBehindBody(code);
    return bodyOf(code);
}

std::string humanEvalSample(const HumanEvalProblem& problem, std::string_view answer) {
    const nlohmann::ordered_json line = {{"task_id", problem.task_id},
                                         {"completion", humanEvalCompletion(problem, answer)}};
    return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + '\n';
}

}  // namespace mixoscope
