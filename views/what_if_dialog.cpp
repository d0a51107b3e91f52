#include "views/what_if_dialog.h"

#include <QAction>
#include <QApplication>
#include <QCheckBox>
#include <QClipboard>
#include <QComboBox>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QKeyEvent>
#include <QLabel>
#include <QLineEdit>
#include <QPushButton>
#include <QRadioButton>
#include <QRegularExpressionValidator>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>

#include "engine/routing_policy.h"
#include "views/breaking_label.h"
#include "views/budget_control.h"
#include "views/escape_key.h"
#include "views/format.h"
#include "views/lane_header.h"
#include "views/policy_editor.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kWidth = 470;
constexpr int kCaptionWidth = 76;
constexpr int kWidestToken = 160;
constexpr int kMostPolicyLines = 6;
constexpr int kMostErrorLines = 8;
constexpr int kBesideField = 6;        // a caption is level with the text of the field beside it
constexpr std::size_t kMostEdits = 8;  // what a dialog holds; more are written as a policy

QLabel* caption(const QString& text, QWidget* parent) {
    auto* label = new QLabel(text, parent);
    label->setProperty("role", u"muted"_s);
    label->setFixedWidth(kCaptionWidth);
    return label;
}

}  // namespace

// --- one edit --------------------------------------------------------------------------------------------------------

RoutingEditRow::RoutingEditRow(const ForkPoint& point, const RoutingEdit& edit, QWidget* parent)
    : QWidget(parent),
      m_point(point),
      m_kind(new QComboBox(this)),
      m_layer(new QComboBox(this)),
      m_expert(new QComboBox(this)) {
    m_kind->setObjectName(u"edit_kind"_s);
    m_kind->setAccessibleName(tr("Ban or force"));
    m_kind->setToolTip(tr("Take the expert out of the choice, or put it into the choice"));
    m_kind->addItem(tr("ban"), static_cast<int>(RoutingEdit::Kind::kBan));
    m_kind->addItem(tr("force"), static_cast<int>(RoutingEdit::Kind::kForce));
    m_layer->setObjectName(u"edit_layer"_s);
    m_layer->setAccessibleName(tr("Layer"));
    m_layer->setToolTip(tr("Choose the layer, numbered as in the model"));
    for (std::int32_t layer = 0; layer < point.history.shape().moe_layers; ++layer) {
        const auto at = static_cast<std::size_t>(layer);
        const std::int32_t name = at < point.layer_names.size() ? point.layer_names[at] : layer;
        m_layer->addItem(tr("layer %1").arg(name), layer);
    }
    m_expert->setObjectName(u"edit_expert"_s);
    m_expert->setAccessibleName(tr("Expert"));
    m_expert->setToolTip(tr("Choose the expert"));
    m_expert->setFont(monoFont());
    m_expert->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
    auto* remove = new QToolButton(this);
    remove->setObjectName(u"edit_remove"_s);
    remove->setProperty("role", u"flat"_s);
    remove->setIcon(themedIcon(u"close"_s));
    remove->setToolTip(tr("Leave this edit out"));
    remove->setAccessibleName(tr("Leave this edit out"));
    remove->setFocusPolicy(Qt::StrongFocus);
    auto* row = new QHBoxLayout(this);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(6);
    row->addWidget(m_kind);
    row->addWidget(m_layer);
    row->addWidget(m_expert, 1);
    row->addWidget(remove);
    m_kind->setCurrentIndex(m_kind->findData(static_cast<int>(edit.kind)));
    m_layer->setCurrentIndex(std::max(0, m_layer->findData(edit.layer)));
    fillExperts();
    if (const int at = m_expert->findData(edit.expert); at >= 0) m_expert->setCurrentIndex(at);
    const auto refill = [this] {
        fillExperts();
        Q_EMIT edited();
    };
    connect(m_kind, &QComboBox::activated, this, refill);
    connect(m_layer, &QComboBox::activated, this, refill);
    connect(m_expert, &QComboBox::activated, this, &RoutingEditRow::edited);
    connect(remove, &QToolButton::clicked, this, &RoutingEditRow::removeAsked);
}

