#include "views/settings_dialog.h"

#include <QCheckBox>
#include <QDialogButtonBox>
#include <QDoubleSpinBox>
#include <QFileDialog>
#include <QFormLayout>
#include <QGroupBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QRegularExpressionValidator>
#include <QSpinBox>
#include <QVBoxLayout>

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

QDoubleSpinBox* number(const QString& name, double least, double most, double step, const QString& tip,
                       QWidget* parent) {
    auto* box = new QDoubleSpinBox(parent);
    box->setObjectName(name);
    box->setRange(least, most);
    box->setSingleStep(step);
    box->setDecimals(2);
    box->setLocale(QLocale::c());
    box->setKeyboardTracking(false);
    box->setToolTip(tip);
    return box;
}

}  // namespace

SettingsDialog::SettingsDialog(QWidget* parent) : QDialog(parent) {
    setObjectName(u"settings_dialog"_s);
    setWindowTitle(tr("Settings"));
    auto* column = new QVBoxLayout(this);
    column->setSpacing(12);
    column->addWidget(makeSampling());
    column->addWidget(makePrompt());
    column->addWidget(makeRecording());
    auto* buttons = new QDialogButtonBox(QDialogButtonBox::Close, this);
    connect(buttons, &QDialogButtonBox::rejected, this, &QDialog::reject);
    column->addWidget(buttons);
    // Enter in a field takes the field's value; it must press no button.
    for (QPushButton* button : findChildren<QPushButton*>()) button->setAutoDefault(false);
}

QWidget* SettingsDialog::makeSampling() {
    auto* box = new QGroupBox(tr("Sampling, from the next token on"), this);
    auto* rows = new QVBoxLayout(box);
    rows->setSpacing(8);
    auto* columns = new QHBoxLayout;
    columns->setSpacing(24);
    auto* left = new QFormLayout;
    auto* right = new QFormLayout;
    m_greedy = new QCheckBox(tr("Greedy: always the likeliest token"), box);
    m_greedy->setObjectName(u"settings_greedy"_s);
    m_temperature = number(u"settings_temperature"_s, 0.01, 5.0, 0.05,
                           tr("Flatten (above 1) or sharpen (below 1) the distribution"), box);
    m_top_p = number(u"settings_top_p"_s, 0.01, 1.0, 0.05, tr("Keep the likeliest tokens up to this sum; 1: all"), box);
    m_top_k = new QSpinBox(box);
    m_top_k->setObjectName(u"settings_top_k"_s);
    m_top_k->setRange(0, 100000);
    m_top_k->setSpecialValueText(tr("off"));
    m_top_k->setToolTip(tr("Keep this many of the likeliest tokens"));
    m_min_p = number(u"settings_min_p"_s, 0.0, 1.0, 0.01,
                     tr("Drop tokens less likely than this share of the likeliest"), box);
    m_presence = number(u"settings_presence"_s, -2.0, 2.0, 0.1,
                        tr("Subtract this from the logits of tokens that occurred; 0: off"), box);
    m_repetition = number(u"settings_repetition"_s, 0.5, 2.0, 0.05,
                          tr("Divide the logits of tokens that occurred by this; 1: off"), box);
    m_seed = new QLineEdit(box);
    m_seed->setObjectName(u"settings_seed"_s);
    m_seed->setValidator(new QRegularExpressionValidator(QRegularExpression(u"[0-9]{1,19}"_s), m_seed));
    m_seed->setToolTip(tr("The same seed, settings and text give the same tokens"));
    m_max_tokens = new QSpinBox(box);
    m_max_tokens->setObjectName(u"settings_max_tokens"_s);
    m_max_tokens->setRange(0, 1'000'000);
    m_max_tokens->setSpecialValueText(tr("until the context is full"));
    m_max_tokens->setToolTip(tr("End a turn after this many tokens"));
    m_pace = number(u"settings_pace"_s, 0.0, 1000.0, 1.0, tr("Slow the model down to watch it"), box);
    m_pace->setSpecialValueText(tr("as fast as it goes"));
    m_pace->setSuffix(tr(" tokens/s"));
    left->addRow(tr("Temperature"), m_temperature);
    left->addRow(tr("Top-p"), m_top_p);
    left->addRow(tr("Top-k"), m_top_k);
    left->addRow(tr("Min-p"), m_min_p);
    left->addRow(tr("Seed"), m_seed);
    right->addRow(tr("Presence penalty"), m_presence);
    right->addRow(tr("Repetition penalty"), m_repetition);
    right->addRow(tr("Turn limit"), m_max_tokens);
    right->addRow(tr("Decode pace"), m_pace);
    columns->addLayout(left, 1);
    columns->addLayout(right, 1);
    rows->addWidget(m_greedy);
    rows->addLayout(columns);
    setTabOrder(m_min_p, m_seed);  // down the columns

    for (QDoubleSpinBox* field : {m_temperature, m_top_p, m_min_p, m_presence, m_repetition}) {
        connect(field, &QDoubleSpinBox::valueChanged, this, &SettingsDialog::announceSampling);
    }
    for (QSpinBox* field : {m_top_k, m_max_tokens})
        connect(field, &QSpinBox::valueChanged, this, &SettingsDialog::announceSampling);
    connect(m_seed, &QLineEdit::editingFinished, this, &SettingsDialog::announceSampling);
    connect(m_greedy, &QCheckBox::toggled, this, &SettingsDialog::announceSampling);
    connect(m_pace, &QDoubleSpinBox::valueChanged, this, [this](double value) {
        if (!m_showing) Q_EMIT decodePaceChanged(value);
    });
    return box;
}

