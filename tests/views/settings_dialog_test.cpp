#include "views/settings_dialog.h"

#include <gtest/gtest.h>

#include <QCheckBox>
#include <QDoubleSpinBox>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QSpinBox>
#include <QTest>

#include "sample_snapshot_test.h"
#include "views/exportable_view.h"
#include "views/theme.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class SettingsDialogTest : public testing::Test {
protected:
    void SetUp() override {
        QObject::connect(&dialog, &SettingsDialog::samplingChanged, &dialog,
                         [this](const SamplingSettings& sampling, std::int32_t most) {
                             announced.push_back(sampling);
                             most_tokens = most;
                         });
        dialog.show();
        ASSERT_TRUE(QTest::qWaitForWindowExposed(&dialog));
    }
    template <typename Field>
    Field& field(const QString& name) {
        return *dialog.findChild<Field*>(u"settings_"_s + name);
    }
    SettingsDialog dialog;
    std::vector<SamplingSettings> announced;
    std::int32_t most_tokens = -1;
};

TEST_F(SettingsDialogTest, ShowsWhatIsInForceWithoutChangingIt) {
    ChatPreferences preferences;
    preferences.sampling.temperature = 0.7F;
    preferences.sampling.top_k = 20;
    preferences.sampling.seed = 9'007'199'254'740'993U;  // no double holds it
    preferences.max_tokens = 512;
    preferences.system_prompt = u"Be brief."_s;
    preferences.session_directory = u"/tmp/sessions"_s;
    preferences.decode_pace = 5.0;
    dialog.showPreferences(preferences);
    EXPECT_DOUBLE_EQ(field<QDoubleSpinBox>(u"temperature"_s).value(), 0.7);
    EXPECT_EQ(field<QSpinBox>(u"top_k"_s).value(), 20);
    EXPECT_EQ(field<QLineEdit>(u"seed"_s).text(), u"9007199254740993"_s);
    EXPECT_EQ(field<QSpinBox>(u"max_tokens"_s).value(), 512);
    EXPECT_EQ(field<QPlainTextEdit>(u"system"_s).toPlainText(), u"Be brief."_s);
    EXPECT_EQ(field<QLineEdit>(u"directory"_s).text(), u"/tmp/sessions"_s);
    EXPECT_DOUBLE_EQ(field<QDoubleSpinBox>(u"pace"_s).value(), 5.0);
    EXPECT_TRUE(announced.empty());
}

TEST_F(SettingsDialogTest, AChangeIsAnnouncedWithAllTheOthersAsTheyAre) {
    ChatPreferences preferences;
    preferences.sampling.temperature = 0.7F;
    preferences.sampling.top_p = 0.8F;
    preferences.sampling.seed = 42;
    preferences.max_tokens = 512;
    dialog.showPreferences(preferences);
    field<QDoubleSpinBox>(u"temperature"_s).setValue(1.25);
    ASSERT_EQ(announced.size(), 1U);
    EXPECT_FLOAT_EQ(announced[0].temperature, 1.25F);
    EXPECT_FLOAT_EQ(announced[0].top_p, 0.8F);
    EXPECT_EQ(announced[0].seed, 42U);
    EXPECT_EQ(most_tokens, 512);
    QLineEdit& seed = field<QLineEdit>(u"seed"_s);
    seed.setFocus();
    seed.selectAll();
    QTest::keyClicks(&seed, u"12x3"_s);  // the x is no digit
    QTest::keyClick(&seed, Qt::Key_Return);
    EXPECT_EQ(announced.back().seed, 123U);
}

TEST_F(SettingsDialogTest, GreedySwitchesOffWhatItDoesNotUse) {
    dialog.showPreferences({});
    EXPECT_TRUE(field<QDoubleSpinBox>(u"temperature"_s).isEnabled());
    field<QCheckBox>(u"greedy"_s).setChecked(true);
    ASSERT_FALSE(announced.empty());
    EXPECT_TRUE(announced.back().greedy);
    EXPECT_FALSE(field<QDoubleSpinBox>(u"temperature"_s).isEnabled());
    EXPECT_FALSE(field<QSpinBox>(u"top_k"_s).isEnabled());
    EXPECT_TRUE(field<QDoubleSpinBox>(u"presence"_s).isEnabled()) << "penalties act on the greedy choice too";
}

TEST_F(SettingsDialogTest, PromptFolderAndPaceAreAnnounced) {
    QString prompt;
    QString folder;
    double pace = -1.0;
    QObject::connect(&dialog, &SettingsDialog::systemPromptChanged, &dialog, [&](const QString& s) { prompt = s; });
    QObject::connect(&dialog, &SettingsDialog::sessionDirectoryChanged, &dialog, [&](const QString& s) { folder = s; });
    QObject::connect(&dialog, &SettingsDialog::decodePaceChanged, &dialog, [&](double value) { pace = value; });
    dialog.showPreferences({});
    QTest::keyClicks(&field<QPlainTextEdit>(u"system"_s), u"Answer in French."_s);
    EXPECT_EQ(prompt, u"Answer in French."_s);
    QLineEdit& directory = field<QLineEdit>(u"directory"_s);
    directory.setFocus();
    QTest::keyClicks(&directory, u"/data"_s);
    QTest::keyClick(&directory, Qt::Key_Return);
    EXPECT_EQ(folder, u"/data"_s);
    field<QDoubleSpinBox>(u"pace"_s).setValue(20.0);
    EXPECT_DOUBLE_EQ(pace, 20.0);
}

TEST_F(SettingsDialogTest, Pictures) {
    dialog.showPreferences({});
    for (const auto choice : {ThemeChoice::kLight, ThemeChoice::kDark}) {
        Theme::instance().setChoice(choice);
        test::keepPicture(renderWidget(dialog, 1.0), colours().dark ? u"settings-dark"_s : u"settings-light"_s);
    }
    Theme::instance().setChoice(ThemeChoice::kLight);
}

}  // namespace
}  // namespace mixoscope