/// To be banned are the experts that the token was sent to, to be forced all others.
void RoutingEditRow::fillExperts() {
    const RoutingEdit wanted = edit();
    m_expert->clear();
    const auto experts = m_point.history.experts(m_point.position, wanted.layer);
    const auto weights = m_point.history.weights(m_point.position, wanted.layer);
    if (wanted.kind == RoutingEdit::Kind::kBan) {
        for (std::size_t slot = 0; slot < experts.size(); ++slot) {
            if (experts[slot] < 0) continue;
            m_expert->addItem(tr("expert %1 · rank %2 · %3")
                                  .arg(experts[slot])
                                  .arg(slot + 1)
                                  .arg(format::probability(static_cast<double>(weights[slot]))),
                              experts[slot]);
        }
        return;
    }
    const RouterFacts& facts = m_point.history.router(m_point.position, wanted.layer);
    if (facts.next_expert >= 0)
        m_expert->addItem(tr("expert %1 · next in line · p %2")
                              .arg(facts.next_expert)
                              .arg(format::probability(static_cast<double>(facts.next_probability))),
                          facts.next_expert);
    for (std::int32_t expert = 0; expert < m_point.history.shape().experts; ++expert) {
        const bool chosen = std::ranges::find(experts, static_cast<std::int16_t>(expert)) != experts.end();
        if (!chosen && expert != facts.next_expert) m_expert->addItem(tr("expert %1").arg(expert), expert);
    }
}

RoutingEdit RoutingEditRow::edit() const {
    return {.kind = static_cast<RoutingEdit::Kind>(m_kind->currentData().toInt()),
            .layer = m_layer->currentData().toInt(),
            .expert = m_expert->count() == 0 ? -1 : m_expert->currentData().toInt()};
}

// --- the dialog ------------------------------------------------------------------------------------------------------

WhatIfDialog::WhatIfDialog(Tokens tokens, QWidget* parent) : QDialog(parent), m_tokens(std::move(tokens)) {
    setObjectName(u"what_if"_s);
    setWindowTitle(tr("What if…?"));
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(16, 14, 16, 12);
    column->setSpacing(12);
    column->addWidget(makeFrom());
    column->addWidget(makeEdits());
    column->addWidget(makeOthers());
    column->addWidget(makePreview());
    column->addStretch(1);
    column->addWidget(makeButtons());
    setMinimumWidth(kWidth);
}

QWidget* WhatIfDialog::makeFrom() {
    auto* holder = new QWidget(this);
    m_token = new QLabel(holder);
    m_token->setObjectName(u"what_if_token"_s);
    m_token->setProperty("role", u"token"_s);
    m_token->setFont(monoFont());
    m_token->setTextFormat(Qt::PlainText);
    m_place = new QLabel(holder);
    m_place->setObjectName(u"what_if_place"_s);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(8);
    row->addWidget(caption(tr("From"), holder));
    row->addWidget(m_token);
    row->addWidget(m_place);
    row->addStretch(1);
    return holder;
}

