#include "views/policy_picker.h"

#include <QAbstractItemView>
#include <QComboBox>
#include <QDialog>
#include <QHBoxLayout>
#include <QScreen>
#include <QToolButton>
#include <QUndoCommand>
#include <QUndoStack>
#include <QVBoxLayout>
#include <algorithm>
#include <functional>

#include "engine/routing_policy.h"
#include "views/format.h"
#include "views/policy_editor.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr QSize kDialogSize(600, 620);
constexpr QSize kAroundDialog(20, 60);  // its frame and title, on small screens
constexpr int kRuleWidth = 132;
constexpr int kCompactRuleWidth = 112;
constexpr int kParametersWidth = 132;
constexpr int kCompactWidth = 34;
constexpr int kAroundText = 36;  // icon and padding of the button

/// One change of the policy; the first redo is the change itself.
class PolicyCommand : public QUndoCommand {
public:
    PolicyCommand(QString before, QString after, std::function<void(const QString&)> apply)
        : QUndoCommand(QObject::tr("routing policy %1").arg(after)),
          m_before(std::move(before)),
          m_after(std::move(after)),
          m_apply(std::move(apply)) {}
    void undo() override { m_apply(m_before); }
    void redo() override { m_apply(m_after); }

private:
    QString m_before;
    QString m_after;
    std::function<void(const QString&)> m_apply;
};

QString ruleNames(const std::vector<PolicyPart>& parts) {
    QStringList names;
    for (const PolicyPart& part : parts) names << QString::fromStdString(part.name);
    return names.join(u" + "_s);
}

/// "k = 8", or how many parts there are.
QString summary(const std::vector<PolicyPart>& parts, const ModelConfig& config) {
    if (parts.size() > 1) return QObject::tr("%1 parts").arg(parts.size());
    if (config.num_experts == 0) return {};  // of no model, or of one that is known by its recording only
    if (parts.front().name == "model") return u"k = %1"_s.arg(config.num_experts_per_tok);
    QStringList values;
    for (const PolicyPart::Value& value : parts.front().values)
        values << u"%1 = %2"_s.arg(QString::fromStdString(value.key), QString::fromStdString(value.text));
    return values.isEmpty() ? QObject::tr("defaults") : values.join(u", "_s);
}

}  // namespace

PolicyPicker::PolicyPicker(QUndoStack& undo, QWidget* parent)
    : QWidget(parent),
      m_undo(undo),
      m_policy(u"model"_s),
      m_rule(new QComboBox(this)),
      m_parameters(new QToolButton(this)),
      m_dialog(new QDialog(this)),
      m_editor(new PolicyEditor(m_dialog)) {
    setObjectName(u"policy_picker"_s);
    m_rule->setObjectName(u"policy_rule"_s);
    m_rule->setAccessibleName(tr("Routing policy"));
    m_rule->setFont(monoFont());
    m_rule->setFixedWidth(kRuleWidth);
    m_parameters->setObjectName(u"policy_parameters"_s);
    m_parameters->setAccessibleName(tr("Parameters of the routing policy"));
    m_parameters->setIcon(themedIcon(u"settings"_s));
    m_parameters->setFocusPolicy(Qt::StrongFocus);
    m_parameters->setFont(monoFont());
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(6);
    row->addWidget(m_rule);
    row->addWidget(m_parameters);

    m_dialog->setObjectName(u"policy_dialog"_s);
    m_dialog->setWindowTitle(tr("Routing policy"));
    m_dialog->setWindowFlag(Qt::Tool);
    m_dialog->resize(kDialogSize);
    auto* column = new QVBoxLayout(m_dialog);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(m_editor);

    connect(m_rule, &QComboBox::textActivated, this, &PolicyPicker::chooseRule);
    connect(m_parameters, &QToolButton::clicked, this, &PolicyPicker::openEditor);
    connect(m_editor, &PolicyEditor::policyDragged, this, &PolicyPicker::drag);
    connect(m_editor, &PolicyEditor::policyChosen, this, &PolicyPicker::choose);
    updateTexts();
}

void PolicyPicker::setModel(const ModelFacts& model) {
    m_config = model.config;
    m_dense_reason = m_config.num_experts > 0
                         ? QString()
                         : tr("%1 is dense: it has no experts to choose").arg(format::plainText(model.name));
    m_rule->clear();
    for (const PolicySpec& spec : policySpecs(m_config)) {
        if (spec.role != PolicyRole::kChooses) continue;
        m_rule->addItem(QString::fromStdString(spec.name));
        m_rule->setItemData(m_rule->count() - 1, QString::fromStdString(spec.help), Qt::ToolTipRole);
    }
    m_rule->view()->setMinimumWidth(kRuleWidth + 24);
    m_editor->setModel(model);
    showPolicy(u"model"_s);
}

void PolicyPicker::setDisabledReason(const QString& reason) {
    if (reason == m_disabled_reason) return;
    m_disabled_reason = reason;
    updateTexts();
}

void PolicyPicker::showPolicy(const QString& text) {
    m_policy = text;
    m_before_drag.clear();
    m_editor->showPolicy(text);
    updateTexts();
}

