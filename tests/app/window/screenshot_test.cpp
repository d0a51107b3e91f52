// Pictures for the command line and the README: of a run of the demo model and of recorded sessions.
#include "app/window/screenshot.h"

#include <gtest/gtest.h>

#include <QLabel>
#include <QPlainTextEdit>
#include <QToolButton>
#include <set>

#include "engine/error.h"
#include "sessions/session_file.h"
#include "sessions/session_snapshot.h"
#include "views/budget_control.h"
#include "views/chat_view.h"
#include "views/colour_map.h"
#include "views/composer.h"
#include "views/heatmap_data.h"
#include "views/mode_switch.h"
#include "views/model_picker.h"
#include "views/theme.h"
#include "window_fixture_test.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

class Screenshot : public test::WindowTest {
protected:
    void TearDown() override {
        test::WindowTest::TearDown();
        Theme::instance().setChoice(ThemeChoice::kLight);
    }
    /// A recorded turn of the demo model.
    std::filesystem::path recordTurn(const std::string& question) {
        WorkbenchOptions options;
        options.demo_directory = test::demoModel();
        options.session_directory = directory.path() / "sessions";
        Workbench model(options);
        model.openModel("demo");
        EXPECT_TRUE(test::waitFor([&] { return model.snapshot()->model != nullptr; }));
        model.send(question);
        EXPECT_TRUE(test::waitFor([&] {
            const auto now = model.snapshot();
            return now->state == WorkbenchState::kReady && !now->lanes.empty() && !now->lanes.front().turns.empty() &&
                   now->lanes.front().turns.back().stop_reason != StopReason::kNone;
        }));
        EXPECT_TRUE(model.flush());
        return model.snapshot()->recorder.file;
    }
    ScreenshotOptions picture() const {
        ScreenshotOptions options;
        options.demo_directory = test::demoModel();
        options.width = 1280;
        options.height = 800;
        return options;
    }
};

/// How many pixels have a colour of the map, its first entry (zero) aside.
int pixelsOf(const ColourMap& map, const QImage& image) {
    const std::set<QRgb> colours(map.entries().begin() + 8, map.entries().end());
    int count = 0;
    for (int y = 0; y < image.height(); ++y) {
        for (int x = 0; x < image.width(); ++x) count += colours.count(image.pixel(x, y)) != 0 ? 1 : 0;
    }
    return count;
}

TEST_F(Screenshot, OfARunHasTheSizeAndTheThemeAskedFor) {
    ScreenshotOptions options = picture();
    const QImage light = pictureOf(options);
    EXPECT_EQ(light.size(), QSize(1280, 800));
    EXPECT_EQ(light.pixelColor(640, 4), lightColours().window);
    options.theme = "dark";
    const QImage dark = pictureOf(options);
    EXPECT_EQ(dark.pixelColor(640, 4), darkColours().window);
    // The model has answered: its tokens are cells of the heatmap.
    EXPECT_GT(pixelsOf(ColourMap::get(ColourMapName::kTide, false), light), 2000);
    EXPECT_GT(pixelsOf(ColourMap::get(ColourMapName::kTide, true), dark), 2000);
}

TEST_F(Screenshot, OfARunShowsItsEndInEveryView) {
    // Charts follow a run some ten times a second; a picture taken at once would show them before its end.
    ScreenshotOptions live = picture();
    live.prompt = "What is 47 + 85 + 36 - 29 + 64?";  // thinks for longer than the window needs for a frame
    ScreenshotOptions recorded = picture();
    recorded.session = recordTurn(live.prompt);
    const QRect panels(500, 126, 780, 500);  // heatmap and load balance: the same for a run and for its recording
    EXPECT_EQ(pictureOf(live).copy(panels), pictureOf(recorded).copy(panels));
}

TEST_F(Screenshot, OfAViewIsThatViewAlone) {
    ScreenshotOptions options = picture();
    options.session = recordTurn("What is 2 + 3? /think");
    options.view = "heatmap";
    const QImage heatmap = pictureOf(options);
    EXPECT_LT(heatmap.width(), 2 * options.width);
    EXPECT_DOUBLE_EQ(heatmap.devicePixelRatio(), 2.0);
    EXPECT_GT(pixelsOf(ColourMap::get(ColourMapName::kTide, false), heatmap), 4000);
    options.view = "timeline";
    EXPECT_NE(pictureOf(options).size(), heatmap.size());
}

TEST_F(Screenshot, OfASessionShowsWhatThatSessionHolds) {
    ScreenshotOptions options = picture();
    options.session = recordTurn("What is 2 + 3? /no_think");
    options.view = "chat";
    const QImage brief = pictureOf(options);
    EXPECT_EQ(brief, pictureOf(options)) << "the same session gives the same picture";
    options.session = recordTurn("What is 2 + 3? /think");
    EXPECT_NE(brief, pictureOf(options));
}

