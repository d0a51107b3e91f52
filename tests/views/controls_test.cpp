// Mode switch, composer, error page, start page, model picker, log, session list.
#include <gtest/gtest.h>

#include <QApplication>
#include <QClipboard>
#include <QLabel>
#include <QListView>
#include <QMenu>
#include <QPushButton>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>
#include <QToolButton>

#include "chat_script_test.h"
#include "views/composer.h"
#include "views/elided_label.h"
#include "views/error_page.h"
#include "views/log_view.h"
#include "views/mode_switch.h"
#include "views/model_picker.h"
#include "views/session_list_view.h"
#include "views/start_page.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

TEST(ModeSwitch, CyclesThroughWhatTheCheckpointCanDo) {
    ModeSwitch modes;
    modes.setSupport(ThinkingSupport::kHybrid, u"demo"_s);
    std::vector<ThinkingMode> chosen;
    QObject::connect(&modes, &ModeSwitch::modeChosen, &modes, [&](ThinkingMode mode) { chosen.push_back(mode); });
    for (int i = 0; i < 3; ++i) modes.cycle();
    EXPECT_EQ(chosen, (std::vector<ThinkingMode>{ThinkingMode::kNoThink, ThinkingMode::kAuto, ThinkingMode::kThink}));

    modes.setSupport(ThinkingSupport::kNever, u"Instruct-2507"_s);
    EXPECT_EQ(modes.mode(), ThinkingMode::kNoThink);
    EXPECT_FALSE(modes.button(ThinkingMode::kThink).isEnabled());
    EXPECT_EQ(modes.button(ThinkingMode::kThink).toolTip(), u"Instruct-2507 has no thinking mode"_s);
    modes.cycle();
    EXPECT_EQ(modes.mode(), ThinkingMode::kNoThink);

    modes.setSupport(ThinkingSupport::kAlways, u"Thinking-2507"_s);
    EXPECT_EQ(modes.mode(), ThinkingMode::kThink);
    EXPECT_EQ(modes.button(ThinkingMode::kNoThink).toolTip(), u"Thinking-2507 always thinks"_s);
}

TEST(Composer, EnterSendsAndShiftEnterBreaksTheLine) {
    Composer composer;
    composer.show();
    QStringList sent;
    QObject::connect(&composer, &Composer::sent, &composer, [&](const QString& text) { sent << text; });
    QTest::keyClicks(&composer.edit(), u"one"_s);
    QTest::keyClick(&composer.edit(), Qt::Key_Return, Qt::ShiftModifier);
    QTest::keyClicks(&composer.edit(), u"two"_s);
    EXPECT_TRUE(sent.isEmpty());
    QTest::keyClick(&composer.edit(), Qt::Key_Return);
    EXPECT_EQ(sent, QStringList{u"one\ntwo"_s});
    EXPECT_TRUE(composer.text().isEmpty());
    QTest::keyClick(&composer.edit(), Qt::Key_Return);
    EXPECT_EQ(sent.size(), 1) << "an empty message is not sent";
    QTest::keyClick(&composer.edit(), Qt::Key_Up);
    EXPECT_EQ(composer.text(), u"one\ntwo"_s);
}

TEST(Composer, TheButtonStopsWhileTheModelGenerates) {
    Composer composer;
    composer.show();
    QSignalSpy stopped(&composer, &Composer::stopped);
    composer.setGenerating(true);
    EXPECT_EQ(composer.button().text(), u"Stop"_s);
    QTest::mouseClick(&composer.button(), Qt::LeftButton);
    QTest::keyClick(&composer.edit(), Qt::Key_Escape);
    EXPECT_EQ(stopped.count(), 2);
    composer.setGenerating(false);
    EXPECT_EQ(composer.button().text(), u"Send"_s);
    composer.setDisabledReason(u"Open a model first"_s);
    EXPECT_FALSE(composer.button().isEnabled());
    EXPECT_EQ(composer.button().toolTip(), u"Open a model first"_s);
}

TEST(ErrorPage, ShowsWhatWhereExpectedFoundAndWhatToDo) {
    ErrorPage page;
    page.resize(700, 600);
    page.show();
    const ErrorParts error{"The data range of one tensor is too short for its shape", "model.safetensors, data_offsets",
                           "256 bytes", "128 bytes", "Download this file again"};
    page.showError(error, u"/models/broken"_s, false);
    QStringList texts;
    for (const QLabel* label : page.findChildren<QLabel*>()) texts << label->text();
    for (const std::string& part : {error.what, error.where, error.expected, error.found, error.advice}) {
        EXPECT_TRUE(texts.contains(QString::fromStdString(part))) << part;
    }
    EXPECT_FALSE(page.findChild<QPushButton*>(u"error_back"_s)->isVisible());
    QTest::mouseClick(page.findChild<QPushButton*>(u"error_copy"_s), Qt::LeftButton);
    const QString report = QApplication::clipboard()->text();
    EXPECT_TRUE(report.contains(u"Where: model.safetensors, data_offsets"_s));
    EXPECT_TRUE(report.contains(u"Model: /models/broken"_s));
    QSignalSpy again(&page, &ErrorPage::openAgain);
    QSignalSpy demo(&page, &ErrorPage::useDemo);
    QTest::mouseClick(page.findChild<QPushButton*>(u"error_again"_s), Qt::LeftButton);
    QTest::mouseClick(page.findChild<QPushButton*>(u"error_demo"_s), Qt::LeftButton);
    EXPECT_EQ(again.count(), 1);
    EXPECT_EQ(demo.count(), 1);
}

