#include "views/policy_editor.h"

#include <QDialog>
#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QMenu>
#include <QScrollArea>
#include <QScrollBar>
#include <QToolButton>
#include <algorithm>

#include "engine/policy_view.h"
#include "views/policy_part_form.h"
#include "views/policy_presets.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kIcon = 14;

bool sameRules(const std::vector<PolicyPartForm*>& forms, const std::vector<PolicyPart>& parts) {
    return std::ranges::equal(forms, parts, [](const PolicyPartForm* form, const PolicyPart& part) {
        return form->name().toStdString() == part.name;
    });
}

/// The last of a widget's children in the order of Tab.
QWidget* lastWithin(QWidget* widget) {
    QWidget* last = widget;
    for (QWidget* at = widget->nextInFocusChain(); widget->isAncestorOf(at); at = at->nextInFocusChain()) {
        if (at->focusPolicy() != Qt::NoFocus) last = at;
    }
    return last;
}

QToolButton* menuButton(const QString& name, const QString& text, const QString& tip, QWidget* parent) {
    auto* button = new QToolButton(parent);
    button->setObjectName(name);
    button->setText(text);
    button->setToolTip(tip);
    button->setPopupMode(QToolButton::InstantPopup);
    button->setFocusPolicy(Qt::StrongFocus);
    button->setProperty("role", u"menu"_s);
    button->setMenu(new QMenu(button));
    button->menu()->setToolTipsVisible(true);
    return button;
}

}  // namespace

QString policyErrorKey(const ErrorParts& error) {
    // "routing policy "TEXT", key": the text may hold anything, a key is a word.
    const QString where = QString::fromStdString(error.where);
    const qsizetype at = where.lastIndexOf(u"\", "_s);
    const QString key = at < 0 ? QString() : where.mid(at + 3);
    return key.contains(u' ') || key.contains(u'/') ? QString() : key;
}

void openPolicyForm(QWidget* parent, const QString& title, const ModelFacts& model, const QString& policy,
                    std::function<void(const QString&)> take) {
    auto* dialog = new QDialog(parent);
    dialog->setObjectName(u"lane_policy_dialog"_s);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    dialog->setWindowTitle(title);
    auto* editor = new PolicyEditor(dialog);
    editor->setObjectName(u"lane_policy_editor"_s);
    editor->setModel(model);
    editor->showPolicy(policy);
    auto* column = new QVBoxLayout(dialog);
    column->setContentsMargins(0, 0, 0, 0);
    column->addWidget(editor);
    QObject::connect(editor, &PolicyEditor::policyChosen, parent, take);
    QObject::connect(editor, &PolicyEditor::policyDragged, parent, take);
    dialog->resize(560, 420);
    dialog->show();
}

QString policyErrorText(const ErrorParts& error) {
    const QString key = policyErrorKey(error);
    QString text = QString::fromStdString(error.what);
    text[0] = text[0].toUpper();
    if (!key.isEmpty()) text = u"%1: %2"_s.arg(key, QString::fromStdString(error.what));
    if (!error.expected.empty()) text += QObject::tr("\nExpected: %1").arg(QString::fromStdString(error.expected));
    if (!error.found.empty()) text += QObject::tr("\nFound: %1").arg(QString::fromStdString(error.found));
    if (!error.advice.empty()) text += u'\n' + QString::fromStdString(error.advice);
    return text;
}

PolicyEditor::PolicyEditor(QWidget* parent) : QWidget(parent) {
    setObjectName(u"policy_editor"_s);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(0);
    column->addWidget(makeTextRow());
    auto* parts = new QWidget(this);
    parts->setProperty("role", u"panel"_s);
    parts->setAttribute(Qt::WA_StyledBackground);
    m_column = new QVBoxLayout(parts);
    m_column->setContentsMargins(0, 0, 0, 0);
    m_column->setSpacing(0);
    m_column->addStretch(1);
    m_scroll = new QScrollArea(this);
    m_scroll->setWidget(parts);
    m_scroll->setWidgetResizable(true);
    m_scroll->setFrameShape(QFrame::NoFrame);
    m_scroll->setFocusPolicy(Qt::NoFocus);
    m_scroll->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    column->addWidget(m_scroll, 1);
    column->addWidget(makeMenus());
    setModel({});
}

