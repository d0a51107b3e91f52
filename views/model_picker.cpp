#include "views/model_picker.h"

#include <QDir>
#include <QFileInfo>
#include <QMenu>

#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

constexpr int kTextMargins = 36;    // padding and the arrow
constexpr int kLongestEntry = 420;  // of the menu, in pixels

}  // namespace

ModelPicker::ModelPicker(QWidget* parent) : QPushButton(parent) {
    setObjectName(u"model_picker"_s);
    setAccessibleName(tr("Model"));
    setStyleSheet(
        u"QPushButton { text-align: left; padding: 0 22px 0 10px; }"
        "QPushButton::menu-indicator { subcontrol-origin: padding; subcontrol-position: right center; right: 7px; }"_s);
    setMenu(new QMenu(this));
    connect(menu(), &QMenu::aboutToShow, this, &ModelPicker::fillMenu);
    showModel({}, {});
}

void ModelPicker::showModel(const QString& name, const QString& facts) {
    const QString shown = name.isEmpty() ? tr("No model") : facts.isEmpty() ? name : name + u" · "_s + facts;
    m_name = name.isEmpty() ? shown : name;
    m_shown = shown;
    elide();
    setToolTip(name.isEmpty() ? tr("Open a model (Ctrl+O: a folder)")
                              : tr("%1\nOpen another model (Ctrl+O: a folder)").arg(shown));
    setAccessibleDescription(shown);
}

void ModelPicker::showLoading(const QString& name) {
    m_name = m_shown = tr("Opening %1…").arg(name);
    elide();
    setToolTip(tr("Opening %1").arg(name));
    setAccessibleDescription(toolTip());
}

void ModelPicker::elide() {
    const int room = width() - kTextMargins;
    const auto fits = [&](const QString& text) { return fontMetrics().horizontalAdvance(text) <= room; };
    // Whole facts are left out from the end, so that no figure is cut; the tooltip has them all.
    QString text = m_shown;
    while (!fits(text) && text.contains(u", "_s)) text = text.left(text.lastIndexOf(u", "_s));
    if (!fits(text)) text = fontMetrics().elidedText(m_name, Qt::ElideMiddle, room);
    // The style puts left-aligned text of a button with a menu at its very edge: the space keeps it off.
    setText(u' ' + text);
}

void ModelPicker::resizeEvent(QResizeEvent* event) {
    QPushButton::resizeEvent(event);
    elide();
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
        const QString name =
            menu()->fontMetrics().elidedText(QDir(directory).dirName(), Qt::ElideMiddle, kLongestEntry);
        auto* action = menu()->addAction(name);
        action->setToolTip(directory);
        if (!QFileInfo::exists(directory)) {
            action->setEnabled(false);
            action->setText(tr("%1 (not found at its last place)").arg(name));
        }
        connect(action, &QAction::triggered, this, [this, directory] { Q_EMIT directoryChosen(directory); });
    }
    menu()->setToolTipsVisible(true);
}

}  // namespace mixoscope
