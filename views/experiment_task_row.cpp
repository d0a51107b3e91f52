#include "views/experiment_task_row.h"

#include <QComboBox>
#include <QFileDialog>
#include <QFileInfo>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QToolButton>
#include <algorithm>
#include <limits>
#include <utility>

#include "sessions/error_parts.h"
#include "sessions/task_set.h"
#include "views/background.h"
#include "views/experiment_fields.h"
#include "views/field_caption.h"
#include "views/format.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kNarrowestNumber = 76;

}  // namespace

ExperimentTaskRow::ExperimentTaskRow(QWidget* parent)
    : QWidget(parent),
      m_file(new QLineEdit(this)),
      m_name(new QLineEdit(this)),
      m_layout(new QComboBox(this)),
      m_rule(new QLineEdit(this)),
      m_limit(new QSpinBox(this)),
      m_system(new QLineEdit(this)),
      m_window(new QSpinBox(this)),
      m_stride(new QSpinBox(this)),
      m_asking(new QWidget(this)),
      m_scoring(new QWidget(this)),
      m_items(new QLabel(this)),
      m_error(new QLabel(this)) {
    m_file->setObjectName(u"task_file"_s);
    m_file->setFont(monoFont(font_size::kCaption));
    m_file->setToolTip(tr("Name a task file: JSON lines, GPQA's CSV, a prompt a line, or a text"));
    m_name->setObjectName(u"task_name"_s);
    m_name->setToolTip(tr("Name the task in tables and charts"));
    m_layout->setObjectName(u"task_layout"_s);
    for (const TaskLayout layout :
         {TaskLayout::kAuto, TaskLayout::kPromptAnswer, TaskLayout::kGsm8k, TaskLayout::kAime, TaskLayout::kMmluPro,
          TaskLayout::kGpqa, TaskLayout::kPromptList, TaskLayout::kHumanEval, TaskLayout::kText})
        m_layout->addItem(QString::fromStdString(std::string(taskLayoutName(layout))), static_cast<int>(layout));
    m_layout->setMinimumContentsLength(8);
    m_layout->setSizeAdjustPolicy(QComboBox::AdjustToMinimumContentsLengthWithIcon);
    m_layout->setToolTip(tr("Choose how the file is laid out; auto goes by its first line"));
    m_rule->setObjectName(u"task_rule"_s);
    m_rule->setPlaceholderText(tr("of the layout"));
    m_rule->setToolTip(
        tr("Judge by exact, last-number, boxed, option, none or pattern:REGEX; empty: the layout's rule"));
    m_limit->setObjectName(u"task_limit"_s);
    m_limit->setRange(0, std::numeric_limits<int>::max());
    m_limit->setSpecialValueText(tr("all"));
    m_limit->setMinimumWidth(kNarrowestNumber);  // not that of its largest value
    m_limit->setToolTip(tr("Ask the first items only; 0: all"));
    m_system->setObjectName(u"task_system"_s);
    m_system->setPlaceholderText(tr("none"));
    m_system->setToolTip(tr("Set the system prompt of this task"));
    const std::pair<QSpinBox*, QString> sizes[] = {{m_window, u"task_window"_s}, {m_stride, u"task_stride"_s}};
    for (const auto& [field, name] : sizes) {
        field->setObjectName(name);
        field->setRange(0, std::numeric_limits<int>::max());
        field->setMinimumWidth(kNarrowestNumber);
    }
    m_window->setSpecialValueText(tr("1024"));
    m_window->setToolTip(
        tr("Tokens of the text that are read at once, 2 or more; the least value: 1024, or the context "
           "if that is less"));
    m_stride->setSpecialValueText(tr("half"));
    m_stride->setToolTip(tr("Tokens from one window to the next; the least value: half a window"));
    m_items->setProperty("role", u"caption"_s);
    m_error->setObjectName(u"task_error"_s);
    m_error->setProperty("role", u"chip-error"_s);
    m_error->setWordWrap(true);
    m_error->hide();
    auto* browse_button = new QToolButton(this);
    browse_button->setObjectName(u"task_browse"_s);
    browse_button->setIcon(themedIcon(u"folder"_s));
    browse_button->setToolTip(tr("Choose a task file"));
    browse_button->setAccessibleName(tr("Choose a task file"));
    auto* remove = new QToolButton(this);
    remove->setObjectName(u"task_remove"_s);
    remove->setProperty("role", u"flat"_s);
    remove->setIcon(themedIcon(u"close"_s));
    remove->setToolTip(tr("Remove this task"));
    remove->setAccessibleName(tr("Remove this task"));
    for (QToolButton* button : {browse_button, remove}) button->setFocusPolicy(Qt::StrongFocus);
    auto* grid = new QGridLayout(this);
    grid->setContentsMargins(0, 2, 0, 8);
    grid->setHorizontalSpacing(6);
    grid->setVerticalSpacing(3);
    auto* files = new QHBoxLayout;
    files->setSpacing(6);
    files->addWidget(m_file, 1);
    files->addWidget(browse_button);
    files->addWidget(remove);
    grid->addLayout(files, 0, 0, 1, 3);
    grid->addWidget(makeFieldCaption(tr("Name"), m_name, this), 1, 0);
    grid->addWidget(makeFieldCaption(tr("Layout"), m_layout, this), 1, 1);
    grid->addWidget(makeFieldCaption(tr("First items"), m_limit, this), 1, 2);
    grid->addWidget(m_name, 2, 0);
    grid->addWidget(m_layout, 2, 1);
    grid->addWidget(m_limit, 2, 2);
    grid->addWidget(m_asking, 3, 0, 1, 3);
    grid->addWidget(m_scoring, 4, 0, 1, 3);
    grid->addWidget(m_items, 5, 0, 1, 3);
    grid->addWidget(m_error, 6, 0, 1, 3);
    const auto pair = [](QWidget* group, const QString& left_title, QWidget* left, const QString& right_title,
                         QWidget* right, int right_stretch) {
        auto* fields = new QGridLayout(group);
        fields->setContentsMargins(0, 0, 0, 0);
        fields->setHorizontalSpacing(6);
        fields->setVerticalSpacing(3);
        fields->addWidget(makeFieldCaption(left_title, left, group), 0, 0);
        fields->addWidget(makeFieldCaption(right_title, right, group), 0, 1);
        fields->addWidget(left, 1, 0);
        fields->addWidget(right, 1, 1);
        fields->setColumnStretch(0, 1);
        fields->setColumnStretch(1, right_stretch);
    };
    pair(m_asking, tr("Judged by"), m_rule, tr("System prompt"), m_system, 2);
    pair(m_scoring, tr("Window"), m_window, tr("Stride"), m_stride, 1);
    m_scoring->hide();
    for (int column = 0; column < 3; ++column) grid->setColumnStretch(column, 1);
    m_file->setAccessibleName(tr("Task file"));

    const auto announce = [this] {
        if (!m_showing) Q_EMIT changed();
    };
    connect(m_file, &QLineEdit::textChanged, this, [this] {
        if (!m_showing) readFile();
    });
    connect(m_layout, &QComboBox::currentIndexChanged, this, [this] {
        showLayout();
        if (!m_showing) readFile();
    });
    const auto resized = [this, announce] {
        showProblem();
        announce();
    };
    connect(m_window, &QSpinBox::valueChanged, this, resized);
    connect(m_stride, &QSpinBox::valueChanged, this, resized);
    connect(m_name, &QLineEdit::textChanged, this, announce);
    connect(m_limit, &QSpinBox::valueChanged, this, announce);
    connect(m_system, &QLineEdit::textChanged, this, announce);
    connect(m_rule, &QLineEdit::textChanged, this, [this, announce] {
        showProblem();
        announce();
    });
    connect(browse_button, &QToolButton::clicked, this, &ExperimentTaskRow::browse);
    connect(remove, &QToolButton::clicked, this, &ExperimentTaskRow::removeAsked);
}