QWidget* WhatIfDialog::makeEdits() {
    auto* holder = new QWidget(this);
    m_edits = new QWidget(holder);
    m_edit_rows = new QVBoxLayout;
    m_edit_rows->setSpacing(6);
    m_no_edits = new QLabel(m_edits);
    m_no_edits->setObjectName(u"no_edits"_s);
    m_no_edits->setProperty("role", u"muted"_s);
    m_no_edits->setWordWrap(true);
    m_add = new QToolButton(m_edits);
    m_add->setObjectName(u"edit_add"_s);
    m_add->setProperty("role", u"flat"_s);
    m_add->setIcon(themedIcon(u"plus"_s));
    m_add->setText(tr("Ban or force an expert"));
    m_add->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    m_add->setFocusPolicy(Qt::StrongFocus);
    m_here = new QRadioButton(tr("at this token only"), m_edits);
    m_here->setObjectName(u"edits_here"_s);
    m_here->setToolTip(tr("Edit the routing of this one token"));
    m_from_here = new QRadioButton(tr("from here on"), m_edits);
    m_from_here->setObjectName(u"edits_from_here"_s);
    m_from_here->setToolTip(tr("Edit the routing of this token and of all that follow"));
    auto* reach = new QHBoxLayout;
    reach->setSpacing(12);
    reach->addWidget(m_add);
    reach->addStretch(1);
    reach->addWidget(m_here);
    reach->addWidget(m_from_here);
    auto* rows = new QVBoxLayout(m_edits);
    rows->setContentsMargins(0, 0, 0, 0);
    rows->setSpacing(6);
    rows->addLayout(m_edit_rows);
    rows->addWidget(m_no_edits);
    rows->addLayout(reach);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(8);
    QLabel* title = caption(tr("Routing"), holder);
    title->setContentsMargins(0, kBesideField, 0, 0);
    row->addWidget(title, 0, Qt::AlignTop);
    row->addWidget(m_edits, 1);
    connect(m_add, &QToolButton::clicked, this, [this] {
        addEdit(nextEdit());
        preview();
    });
    connect(m_here, &QRadioButton::toggled, this, &WhatIfDialog::preview);
    return holder;
}

QWidget* WhatIfDialog::makeOthers() {
    auto* holder = new QWidget(this);
    const auto check = [&](const QString& name, const QString& text) {
        auto* box = new QCheckBox(text, holder);
        box->setObjectName(name);
        box->setFixedWidth(kCaptionWidth + 34);
        return box;
    };
    m_other_policy = check(u"other_policy"_s, tr("Policy"));
    m_other_policy->setToolTip(tr("Route by another policy from here on"));
    m_policy = new QLineEdit(holder);
    m_policy->setObjectName(u"other_policy_text"_s);
    m_policy->setAccessibleName(tr("Policy from here on"));
    m_policy->setFont(monoFont());
    m_policy_form = new QToolButton(holder);
    m_policy_form->setObjectName(u"other_policy_form"_s);
    m_policy_form->setIcon(themedIcon(u"settings"_s));
    m_policy_form->setToolTip(tr("Choose the policy and its parameters in a form"));
    m_policy_form->setAccessibleName(tr("Policy as a form"));
    m_other_budget = check(u"other_budget"_s, tr("Budget B"));
    m_other_budget->setToolTip(tr("Give the thinking another budget from here on"));
    m_budget = new BudgetField(holder);
    m_budget->setObjectName(u"other_budget_tokens"_s);
    m_budget->setAccessibleName(tr("Thinking budget from here on"));
    m_budget->setFixedWidth(120);
    m_other_token = check(u"other_token"_s, tr("Token"));
    m_token_text = new QLineEdit(holder);
    m_token_text->setObjectName(u"other_token_text"_s);
    m_token_text->setAccessibleName(tr("Token in its place"));
    m_token_text->setFont(monoFont());
    m_token_text->setFixedWidth(120);
    m_token_text->setToolTip(tr("Write the token in its place, with its spaces, or #id"));
    m_token_ids = new QLabel(holder);
    m_token_ids->setObjectName(u"other_token_ids"_s);
    m_token_ids->setProperty("role", u"muted"_s);
    m_token_ids->setTextFormat(Qt::PlainText);
    m_other_seed = check(u"other_seed"_s, tr("Seed"));
    m_seed = new QLineEdit(holder);
    m_seed->setObjectName(u"other_seed_number"_s);
    m_seed->setAccessibleName(tr("Seed from here on"));
    m_seed->setValidator(new QRegularExpressionValidator(QRegularExpression(u"[0-9]{1,19}"_s), m_seed));
    m_seed->setFixedWidth(120);
    auto* grid = new QGridLayout(holder);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(8);
    grid->setVerticalSpacing(6);
    auto* policy = new QHBoxLayout;
    policy->setSpacing(6);
    policy->addWidget(m_policy, 1);
    policy->addWidget(m_policy_form);
    grid->addWidget(m_other_policy, 0, 0);
    grid->addLayout(policy, 0, 1, 1, 2);
    grid->addWidget(m_other_budget, 1, 0);
    grid->addWidget(m_budget, 1, 1);
    grid->addWidget(m_other_token, 2, 0);
    grid->addWidget(m_token_text, 2, 1);
    grid->addWidget(m_token_ids, 2, 2);
    grid->addWidget(m_other_seed, 3, 0);
    grid->addWidget(m_seed, 3, 1);
    grid->setColumnStretch(2, 1);
    connect(m_policy_form, &QToolButton::clicked, this, [this] {
        openPolicyForm(this, tr("Routing policy from here on"), m_point.model, m_policy->text(),
                       [this](const QString& text) { m_policy->setText(text); });
    });
    // A value that is given is meant; the box only takes it back.
    const auto means = [this](QCheckBox* box) {
        return [this, box] {
            if (!m_showing) box->setChecked(true);
            preview();
        };
    };
    connect(m_policy, &QLineEdit::textChanged, this, means(m_other_policy));
    connect(m_budget, &QSpinBox::valueChanged, this, means(m_other_budget));
    connect(m_token_text, &QLineEdit::textChanged, this, means(m_other_token));
    connect(m_seed, &QLineEdit::textChanged, this, means(m_other_seed));
    for (QCheckBox* box : {m_other_policy, m_other_budget, m_other_token, m_other_seed})
        connect(box, &QCheckBox::toggled, this, &WhatIfDialog::preview);
    return holder;
}