QWidget* PolicyEditor::makeTextRow() {
    auto* holder = new QWidget(this);
    auto* column = new QVBoxLayout(holder);
    column->setContentsMargins(12, 12, 12, 10);
    column->setSpacing(6);
    m_text = new QLineEdit(holder);
    m_text->setObjectName(u"policy_text"_s);
    m_text->setAccessibleName(tr("Policy as text"));
    m_text->setFont(monoFont());
    m_text->setToolTip(tr("Type name:key=value,… and join parts by +; Enter applies it"));
    auto* state = new QHBoxLayout;
    state->setSpacing(6);
    m_state_icon = new QLabel(holder);
    m_state_icon->setFixedWidth(kIcon);
    m_state_icon->setAlignment(Qt::AlignTop);
    m_state = new QLabel(holder);
    m_state->setObjectName(u"policy_state"_s);
    m_state->setWordWrap(true);
    m_state->setTextFormat(Qt::PlainText);
    m_state->setTextInteractionFlags(Qt::TextSelectableByMouse);
    state->addWidget(m_state_icon);
    state->addWidget(m_state, 1);
    m_notice = new QLabel(holder);
    m_notice->setObjectName(u"policy_notice"_s);
    m_notice->setProperty("role", u"notice-warning"_s);
    m_notice->setWordWrap(true);
    m_notice->setTextFormat(Qt::PlainText);
    m_notice->hide();
    column->addWidget(m_text);
    column->addLayout(state);
    column->addWidget(m_notice);
    connect(m_text, &QLineEdit::textEdited, this, [this](const QString& text) {
        if (checked(text)) showState(u"check"_s, u"caption"_s, tr("Enter applies it"));
    });
    connect(m_text, &QLineEdit::editingFinished, this, &PolicyEditor::takeText);
    return holder;
}

QWidget* PolicyEditor::makeMenus() {
    auto* holder = new QWidget(this);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(12, 8, 12, 10);
    row->setSpacing(8);
    m_add = menuButton(u"policy_add"_s, tr("Add a part"), tr("Add a rule for some tokens, or an edit of the choice"),
                       holder);
    m_presets = menuButton(u"policy_presets"_s, tr("Presets"), tr("Choose a policy that is worth a try"), holder);
    m_recent = menuButton(u"policy_recent"_s, tr("Recent"), tr("Choose a policy that was used before"), holder);
    row->addWidget(m_add);
    row->addWidget(m_presets);
    row->addWidget(m_recent);
    row->addStretch(1);
    setRecent({});
    return holder;
}

void PolicyEditor::setModel(const ModelFacts& model) {
    m_model = model;
    m_specs = policySpecs(model.config);
    fillAddMenu();
    fillPresets();
    m_policy.clear();
    clearForms();  // ranges are the model's
    showPolicy(u"model"_s);
}

void PolicyEditor::fillAddMenu() {
    QMenu& menu = *m_add->menu();
    menu.clear();
    menu.addSection(tr("Chooses, for some tokens"));
    bool edits = false;
    for (const PolicySpec& spec : m_specs) {
        if (spec.role == PolicyRole::kEdits && !edits) menu.addSection(tr("Edits the choice"));
        edits = spec.role == PolicyRole::kEdits;
        const QString name = QString::fromStdString(spec.name);
        QAction* action = menu.addAction(name, this, [this, name] { addPart(name); });
        action->setToolTip(QString::fromStdString(spec.help));
    }
}

void PolicyEditor::fillPresets() {
    QMenu& menu = *m_presets->menu();
    menu.clear();
    for (const PolicyPreset& preset : policyPresets(m_model.config)) {
        QAction* action = menu.addAction(u"%1\t%2"_s.arg(preset.title, preset.text), this,
                                         [this, text = preset.text] { choose(text); });
        action->setToolTip(preset.text);
    }
}

void PolicyEditor::setRecent(const QStringList& texts) {
    QMenu& menu = *m_recent->menu();
    menu.clear();
    for (const QString& text : texts) {
        if (isPolicy(text.toStdString())) menu.addAction(text, this, [this, text] { choose(text); });
    }
    m_recent->setEnabled(!menu.isEmpty());
    m_recent->setToolTip(menu.isEmpty() ? tr("No policy of this model was chosen yet")
                                        : tr("Choose a policy that was used before"));
}