TEST(ErrorPage, ALongPathMakesItNoWider) {
    ErrorPage page;
    page.resize(500, 700);
    page.show();
    const std::string folder = "/models/" + std::string(120, 'x');
    page.showError({.what = "This is not valid JSON", .where = folder + ": config.json, field hidden_size"},
                   QString::fromStdString(folder), false);
    const auto& where = *page.findChild<QLabel*>(u"error_where"_s);
    EXPECT_EQ(where.text(), QString::fromStdString(folder + ": config.json, field hidden_size"));
    EXPECT_LT(page.minimumSizeHint().width(), 500);
    QTest::qWait(20);
    EXPECT_EQ(page.width(), 500);
    EXPECT_LE(where.geometry().right(), where.parentWidget()->width());
    EXPECT_GT(where.height(), 2 * where.fontMetrics().height()) << "it is whole";
}

TEST(ModelPicker, LeavesOutWholeFactsWhereThereIsNoRoom) {
    ModelPicker picker;
    picker.resize(400, 28);
    picker.show();
    picker.showModel(u"demo"_s, u"4 layers × 64 experts, top-4, BF16"_s);
    EXPECT_EQ(picker.text().trimmed(), u"demo · 4 layers × 64 experts, top-4, BF16"_s);
    QString text = picker.text();
    QStringList seen;
    for (int width = 400; width >= 100; width -= 5) {
        picker.resize(width, 28);
        seen << picker.text().trimmed();
        EXPECT_FALSE(picker.text().contains(u"…"_s)) << picker.text().toStdString();
        EXPECT_TRUE(text.startsWith(picker.text())) << picker.text().toStdString();
        text = picker.text();
    }
    EXPECT_EQ(text.trimmed(), u"demo"_s);
    EXPECT_TRUE(seen.contains(u"demo · 4 layers × 64 experts, top-4"_s));
    EXPECT_TRUE(seen.contains(u"demo · 4 layers × 64 experts"_s));
    EXPECT_TRUE(picker.toolTip().contains(u"top-4, BF16"_s));
    picker.showModel(QString(120, u'x'), u"4 layers"_s);
    EXPECT_TRUE(picker.text().contains(u"…"_s));
}

TEST(ModelPicker, OffersTheDemoAFolderAndWhatWasOpenedBefore) {
    const QTemporaryDir there;
    ModelPicker picker;
    picker.resize(230, 28);
    picker.setRecent({there.path(), u"/nowhere/gone"_s});
    QSignalSpy demo(&picker, &ModelPicker::demoChosen);
    QSignalSpy browse(&picker, &ModelPicker::browseChosen);
    QSignalSpy directory(&picker, &ModelPicker::directoryChosen);
    Q_EMIT picker.menu()->aboutToShow();
    QList<QAction*> actions = picker.menu()->actions();
    actions.removeIf([](const QAction* action) { return action->isSeparator(); });
    ASSERT_EQ(actions.size(), 4);
    for (QAction* action : actions) action->trigger();
    EXPECT_EQ(demo.count(), 1);
    EXPECT_EQ(browse.count(), 1);
    ASSERT_EQ(directory.count(), 1) << "a folder that is gone cannot be chosen";
    EXPECT_EQ(directory[0][0].toString(), there.path());
    EXPECT_TRUE(actions[3]->text().contains(u"not found"_s));
}

TEST(ModelPicker, ElidesALongNameAndTellsItWhole) {
    ModelPicker picker;
    picker.setFixedWidth(170);
    picker.show();
    EXPECT_EQ(picker.text().trimmed(), u"No model"_s);
    picker.showModel(u"Qwen3-30B-A3B-Thinking-2507"_s, u"48 layers × 128 experts, top-8"_s);
    EXPECT_TRUE(picker.text().contains(u'…'));
    EXPECT_TRUE(picker.text().endsWith(u"07"_s)) << "a name's end tells it apart";
    EXPECT_TRUE(picker.toolTip().contains(u"Qwen3-30B-A3B-Thinking-2507 · 48 layers × 128 experts, top-8"_s));
    picker.showLoading(u"big"_s);
    EXPECT_EQ(picker.text().trimmed(), u"Opening big…"_s);
}

