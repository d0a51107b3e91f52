#include "sessions/task_set.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "engine/error.h"
#include "engine/json_text.h"
#include "engine/mapped_file.h"
#include "sessions/csv_reader.h"

namespace mixoscope {

namespace {

using nlohmann::json;

constexpr std::size_t kLargestFile = std::size_t{1} << 30;
constexpr std::size_t kMostOptions = 10;  // the letters that AnswerKind::kOption knows

constexpr std::array<std::pair<std::string_view, TaskLayout>, 9> kLayouts = {
    {{"auto", TaskLayout::kAuto},
     {"prompt-answer", TaskLayout::kPromptAnswer},
     {"gsm8k", TaskLayout::kGsm8k},
     {"aime", TaskLayout::kAime},
     {"mmlu-pro", TaskLayout::kMmluPro},
     {"gpqa", TaskLayout::kGpqa},
     {"prompts", TaskLayout::kPromptList},
     {"human-eval", TaskLayout::kHumanEval},
     {"text", TaskLayout::kText}}};

[[noreturn]] void fail(std::string what, std::string where, std::string expected, std::string found) {
    throw Error({.what = std::move(what),
                 .where = std::move(where),
                 .expected = std::move(expected),
                 .found = std::move(found)});
}

/// One object of a file in JSON lines, with its place for messages.
class Line {
public:
    Line(json object, std::string where) : m_object(std::move(object)), m_where(std::move(where)) {}

    const std::string& where() const { return m_where; }
    bool has(const char* key) const { return m_object.contains(key); }
    const json& value(const char* key) const {
        const auto found = m_object.find(key);
        if (found == m_object.end()) fail("A field is missing", m_where, std::string("the field ") + key, fieldNames());
        return *found;
    }
    std::string text(const char* key) const {
        const json& found = value(key);
        if (!found.is_string()) fail("A field is no text", at(key), "a text", describeJson(found));
        return found.get<std::string>();
    }
    /// A text, or a whole number as one.
    std::string textOrNumber(const char* key) const {
        const json& found = value(key);
        return found.is_number_integer() ? found.dump() : text(key);
    }
    std::string optionalText(const char* key) const { return has(key) ? text(key) : std::string(); }
    std::string at(const char* key) const { return m_where + ", field " + key; }

private:
    std::string fieldNames() const {
        std::string names;
        for (const auto& [name, ignored] : m_object.items()) names += (names.empty() ? "" : ", ") + name;
        return names.empty() ? "no fields" : names.substr(0, 200);
    }
    json m_object;
    std::string m_where;
};

template <typename Visit>
void forLines(std::string_view text, const Visit& visit) {
    for (std::int64_t number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.find_first_not_of(" \t") != std::string_view::npos) visit(line, number);
    }
}

std::vector<Line> jsonLines(std::string_view text, const std::string& file) {
    std::vector<Line> lines;
    forLines(text, [&](std::string_view line, std::int64_t number) {
        std::string where = file + ", line " + std::to_string(number);
        json object = parseJsonText(std::as_bytes(std::span(line)), where);
        if (!object.is_object()) fail("A line is no JSON object", where, "an object", describeJson(object));
        lines.emplace_back(std::move(object), std::move(where));
    });
    return lines;
}

TaskItem promptAnswer(const Line& line) {
    return {.kind = line.optionalText("kind"), .prompt = line.text("prompt"), .reference = line.text("answer")};
}

/// Cobbe et al., arXiv 2110.14168: the answer stands behind the last "####".
TaskItem gsm8k(const Line& line) {
    const std::string solution = line.text("answer");
    const std::size_t mark = solution.rfind("####");
    if (mark == std::string::npos)
        fail("The answer has no final result", line.at("answer"), "#### and a number", solution.substr(0, 60));
    const auto number = AnswerRule::parse("last-number", {}).extract(std::string_view(solution).substr(mark));
    if (!number)
        fail("The final result is no number", line.at("answer"), "#### and a number", solution.substr(mark, 60));
    return {.kind = {}, .prompt = line.text("question"), .reference = *number};
}

TaskItem aime(const Line& line) {
    const bool capital = line.has("Problem");
    return {.kind = {},
            .prompt = line.text(capital ? "Problem" : "problem"),
            .reference = line.textOrNumber(capital ? "Answer" : "answer")};
}

std::string multipleChoice(const std::string& question, std::span<const std::string> options) {
    std::string prompt = question + "\n";
    for (std::size_t i = 0; i < options.size(); ++i)
        prompt += "\n" + std::string(1, static_cast<char>('A' + i)) + ". " + options[i];
    return prompt + "\n\nEnd with: The answer is (X), where X is the letter of your choice.";
}

/// Wang et al., arXiv 2406.01574.
TaskItem mmluPro(const Line& line) {
    const json& list = line.value("options");
    if (!list.is_array() || list.empty() || list.size() > kMostOptions)
        fail("The options are no list of texts", line.at("options"), "1 to 10 texts", describeJson(list));
    std::vector<std::string> options;
    for (const json& option : list) {
        if (!option.is_string()) fail("An option is no text", line.at("options"), "texts", describeJson(option));
        options.push_back(option.get<std::string>());
    }
    const std::string answer = line.text("answer");
    if (answer.size() != 1 || answer.front() < 'A' || static_cast<std::size_t>(answer.front() - 'A') >= options.size())
        fail("The answer is none of the options", line.at("answer"), "a letter from A on, one an option", answer);
    return {.kind = line.optionalText("category"),
            .prompt = multipleChoice(line.text("question"), options),
            .reference = answer};
}

/// FNV-1a: places that depend on nothing but the text.
std::uint64_t hashText(std::string_view text) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    return hash;
}