QWidget* WhatIfDialog::makePreview() {
    auto* card = new QFrame(this);
    card->setObjectName(u"what_if_preview"_s);
    card->setProperty("role", u"card"_s);
    m_policy_text = new BreakingLabel(kMostPolicyLines, card);
    m_policy_text->setObjectName(u"what_if_policy"_s);
    m_policy_text->setFont(monoFont(font_size::kTable, QFont::Bold));
    m_policy_text->setToolTip(tr("The fork's routing policy; right click copies it"));
    m_policy_text->setContextMenuPolicy(Qt::ActionsContextMenu);
    auto* copy = new QAction(tr("Copy the policy"), m_policy_text);
    m_policy_text->addAction(copy);
    connect(copy, &QAction::triggered, this, [this] { QApplication::clipboard()->setText(m_policy_text->text()); });
    m_effect = new QLabel(card);
    m_effect->setObjectName(u"what_if_effect"_s);
    m_effect->setTextFormat(Qt::PlainText);
    m_effect->setWordWrap(true);
    m_sharing = new QLabel(card);
    m_sharing->setObjectName(u"what_if_sharing"_s);
    m_sharing->setProperty("role", u"muted"_s);
    m_sharing->setTextFormat(Qt::PlainText);
    m_sharing->setWordWrap(true);
    m_error = new BreakingLabel(kMostErrorLines, card);
    m_error->setObjectName(u"what_if_error"_s);
    m_error->setProperty("role", u"chip-error"_s);
    auto* column = new QVBoxLayout(card);
    column->setContentsMargins(12, 10, 12, 10);
    column->setSpacing(6);
    for (QLabel* label : {m_policy_text, m_effect, m_sharing, m_error}) column->addWidget(label);
    return card;
}

QWidget* WhatIfDialog::makeButtons() {
    auto* holder = new QWidget(this);
    auto* cancel = new QPushButton(tr("Cancel"), holder);
    cancel->setObjectName(u"what_if_cancel"_s);
    cancel->setToolTip(tr("Change nothing (Esc)"));
    cancel->setAutoDefault(false);
    m_fork = new QPushButton(tr("Fork and continue"), holder);
    m_fork->setObjectName(u"what_if_fork"_s);
    m_fork->setProperty("role", u"primary"_s);
    m_fork->setDefault(true);
    auto* row = new QHBoxLayout(holder);
    row->setContentsMargins(0, 0, 0, 0);
    row->setSpacing(8);
    row->addStretch(1);
    row->addWidget(cancel);
    row->addWidget(m_fork);
    connect(cancel, &QPushButton::clicked, this, &QDialog::reject);
    connect(m_fork, &QPushButton::clicked, this, [this] {
        if (problem().isEmpty()) Q_EMIT forkAsked();
    });
    return holder;
}

