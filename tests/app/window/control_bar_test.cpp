// The bar of controls by itself: what it says of where the model runs.
#include "app/window/control_bar.h"

#include <gtest/gtest.h>

#include <QLabel>
#include <QUndoStack>
#include <memory>

#include "sessions/workbench.h"

namespace mixoscope {
namespace {

using namespace Qt::StringLiterals;

TEST(ControlBar, NamesTheBackEndThatRuns) {
    QUndoStack undo;
    ControlBar bar(undo, nullptr);
    auto& device = *bar.findChild<QLabel*>(u"device"_s);
    WorkbenchSnapshot snapshot;
    bar.showSnapshot(snapshot);
    EXPECT_EQ(device.text(), u"–"_s) << "nothing runs without a model";
    EXPECT_EQ(device.toolTip(), u"No model is open"_s);
    snapshot.recorded = true;
    const auto shown = [&](const std::string& backend) {
        auto model = std::make_shared<ModelFacts>();
        model->backend = backend;
        snapshot.model = model;
        bar.showSnapshot(snapshot);
        return device.text();
    };
    EXPECT_EQ(shown("cpu (AVX2, 2 threads)"), u"CPU · AVX2, 2 threads"_s);
    EXPECT_EQ(shown("cuda (NVIDIA H100 80GB HBM3)"), u"CUDA · NVIDIA H100 80GB HBM3"_s);
    EXPECT_EQ(shown("reference"), u"CPU · reference"_s);
    EXPECT_EQ(shown("of another program"), u"of another program"_s);
    EXPECT_EQ(shown(""), u"–"_s) << "the recording does not say";
}

}  // namespace
}  // namespace mixoscope
