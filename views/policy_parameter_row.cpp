#include "views/policy_parameter_row.h"

#include <QCheckBox>
#include <QComboBox>
#include <QFileDialog>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSlider>
#include <QToolButton>
#include <algorithm>
#include <cmath>

#include "engine/policy_parameter.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kKeyWidth = 96;
constexpr int kFieldWidth = 92;
constexpr int kFineSteps = 200;
constexpr double kMostSteps = 1024.0;   // of a whole number that is dragged one by one
constexpr double kOrders = 1000.0;      // a range that spans more is logarithmic
constexpr double kSmallDefault = 0.02;  // so is one whose default lies below this share of it
constexpr double kLowestShare = 1e-6;   // where a logarithmic scale from 0 begins
constexpr double kSeedLike = 1e6;

bool isNumber(const ParameterSpec& spec) {
    return spec.type == ParameterType::kInteger || spec.type == ParameterType::kNumber;
}

QString helpOf(const ParameterSpec& spec) {
    QString range = QString::fromStdString(expectedValue(spec));
    const QString standard = spec.default_value.empty()
                                 ? QObject::tr("must be given")
                                 : QObject::tr("default %1").arg(QString::fromStdString(spec.default_value));
    return u"%1 · %2, %3"_s.arg(QString::fromStdString(spec.help), range, standard);
}

}  // namespace

ParameterScale::ParameterScale(const ParameterSpec& spec)
    : m_minimum(spec.minimum), m_maximum(spec.maximum), m_whole(spec.type == ParameterType::kInteger) {
    const double range = m_maximum - m_minimum;
    bool known = false;
    const double standard = QString::fromStdString(spec.default_value).toDouble(&known);
    m_logarithmic = m_minimum >= 0.0 && (m_whole ? range > kMostSteps : true) &&
                    (m_maximum >= kOrders || (known && standard > 0.0 && standard < kSmallDefault * range && !m_whole));
    m_low = m_minimum > 0.0 ? m_minimum : m_whole ? 1.0 : m_maximum * kLowestShare;
    m_steps = m_whole && !m_logarithmic ? static_cast<int>(range) : kFineSteps;
}

bool ParameterScale::suits(const ParameterSpec& spec) {
    return isNumber(spec) && spec.maximum > spec.minimum && spec.maximum - spec.minimum <= kSeedLike;
}

QString ParameterScale::textAt(int step) const {
    const int at = std::clamp(step, 0, m_steps);
    if (at == 0) return QString::number(m_minimum);
    if (at == m_steps) return QString::number(m_maximum, 'g', 10);
    const double share = static_cast<double>(at) / m_steps;
    if (!m_logarithmic) {
        const double value = m_minimum + share * (m_maximum - m_minimum);
        return m_whole ? QString::number(std::llround(value)) : QString::number(value, 'g', 4);
    }
    const double place = static_cast<double>(at - 1) / (m_steps - 1);
    const double value = m_low * std::pow(m_maximum / m_low, place);
    return m_whole ? QString::number(std::llround(value)) : QString::number(value, 'g', 3);
}

int ParameterScale::stepFor(double value) const {
    if (value <= m_minimum) return 0;
    if (value >= m_maximum) return m_steps;
    if (!m_logarithmic) return static_cast<int>(std::lround((value - m_minimum) / (m_maximum - m_minimum) * m_steps));
    const double place = std::log(std::max(value, m_low) / m_low) / std::log(m_maximum / m_low);
    return 1 + static_cast<int>(std::lround(place * (m_steps - 1)));
}

PolicyParameterRow::PolicyParameterRow(const ParameterSpec& spec, QWidget* parent) : QWidget(parent), m_spec(spec) {
    const QString key = QString::fromStdString(spec.key);
    setObjectName(u"parameter_"_s + key);
    auto* name = new QLabel(key, this);
    name->setFont(monoFont());
    name->setFixedWidth(kKeyWidth);
    auto* row = new QHBoxLayout;
    row->setSpacing(8);
    row->addWidget(name);
    switch (spec.type) {
        case ParameterType::kBoolean:
        case ParameterType::kChoice:
            row->addWidget(makeChoice());
            row->addStretch(1);
            break;
        case ParameterType::kChoices:
            row->addWidget(makeChoices());
            row->addStretch(1);
            break;
        case ParameterType::kInteger:
        case ParameterType::kNumber:
            if (ParameterScale::suits(spec)) {
                row->addWidget(makeSlider(), 1);
                row->addWidget(makeField());
            } else {
                row->addWidget(makeField());
                row->addStretch(1);
            }
            break;
        case ParameterType::kText:
        case ParameterType::kList:
            row->addWidget(makeField(), 1);
            break;
        case ParameterType::kFile:
            row->addWidget(makeField(), 1);
            row->addWidget(makeFileButton());
            break;
    }
    auto* help = new QLabel(helpOf(spec), this);
    help->setProperty("role", u"caption"_s);
    help->setWordWrap(true);
    m_error = new QLabel(this);
    m_error->setObjectName(u"error_"_s + key);
    m_error->setProperty("role", u"error"_s);
    m_error->setWordWrap(true);
    m_error->setTextFormat(Qt::PlainText);
    m_error->hide();
    auto* below = new QVBoxLayout;
    below->setContentsMargins(kKeyWidth + 8, 0, 0, 0);
    below->setSpacing(1);
    below->addWidget(m_error);
    below->addWidget(help);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(2);
    column->addLayout(row);
    column->addLayout(below);
    showValue(QString::fromStdString(spec.default_value));
}