void WhatIfDialog::setPoint(const ForkPoint& point, const std::optional<RoutingEdit>& edit) {
    m_point = point;
    m_refusal.clear();
    m_waiting = false;
    for (RoutingEditRow* row : m_rows) delete row;
    m_rows.clear();
    if (edit && m_point.isRouted()) addEdit(*edit);
    showPoint();
    preview();
}

void WhatIfDialog::showPoint() {
    m_showing = true;
    const TokenRecord& token = m_point.token();
    const QString text = format::tokenText(token.bytes);
    m_token->setText(m_token->fontMetrics().elidedText(text, Qt::ElideRight, kWidestToken));
    m_token->setToolTip(text);
    QString place = tr("position %1 of %2").arg(format::count(m_point.position), m_point.lane_name);
    if (token.trace.phase == Phase::kThinking) place += tr(" · N = %1").arg(format::count(token.trace.thinking_tokens));
    m_place->setText(place);
    const bool routed = m_point.isRouted();
    m_add->setEnabled(routed);
    m_add->setToolTip(routed ? tr("Take an expert out of this token's choice or put one in")
                             : tr("No routing of this token is recorded: it was not fed to experts"));
    m_here->setChecked(true);
    m_policy->setText(QString::fromStdString(m_point.settings.policy));
    m_policy->setCursorPosition(0);
    m_budget->setBudget(m_point.settings.budget);
    m_token_text->clear();
    m_seed->setText(QString::number(m_point.settings.sampling.seed));
    for (QCheckBox* box : {m_other_policy, m_other_budget, m_other_token, m_other_seed}) box->setChecked(false);
    const bool dense = m_point.model.config.num_experts == 0;
    for (QWidget* widget : std::initializer_list<QWidget*>{m_other_policy, m_policy, m_policy_form})
        widget->setEnabled(!dense);
    for (QWidget* widget : std::initializer_list<QWidget*>{m_other_token, m_token_text})
        widget->setEnabled(m_point.isGenerated());
    m_other_token->setToolTip(m_point.isGenerated() ? tr("Put another token in the place of this one")
                                                    : tr("A token of the prompt stays as it was asked"));
    const bool greedy = m_point.settings.sampling.greedy;
    for (QWidget* widget : std::initializer_list<QWidget*>{m_other_seed, m_seed}) widget->setEnabled(!greedy);
    m_other_seed->setToolTip(greedy ? tr("A greedy lane draws nothing") : tr("Draw otherwise from here on"));
    m_showing = false;
}

/// The likeliest expert of the first layer that has no edit yet.
RoutingEdit WhatIfDialog::nextEdit() const {
    for (std::int32_t layer = 0; layer < m_point.history.shape().moe_layers; ++layer) {
        const bool edited =
            std::ranges::any_of(m_rows, [&](const RoutingEditRow* row) { return row->edit().layer == layer; });
        if (!edited) return {.kind = RoutingEdit::Kind::kBan, .layer = layer, .expert = -1};
    }
    return {};
}

void WhatIfDialog::addEdit(const RoutingEdit& edit) {
    auto* row = new RoutingEditRow(m_point, edit, m_edits);
    m_rows.push_back(row);
    m_edit_rows->addWidget(row);
    connect(row, &RoutingEditRow::edited, this, &WhatIfDialog::preview);
    connect(
        row, &RoutingEditRow::removeAsked, this,
        [this, row] {
            std::erase(m_rows, row);
            row->hide();
            row->deleteLater();
            preview();
        },
        Qt::QueuedConnection);  // its own button is at work
}

ForkChanges WhatIfDialog::changes() const {
    ForkChanges changes;
    for (const RoutingEditRow* row : m_rows) {
        if (row->edit().expert >= 0) changes.edits.push_back(row->edit());
    }
    changes.at_token_only = m_here->isChecked();
    if (m_other_policy->isChecked()) changes.policy = m_policy->text().trimmed().toStdString();
    if (m_other_budget->isChecked()) changes.budget = m_budget->budget();
    if (m_other_seed->isChecked()) changes.seed = m_seed->text().toULongLong();
    if (m_other_token->isChecked()) {
        const QString text = m_token_text->text();
        bool is_number = false;
        const TokenId id = text.startsWith(u'#') ? text.mid(1).toInt(&is_number) : -1;
        const std::vector<TokenId> ids = is_number ? std::vector<TokenId>{id} : m_tokens(text);
        if (ids.size() == 1) changes.token = ids.front();
    }
    return changes;
}

