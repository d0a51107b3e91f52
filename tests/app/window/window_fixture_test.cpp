#include "window_fixture_test.h"

#include <QAction>
#include <QApplication>
#include <QDir>
#include <QSlider>
#include <QStyleOptionSlider>
#include <QTest>

#include "support/paths.h"
#include "views/exportable_view.h"

namespace mixoscope::test {

using namespace Qt::StringLiterals;

std::filesystem::path demoModel() {
    const QString named = qEnvironmentVariable("MIXO_TEST_MODEL");
    return named.isEmpty() ? test::resourcesDirectory() / "demo" : std::filesystem::path(named.toStdString());
}

bool waitFor(const std::function<bool()>& done) {
    return QTest::qWaitFor(done, 60'000);
}

QPoint sliderHandle(const QSlider& slider, int value) {
    QStyleOptionSlider option;
    option.initFrom(&slider);
    option.minimum = slider.minimum();
    option.maximum = slider.maximum();
    option.sliderPosition = option.sliderValue = value;
    return slider.style()->subControlRect(QStyle::CC_Slider, &option, QStyle::SC_SliderHandle, &slider).center();
}

void WindowTest::open(const std::string& model, QSize size) {
    WorkbenchOptions options;
    options.demo_directory = demoModel();
    options.session_directory = directory.path() / "sessions";
    workbench = std::make_unique<Workbench>(options);
    WindowOptions window_options;
    window_options.settings_file = settingsFile();
    window_options.engine = options;
    window = std::make_unique<MainWindow>(*workbench, std::move(window_options));
    window->resize(size);
    window->show();
    window->activateWindow();
    ASSERT_TRUE(QTest::qWaitForWindowActive(window.get()));
    if (model.empty()) return;
    window->openModel(QString::fromStdString(model));
    ASSERT_TRUE(
        waitFor([this] { return latest()->load_error.has_value() || latest()->state == WorkbenchState::kReady; }));
}

QString WindowTest::settingsFile() const {
    return QString::fromStdString((directory.path() / "window.ini").string());
}

void WindowTest::TearDown() {
    window.reset();
    workbench.reset();
}

void WindowTest::type(const QString& text) const {
    QTest::keyClicks(QApplication::focusWidget(), text);
}

void WindowTest::trigger(const QString& action) const {
    window->findChild<QAction*>(u"action_"_s + action)->trigger();
}

void WindowTest::keepPicture(const QString& name) const {
    QTest::qWait(50);  // charts and layouts settle; nothing is checked against time
    const QString folder = qEnvironmentVariable("MIXO_ARTEFACTS", u"view_artefacts"_s);
    QDir().mkpath(folder);
    EXPECT_TRUE(renderWidget(*window, 1.0).save(folder + u'/' + name + u".png"_s));
}

}  // namespace mixoscope::test