bool PolicyEditor::isPolicy(const std::string& text) const {
    try {
        parsePolicy(text, m_model);
    } catch (const Error&) {
        return false;
    }
    return true;
}

void PolicyEditor::showPolicy(const QString& text) {
    if (text == m_policy) return;
    m_policy = text;
    m_text->setText(text);
    if (!checked(text)) return clearForms();  // of another model
    rebuildForms(splitPolicy(text.toStdString()));
    showState(u"check"_s, u"caption"_s, tr("In force, or at the next token"));
}

void PolicyEditor::setNotice(const QString& text) {
    m_notice->setText(text);
    m_notice->setVisible(!text.isEmpty());
}

std::vector<PolicyPart> PolicyEditor::parts() const {
    std::vector<PolicyPart> parts;
    for (const PolicyPartForm* form : m_forms) parts.push_back(form->part());
    return parts;
}

void PolicyEditor::clearForms() {
    for (PolicyPartForm* form : m_forms) {
        m_column->removeWidget(form);
        form->hide();
        form->setObjectName({});
        form->deleteLater();  // its button may be the sender
    }
    m_forms.clear();
}

void PolicyEditor::rebuildForms(std::vector<PolicyPart> parts) {
    if (sameRules(m_forms, parts)) {
        for (std::size_t i = 0; i < parts.size(); ++i) m_forms[i]->showPart(parts[i]);
        showViews();
        return;
    }
    clearForms();
    const auto choosing = static_cast<std::size_t>(std::ranges::count_if(parts, [this](const PolicyPart& part) {
        return std::ranges::find(m_specs, part.name, &PolicySpec::name)->role == PolicyRole::kChooses;
    }));
    for (std::size_t i = 0; i < parts.size(); ++i) {
        auto* form = new PolicyPartForm(m_specs, parts[i], this);
        if (i > 0) form->setProperty("divided", true);
        m_column->insertWidget(static_cast<int>(i), form);
        m_forms.push_back(form);
        connect(form, &PolicyPartForm::dragged, this, [this] { takeForms(true); });
        connect(form, &PolicyPartForm::edited, this, [this] { takeForms(false); });
        connect(form, &PolicyPartForm::ruleChosen, this, [this, i](const QString& name) {
            std::vector<PolicyPart> changed = this->parts();
            // Where the part acts stays; the new rule's own parameters begin at their defaults.
            const PolicySpec& spec = *std::ranges::find(m_specs, changed[i].name, &PolicySpec::name);
            std::erase_if(changed[i].values, [&](const PolicyPart::Value& value) {
                return !std::ranges::find(spec.parameters, value.key, &ParameterSpec::key)->scope;
            });
            changed[i].name = name.toStdString();
            changeParts(std::move(changed));
        });
        connect(form, &PolicyPartForm::moveAsked, this, [this, i](int by) { movePart(i, by); });
        connect(form, &PolicyPartForm::removeAsked, this, [this, i] {
            std::vector<PolicyPart> changed = this->parts();
            changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
            changeParts(std::move(changed));
        });
        // Choosing parts stand first: of them alone the order matters.
        form->setMovable(i > 0 && i<choosing, i + 1 < choosing, parts.size()> 1);
    }
    showViews();
    // Tab comes to the menus below the forms after these.
    if (m_forms.empty()) return;
    setTabOrder(lastWithin(m_forms.back()), m_add);
    setTabOrder(m_add, m_presets);
    setTabOrder(m_presets, m_recent);
}

void PolicyEditor::showViews() {
    for (PolicyPartForm* form : m_forms) {
        if (form->edits()) continue;
        try {
            form->showView(viewOf(form->part(), m_model.config));
        } catch (const Error&) {
            // What is wrong is said at its field; until it is right the form says what it said before.
        }
    }
}

void PolicyEditor::movePart(std::size_t index, int by) {
    std::vector<PolicyPart> changed = parts();
    std::swap(changed[index], changed[index + static_cast<std::size_t>(by)]);
    changeParts(std::move(changed));
}