void PolicyPicker::setRecent(const QStringList& texts) {
    m_editor->setRecent(texts);
}

void PolicyPicker::showWaiting(const std::optional<ErrorParts>& waits) {
    m_waits = waits ? tr("%1.\nIt chooses %2 experts a token; expected %3. %4. New conversation: Ctrl+N")
                          .arg(QString::fromStdString(waits->what), QString::fromStdString(waits->found),
                               QString::fromStdString(waits->expected), QString::fromStdString(waits->advice))
                    : QString();
    showNotice();
}

void PolicyPicker::showRefusal(const ErrorParts& refusal) {
    m_refusal = tr("Not taken. %1").arg(policyErrorText(refusal));
    showNotice();
}

void PolicyPicker::showNotice() {
    const QString notice = m_refusal.isEmpty() ? m_waits : m_refusal;
    if (notice == m_notice) return;
    m_notice = notice;
    m_editor->setNotice(notice);
    updateTexts();
}

void PolicyPicker::setCompact(bool compact) {
    m_compact = compact;
    updateTexts();
}

void PolicyPicker::openEditor() {
    if (!m_parameters->isEnabled()) return;
    if (!m_dialog->isVisible()) {
        QPoint place = m_parameters->mapToGlobal(QPoint(0, m_parameters->height() + 6));
        if (const QScreen* shown = screen()) {
            const QRect room = shown->availableGeometry();
            m_dialog->resize(m_dialog->size().boundedTo(room.size() - kAroundDialog));
            place.setX(std::clamp(place.x(), room.left(), std::max(room.left(), room.right() - m_dialog->width())));
            place.setY(std::clamp(place.y(), room.top(),
                                  std::max(room.top(), room.bottom() - m_dialog->height() - kAroundDialog.height())));
        }
        m_dialog->move(place);
    }
    m_dialog->show();
    m_dialog->raise();
    m_dialog->activateWindow();
}

void PolicyPicker::chooseRule(const QString& name) {
    // Another rule for the choice; the edits stay.
    std::vector<PolicyPart> parts = splitPolicy(m_policy.toStdString());
    const std::vector<PolicySpec> specs = policySpecs(m_config);
    std::erase_if(parts, [&](const PolicyPart& part) {
        return std::ranges::find(specs, part.name, &PolicySpec::name)->role == PolicyRole::kChooses;
    });
    parts.insert(parts.begin(), PolicyPart{.name = name.toStdString(), .values = {}});
    m_editor->choose(QString::fromStdString(joinPolicy(parts)));
    updateTexts();
}

void PolicyPicker::drag(const QString& text) {
    if (m_before_drag.isEmpty()) m_before_drag = m_policy;
    m_policy = text;
    m_refusal.clear();
    showNotice();
    updateTexts();
    Q_EMIT policySet(text);
}

void PolicyPicker::choose(const QString& text) {
    const QString before = m_before_drag.isEmpty() ? m_policy : m_before_drag;
    m_before_drag.clear();
    if (before == text) return showPolicy(text);
    m_undo.push(new PolicyCommand(before, text, [this](const QString& policy) {
        showPolicy(policy);
        m_refusal.clear();
        showNotice();
        Q_EMIT policySet(policy);
    }));
    Q_EMIT policyChosen(text);
}

void PolicyPicker::updateTexts() {
    const QString reason = m_disabled_reason.isEmpty() ? m_dense_reason : m_disabled_reason;
    const bool usable = reason.isEmpty();
    m_rule->setEnabled(usable);
    m_parameters->setEnabled(usable);
    if (!usable) m_dialog->hide();
    const std::vector<PolicyPart> parts = splitPolicy(m_policy.toStdString());
    const QString names = ruleNames(parts);
    m_rule->setPlaceholderText(names);
    m_rule->setCurrentIndex(parts.size() == 1 ? m_rule->findText(names) : -1);
    const QString facts = summary(parts, m_config);
    m_parameters->setToolButtonStyle(m_compact ? Qt::ToolButtonIconOnly : Qt::ToolButtonTextBesideIcon);
    m_rule->setFixedWidth(m_compact ? kCompactRuleWidth : kRuleWidth);
    m_parameters->setFixedWidth(m_compact ? kCompactWidth : kParametersWidth);
    m_parameters->setText(
        m_parameters->fontMetrics().elidedText(facts, Qt::ElideRight, kParametersWidth - kAroundText));
    m_parameters->setIcon(themedIcon(m_notice.isEmpty() ? u"settings"_s : u"warning"_s));
    const QString notice = m_notice.isEmpty() ? QString() : u'\n' + m_notice;
    m_rule->setToolTip(usable ? tr("Choose how experts are chosen; acts at the next token\n%1").arg(m_policy) + notice
                              : reason);
    m_parameters->setToolTip(usable ? tr("Set the policy's parameters (Ctrl+P)\n%1").arg(m_policy) + notice : reason);
    m_parameters->setAccessibleDescription(m_policy);
}

}  // namespace mixoscope