void ExperimentTaskRow::showTask(const ExperimentTask& task) {
    m_showing = true;
    m_task = task;
    m_file->setText(QString::fromStdString(task.file.string()));
    m_name->setText(QString::fromStdString(task.name));
    m_layout->setCurrentIndex(m_layout->findData(static_cast<int>(task.layout)));
    m_rule->setText(QString::fromStdString(task.rule));
    m_limit->setValue(static_cast<int>(task.limit));
    m_system->setText(QString::fromStdString(task.system));
    m_window->setValue(static_cast<int>(task.window));
    m_stride->setValue(static_cast<int>(task.stride));
    showLayout();
    m_showing = false;
    readFile();
}

ExperimentTask ExperimentTaskRow::task() const {
    ExperimentTask task = m_task;
    const std::filesystem::path file(m_file->text().trimmed().toStdString());
    if (file.empty()) throw Error({.what = "A task has no file", .expected = "the path of a task file"});
    task.file = std::filesystem::absolute(file).lexically_normal();
    task.name = m_name->text().trimmed().isEmpty() ? task.file.stem().string() : m_name->text().trimmed().toStdString();
    task.layout = chosenLayout();
    task.limit = m_limit->value();
    const bool text = task.scoresText();
    const std::string rule = text ? std::string() : m_rule->text().trimmed().toStdString();
    task.rule = rule.empty() ? rule : AnswerRule::parse(rule, {}).text();
    task.system = text ? std::string() : m_system->text().toStdString();
    task.window = text ? m_window->value() : 0;
    task.stride = text ? m_stride->value() : 0;
    return task;
}

