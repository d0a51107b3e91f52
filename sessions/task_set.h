// A set of questions with known answers, or a text to be scored: files in the layouts in which public benchmarks are
// published, read as they are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/tokenizer.h"
#include "sessions/answer_rule.h"
#include "sessions/human_eval.h"
#include "sessions/text_windows.h"

namespace mixoscope {

struct TaskItem {
    std::string kind;       // a subset within the task ("2-step", "physics"), may be empty
    std::string prompt;     // the user's message; of a text: what a window scores of it
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
    kHumanEval,     // JSON lines {"task_id", "prompt", "entry_point", …}; judged by its own evaluator
    kText,          // one plain text, scored in windows (WikiText-2's raw files)
};

struct TaskSet {
    TaskLayout layout = TaskLayout::kPromptAnswer;
    std::vector<TaskItem> items;
    AnswerRule rule;                         // the layout's own
    std::vector<HumanEvalProblem> problems;  // (items) of kHumanEval
    std::string text;                        // of kText, until it is cut
    std::vector<TokenId> tokens;             // of kText
    std::vector<TextWindow> windows;         // (items) of kText
};

/// "auto", "prompt-answer", "gsm8k", "aime", "mmlu-pro", "gpqa", "prompts", "human-eval" or "text". Throws Error naming
/// `where`.
TaskLayout parseTaskLayout(std::string_view text, const std::string& where);
std::string_view taskLayoutName(TaskLayout layout);

/// The items of a text in their order. `file` names it in messages; its ending tells CSV from JSON lines. GPQA's four
/// answers are put in an order that depends on the question only, so that every run asks the same. A text, which is
/// only read where that layout is asked for, has its items when it is cut.
/// Throws Error for a line that does not fit (file, line, field), and for a text without items.
TaskSet readTaskSet(std::span<const std::byte> text, const std::string& file, TaskLayout layout);
/// The same of a file. Throws Error when it cannot be read or is larger than 1 GiB.
TaskSet readTaskSet(const std::filesystem::path& file, TaskLayout layout);

/// Makes the items of a text: its windows (textWindows), in tokens as tokenizers gives them for the whole text, so that
/// special tokens written in it count as such. Throws Error naming `file` for a text of less than two tokens.
void cutIntoWindows(TaskSet& set, const Tokenizer& tokenizer, std::int64_t window, std::int64_t stride,
                    const std::string& file);

}  // namespace mixoscope