TEST(ElidedLabel, ShortensAtItsEndAndSaysSo) {
    ElidedLabel label(nullptr);
    label.resize(120, 20);
    const QString text = u"Recording a session with a long name"_s;
    const QString fits = label.fontMetrics().elidedText(text, Qt::ElideRight, 120);
    ASSERT_TRUE(fits.endsWith(u'…'));
    label.setText(text);
    const QImage shown = label.grab().toImage();
    label.setText(fits);
    EXPECT_EQ(shown, label.grab().toImage());
    label.setText(u"brief"_s);
    EXPECT_NE(shown, label.grab().toImage());
}

TEST(LogView, ListsTheStepsAndTheErrorAfterThem) {
    test::HandFedBridge feed;
    LogView log(feed.bridge());
    auto snapshot = std::make_shared<WorkbenchSnapshot>();
    snapshot->serial = 1;
    snapshot->log = {"open /models/x", "config.json: qwen3_moe"};
    snapshot->load_error = ErrorParts{.what = "The file is cut off", .where = "model.safetensors"};
    feed.show(snapshot);
    EXPECT_EQ(log.toPlainText(),
              u"open /models/x\nconfig.json: qwen3_moe\nERROR  model.safetensors: The file is cut off"_s);
    EXPECT_EQ(parseCsv(log.csv()).size(), 4);
}

TEST(StartPage, SaysWhatIsBeingOpenedInsteadOfOfferingMore) {
    StartPage page;
    page.resize(800, 700);
    page.show();
    auto* demo = page.findChild<QPushButton*>(u"start_demo"_s);
    EXPECT_TRUE(demo->isVisible());
    page.showLoading(u"big"_s, u"model.safetensors: 291 tensors"_s);
    EXPECT_FALSE(demo->isVisible());
    EXPECT_EQ(page.findChild<QLabel*>(u"loading_title"_s)->text(), u"Opening big"_s);
    page.showLoading({}, {});
    EXPECT_TRUE(demo->isVisible());
}

TEST(StartPage, EnterOpensTheDemo) {
    StartPage page;
    page.resize(800, 700);
    page.show();
    page.activateWindow();
    page.setFocus();
    QSignalSpy demo(&page, &StartPage::demoChosen);
    ASSERT_TRUE(QTest::qWaitForWindowActive(&page));
    QTest::keyClick(page.focusWidget(), Qt::Key_Return);
    EXPECT_EQ(demo.count(), 1);
}

TEST(SessionListView, ListsReadableAndBrokenFiles) {
    SessionListView list;
    list.show();
    ListedSession good;
    good.path = "/tmp/pens.mixo";
    good.title = "A shop sells pens";
    good.model = "demo";
    good.tokens = 235;
    good.bytes = 318'000;
    ListedSession bad;
    bad.path = "/tmp/cut.mixo";
    bad.error = ErrorParts{.what = "Not a session file"};
    list.showSessions({good, bad});
    auto* files = list.findChild<QListView*>(u"session_files"_s);
    const QAbstractItemModel& rows = *files->model();
    ASSERT_EQ(rows.rowCount(), 2);
    EXPECT_EQ(rows.index(0, 0).data().toString(), u"A shop sells pens"_s);
    EXPECT_EQ(rows.index(1, 0).data().toString(), u"cut.mixo"_s);
    EXPECT_TRUE(rows.index(1, 0).data(Qt::ToolTipRole).toString().contains(u"Not a session file"_s));
    auto* export_button = list.findChild<QPushButton*>(u"session_export"_s);
    auto* image_button = list.findChild<QPushButton*>(u"session_image"_s);
    files->setCurrentIndex(rows.index(1, 0));
    EXPECT_FALSE(export_button->isEnabled());
    EXPECT_FALSE(image_button->isEnabled());
    QSignalSpy opened(&list, &SessionListView::openAsked);
    QTest::keyClick(files, Qt::Key_Return);
    ASSERT_EQ(opened.count(), 1) << "what is wrong with it is said in full where it is opened";
    EXPECT_EQ(opened[0][0].toString(), u"/tmp/cut.mixo"_s);
    files->setCurrentIndex(rows.index(0, 0));
    QTest::mouseClick(list.findChild<QPushButton*>(u"session_open"_s), Qt::LeftButton);
    ASSERT_EQ(opened.count(), 2);
    EXPECT_EQ(opened[1][0].toString(), u"/tmp/pens.mixo"_s);
    QSignalSpy pictured(&list, &SessionListView::imageAsked);
    QTest::mouseClick(image_button, Qt::LeftButton);
    ASSERT_EQ(pictured.count(), 1);
    EXPECT_EQ(pictured[0][0].toString(), u"/tmp/pens.mixo"_s);
    QSignalSpy exported(&list, &SessionListView::exportAsked);
    QTest::mouseClick(export_button, Qt::LeftButton);
    ASSERT_EQ(exported.count(), 1);
    EXPECT_EQ(exported[0][0].toString(), u"/tmp/pens.mixo"_s);
}

}  // namespace
}  // namespace mixoscope
