#include "views/experiment_policy_row.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLabel>
#include <QLineEdit>
#include <QPainter>
#include <QPixmap>
#include <QToolButton>
#include <QVBoxLayout>

#include "engine/routing_policy.h"
#include "views/experiment_selection.h"
#include "views/lane_style.h"
#include "views/policy_editor.h"
#include "views/theme.h"

namespace mixoscope {

using namespace Qt::StringLiterals;

ExperimentPolicyRow::ExperimentPolicyRow(QWidget* parent)
    : QWidget(parent),
      m_marker(new QLabel(this)),
      m_text(new QLineEdit(this)),
      m_form(new QToolButton(this)),
      m_remove(new QToolButton(this)),
      m_error(new QLabel(this)) {
    m_text->setObjectName(u"experiment_policy"_s);
    m_text->setFont(monoFont(font_size::kCaption));
    m_text->setAccessibleName(tr("Routing policy"));
    m_form->setObjectName(u"experiment_policy_form"_s);
    m_form->setIcon(themedIcon(u"settings"_s));
    m_form->setAccessibleName(tr("Policy as a form"));
    m_remove->setObjectName(u"experiment_policy_remove"_s);
    m_remove->setProperty("role", u"flat"_s);
    m_remove->setIcon(themedIcon(u"close"_s));
    m_remove->setAccessibleName(tr("Remove this policy"));
    for (QToolButton* button : {m_form, m_remove}) button->setFocusPolicy(Qt::StrongFocus);
    m_error->setObjectName(u"experiment_policy_error"_s);
    m_error->setProperty("role", u"chip-error"_s);
    m_error->setWordWrap(true);
    m_error->hide();
    auto* row = new QHBoxLayout;
    row->setSpacing(6);
    row->addWidget(m_marker);
    row->addWidget(m_text, 1);
    row->addWidget(m_form);
    row->addWidget(m_remove);
    auto* column = new QVBoxLayout(this);
    column->setContentsMargins(0, 0, 0, 0);
    column->setSpacing(3);
    column->addLayout(row);
    column->addWidget(m_error);
    connect(m_text, &QLineEdit::textChanged, this, [this] {
        check();
        Q_EMIT changed();
    });
    connect(m_form, &QToolButton::clicked, this, &ExperimentPolicyRow::openForm);
    connect(m_remove, &QToolButton::clicked, this, &ExperimentPolicyRow::removeAsked);
    check();
}

void ExperimentPolicyRow::setIndex(std::size_t index, bool can_remove) {
    m_index = index;
    m_remove->setEnabled(can_remove);
    m_remove->setToolTip(can_remove ? tr("Remove this policy") : tr("An experiment has at least one policy"));
    m_text->setToolTip(index == 0 ? tr("Write the baseline, which the others are tested against")
                                  : tr("Write a routing policy, such as top-k:k=1,capacity=1.25"));
    paintMarker();
}

void ExperimentPolicyRow::paintMarker() {
    constexpr int kSide = 14;
    QPixmap pixmap(kSide * 2, kSide * 2);
    pixmap.setDevicePixelRatio(2.0);
    pixmap.fill(Qt::transparent);
    QPainter painter(&pixmap);
    paintLaneMarker(painter, QPointF(kSide / 2.0, kSide / 2.0), 9.0, policyTag(m_index));
    painter.end();
    m_marker->setPixmap(pixmap);
}

void ExperimentPolicyRow::changeEvent(QEvent* event) {
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) paintMarker();
}

void ExperimentPolicyRow::setModel(const std::shared_ptr<const ModelFacts>& model) {
    if (model == m_model) return;
    m_model = model;
    check();
}

void ExperimentPolicyRow::setPolicy(const QString& text) {
    m_text->setText(text);
}

QString ExperimentPolicyRow::policy() const {
    return m_text->text().trimmed();
}

void ExperimentPolicyRow::setTwice(bool twice) {
    if (twice == m_twice) return;
    m_twice = twice;
    check();
}

void ExperimentPolicyRow::check() {
    m_problem.clear();
    if (policy().isEmpty()) {
        m_problem = tr("Write a routing policy, or remove this line");
    } else if (m_model != nullptr) {
        try {
            parsePolicy(policy().toStdString(), *m_model);
        } catch (const Error& error) {
            m_problem = policyErrorText(error.parts());
        }
    }
    if (m_problem.isEmpty() && m_twice) m_problem = tr("This policy is given twice");
    m_error->setText(m_problem);
    m_error->setVisible(!m_problem.isEmpty());
    m_form->setEnabled(m_model != nullptr);
    m_form->setToolTip(m_model != nullptr ? tr("Choose the policy and its parameters in a form")
                                          : tr("The experiment's model is not open: check the experiment first"));
}

void ExperimentPolicyRow::openForm() {
    if (m_model == nullptr) return;
    openPolicyForm(this, tr("Routing policy of the experiment"), *m_model, policy(),
                   [this](const QString& text) { m_text->setText(text); });
}

}  // namespace mixoscope