QWidget* SettingsDialog::makePrompt() {
    auto* box = new QGroupBox(tr("System prompt, from the next turn on"), this);
    auto* column = new QVBoxLayout(box);
    m_system = new QPlainTextEdit(box);
    m_system->setObjectName(u"settings_system"_s);
    m_system->setAccessibleName(tr("System prompt"));
    m_system->setPlaceholderText(tr("None"));
    m_system->setTabChangesFocus(true);
    m_system->setFixedHeight(70);
    column->addWidget(m_system);
    connect(m_system, &QPlainTextEdit::textChanged, this, [this] {
        if (!m_showing) Q_EMIT systemPromptChanged(m_system->toPlainText());
    });
    return box;
}

QWidget* SettingsDialog::makeRecording() {
    auto* box = new QGroupBox(tr("Sessions, from the next start on"), this);
    auto* row = new QHBoxLayout(box);
    m_directory = new QLineEdit(box);
    m_directory->setObjectName(u"settings_directory"_s);
    m_directory->setAccessibleName(tr("Session folder"));
    m_directory->setToolTip(tr("The folder in which session files are written"));
    auto* browse = new QPushButton(tr("Choose…"), box);
    row->addWidget(m_directory, 1);
    row->addWidget(browse);
    connect(m_directory, &QLineEdit::editingFinished, this, [this] {
        if (!m_showing) Q_EMIT sessionDirectoryChanged(m_directory->text());
    });
    connect(browse, &QPushButton::clicked, this, [this] {
        const QString directory = QFileDialog::getExistingDirectory(this, tr("Session folder"), m_directory->text());
        if (directory.isEmpty()) return;
        m_directory->setText(directory);
        Q_EMIT sessionDirectoryChanged(directory);
    });
    return box;
}

void SettingsDialog::showPreferences(const ChatPreferences& preferences) {
    m_showing = true;
    const SamplingSettings& sampling = preferences.sampling;
    m_greedy->setChecked(sampling.greedy);
    m_temperature->setValue(static_cast<double>(sampling.temperature));
    m_top_p->setValue(static_cast<double>(sampling.top_p));
    m_top_k->setValue(sampling.top_k);
    m_min_p->setValue(static_cast<double>(sampling.min_p));
    m_presence->setValue(static_cast<double>(sampling.presence_penalty));
    m_repetition->setValue(static_cast<double>(sampling.repetition_penalty));
    m_seed->setText(QString::number(sampling.seed));
    m_max_tokens->setValue(preferences.max_tokens);
    m_pace->setValue(preferences.decode_pace);
    m_system->setPlainText(preferences.system_prompt);
    m_directory->setText(preferences.session_directory);
    m_directory->setPlaceholderText(preferences.default_session_directory);
    m_showing = false;
    for (QWidget* field : std::initializer_list<QWidget*>{m_temperature, m_top_p, m_top_k, m_min_p}) {
        field->setEnabled(!sampling.greedy);
    }
}

void SettingsDialog::announceSampling() {
    if (m_showing) return;
    for (QWidget* field : std::initializer_list<QWidget*>{m_temperature, m_top_p, m_top_k, m_min_p}) {
        field->setEnabled(!m_greedy->isChecked());
    }
    SamplingSettings sampling;
    sampling.greedy = m_greedy->isChecked();
    sampling.temperature = static_cast<float>(m_temperature->value());
    sampling.top_p = static_cast<float>(m_top_p->value());
    sampling.top_k = m_top_k->value();
    sampling.min_p = static_cast<float>(m_min_p->value());
    sampling.presence_penalty = static_cast<float>(m_presence->value());
    sampling.repetition_penalty = static_cast<float>(m_repetition->value());
    sampling.seed = m_seed->text().toULongLong();
    Q_EMIT samplingChanged(sampling, m_max_tokens->value());
}

}  // namespace mixoscope
