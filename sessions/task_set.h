// A set of questions with known answers: files in the layouts in which public benchmarks are published, read as they
// are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sessions/answer_rule.h"

namespace mixoscope {

struct TaskItem {
    std::string kind;       // a subset within the task ("2-step", "physics"), may be empty
    std::string prompt;     // the user's message
    std::string reference;  // the bare answer; empty: none is known
};

enum class TaskLayout : std::uint8_t {
    kAuto,          // by the fields of the first line
    kPromptAnswer,  // JSON lines {"prompt", "answer", "kind"?}: the demo's sets, or one's own
    kGsm8k,         // JSON lines {"question", "answer": "… #### 42"}
    kAime,          // JSON lines {"problem", "answer"}, also capitalised
    kMmluPro,       // JSON lines {"question", "options": […], "answer": "C", "category"?}
    kGpqa,          // CSV with Question, Correct Answer, Incorrect Answer 1 to 3
    kPromptList,    // a prompt a line, or JSON lines {"prompt"}; nothing is judged
};

struct TaskSet {
    TaskLayout layout = TaskLayout::kPromptAnswer;
    std::vector<TaskItem> items;
    AnswerRule rule;  // the layout's own
};

/// "auto", "prompt-answer", "gsm8k", "aime", "mmlu-pro", "gpqa" or "prompts". Throws Error naming `where`.
TaskLayout parseTaskLayout(std::string_view text, const std::string& where);
std::string_view taskLayoutName(TaskLayout layout);

/// The items of a text in their order. `file` names it in messages; its ending tells CSV from JSON lines. GPQA's four
/// answers are put in an order that depends on the question only, so that every run asks the same.
/// Throws Error for a line that does not fit (file, line, field), and for a text without items.
TaskSet readTaskSet(std::span<const std::byte> text, const std::string& file, TaskLayout layout);
/// The same of a file. Throws Error when it cannot be read or is larger than 1 GiB.
TaskSet readTaskSet(const std::filesystem::path& file, TaskLayout layout);

}  // namespace mixoscope