TEST_F(Screenshot, OfASessionShowsTheSettingsThatWereRecorded) {
    WorkbenchOptions options;
    options.demo_directory = test::demoModel();
    options.session_file = directory.path() / "two.mixo";
    options.threads = 1;
    std::string backend;
    std::string description;
    {
        Workbench model(options);
        model.openModel("demo");
        ASSERT_TRUE(model.waitIdle());
        const auto ask = [&](ThinkingMode mode, std::int32_t budget, std::uint64_t seed) {
            LaneSettings settings = model.settings();
            settings.mode = mode;
            settings.budget = budget;
            settings.sampling.seed = seed;
            settings.sampling.temperature = 0.25F;
            model.setSettings(settings);
            model.send("What is 2 + 3?");
            EXPECT_TRUE(model.waitIdle());
        };
        ask(ThinkingMode::kThink, 5, 11);
        ask(ThinkingMode::kNoThink, 6, 12);
        LaneSettings later = model.settings();
        later.sampling.seed = 99;  // asked for after the last turn
        model.setSettings(later);
        ASSERT_TRUE(model.flush());
        backend = model.snapshot()->model->backend;
        description = model.snapshot()->model->description;
    }
    Workbench idle(WorkbenchOptions{});
    const MainWindow shown(
        idle, {.settings_file = u"-"_s,
               .source = WorkbenchBridge::sourceOf(SnapshotPointer(snapshotOfSession(options.session_file)))});
    const auto textOf = [&](const char* name) {
        const auto* label = shown.findChild<QLabel*>(QLatin1StringView(name));
        return label == nullptr ? QString() : label->text();
    };
    const auto& picker = *shown.findChild<ModelPicker*>();
    EXPECT_EQ(picker.accessibleDescription().toStdString(), "demo · " + description);
    EXPECT_NE(backend.find("1 thread"), std::string::npos) << backend;
    EXPECT_TRUE(textOf("device").contains(u"1 thread"_s)) << textOf("device").toStdString();
    auto& modes = *shown.findChild<ModeSwitch*>();
    EXPECT_TRUE(modes.button(ThinkingMode::kNoThink).isChecked());
    EXPECT_FALSE(modes.button(ThinkingMode::kNoThink).isEnabled());
    EXPECT_EQ(shown.findChild<BudgetField*>()->budget(), 6);
    EXPECT_FALSE(shown.findChild<BudgetField*>()->isEnabled());
    EXPECT_FALSE(shown.findChild<QToolButton*>(u"record_button"_s)->isEnabled());
    const auto& chat = *shown.findChild<ChatView*>();
    ASSERT_EQ(chat.turnCount(), 2);
    EXPECT_EQ(chat.turn(0).settingsFacts(), u"seed 11 · temperature 0.25"_s);
    EXPECT_EQ(chat.turn(0).block().counter(), u"5 / 5"_s);
    EXPECT_EQ(chat.turn(1).settingsFacts(), u"no think · seed 12 · temperature 0.25"_s);
    EXPECT_EQ(textOf("status_state"), u"Recorded session"_s);
    EXPECT_TRUE(textOf("status_recorder").startsWith(u"two.mixo · "_s));
    EXPECT_TRUE(textOf("status_context").contains(u" / "_s)) << textOf("status_context").toStdString();
    EXPECT_FALSE(shown.findChild<Composer*>()->findChild<QPlainTextEdit*>()->isEnabled());
}

TEST_F(Screenshot, IsNotWrittenOverWhatIsNoPicture) {
    const std::filesystem::path session = recordTurn("What is 2 + 3? /no_think");
    const auto rows = SessionReader(session).rowCount();
    const QImage picture(8, 8, QImage::Format_RGB32);
    EXPECT_THROW(savePicture(picture, QString::fromStdString(session.string())), Error);
    EXPECT_EQ(SessionReader(session).rowCount(), rows);
    EXPECT_NO_THROW(savePicture(picture, QString::fromStdString((directory.path() / "a.PNG").string())));
}

TEST_F(Screenshot, RefusalsNameWhatIsThere) {
    ScreenshotOptions options = picture();
    options.session = recordTurn("What is 2 + 3? /no_think");
    options.view = "oscilloscope";
    try {
        pictureOf(options);
        FAIL() << "a view that does not exist";
    } catch (const Error& error) {
        EXPECT_EQ(error.parts().where, "--view");
        EXPECT_EQ(error.parts().expected, kViewNames) << "what --help lists is what there is";
        EXPECT_EQ(error.parts().found, "oscilloscope");
    }
    options.session = directory.path() / "absent.mixo";
    EXPECT_THROW(pictureOf(options), Error);
    options.session.clear();
    options.view.clear();
    options.model = (directory.path() / "no-model").string();
    try {
        pictureOf(options);
        FAIL() << "a model that does not exist";
    } catch (const Error& error) {
        EXPECT_NE(error.parts().where.find("no-model"), std::string::npos) << error.what();
    }
}

}  // namespace
}  // namespace mixoscope