QString WhatIfDialog::tokenProblem() const {
    if (!m_other_token->isChecked() || changes().token) return {};
    const QString text = m_token_text->text();
    if (text.isEmpty()) return tr("Write the token that is to stand there");
    return tr("“%1” is %2 tokens; give one, or its number as #id").arg(text).arg(m_tokens(text).size());
}

QString WhatIfDialog::problem() const {
    if (!m_busy.isEmpty()) return m_busy;
    if (m_waiting) return tr("The fork is being made");
    if (const QString token = tokenProblem(); !token.isEmpty()) return token;
    try {
        parsePolicy(policyOf(m_point, changes()), m_point.model);
    } catch (const Error& error) {
        return policyErrorText(error.parts());
    }
    return {};
}

QString WhatIfDialog::sharingText(const ForkChanges& changes) const {
    const ForkRequest request = requestOf(m_point, changes);
    // The row before the fork's first token is computed anew, under the new settings.
    const std::int32_t shared = std::max(0, request.position - 1);
    const QString kept = tr("Shares %1 rows with %2 and computes position %3 on anew; %2 stays as it is.")
                             .arg(format::count(shared), m_point.lane_name, format::count(shared));
    const bool nothing = changes.edits.empty() && !changes.policy && !changes.budget && !changes.seed && !changes.token;
    return nothing ? tr("Nothing is changed: the fork repeats what was generated, token for token. %1").arg(kept)
                   : kept;
}

void WhatIfDialog::preview() {
    if (m_showing) return;
    const ForkChanges wanted = changes();
    m_no_edits->setVisible(m_rows.empty());
    m_no_edits->setText(m_point.isRouted() ? tr("as it was")
                                           : tr("not recorded for this token: it was not fed to experts"));
    m_add->setVisible(m_rows.size() < kMostEdits);
    for (QRadioButton* button : {m_here, m_from_here}) button->setVisible(!m_rows.empty());
    m_policy_text->setText(QString::fromStdString(policyOf(m_point, wanted)));
    QStringList effects;
    for (const RoutingEdit& edit : wanted.edits) effects << effectOf(m_point, edit);
    m_effect->setText(effects.join(u'\n'));
    m_effect->setVisible(!effects.isEmpty());
    m_token_ids->setText(wanted.token ? tr("id %1").arg(*wanted.token) : QString());
    m_sharing->setText(sharingText(wanted));
    const QString wrong = problem();
    const QString said = m_refusal.isEmpty() ? wrong : m_refusal;
    m_error->setVisible(!said.isEmpty() && !m_waiting && m_busy.isEmpty());
    m_error->setText(said);
    m_fork->setEnabled(wrong.isEmpty());
    m_fork->setToolTip(wrong.isEmpty() ? tr("Go on from here as a lane of its own (Enter)") : wrong);
    m_refusal.clear();
}

bool WhatIfDialog::event(QEvent* event) {
    if (keepsEscape(event)) return true;
    const bool handled = QDialog::event(event);
    // A layout keeps a window from being too narrow, but not too low for texts whose height follows from their width.
    if (event->type() == QEvent::LayoutRequest && layout()->totalHeightForWidth(width()) > height())
        resize(width(), layout()->totalHeightForWidth(width()));
    return handled;
}

void WhatIfDialog::showWaiting() {
    m_waiting = true;
    preview();
}

void WhatIfDialog::showRefusal(const ErrorParts& refusal) {
    m_waiting = false;
    m_refusal = format::plainText(Error(refusal).what());
    preview();
}

void WhatIfDialog::setBusy(const QString& reason) {
    if (reason == m_busy) return;
    m_busy = reason;
    preview();
}

}  // namespace mixoscope