TaskLayout ExperimentTaskRow::chosenLayout() const {
    return static_cast<TaskLayout>(m_layout->currentData().toInt());
}

void ExperimentTaskRow::showLayout() {
    const bool text = chosenLayout() == TaskLayout::kText;
    m_asking->setVisible(!text);
    m_scoring->setVisible(text);
}

std::optional<std::int64_t> ExperimentTaskRow::items() const {
    if (!m_file_items) return std::nullopt;
    return m_limit->value() == 0 ? *m_file_items : std::min<std::int64_t>(*m_file_items, m_limit->value());
}

QString ExperimentTaskRow::problem() const {
    for (const QString& problem : {m_file_problem, m_rule_problem, m_window_problem}) {
        if (!problem.isEmpty()) return problem;
    }
    return m_name_problem;
}

void ExperimentTaskRow::setNameProblem(const QString& problem) {
    m_name_problem = problem;
    showProblem();
}

void ExperimentTaskRow::showProblem() {
    m_rule_problem.clear();
    m_window_problem.clear();
    const bool text = chosenLayout() == TaskLayout::kText;
    if (text && m_window->value() == 1) m_window_problem = tr("A window has 2 tokens or more");
    if (text && m_window->value() > 0 && m_stride->value() > m_window->value())
        m_window_problem = tr("The stride is larger than the window: tokens between them would never be read");
    try {
        if (!text && !m_rule->text().trimmed().isEmpty()) AnswerRule::parse(m_rule->text().trimmed().toStdString(), {});
    } catch (const Error& error) {
        m_rule_problem = fieldError(error.parts());
    }
    m_error->setText(problem());
    m_error->setVisible(!problem().isEmpty());
    m_items->setText(m_file_items ? tr("%1 items in the file").arg(format::count(*m_file_items)) : QString());
    m_items->setVisible(m_file_items.has_value());
}

void ExperimentTaskRow::readFile() {
    const int reading = ++m_reading;
    m_file_items.reset();
    m_file_problem.clear();
    showProblem();
    const std::string file = m_file->text().trimmed().toStdString();
    const TaskLayout layout = chosenLayout();
    if (file.empty()) {
        m_file_problem = tr("Choose a task file");
        showProblem();
        Q_EMIT changed();
        return;
    }
    struct Read {
        std::optional<std::int64_t> items;
        QString problem;
    };
    // A file may be large, and its disk slow: not here.
    inBackground(
        this,
        [file, layout]() -> Read {
            try {
                const TaskSet set = readTaskSet(std::filesystem::path(file), layout);
                // Into how many windows a text is cut depends on the model's tokenizer.
                if (set.layout == TaskLayout::kText) return {.items = std::nullopt, .problem = {}};
                return {.items = std::ssize(set.items), .problem = {}};
            } catch (const std::exception& exception) {
                return {.items = std::nullopt, .problem = fieldError(partsOf(exception))};
            }
        },
        [reading](ExperimentTaskRow& row, const Read& read) {
            if (row.m_reading != reading) return;
            row.m_file_items = read.items;
            row.m_file_problem = read.problem;
            row.showProblem();
            Q_EMIT row.changed();
        });
    Q_EMIT changed();
}

void ExperimentTaskRow::browse() {
    const QString from = QFileInfo(m_file->text()).absolutePath();
    const QString file = QFileDialog::getOpenFileName(
        this, tr("Choose a task file"), from, tr("Task files (*.jsonl *.json *.csv *.txt *.raw);;All files (*)"));
    if (file.isEmpty()) return;
    if (m_name->text().isEmpty() || m_name->text() == QFileInfo(m_file->text()).completeBaseName())
        m_name->setText(QFileInfo(file).completeBaseName());
    m_file->setText(file);
}

}  // namespace mixoscope