QWidget* PolicyParameterRow::makeField() {
    const QString key = QString::fromStdString(m_spec.key);
    m_field = new QLineEdit(this);
    m_field->setObjectName(u"value_"_s + key);
    m_field->setAccessibleName(key);
    m_field->setAccessibleDescription(QString::fromStdString(m_spec.help));
    m_field->setFont(monoFont());
    if (isNumber(m_spec)) m_field->setFixedWidth(kFieldWidth);
    m_field->setToolTip(tr("Type %1; Enter applies it").arg(QString::fromStdString(expectedValue(m_spec))));
    m_read = [this] { return m_field->text().trimmed(); };
    m_write = [this](const QString& value) { m_field->setText(value); };
    connect(m_field, &QLineEdit::textEdited, this, &PolicyParameterRow::checkValue);
    connect(m_field, &QLineEdit::editingFinished, this, [this] { setByHand(value()); });
    return m_field;
}

QWidget* PolicyParameterRow::makeSlider() {
    const QString key = QString::fromStdString(m_spec.key);
    const ParameterScale scale(m_spec);
    m_slider = new QSlider(Qt::Horizontal, this);
    m_slider->setObjectName(u"slider_"_s + key);
    m_slider->setAccessibleName(tr("%1, slider").arg(key));
    m_slider->setRange(0, scale.steps());
    m_slider->setPageStep(std::max(1, scale.steps() / 10));
    m_slider->setToolTip(tr("Drag: acts at the next token (arrows, Page, Home, End)"));
    connect(m_slider, &QSlider::valueChanged, this, [this, scale](int step) {
        m_field->setText(scale.textAt(step));
        checkValue();
        if (m_slider->isSliderDown()) {
            Q_EMIT dragged();
        } else {
            setByHand(value());
        }
    });
    connect(m_slider, &QSlider::sliderReleased, this, [this] { setByHand(value()); });
    return m_slider;
}

QWidget* PolicyParameterRow::makeChoice() {
    auto* box = new QComboBox(this);
    const QString key = QString::fromStdString(m_spec.key);
    box->setObjectName(u"value_"_s + key);
    box->setAccessibleName(key);
    box->setFont(monoFont());
    if (m_spec.type == ParameterType::kBoolean) box->addItems({u"true"_s, u"false"_s});
    for (const std::string& choice : m_spec.choices) box->addItem(QString::fromStdString(choice));
    m_read = [box] { return box->currentText(); };
    m_write = [box](const QString& value) { box->setCurrentText(value); };
    connect(box, &QComboBox::activated, this, [this] { setByHand(value()); });
    return box;
}

QWidget* PolicyParameterRow::makeChoices() {
    auto* holder = new QWidget(this);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(12);
    std::vector<QCheckBox*> boxes;
    for (const std::string& choice : m_spec.choices) {
        auto* box = new QCheckBox(QString::fromStdString(choice), holder);
        box->setObjectName(u"value_%1_%2"_s.arg(QString::fromStdString(m_spec.key), box->text()));
        row->addWidget(box);
        boxes.push_back(box);
        connect(box, &QCheckBox::clicked, this, [this] { setByHand(value()); });
    }
    m_read = [this, boxes] {
        QStringList chosen;
        for (const QCheckBox* box : boxes) {
            if (box->isChecked()) chosen << box->text();
        }
        return chosen.size() == static_cast<qsizetype>(boxes.size()) ? QString::fromStdString(m_spec.also)
                                                                     : chosen.join(u'/');
    };
    m_write = [this, boxes](const QString& value) {
        const QStringList chosen = value.split(u'/');
        const bool all = value == QString::fromStdString(m_spec.also);
        for (QCheckBox* box : boxes) box->setChecked(all || chosen.contains(box->text()));
    };
    return holder;
}

QWidget* PolicyParameterRow::makeFileButton() {
    auto* button = new QToolButton(this);
    button->setObjectName(u"browse_"_s + QString::fromStdString(m_spec.key));
    button->setText(tr("Choose…"));
    button->setToolTip(QString::fromStdString(m_spec.help));
    connect(button, &QToolButton::clicked, this, [this] {
        const QString file = QFileDialog::getOpenFileName(this, QString::fromStdString(m_spec.help), {},
                                                          tr("JSON (*.json);;All files (*)"));
        if (file.isEmpty()) return;
        m_field->setText(file);
        setByHand(file);
    });
    return button;
}

QString PolicyParameterRow::value() const {
    return m_read();
}

void PolicyParameterRow::showValue(const QString& value) {
    m_known = value;
    if (m_read() != value) m_write(value);
    showError({});
    if (m_slider == nullptr || m_slider->isSliderDown()) return;
    const ParameterScale scale(m_spec);
    bool number = false;
    const double place = value.toDouble(&number);
    const QSignalBlocker blocker(m_slider);
    // A word such as inf or auto lies at the end of what can be dragged.
    m_slider->setValue(number ? scale.stepFor(place) : scale.steps());
}

void PolicyParameterRow::setByHand(const QString& value) {
    if (value == m_known) return;
    showValue(value);
    checkValue();
    Q_EMIT edited();
}

void PolicyParameterRow::checkValue() {
    const QString written = value();
    if (normalValue(m_spec, written.toStdString())) return showError({});
    const QString expected = QString::fromStdString(expectedValue(m_spec));
    showError(written.isEmpty() ? tr("Needed: %1").arg(expected)
                                : tr("Expected %1; found “%2”").arg(expected, written));
}

void PolicyParameterRow::showError(const QString& message) {
    m_error->setText(message);
    m_error->setVisible(!message.isEmpty());
}

}  // namespace mixoscope
