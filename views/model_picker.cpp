#include "views/model_picker.h"

#include <QDir>
#include <QFileInfo>
#include <QMenu>

#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kTextWidth = 190;

}  // namespace

ModelPicker::ModelPicker(QWidget* parent) : QToolButton(parent) {
    setObjectName(u"model_picker"_s);
    setAccessibleName(tr("Model"));
    setPopupMode(QToolButton::InstantPopup);
    setFocusPolicy(Qt::StrongFocus);
    setToolButtonStyle(Qt::ToolButtonTextOnly);
    setMenu(new QMenu(this));
    connect(menu(), &QMenu::aboutToShow, this, &ModelPicker::fillMenu);
    showModel({}, {});
}

void ModelPicker::showModel(const QString& name, const QString& facts) {
    const QString shown = name.isEmpty() ? tr("No model") : facts.isEmpty() ? name : name + u" · "_s + facts;
    setText(fontMetrics().elidedText(shown, Qt::ElideRight, kTextWidth));
    setToolTip(name.isEmpty() ? tr("Open a model (Ctrl+O: a folder)")
                              : tr("%1\nOpen another model (Ctrl+O: a folder)").arg(shown));
    setAccessibleDescription(shown);
}

void ModelPicker::showLoading(const QString& name) {
    setText(fontMetrics().elidedText(tr("Opening %1…").arg(name), Qt::ElideMiddle, kTextWidth));
    setToolTip(tr("Opening %1").arg(name));
    setAccessibleDescription(toolTip());
}

void ModelPicker::setRecent(const QStringList& directories) {
    m_recent = directories;
}

void ModelPicker::fillMenu() {
    menu()->clear();
    menu()->addAction(themedIcon(u"play"_s), tr("Demo model (built in)"), this, &ModelPicker::demoChosen);
    menu()->addAction(themedIcon(u"folder"_s), tr("Open a model folder…"), this, &ModelPicker::browseChosen);
    if (m_recent.isEmpty()) return;
    menu()->addSeparator();
    for (const QString& directory : m_recent) {
        auto* action = menu()->addAction(QDir(directory).dirName());
        action->setToolTip(directory);
        if (!QFileInfo::exists(directory)) {
            action->setEnabled(false);
            action->setText(tr("%1 (not found at its last place)").arg(QDir(directory).dirName()));
        }
        connect(action, &QAction::triggered, this, [this, directory] { Q_EMIT directoryChosen(directory); });
    }
    menu()->setToolTipsVisible(true);
}

}  // namespace mixoscope