/// Rein et al., arXiv 2311.12022.
std::vector<TaskItem> gpqa(std::string_view text, const std::string& file) {
    constexpr std::array<const char*, 5> kColumns = {"Question", "Correct Answer", "Incorrect Answer 1",
                                                     "Incorrect Answer 2", "Incorrect Answer 3"};
    const std::vector<std::vector<std::string>> records = readCsv(text, file);
    if (records.empty()) fail("The file is empty", file, "a header row", "nothing");
    const auto columnOf = [&](const std::string& name) -> std::optional<std::size_t> {
        const auto found = std::ranges::find(records.front(), name);
        if (found == records.front().end()) return std::nullopt;
        return static_cast<std::size_t>(found - records.front().begin());
    };
    std::array<std::size_t, kColumns.size()> columns{};
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto column = columnOf(kColumns[i]);
        if (!column)
            fail("A column is missing", file + ", line 1", kColumns[i],
                 std::to_string(records.front().size()) + " other columns");
        columns[i] = *column;
    }
    const std::optional<std::size_t> domain = columnOf("High-level domain");
    std::vector<TaskItem> items;
    for (std::size_t row = 1; row < records.size(); ++row) {
        const std::string& question = records[row][columns[0]];
        const std::size_t place = hashText(question) % 4;  // of the right answer; the wrong ones keep their order
        std::vector<std::string> options = {records[row][columns[2]], records[row][columns[3]],
                                            records[row][columns[4]]};
        options.insert(options.begin() + static_cast<std::ptrdiff_t>(place), records[row][columns[1]]);
        items.push_back({.kind = domain ? records[row][*domain] : std::string(),
                         .prompt = multipleChoice(question, options),
                         .reference = std::string(1, static_cast<char>('A' + place))});
    }
    return items;
}

std::vector<TaskItem> promptList(std::string_view text, const std::string& file) {
    std::vector<TaskItem> items;
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && text[first] == '{') {
        for (const Line& line : jsonLines(text, file))
            items.push_back({.kind = line.optionalText("kind"), .prompt = line.text("prompt"), .reference = {}});
    } else {
        forLines(text, [&](std::string_view line, std::int64_t) {
            items.push_back({.kind = {}, .prompt = std::string(line), .reference = {}});
        });
    }
    return items;
}

void readHumanEval(std::string_view text, const std::string& file, TaskSet& set) {
    for (const Line& line : jsonLines(text, file)) {
        HumanEvalProblem problem{
            .task_id = line.text("task_id"), .prompt = line.text("prompt"), .entry_point = line.text("entry_point")};
        set.items.push_back(
            {.kind = {}, .prompt = humanEvalQuestion(problem), .reference = line.optionalText("canonical_solution")});
        set.problems.push_back(std::move(problem));
    }
}