void PolicyEditor::addPart(const QString& name) {
    const PolicySpec& spec = *std::ranges::find(m_specs, name.toStdString(), &PolicySpec::name);
    std::vector<PolicyPart> changed = parts();
    PolicyPart added{.name = spec.name, .values = {}};
    for (const ParameterSpec& parameter : spec.parameters) {
        if (parameter.default_value.empty()) added.values.push_back({.key = parameter.key, .text = {}});
    }
    if (spec.role == PolicyRole::kEdits) {
        changed.push_back(std::move(added));
        changeParts(std::move(changed));
        m_scroll->widget()->layout()->activate();
        m_scroll->verticalScrollBar()->setValue(m_scroll->verticalScrollBar()->maximum());
        return;
    }
    changed.insert(changed.begin(), added);
    for (const char* phase : {"thinking", "answer", "prompt"}) {
        changed.front() = added;
        changed.front().values.push_back({.key = "phase", .text = phase});
        if (isPolicy(joinPolicy(changed))) break;
    }
    changeParts(std::move(changed));
}

void PolicyEditor::changeParts(std::vector<PolicyPart> parts) {
    // Edits go behind the choosing parts, where the form shows them in any case.
    std::stable_partition(parts.begin(), parts.end(), [this](const PolicyPart& part) {
        return std::ranges::find(m_specs, part.name, &PolicySpec::name)->role == PolicyRole::kChooses;
    });
    rebuildForms(std::move(parts));
    takeForms(false);
}

void PolicyEditor::choose(const QString& text) {
    m_text->setText(text);
    takeText();
}

void PolicyEditor::takeText() {
    const QString text = m_text->text().trimmed();
    if (text == m_policy && !m_forms.empty() && sameRules(m_forms, splitPolicy(text.toStdString()))) {
        checked(text);
        showState(u"check"_s, u"caption"_s, tr("In force, or at the next token"));
        return;
    }
    const std::optional<QString> normal = checked(text);
    if (!normal) return;
    const bool news = *normal != m_policy;
    m_policy.clear();
    showPolicy(*normal);
    if (news) Q_EMIT policyChosen(*normal);
}

void PolicyEditor::takeForms(bool dragging) {
    const QString text = QString::fromStdString(joinPolicy(parts()));
    m_text->setText(text);
    showViews();
    const std::optional<QString> normal = checked(text);
    if (!normal) return;
    m_text->setText(*normal);
    showState(u"check"_s, u"caption"_s, tr("In force, or at the next token"));
    if (dragging) {
        Q_EMIT policyDragged(*normal);
    } else if (*normal != m_policy) {
        m_policy = *normal;
        Q_EMIT policyChosen(*normal);
    }
}

std::optional<QString> PolicyEditor::checked(const QString& text) {
    try {
        return QString::fromStdString(parsePolicy(text.toStdString(), m_model)->text());
    } catch (const Error& error) {
        std::vector<PolicyPart> parts;
        try {
            parts = splitPolicy(text.toStdString());
        } catch (const Error&) {
            // What is wrong with the text is in `error`; it has no parts to show it at.
        }
        showError(error.parts(), parts);
    }
    return std::nullopt;
}

void PolicyEditor::showError(const ErrorParts& error, const std::vector<PolicyPart>& parts) {
    showState(u"error"_s, u"error"_s, tr("Not applied. %1").arg(policyErrorText(error)));
    if (!sameRules(m_forms, parts)) return;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        try {
            parsePolicy(joinPolicy({parts[i]}), m_model);
        } catch (const Error& own) {
            QString message = QString::fromStdString(own.parts().what);
            message[0] = message[0].toUpper();
            if (!own.parts().expected.empty())
                message += tr(". Expected %1").arg(QString::fromStdString(own.parts().expected));
            if (!own.parts().found.empty()) message += tr("; found %1").arg(QString::fromStdString(own.parts().found));
            m_forms[i]->showError(policyErrorKey(own.parts()), message);
        }
    }
}

void PolicyEditor::showState(const QString& icon, const QString& role, const QString& text) {
    m_icon = icon;
    setRole(*m_state, role);
    m_state->setText(text);
    paintIcon();
}

void PolicyEditor::paintIcon() {
    const QColor& colour = m_icon == u"error"_s ? colours().error : colours().good;
    m_state_icon->setPixmap(themedPixmap(m_icon, colour, kIcon, devicePixelRatioF()));
}

void PolicyEditor::changeEvent(QEvent* event) {
    if (event->type() == QEvent::PaletteChange && !m_icon.isEmpty()) paintIcon();
    QWidget::changeEvent(event);
}

}  // namespace mixoscope