TaskLayout layoutOf(const Line& first) {
    if (first.has("entry_point")) return TaskLayout::kHumanEval;
    if (first.has("options")) return TaskLayout::kMmluPro;
    if (first.has("problem") || first.has("Problem")) return TaskLayout::kAime;
    if (first.has("question")) return TaskLayout::kGsm8k;
    return first.has("answer") ? TaskLayout::kPromptAnswer : TaskLayout::kPromptList;
}

TaskLayout layoutOf(std::string_view text, const std::string& file) {
    if (std::filesystem::path(file).extension() == ".csv") return TaskLayout::kGpqa;
    const std::size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos || text[begin] != '{') return TaskLayout::kPromptList;
    return layoutOf(jsonLines(text.substr(begin, text.find('\n', begin) - begin), file).front());
}

AnswerRule ruleOf(TaskLayout layout) {
    switch (layout) {
        case TaskLayout::kGsm8k:
        case TaskLayout::kAime:
            return AnswerRule::parse("last-number", {});
        case TaskLayout::kMmluPro:
        case TaskLayout::kGpqa:
            return AnswerRule::parse("option", {});
        case TaskLayout::kPromptList:
        case TaskLayout::kHumanEval:
        case TaskLayout::kText:
            return AnswerRule::parse("none", {});
        case TaskLayout::kAuto:
        case TaskLayout::kPromptAnswer:
            break;
    }
    return AnswerRule::parse("exact", {});
}

std::vector<TaskItem> itemsOf(std::string_view text, const std::string& file, TaskLayout layout) {
    if (layout == TaskLayout::kGpqa) return gpqa(text, file);
    if (layout == TaskLayout::kPromptList) return promptList(text, file);
    std::vector<TaskItem> items;
    for (const Line& line : jsonLines(text, file)) {
        items.push_back(layout == TaskLayout::kGsm8k     ? gsm8k(line)
                        : layout == TaskLayout::kAime    ? aime(line)
                        : layout == TaskLayout::kMmluPro ? mmluPro(line)
                                                         : promptAnswer(line));
    }
    return items;
}

}  // namespace

TaskLayout parseTaskLayout(std::string_view text, const std::string& where) {
    const auto* const found = std::ranges::find(kLayouts, text, [](const auto& entry) { return entry.first; });
    if (found == kLayouts.end())
        fail("This is no layout of a task file", where,
             "auto, prompt-answer, gsm8k, aime, mmlu-pro, gpqa, prompts, human-eval or text",
             std::string(text.substr(0, 80)));
    return found->second;
}

std::string_view taskLayoutName(TaskLayout layout) {
    return std::ranges::find(kLayouts, layout, [](const auto& entry) { return entry.second; })->first;
}

TaskSet readTaskSet(std::span<const std::byte> bytes, const std::string& file, TaskLayout layout) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    TaskSet set;
    set.layout = layout == TaskLayout::kAuto ? layoutOf(text, file) : layout;
    set.rule = ruleOf(set.layout);
    if (set.layout == TaskLayout::kText) {
        set.text = text;
        return set;
    }
    if (set.layout == TaskLayout::kHumanEval) {
        readHumanEval(text, file, set);
    } else {
        set.items = itemsOf(text, file, set.layout);
    }
    if (set.items.empty()) fail("The file holds no items", file, "at least one", "none");
    return set;
}

TaskSet readTaskSet(const std::filesystem::path& file, TaskLayout layout) {
    return readTaskSet(readSmallFile(file, kLargestFile), file.string(), layout);
}

void cutIntoWindows(TaskSet& set, const Tokenizer& tokenizer, std::int64_t window, std::int64_t stride,
                    const std::string& file) {
    set.tokens = tokenizer.encode(set.text);
    set.windows = textWindows(std::ssize(set.tokens), window, stride);
    if (set.windows.empty())
        fail("The text is too short to be scored", file, "at least 2 tokens", std::to_string(set.tokens.size()));
    for (const TextWindow& part : set.windows) {
        const auto scored =
            std::span(set.tokens)
                .subspan(static_cast<std::size_t>(part.scored), static_cast<std::size_t>(part.end - part.scored));
        set.items.push_back({.kind = {}, .prompt = validUtf8(tokenizer.decode(scored)), .reference = {}});
    }
    set.text.clear();
    set.text.shrink_to_fit();
}

}  // namespace mixoscope
